"""What a load does outside of its transaction, where an engine defines tables in none.

The target and the table of watermarks are there, empty, before the transaction begins; a rehearsal, which is not
committed, works on temporary tables instead and removes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.append import HELD
from flowc.compiler.loads.badrows import STAGED, bad_row_tables, make_place
from flowc.compiler.loads.load import ROWS, STAGE, Load
from flowc.compiler.loads.timeline import BACK, CHANGES, ROW_COPIES, RUN_COPIES, RUNS
from flowc.compiler.loads.watermark import WATERMARKS, place
from flowc.compiler.quote import table
from flowc.compiler.tables.ddl import create_table
from flowc.plan import REFUSED, Execute

_CREATE = "CREATE TABLE"


def prepare(load: Load, *, rehearsal: bool) -> Iterator[Execute]:
    """Removes what a failed load left in the session, and creates what is missing."""
    if load.dialect.transactions.ddl or load.dialect.temporary.schema is not None:
        return
    names = [STAGE, ROWS, RUNS, CHANGES, BACK, HELD, REFUSED, *(STAGED for _ in bad_row_tables(load))]
    counted = ((ROWS, ROW_COPIES), (RUNS, RUN_COPIES))
    copies = [load.again(name, i + 1) for name, number in counted for i in range(number)]
    yield _drop(load, [*(table(load.temporary(name)) for name in names), *copies])
    head = load.dialect.temporary.create if rehearsal else _CREATE
    if not load.exists:
        created = create_table(load.table, load.dialect, f"{head} IF NOT EXISTS")
        yield from (Execute("create the target", sql) for sql in created)
    if not rehearsal:
        yield from make_place(load)
    if load.apply.incremental is not None:
        yield from (Execute(step.purpose, step.sql.replace(_CREATE, head, 1)) for step in place(load))


def _drop(load: Load, names: list[str]) -> Execute:
    sql = f"{load.dialect.temporary.drop} IF EXISTS {', '.join(names)}"
    return Execute("no temporary tables of earlier loads", sql)


def tidy(load: Load, *, rehearsal: bool) -> Iterator[Execute]:
    """Removes what a rehearsal made."""
    if rehearsal and not load.dialect.transactions.ddl and load.dialect.temporary.schema is None:
        yield _drop(load, [load.target, table(load.dialect.state_table(WATERMARKS))])
