"""A query's output against the table it is written to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from flowc.catalog import Column, Table
from flowc.compiler.ir import Apply, Sql
from flowc.compiler.load import HISTORY, find_column
from flowc.compiler.lowering import sqlglot_name
from flowc.compiler.narrowing import Fit, fit
from flowc.compiler.sqltext import names_in
from flowc.diagnostics import Note, Reporter, did_you_mean
from flowc.source import Span
from flowc.types import Kind


def check_output(
    apply: Apply, columns: tuple[Column, ...], table: Table, reporter: Reporter, *, live: bool = False
) -> None:
    """Reports what of a query's output cannot be, or may not be, written to `table`.

    `live` says that the columns were described by the engine and the table read from it.
    """
    before = len(reporter.found)
    _check_names(apply, columns, reporter)
    check_needed(apply, columns, reporter, declared=None if live else table)
    if len(reporter.found) > before:
        return
    for i, column in enumerate(columns):
        wanted = find_column(table.columns, column.name)
        if wanted is None:
            _report_unknown(apply, column, _span(apply, i), table, reporter)
        elif wanted.name not in apply.derived:
            _check_type(apply, column, _span(apply, i), wanted, reporter)
            if not live:  # engines describe every column of a query as nullable
                _check_nullable(apply, column, _span(apply, i), wanted, reporter)
    for wanted in table.columns:
        if find_column(columns, wanted.name) is None and _is_required(apply, wanted):
            _report_missing(apply, wanted, columns, reporter)


def check_needed(
    apply: Apply, columns: tuple[Column, ...], reporter: Reporter, *, declared: Table | None = None
) -> None:
    """Reports the columns that the load itself reads from the output (keys, cursor, …) and that are not in it.

    A key that the declared table lacks has been reported at its own place.
    """
    names = {c.name for c in columns}
    needed = [("key column", key) for key in apply.keys if key not in apply.derived and _has(declared, key)]
    needed += [("`event_time` column", apply.event_time)] if apply.event_time else []
    needed += [("`incremental` column", apply.incremental.column)] if apply.incremental else []
    for what, name in needed:
        if find_column(columns, name) is None:
            message = f"{what} `{name}` is not in the output of pipeline `{apply.pipeline}`"
            reporter.error("missing-column", message, apply.span, helps=_add(name, names))


def _has(table: Table | None, name: str) -> bool:
    return table is None or find_column(table.columns, name) is not None


def _span(apply: Apply, index: int) -> Span:
    """Where an output column is written in the SQL; the target's name in `to` when that is not known."""
    spans = apply.input.spans if isinstance(apply.input, Sql) else ()
    return spans[index] if index < len(spans) else apply.span


def _add(name: str, names: Iterable[str]) -> tuple[str, ...]:
    return did_you_mean(name, names) or (f"select it: `SELECT …, {name}`",)


def _check_names(apply: Apply, columns: tuple[Column, ...], reporter: Reporter) -> None:
    for i, column in enumerate(columns):
        if not column.name or column.name == "?column?":
            message = f"output column {i + 1} of pipeline `{apply.pipeline}` has no name"
            reporter.error("unnamed-column", message, _span(apply, i), helps=["name it: `… AS column_name`"])
    names = [c.name for c in columns]
    for name, count in Counter(name for name in names if name).items():
        if count > 1:
            span = _span(apply, len(names) - 1 - names[::-1].index(name))
            message = f"output column `{name}` appears {count} times in pipeline `{apply.pipeline}`"
            reporter.error("duplicate-output-column", message, span, helps=[f"rename one: `… AS {name}_2`"])


def _technical(apply: Apply) -> set[str]:
    """Columns that flowc fills itself."""
    names = set(HISTORY) if apply.mode == "scd2" else set()
    if apply.deletes == "soft" and apply.soft_delete_column:
        names.add(apply.soft_delete_column)
    return names


def _is_required(apply: Apply, wanted: Column) -> bool:
    known = _technical(apply) | set(apply.derived)
    return not wanted.nullable and wanted.default is None and wanted.name not in known


def _report_missing(apply: Apply, wanted: Column, columns: tuple[Column, ...], reporter: Reporter) -> None:
    message = (
        f"column `{wanted.name}` of `{apply.target.name}` is NOT NULL, but pipeline `{apply.pipeline}` leaves it out"
    )
    helps = _add(wanted.name, [c.name for c in columns])
    reporter.error("missing-column", message, apply.span, helps=helps)


def _used_elsewhere(apply: Apply, name: str) -> bool:
    """Whether the load reads a column that its target does not have: to order, to cut, to derive from."""
    if name == apply.event_time or (apply.incremental is not None and name == apply.incremental.column):
        return True
    texts = [n.sql for n in apply.normalize if n.column in apply.derived] + ([apply.dedupe] if apply.dedupe else [])
    return any(name.lower() in names_in(text, sqlglot_name(apply.target.kind)) for text in texts)


def _report_unknown(apply: Apply, column: Column, span: Span, table: Table, reporter: Reporter) -> None:
    if column.name in _technical(apply) or _used_elsewhere(apply, column.name):
        return
    message = f"output column `{column.name}` is not a column of `{table.name}`"
    helps = did_you_mean(column.name, table.column_names) or (f"add `{column.name}` to the table, or leave it out",)
    notes = [Note(f"`{table.name}` has {', '.join(f'`{n}`' for n in table.column_names[:12])}")]
    reporter.error("unknown-output-column", message, span, notes=notes, helps=helps)


def _check_type(apply: Apply, column: Column, span: Span, wanted: Column, reporter: Reporter) -> None:
    if any(n.column == wanted.name for n in apply.normalize):
        return  # judged after the normaliser, by value
    found = fit(column.type, wanted.type, has_timezone=apply.timezone is not None)
    pair = f"`{column.name}` is {column.type}, its column in `{apply.target.name}` {wanted.type}"
    if found is Fit.NARROWER:
        note = Note("every value is checked when the load runs; one that does not fit exactly stops it")
        reporter.warning("narrowing", f"{pair}: not every value fits", span, notes=[note])
    elif found is Fit.NEVER:
        reporter.error("type-mismatch", pair, span, helps=_cast_help(column, wanted))


def _cast_help(column: Column, wanted: Column) -> list[str]:
    naive = column.type.kind is Kind.TIMESTAMP and wanted.type.kind is Kind.TIMESTAMPTZ
    helps = ["say which zone the times are in: `timezone: Europe/Berlin`"] if naive else []
    return [*helps, f"convert it in the SQL: `CAST({column.name} AS {wanted.type}) AS {column.name}`"]


def _check_nullable(apply: Apply, column: Column, span: Span, wanted: Column, reporter: Reporter) -> None:
    unknown = column.type.kind is Kind.UNKNOWN
    if wanted.nullable or not column.nullable or unknown or wanted.default is not None or wanted.name in apply.keys:
        return
    if any(n.column == wanted.name for n in apply.normalize):
        return
    message = f"`{column.name}` may be NULL, its column in `{apply.target.name}` may not"
    helps = [f"give a value for NULL: `COALESCE({column.name}, …) AS {column.name}`"]
    reporter.warning("nullable-into-not-null", message, span, helps=helps)
