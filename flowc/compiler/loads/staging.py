"""From the source to the table of rows to write.

Rows arrive in `flowc_stage`. Where all of them may be written as they are, that is also the table of rows; else
`flowc_rows` is made from it: normalised, converted to the target's types, one row for each key when `dedupe` says so.
Where checks set rows aside, `flowc_sifted` stands between them: all rows as they will be written, to be judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flowc.catalog import Column
from flowc.compiler.ir import Normalize
from flowc.compiler.loads.checks import EVIDENCE
from flowc.compiler.loads.conversion import between, convert
from flowc.compiler.loads.conversion_pair import Conversion
from flowc.compiler.loads.load import HELD_BACK, ROWS, SIFTED, STAGE, Load, Loaded
from flowc.compiler.loads.longdecimals import by_value
from flowc.compiler.loads.nested import as_from_elsewhere
from flowc.compiler.loads.reads import query_text
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import (
    cast,
    create_temporary,
    create_temporary_like,
    is_decimal_text,
    made_name,
    spellable,
    stored,
)
from flowc.loadplan import Check, Counter, Execute, Ingest, Step
from flowc.types import BIGINT, TEXT, UNKNOWN, DataType, Kind

_UNORDERED = (Kind.JSON, Kind.STRUCT, Kind.UNKNOWN)
"""Kinds that not every engine can sort."""
_FORMS = {
    Kind.DATE: "????-??-??",
    Kind.TIME: "??:??:??.??????",
    Kind.TIMESTAMP: "????-??-?? ??:??:??.??????",
    Kind.TIMESTAMPTZ: "????-??-?? ??:??:??.??????+00:00",
}
"""What times look like that are written as flowc does; told by a pattern, which is much faster than a function."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column on its way: as it is staged, and what is written of it."""

    name: str
    source: Column | None
    staged: Column | None
    wanted: Column
    value: Conversion
    unparsed: str | None = None
    """Holds for staged rows that a normaliser cannot read."""
    sent: str | None = None
    """The value as it was, kept beside it where the column's native type may make another one of it."""

    @property
    def written(self) -> Column:
        """The column of the table of rows that goes into the target."""
        return Column(self.name, self.wanted.type, native=self.wanted.native)

    @property
    def kept(self) -> Column:
        """The column of the table of rows in which that stands."""
        return Column(made_name(f"flowc_sent_{self.name}", ""), self.wanted.type)


def fields(load: Load) -> tuple[Field, ...]:
    """All columns of the rows, those of the target first."""
    return load.once(_fields)


def _fields(load: Load) -> tuple[Field, ...]:
    own = tuple(_natively(load, _field(load, loaded)) for loaded in load.loaded)
    return own + tuple(_extra(load, column) for column in load.extras)


def _natively(load: Load, field: Field) -> Field:
    """The column with its native type in the table of rows, so that the load's own SQL compares as the target does.

    Another collation than that of bytes is for what is told apart: keys, and what is to be unique.
    """
    native = field.wanted.native
    if native is None:
        return field
    told_apart = field.name in load.keys or any(field.name in e.columns for e in load.apply.expect)
    same = field.source is not None and field.source.spelled == native.spelled is not None
    exact = native.exact or (same and (load.same_database or native.travels))
    own = replace(native, collation=native.collation if told_apart else None, exact=exact)
    wanted = replace(field.wanted, native=own)
    if exact and (same or not load.same_database) and field.staged is not None and field.value.sql == ident(field.name):
        return replace(field, wanted=wanted, staged=replace(field.staged, native=own))
    x = field.value.sql
    stored = load.dialect.writes.native_cast.format(x=x, type=native.spelled) if native.spelled else x
    value = replace(field.value, sql=stored)
    return replace(field, wanted=wanted, value=value, sent=None if exact else x)


def _field(load: Load, loaded: Loaded) -> Field:
    target, source, normalize = loaded.target, loaded.source, loaded.normalize
    reference = ident(target.name)
    if normalize is not None:
        normalize = _by_value(load, normalize)
        kind = normalize.type or _normalised(source, load)
        with between(source.name if source is not None else target.name, target.name):
            value = convert(normalize.sql, kind, target.type, load.dialect, load.apply.timezone)
        staged = Column(target.name, _stored(source, load)) if source is not None else None
        return Field(target.name, source, staged, wanted=target, value=value, unparsed=normalize.unparsed)
    if source is None:
        raise ValueError(f"column {target.name} has neither source nor normaliser")
    if not load.same_database:
        return Field(target.name, source, Column(target.name, target.type), target, Conversion(reference))
    held = _held(source.type, target.type, load)
    with between(source.name, target.name):
        value = convert(reference, held, target.type, load.dialect, load.apply.timezone)
    if value == Conversion(reference):
        value = Conversion(_one_form(reference, target.type, load))
        return Field(target.name, source, Column(target.name, target.type), target, value)
    return Field(target.name, source, Column(target.name, _stored(source, load)), target, value)


def _normalised(source: Column | None, load: Load) -> DataType:
    """The type of what a normaliser makes that does not say it. A decimal is to be written as its column has it."""
    if source is None or load.dialect.literals.typed or source.type.kind is Kind.DECIMAL:
        return UNKNOWN
    return source.type


def _by_value(load: Load, normalize: Normalize) -> Normalize:
    """A normaliser that compares decimals by value; it reads the columns as they are staged."""
    columns = [Column(c.name, _stored(c, load)) for c in load.columns]
    what = f"the normaliser of `{normalize.column}`"
    sql = by_value(normalize.sql, columns, load.dialect, what=what)
    unparsed = normalize.unparsed and by_value(normalize.unparsed, columns, load.dialect, what=what)
    return replace(normalize, sql=sql, unparsed=unparsed)


def _held(kind: DataType, target: DataType, load: Load) -> DataType:
    """The type of a column of the same database, judged as that of an undeclared target is: by what it holds."""
    judged = load.apply.target.table is None and load.dialect.types.holds.get(kind.kind) == target
    return target if judged else kind


def _one_form(x: str, kind: DataType, load: Load) -> str:
    """A time or decimal as flowc writes it, where others may have written it otherwise and texts are compared."""
    if load.same_database and is_decimal_text(kind, load.dialect) and kind.precision is not None:
        return f"coalesce({load.dialect.function('decimal', x, str(kind.precision), str(kind.scale or 0))}, {x})"
    form, canonical = _FORMS.get(kind.kind), load.dialect.functions.get("canonical_time")
    if form is None or canonical is None or not load.same_database:
        return x
    written = canonical.format(x, text(str(kind.kind), load.dialect))
    return f"CASE WHEN {x} GLOB '{form}' THEN {x} ELSE coalesce({written}, {x}) END"


def _stored(source: Column, load: Load) -> DataType:
    return source.type if load.same_database else stored(source.type, load.dialect)


def _extra(load: Load, column: Column) -> Field:
    kept = Column(column.name, _stored(column, load))
    return Field(column.name, column, kept, kept, Conversion(_one_form(ident(column.name), kept.type, load)))


def fits_as_is(load: Load) -> bool:
    """Whether every row can be written as it arrives, or as one expression makes it inside the same database."""
    if any(f.unparsed or f.sent for f in fields(load)):
        return False
    if load.same_database:
        return not any(f.value.misfit for f in fields(load))
    return all(f.value == Conversion(ident(f.name)) for f in fields(load))


def one_step(load: Load) -> bool:
    """Whether the first table of all rows as they will be written is filled from the source at once."""
    return fits_as_is(load) and (load.apply.dedupe is None or load.sifts)


def staging(load: Load) -> Iterator[Step]:
    """Creates and fills the table of rows, or that of all rows where some are to be set aside."""
    if one_step(load):
        yield from _arrive(load, SIFTED if load.sifts else ROWS, tuple(f.written for f in fields(load)))
    else:
        yield from _arrive(load, STAGE, tuple(f.staged for f in fields(load) if f.staged is not None))
        yield from _misfits(load)
        yield from _convert(load)


def indexing(load: Load) -> Iterator[Execute]:
    """Makes the joins with the table of rows fast."""
    if indexed(load) and not load.dialect.tables.inline_indexes:
        yield Execute("index the rows", index_of(load, ROWS))
    if load.dialect.writes.analyze:
        yield Execute("statistics of the rows", load.dialect.writes.analyze.format(table=load.rows))


def indexed(load: Load) -> bool:
    """Whether later steps walk through an index of the rows, the faster the more its order is that of the rows."""
    return load.dialect.writes.index_rows and load.apply.mode in ("merge", "scd2")


def index_of(load: Load, of: str) -> str:
    """The statement that makes an index of the keys in one of the load's tables."""
    name = table(load.temporary(of + "_keys"))
    return f"CREATE INDEX {name} ON {ident(of)} ({idents(load.keys)})"


def dropping(load: Load) -> Iterator[Step]:
    """Removes the temporary tables again; a load that fails has them rolled back."""
    for name in (*(() if one_step(load) else (STAGE,)), *((SIFTED,) if load.sifts else ()), ROWS):
        yield Execute("drop the staging table", f"{load.dialect.temporary.drop} {table(load.temporary(name))}")


def copies(load: Load, name: str, number: int, where: str = "") -> Iterator[Execute]:
    """So many copies of one of the load's tables, or of some rows of it, where a statement may read it once alone."""
    if load.dialect.temporary.reopens:
        return
    for i in range(1, number + 1):
        head = f"{load.dialect.temporary.create} {load.again(name, i)}{load.dialect.temporary.options}"
        yield Execute("a copy to read beside it", f"{head} AS SELECT * FROM {table(load.temporary(name))}{where}")


def without_copies(load: Load, name: str, number: int) -> Iterator[Execute]:
    """Removes them again."""
    if number and not load.dialect.temporary.reopens:
        names = ", ".join(load.again(name, i) for i in range(1, number + 1))
        yield Execute("drop the copies", f"{load.dialect.temporary.drop} {names}")


def selection(load: Load) -> str:
    """The source's query, its columns named and ordered as they are staged."""
    parts = ", ".join(_selected(load, f, f.source) for f in fields(load) if f.source is not None)
    return f"SELECT {parts} FROM (\n{query_text(load.read)}\n) AS flowc_source"


def _selected(load: Load, field: Field, source: Column) -> str:
    given, wanted = ident(source.name), ident(field.name)
    x = as_from_elsewhere(given, source, field.wanted, load)
    return given if x == wanted else f"{x} AS {wanted}"


def values(load: Load, relation: str) -> str:
    """The rows to write, from a relation of staged rows."""
    parts = ", ".join(
        sql if sql == ident(name) else f"{sql} AS {ident(name)}" for f in fields(load) for name, sql in _parts(f)
    )
    return f"SELECT {parts} FROM {relation}"


def _parts(field: Field) -> Iterator[tuple[str, str]]:
    yield field.name, field.value.sql
    if field.sent is not None:
        yield field.kept.name, field.sent


def selected_values(load: Load) -> str:
    """The rows to write, from the source's query in the same database."""
    if all(f.value.sql == ident(f.name) for f in fields(load)):
        return selection(load)
    return values(load, f"({selection(load)}) AS {load.aliases('c')[0]}")


def _arrive(load: Load, name: str, columns: tuple[Column, ...]) -> Iterator[Step]:
    where = load.temporary(name)
    query = selection(load) if name == STAGE else selected_values(load)
    if not load.same_database:
        index = _inlineindex_of(load, name, columns)
        made = create_temporary(where, _with_failed(load, name, columns), load.dialect, index, load.row_column_name)
        yield Execute("create the staging table", made)
        order = {f.name: i for i, f in enumerate(in_source_order(load))}
        ordered = tuple(sorted(columns, key=lambda c: order[c.name]))
        yield Ingest(
            "read the source", load.read, where, ordered, True,
            timezone=load.apply.timezone, bad=load.bad, names=source_names(load),
        )  # fmt: skip
        return
    yield Execute("create the staging table", temporary_table(load, name, columns, query))
    into = idents(c.name for c in columns)
    by_key = f" ORDER BY {idents(load.keys)}" if name == ROWS and indexed(load) else ""
    yield Execute("read the source", f"INSERT INTO {table(where)} ({into}) {query}{by_key}", Counter.READ)


def temporary_table(load: Load, name: str, columns: tuple[Column, ...], query: str) -> str:
    """The statement that makes one of the load's tables, for what `query` returns."""
    where = load.temporary(name)
    if spellable(columns, load.dialect):
        index = _inlineindex_of(load, name, columns)
        return create_temporary(where, _with_failed(load, name, columns), load.dialect, index, load.row_column_name)
    if name == SIFTED:
        query = f"SELECT c.*, {cast('NULL', BIGINT, load.dialect)} AS {load.failed} FROM (\n{query}\n) AS c"
    return create_temporary_like(where, query, load.dialect, load.row_column_name)


def _with_failed(load: Load, name: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return (*columns, Column(load.failed_name, BIGINT)) if name == SIFTED else columns


def _inlineindex_of(load: Load, name: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns of an index that is made with the table of rows; none where it is made after it or not at all."""
    if name not in (ROWS, HELD_BACK) or not (indexed(load) and load.dialect.tables.inline_indexes):
        return ()
    index = tuple(c for key in load.keys for c in columns if c.name == key)
    return () if any(c.type.kind in _UNORDERED for c in index) else index


def in_source_order(load: Load) -> list[Field]:
    """The columns that the source has, as it orders them."""
    order = {column.name: i for i, column in enumerate(load.columns)}
    return sorted((f for f in fields(load) if f.source), key=lambda f: order[f.source.name if f.source else ""])


def source_names(load: Load) -> tuple[str, ...]:
    """The names of the source's columns, as it orders them."""
    return tuple(f.source.name for f in in_source_order(load) if f.source is not None)


def _misfits(load: Load) -> Iterator[Check]:
    for field in fields(load):
        if field.unparsed:
            yield _misfit(load, field, field.unparsed, "unreadable-value", "cannot be read by its normalisers")
        if field.value.misfit:
            message = f"do not fit its type {field.wanted.type}"
            yield _misfit(load, field, field.value.misfit, "value-does-not-fit", message)


def _misfit(load: Load, field: Field, condition: str, code: str, message: str) -> Check:
    others = (f.name for f in fields(load) if f.staged is not None and f.name != field.name)
    shown = idents([*([field.name] if field.staged else []), *others])
    came = f" of type {field.source.type}" if field.source is not None else ""
    return Check(
        f"values of {field.name} fit",
        f"SELECT {shown or '1'} FROM {load.stage} WHERE {condition} LIMIT {EVIDENCE}",
        code,
        f"values{came} for column `{field.name}` of `{load.label}` {message}",
        f"convert `{field.name}` in the SQL, or correct the rows shown",
    )


def _convert(load: Load) -> Iterator[Step]:
    wanted = tuple(c for f in fields(load) for c in ([f.written] if f.sent is None else [f.written, f.kept]))
    query, names = values(load, load.stage), idents(c.name for c in wanted)
    yield Execute("create the table of rows", temporary_table(load, SIFTED if load.sifts else ROWS, wanted, query))
    if load.apply.dedupe is not None and not load.sifts:
        query = first_of_each(load, query, names)
    purpose = "normalise, convert" if load.sifts else "normalise, convert, deduplicate"
    yield Execute(purpose, f"INSERT INTO {load.complete} ({names}) {query}")
    yield from (_changed(load, f) for f in fields(load) if f.sent is not None)


def _changed(load: Load, field: Field) -> Check:
    """Shows values of which the column's native type makes other ones."""
    native, kept = field.wanted.native, ident(field.kept.name)
    assert native is not None  # such a column alone keeps what was sent
    back = cast(ident(field.name), TEXT, load.dialect)
    return Check(
        f"{field.name} keeps its values",
        f"SELECT {kept} AS {ident(field.name)}, {back} AS {ident('would be stored as')} FROM {load.complete} "
        f"WHERE {load.changed(field.name, ident(field.name), kept)} LIMIT {EVIDENCE}",
        "value-does-not-fit",
        f"values for column `{field.name}` of `{load.label}` would be changed by its type, `{native.spelled}`",
        f"convert `{field.name}` in the SQL, correct the rows shown, or give the column another type",
    )


def first_of_each(load: Load, query: str, names: str) -> str:
    """Keeps one row for each key: the first in the order asked for, equal ones told apart by all other columns."""
    parts = ", ".join([*(load.key(k, ident(k)) for k in load.keys), *map(ident, _instant(load))])
    rest = [
        _sortable(load, f) for f in fields(load) if f.wanted.type.kind not in _UNORDERED and f.name not in load.keys
    ]
    wanted = [Column(f.name, f.wanted.type) for f in fields(load)]
    first = by_value(load.apply.dedupe or "", wanted, load.dialect, what="`dedupe`", order=True)
    order = ", ".join([f"{first}\n", *rest])
    rank, c, r = load.aliases("flowc_rank", "c", "r")
    ranked = (
        f"SELECT {names}, row_number() OVER (PARTITION BY {parts} ORDER BY {order}) AS {rank} FROM ({query}) AS {c}"
    )
    return f"SELECT {names} FROM ({ranked}) AS {r} WHERE {rank} = 1"


def _sortable(load: Load, field: Field) -> str:
    collation = load.dialect.compare.binary_order if field.wanted.type.kind is Kind.TEXT else ""
    if is_decimal_text(field.wanted.type, load.dialect):
        collation = load.dialect.compare.decimal_order
    return load.dialect.compare.nulls_last.format(x=f"{ident(field.name)}{collation}")


def _instant(load: Load) -> tuple[str, ...]:
    """In scd2 each instant of a key is a row of its own."""
    return (load.event_time,) if load.apply.mode == "scd2" and load.event_time is not None else ()
