"""A query's output against the table it is written to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sqlglot import exp

from flowc.catalog import Column, Table
from flowc.compiler.dialects import dialect_of
from flowc.compiler.ir import Apply, Source, Sql
from flowc.compiler.loads.load import HISTORY, VALID_FROM, find_column, finder, is_numbered, lacks_numbers
from flowc.compiler.loads.softdelete import DEFAULT as SOFT_DELETE_COLUMN
from flowc.compiler.lowering.context import sqlglot_name
from flowc.compiler.sql import marks
from flowc.compiler.sql.binding import has_cast
from flowc.compiler.sql.text.sqltext import SqlTree, names_in, parse_query
from flowc.compiler.tables.narrowing import Fit, fit
from flowc.diagnostics import Note, Reporter, did_you_mean
from flowc.source import Span
from flowc.types import DataType, Kind

_AS = re.compile(r"\s+as\s*$", re.IGNORECASE)
_LONGEST = 80
_COMPUTED = "GENERATED ALWAYS AS ("
"""How the default of a column begins that the database computes; MySQL leaves out what is written into one."""

_TELLING_AGE = (Kind.TIMESTAMPTZ, Kind.TIMESTAMP, Kind.DATE, Kind.UNKNOWN)
"""The kinds of columns that tell how old a row is; of a type of the database's own nothing is known."""


def check_output(
    apply: Apply, columns: tuple[Column, ...], table: Table, reporter: Reporter, *, live: bool = False
) -> None:
    """Reports what of a query's output cannot be, or may not be, written to `table`.

    `live` says that the columns were described by the engine and the table read from it.
    """
    before = reporter.errors
    apply = replace(apply, keys=()) if lacks_numbers(apply, columns, table) else apply
    _check_names(apply, columns, reporter)
    unnamed = reporter.errors > before
    check_needed(apply, columns, reporter, declared=None if live else table)
    if unnamed:
        return
    of_table, given = finder(table.columns), finder(columns)
    for i, column in enumerate(columns):
        wanted = of_table(column.name)
        if wanted is None:
            _report_unknown(apply, column, _span(apply, i), table, reporter)
        elif (wanted.default or "").startswith(_COMPUTED):
            _report_computed(apply, column, _span(apply, i), reporter)
        elif wanted.name not in apply.derived:
            _check_type(apply, column, _span(apply, i), wanted, reporter)
            if not live:  # engines describe every column of a query as nullable
                _check_nullable(apply, column, _span(apply, i), wanted, reporter)
    _check_since(apply, columns, table, reporter)
    missing = [c for c in table.columns if given(c.name) is None and _is_required(apply, c)]
    missing = [c for c in missing if not is_numbered(c, table, apply.target.kind)]
    _report_missing(apply, missing, columns, reporter)


def check_made(apply: Apply, columns: tuple[Column, ...], reporter: Reporter, *, live: bool = False) -> None:
    """Reports what of a query's output cannot be a table that the load makes; `live` as in `check_output`."""
    _check_names(apply, columns, reporter, named=not live and isinstance(apply.input, Sql))
    check_needed(apply, columns, reporter)


def check_needed(
    apply: Apply, columns: tuple[Column, ...], reporter: Reporter, *, declared: Table | None = None
) -> None:
    """Reports columns that the load itself reads and the output lacks, and the one that it writes itself and has.

    A key that the declared table lacks has been reported at its own place.
    """
    _check_mark(apply, columns, reporter)
    for role, name in _needed(apply, declared):
        _check_role(apply, role, name, columns, reporter)


def _check_mark(apply: Apply, columns: tuple[Column, ...], reporter: Reporter) -> None:
    """A column cannot both say what the source says and whether the source still has the row."""
    wanted = (apply.soft_delete_column or SOFT_DELETE_COLUMN) if apply.deletes == "soft" else None
    for i, column in enumerate(columns):
        if wanted is not None and column.name.lower() == wanted.lower():
            message = f"output column `{column.name}` is what `deletes: soft` marks rows with that are gone"
            helps = ["leave it out of the SQL, or mark rows in another column: `soft_delete_column: …`"]
            reporter.error("soft-delete-column-loaded", message, _span(apply, i), helps=helps)


def check_freshness(apply: Apply, columns: tuple[Column, ...], reporter: Reporter) -> None:
    """Reports a `freshness` column that neither the declared table nor the output has."""
    declared = apply.target.table.columns if apply.target.table is not None else ()
    for role, name in apply.roles:
        if role == "freshness":
            _check_role(apply, role, name, (*columns, *declared), reporter)


def check_freshness_type(apply: Apply, reporter: Reporter) -> None:
    """Reports a `freshness` column that the declared table has and that is no time."""
    declared = apply.target.table.columns if apply.target.table is not None else ()
    for role, name in apply.roles:
        column = find_column(declared, name) if role == "freshness" else None
        if column is not None and column.type.kind not in _TELLING_AGE:
            message = f"`freshness` column `{name}` of `{apply.target.name}` is `{column.type}`, which tells no age"
            helps = ("name a column of type timestamptz, timestamp (read as UTC) or date",)
            reporter.error("freshness-not-a-time", message, _role_span(apply, role, name)[0], helps=helps)


def _check_role(apply: Apply, role: str, name: str, columns: tuple[Column, ...], reporter: Reporter) -> None:
    if find_column(columns, name) is None:
        what = "key" if role == "key" else f"`{role}`"
        message = f"{what} column `{name}` is not in the output of `{apply.pipeline}`"
        span, notes = _role_span(apply, role, name)
        reporter.error("missing-column", message, span, notes=notes, helps=_add(name, (c.name for c in columns)))


def _needed(apply: Apply, declared: Table | None) -> Iterator[tuple[str, str]]:
    """Role and name of the columns that the load reads from the output; what is derived need not be there."""
    keys = [("key", key) for key in apply.keys]
    compared = [("compare", name) for name in apply.compare or ()]
    for role, name in (*keys, *compared):
        if name not in apply.derived and _has(declared, name):
            yield role, name
    if apply.event_time:
        yield "event_time", apply.event_time
    if apply.incremental:
        yield "incremental", apply.incremental.column


def _role_span(apply: Apply, role: str, name: str) -> tuple[Span, tuple[Note, ...]]:
    """Where the pipeline or stream names the column; for a key that its table declares, the target, with a note."""
    own, of_table = apply.roles.get((role, name)), apply.roles.get((f"table {role}", name))
    if own is None and of_table is not None:
        return apply.span, (Note(f"`{name}` is a key of `{apply.target.name}`", of_table),)
    return own or apply.span, ()


def _has(table: Table | None, name: str) -> bool:
    return table is None or find_column(table.columns, name) is not None


def _span(apply: Apply, index: int) -> Span:
    """Where an output column is written in the SQL, its last `*` when that is not known; where there is none, `to`."""
    node = apply.input
    if isinstance(node, Sql) and node.source is not None and index < len(node.places):
        place = node.places[index]
        return node.source.span(place.start, place.stop)
    return [apply.span, *_stars(apply)][-1]


def _stars(apply: Apply) -> tuple[Span, ...]:
    return apply.input.stars if isinstance(apply.input, Sql) else ()


def _add(name: str, names: Iterable[str]) -> tuple[str, ...]:
    return did_you_mean(name, names) or (f"select it: `SELECT …, {name}`",)


def _check_names(apply: Apply, columns: tuple[Column, ...], reporter: Reporter, *, named: bool = False) -> None:
    """With `named`, the engine gives a name to a column that has none."""
    for i, column in enumerate(columns):
        if not named and column.name in ("", "?column?"):
            message = f"output column {i + 1} of {_read(apply)} has no name"
            reporter.error(
                "unnamed-column", message, _span(apply, i), helps=_mend(apply, "name it: `… AS column_name`")
            )
    caseless, same = dialect_of(apply.target.kind).names.columns_any_case, dict[str, list[int]]()
    for i, column in enumerate(columns):
        same.setdefault(column.name.casefold() if caseless else column.name, []).append(i)
    for places in same.values():
        name, first = columns[places[-1]].name, columns[places[0]].name
        if len(places) > 1 and name:
            span = _span(apply, places[-1])
            message = f"output column `{name}` appears {len(places)} times in {_read(apply)}"
            if first != name:
                message = f"output columns `{first}` and `{name}` of {_read(apply)} differ only in case"
            listed = "list the columns in the place of `*`, and " if span in _stars(apply) else ""
            helps = _mend(apply, f"{listed}rename one: `… AS {name}_2`")
            reporter.error("duplicate-output-column", message, span, helps=helps)


def _read(apply: Apply) -> str:
    """What a load reads, in words: its file, or else its query."""
    node = apply.input
    return f"`{node.path}`" if isinstance(node, Source) and node.path is not None else f"`{apply.pipeline}`"


def _mend(apply: Apply, of_query: str) -> list[str]:
    """How a column gets another name: in the query; of a file that is read as it is, it is left out."""
    declare = "declare the columns of the source that are wanted, and no others: `columns: { … }`"
    return [declare if isinstance(apply.input, Source) and apply.input.path is not None else of_query]


def _technical(apply: Apply) -> set[str]:
    """Columns that flowc fills itself."""
    names = set(HISTORY) if apply.mode == "scd2" else set()
    if apply.deletes == "soft" and apply.soft_delete_column:
        names.add(apply.soft_delete_column)
    return names


def _is_required(apply: Apply, wanted: Column) -> bool:
    known = _technical(apply) | set(apply.derived)
    reported = wanted.name in apply.keys
    return not wanted.nullable and wanted.default is None and wanted.name not in known and not reported


def _report_missing(apply: Apply, missing: list[Column], columns: tuple[Column, ...], reporter: Reporter) -> None:
    if not missing:
        return
    names, several = ", ".join(f"`{c.name}`" for c in missing), len(missing) > 1
    said = f"columns {names} of `{apply.target.name}` are" if several else f"column {names} of `{apply.target.name}` is"
    message = f"{said} NOT NULL, but `{apply.pipeline}` leaves {'them' if several else 'it'} out"
    helps = [text for c in missing for text in _add(c.name, [column.name for column in columns])]
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


def _report_computed(apply: Apply, column: Column, span: Span, reporter: Reporter) -> None:
    message = f"output column `{column.name}` cannot be written: the database computes it in `{apply.target.name}`"
    reporter.error("generated-column", message, span, helps=["leave it out of the output"])


def _check_type(apply: Apply, column: Column, span: Span, wanted: Column, reporter: Reporter) -> None:
    if any(n.column == wanted.name for n in apply.normalize):
        return  # judged after the normaliser, by value
    found = fit(column.type, wanted.type, has_timezone=apply.timezone is not None)
    pair = f"`{column.name}` is {column.type}, its column in `{apply.target.name}` {wanted.type}"
    if found is Fit.NARROWER:
        note = Note("every value is checked when the load runs; one that does not fit exactly stops it")
        reporter.warning("narrowing", f"{pair}: not every value fits", span, notes=[note])
    elif found is Fit.NEVER:
        reporter.error("type-mismatch", pair, span, helps=_cast_help(apply, column, wanted))


def _check_since(apply: Apply, columns: tuple[Column, ...], table: Table, reporter: Reporter) -> None:
    """Reports an event time that cannot be the beginning of a version, as the table declares that."""
    start = find_column(table.columns, VALID_FROM)
    if apply.mode != "scd2" or apply.event_time is None or start is None:
        return
    time = find_column(table.columns, apply.event_time) or find_column(columns, apply.event_time)
    if time is None or fit(time.type, start.type, has_timezone=apply.timezone is not None) is not Fit.NEVER:
        return
    message = f"the event time `{time.name}` is {time.type}, and `{VALID_FROM}` of `{table.name}` {start.type}"
    helps = (*_zone_help(time, start), f"declare `{VALID_FROM}` as `{time.type}`, or convert the event time in the SQL")
    reporter.error("type-mismatch", message, _role_span(apply, "event_time", apply.event_time)[0], helps=helps)


def _zone_help(column: Column, wanted: Column) -> list[str]:
    naive = column.type.kind is Kind.TIMESTAMP and wanted.type.kind is Kind.TIMESTAMPTZ
    return ["say which zone the times are in: `timezone: Europe/Berlin`"] if naive else []


def _cast_help(apply: Apply, column: Column, wanted: Column) -> list[str]:
    helps = _zone_help(column, wanted)
    if not _can_cast(apply, column.type, wanted.type):
        return helps
    words = _sql_of(apply, column.name)
    fix = f"CAST({words} AS {wanted.type}) AS {column.name}" if words else f"CAST(… AS {wanted.type})"
    return [*helps, f"convert it in the SQL: `{fix}`"]


_COPIED = "declare the column of the source NOT NULL if it never is NULL, or let the column of the table be NULL"
"""What helps where no SQL stands between source and table."""


def _check_nullable(apply: Apply, column: Column, span: Span, wanted: Column, reporter: Reporter) -> None:
    unknown = column.type.kind is Kind.UNKNOWN
    if wanted.nullable or not column.nullable or unknown or wanted.default is not None or wanted.name in apply.keys:
        return
    if any(n.column == wanted.name for n in apply.normalize):
        return
    message = f"`{column.name}` may be NULL, its column in `{apply.target.name}` may not"
    words = _sql_of(apply, column.name)
    fix = f"COALESCE({words}, …) AS {column.name}" if words else "COALESCE(…, …)"
    helps = [_COPIED if isinstance(apply.input, Source) else f"give a value for NULL: `{fix}`"]
    reporter.warning("nullable-into-not-null", message, span, helps=helps)


def _sql_of(apply: Apply, name: str) -> str | None:
    """The SQL of an output column, for a fix that can be shown; None where it is long.

    A column of a `*`, or of a table that is read as a whole, is its own name.
    """
    query = apply.input
    if not isinstance(query, Sql) or query.source is None:
        return name
    parsed = parse_query(query.source, sqlglot_name(query.engine), Reporter())
    node = parsed.tree if parsed is not None else None
    while isinstance(node, exp.SetOperation | exp.Subquery):
        node = node.this
    if parsed is None or not isinstance(node, exp.Select):
        return None
    items = [item for item in node.expressions if item.alias_or_name.lower() == name.lower()]
    if not items:
        return name if any(item.is_star for item in node.expressions) else None
    return _written(parsed, items[0])


def _can_cast(apply: Apply, given: DataType, wanted: DataType) -> bool:
    """Whether the engine of a query has a cast between two types, as far as that is known."""
    return not isinstance(apply.input, Sql) or has_cast(apply.input.engine, given, wanted)


def _written(parsed: SqlTree, item: exp.Expression) -> str | None:
    inner, alias = item.unalias(), item.args.get("alias") if isinstance(item, exp.Alias) else None
    places = [marks.position(n) for n in inner.walk() if marks.START.has(n)]
    if not places:
        return None
    end = marks.START.get(alias) if isinstance(alias, exp.Identifier) else max(e for _, e in places)
    sql = _AS.sub("", parsed.text.text[min(s for s, _ in places) : end]).strip()
    is_whole = (
        all(sql.count(a) == sql.count(b) for a, b in ("()", "[]", "{}")) and "\n" not in sql and len(sql) <= _LONGEST
    )
    return sql if sql and is_whole else None
