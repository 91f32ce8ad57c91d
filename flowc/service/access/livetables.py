"""Live tables against what is to be written into them: looked at before anything is read."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.catalog import Column, Table
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Stream
from flowc.compiler.lowering.output import check_output
from flowc.compiler.streamplan.targets import LiveTableOf, letters_apply
from flowc.compiler.tables.difference import differences, not_a_table
from flowc.diagnostics import Reporter, Severity
from flowc.errors import UsageError
from flowc.runtime.layout import require_letters
from flowc.stream import DEAD_LETTER


def differing(apply: Apply, live: Table | None) -> UsageError | None:
    """What keeps a load from its declared table; one that is missing will be made."""
    declared = apply.target.table
    if declared is None or live is None:
        return None
    if live.form is not None:
        return not_a_table(str(apply.target.name), live.form)
    found = [d for d in differences(declared, live, DIALECTS[apply.target.kind]) if not d.harmless]
    if not found:
        return None
    return UsageError(
        f"table `{apply.target.name}` differs from its declaration",
        code="table-differs",
        help="`flowc plan` shows what brings the table to its declaration, and `flowc apply` does it",
        details=tuple(difference.message for difference in found),
    )


def demand_tables(stream: Stream, live: LiveTableOf, *, letters: bool) -> None:
    """Looks at every table that a stream writes, with `letters` at that of its dead letters too.

    Raises UsageError for one that is not as declared, lacks a column of the output or wants one that the output lacks,
    or has a type that no value of the output fits.
    """
    columns = stream.input.columns if stream.input is not None else None
    for apply in stream.applies:
        _demand(apply, columns or (), live(apply.target), stream)
    kept = letters_apply(stream) if letters else None
    if kept is not None:
        table = live(kept.target)
        require_letters(table)
        _demand(kept, DEAD_LETTER, table, stream)


def _demand(apply: Apply, columns: Sequence[Column], live: Table | None, stream: Stream) -> None:
    wrong = differing(apply, live)
    if wrong is not None:
        raise wrong
    if live is None or not columns:
        return
    reporter = Reporter()
    check_output(apply, tuple(columns), live, reporter, live=True)
    found = [each for each in reporter.sorted() if each.severity is Severity.ERROR]
    if found:
        message, more = f"stream `{stream.name}`: {found[0].message}", tuple(each.message for each in found[1:])
        raise UsageError(message, code=found[0].code, help="; ".join(found[0].helps) or None, details=more)
