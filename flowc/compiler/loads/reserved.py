"""Names that loads give to tables of their own: a table of the user that has one would be hidden behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from flowc.catalog import TableName
from flowc.compiler.ir import Apply, Source, Sql
from flowc.compiler.loads.append import HELD
from flowc.compiler.loads.badrows import STAGED
from flowc.compiler.loads.load import HELD_BACK, ROWS, SIFTED, STAGE
from flowc.compiler.loads.timeline import BACK, CHANGES, RUNS
from flowc.compiler.loads.upsert import COUNTS
from flowc.errors import UsageError
from flowc.loadplan import BEFORE, LIVE, LIVE_WATERMARKS, REFUSED

_FIRST = (STAGE, ROWS, SIFTED, HELD_BACK)
"""Those that are there while the rows are read."""
_ALL = (*_FIRST, HELD, STAGED, BACK, CHANGES, RUNS, COUNTS, BEFORE, LIVE, LIVE_WATERMARKS, REFUSED)


def is_reserved(name: str, names: Iterable[str] = _ALL) -> bool:
    """Whether a load makes a table of that name; some have copies with a number."""
    return re.fullmatch(rf"({'|'.join(names)})(_\d+)?", name.lower()) is not None


def refuse_reserved(apply: Apply) -> None:
    """Raises UsageError where the load writes or reads a table of such a name."""
    kind = apply.input.kind if isinstance(apply.input, Source) else apply.input.engine
    reads = _read(apply.input) if kind == apply.target.kind else ()
    hidden = [name for name in (apply.target.name,) if is_reserved(name.name)]
    hidden += [name for name in reads if is_reserved(name.name, _FIRST)]
    if hidden:
        raise _refused(hidden[0])


def _read(node: Sql | Source) -> Sequence[TableName]:
    if isinstance(node, Sql):
        return node.reads
    return () if node.table is None else (node.table,)


def _refused(name: TableName) -> UsageError:
    message = f"`{name}` has the name of a table that loads create for themselves, which would hide it"
    return UsageError(message, code="table-of-flowc", help="give the table another name")
