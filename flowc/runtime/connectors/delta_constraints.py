"""Which row a Delta table refuses, and by which of its rules: its library shows rows, and neither the rule nor why.

The rows are looked for where the load has made them, after the commit has failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from flowc.catalog import Table
from flowc.errors import FlowcError
from flowc.runtime.connectors.delta_bench import Bench
from flowc.runtime.connectors.delta_tables import described
from flowc.runtime.names import listed, qualified, quoted
from flowc.runtime.violations import CODE, Violation, named_columns, shown

_CONSTRAINT = "delta.constraints."
_Rule = tuple[str, Violation]
"""What is broken, in words, and the rows that break it."""


def tell_broken(error: FlowcError, found: Any, table: Table, bench: Bench) -> None:
    """Puts the rule, the column and the value in the place of the library's words, where a row is found."""
    if error.code != CODE:
        return
    for words, violation in _rules(found, described(found, table.name)):
        with suppress(FlowcError):  # an expression that only other engines read
            if row := _broken(violation, table, bench):
                names = violation.columns or table.column_names
                told = shown(zip(names, row, strict=True))
                error.message = f"`{table.name}` refuses the rows: {words} ({told})"
                error.args = (error.message,)
                return


def _rules(found: Any, live: Table) -> Iterator[_Rule]:
    for column in live.columns:
        if not column.nullable:
            condition = f"s.{quoted(column.name)} IS NULL"
            yield f"`{column.name}` is NOT NULL", Violation((column.name,), condition=condition)
    for key, expression in sorted(found.metadata().configuration.items()):
        if key.startswith(_CONSTRAINT):
            words = f"constraint `{key.removeprefix(_CONSTRAINT)}` is {expression}"
            condition = f"({expression.replace('`', chr(34))}) IS NOT TRUE"
            yield words, Violation(named_columns(expression, live), condition=condition)


def _broken(violation: Violation, table: Table, bench: Bench) -> Sequence[object] | None:
    names = listed(violation.columns or table.column_names)
    rows = bench.values(f"SELECT {names} FROM {qualified(table.name)} AS s WHERE {violation.condition} LIMIT 1")
    return rows[0] if rows else None
