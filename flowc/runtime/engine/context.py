"""Sessions of DataFusion: how they are set up, the functions that are given to them, and the types that they have."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.errors import EngineError
from flowc.runtime.names import quoted

_MEMORY_SHARE = 0.5
LARGE_BATCH = 131_072
"""For queries that call Python once for each group and batch: the larger the batches, the fewer the calls."""


_DEPTH = 100
"""Of brackets in each other; at 200 the engine's planner ends the process."""
_BRACKET = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|'[^']*'|"[^"]*"|(?P<operand>[-+*/%<>=|&^]\s*(?:\w+\s*)?)?\(|\)|\bCASE\b|\bEND\b""",
    re.IGNORECASE | re.DOTALL,
)


def demand_shallow(sql: str) -> None:
    """Refuses SQL that is nested so deep that the engine's parser would try for ever; raises EngineError."""
    deepest = depth_of(sql)
    if deepest > _DEPTH - 4:
        raise too_deep(f"{deepest} levels, and it reads {_DEPTH - 4}")


def depth_of(sql: str) -> int:
    """How many levels the engine's parser sees: one for each bracket or CASE, and one more behind an operator."""
    around, depth, deepest = [0], 0, 0
    for found in _BRACKET.finditer(sql):
        last = "" if found["comment"] else found[0][-1:].upper()
        if last == "(" or (last == "E" and found[0].upper() == "CASE"):
            around.append(2 if found["operand"] else 1)
            depth += around[-1]
            deepest = max(deepest, depth)
        elif (last == ")" or last == "D") and len(around) > 1:
            depth -= around.pop()
    return deepest


def frame_of(context: Any, sql: str) -> Any:
    """A query as the engine plans it; `SELECT *` alone without its parser, which takes the square of the columns."""
    whole = _WHOLE.fullmatch(sql)
    name = "" if whole is None else (whole["quoted"] or whole["bare"].lower()).replace('""', '"')
    return context.table(quoted(name)) if name and context.table_exist(quoted(name)) else context.sql(sql)


_WHOLE = re.compile(
    r"""\s*SELECT\s+\*\s+FROM\s+(?:(?P<bare>[a-z_][a-z0-9_]*)|"(?P<quoted>(?:[^"]|"")+)")\s*""", re.IGNORECASE
)


def selected(context: Any, table: str, columns: Iterable[tuple[str, str]]) -> Any:
    """Columns of a table as a query: of each its SQL, and what it is called.

    As one query, the engine's parser would take the square of their number.
    """
    import datafusion

    frame = context.table(quoted(table))
    made = [
        datafusion.col(sql) if sql == quoted(column) else frame.parse_sql_expr(sql).alias(column)
        for sql, column in columns
    ]
    return frame.select(*made)


def too_deep(what: str) -> EngineError:
    """The refusal of SQL that the engine cannot read."""
    help = "make parts of it in a CTE: `WITH part AS (SELECT …) SELECT …`"
    return EngineError(f"the SQL is nested too deeply for flowc's engine: {what}", code="sql-too-deep", help=help)


def is_too_deep(error: BaseException) -> bool:
    """Whether the engine says so itself."""
    return "RecursionLimitExceeded" in str(error)


def new_context(spill: Path | None = None, **settings: str) -> Any:
    """A session of the engine, with what flowc's SQL relies on; `settings` are those of `datafusion.execution`.

    What does not fit into memory goes to the folder `spill`, one that does not outlive a killed process (`scratch`);
    without one, it fails.
    """
    # Imported when first needed: it takes longer to load than most loads take.
    import datafusion

    # That parser reads lambdas and struct literals too; the compiler's translations need them.
    fixed = {
        "datafusion.execution.time_zone": "+00:00",
        "datafusion.sql_parser.dialect": "duckdb",
        # Each computation with integers may stand in a CAST, which nests twice as deep.
        "datafusion.sql_parser.recursion_limit": str(_DEPTH),
    }
    chosen = {f"datafusion.execution.{name}": value for name, value in settings.items()}
    runtime = datafusion.RuntimeEnvBuilder().with_fair_spill_pool(_memory())
    runtime = runtime.with_disk_manager_specified(spill) if spill else runtime.with_disk_manager_disabled()
    return datafusion.SessionContext(datafusion.SessionConfig({**fixed, **chosen}), runtime)


def register(
    context: Any, name: str, function: Callable[..., pa.Array], takes: list[pa.DataType], gives: pa.DataType
) -> None:
    """Gives a session a function of arrays."""
    import datafusion

    context.register_udf(datafusion.udf(function, takes, gives, "immutable", name))


def keep_full_joins(context: Any, sql: str) -> None:
    """Has a session run the FULL joins of a query as such.

    The engine makes RIGHT ones of them, and then takes a condition on a column of one side for one on that of its name
    on the other.
    """
    if _FULL.search(sql) is not None:
        context.remove_optimizer_rule("eliminate_outer_join")


_FULL = re.compile(r"\bFULL\b", re.IGNORECASE)


def planned_schema(context: Any, frame: Any) -> pa.Schema:
    """The names and NULLs of a query as they are written, and the types that its rows have.

    Those of UNION and CASE are made the same when a plan is optimized only.
    """
    rows = context.create_dataframe_from_logical_plan(frame.optimized_logical_plan()).schema()
    pairs = zip(frame.schema(), rows, strict=True)
    # What a field says of its type beside Arrow's is of the type that it had.
    return pa.schema([a if a.type == b.type else a.with_type(b.type).remove_metadata() for a, b in pairs])


def take_batches(context: Any, rows: int) -> None:
    """So many rows are taken together from here on."""
    context.sql(f"SET datafusion.execution.batch_size = {rows}")


def ignore_statistics(context: Any) -> None:
    """From here on, a session takes nothing that files tell of their values for what is in them."""
    for name in ("collect_statistics", "parquet.enable_page_index", "parquet.bloom_filter_on_read"):
        context.sql(f"SET datafusion.execution.{name} = false")


def _memory() -> int:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return int(pages * size * _MEMORY_SHARE)
