"""Lookups of streams: the finished query of each, and the columns that it is known to have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flowc.catalog import Column, TableName
from flowc.compiler.checked import CheckedStream
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.streamspec import LookupSpec
from flowc.compiler.ir import Lookup
from flowc.compiler.lowering.asking import note_query
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.functioncalls import check_reach, is_table
from flowc.compiler.lowering.inputs import origins_of
from flowc.compiler.quote import idents, table
from flowc.compiler.sql.relations import Relation
from flowc.compiler.sql.types.infer import infer
from flowc.diagnostics import Reporter
from flowc.source import MappedText

IN_STREAM = "call it in the `sql` of the stream"


def stream_lookups(stream: CheckedStream, lowering: Lowering) -> Iterator[Lookup]:
    """Those of a stream that name a connection which is there."""
    for each in stream.lookups:
        spec, connection = each.spec, each.connection
        name, kind = connection.name.value, connection.kind.value
        bare = Lookup(
            spec.name.value, name, kind=kind, query="", columns=None, refresh=spec.refresh, span=spec.name.span,
        )  # fmt: skip
        written = connection.sql_kind
        lookup = _query(spec.sql, bare, written, lowering) if spec.sql is not None else _table(spec, bare, lowering)
        if lookup is not None:
            yield lookup


def lookup_relation(lookup: Lookup) -> Relation:
    """A lookup as a relation of the stream's SQL."""
    name, title = TableName(None, lookup.name), f"lookup `{lookup.name}`"
    return replace(Relation.of_table(name, lookup.columns, title, lookup.span), inferred=lookup.table is None)


def _table(spec: LookupSpec, lookup: Lookup, lowering: Lowering) -> Lookup | None:
    """The lookup on a table."""
    try:
        name = TableName.parse(spec.table.value) if spec.table is not None else None
    except ValueError:  # reported where names are checked
        name = None
    if name is None or not is_table(name, lookup.kind, lookup.span, lowering):
        return None
    columns = _columns(lowering.finder(lookup.connection, lookup.kind)(name))
    chosen = "*" if columns is None else idents(column.name for column in columns)
    columns = lowering.found.get(lookup.name, columns)
    return replace(lookup, query=f"SELECT {chosen} FROM {table(name)}", columns=columns, reads=(name,), table=name)


def _query(sql: MappedText, lookup: Lookup, kind: str, lowering: Lowering) -> Lookup | None:
    """The lookup on a query for a kind of database, in its own words, with what is known of its columns."""
    text = lowering.plain(sql, lookup.connection, kind)
    parsed = lowering.parsed(text, lookup.connection, kind) if text and kind in DIALECTS else None
    if parsed is None:
        return None
    find = lowering.finder(lookup.connection, lookup.kind)
    found = infer(parsed, kind, find, Reporter())
    if check_reach(parsed, lookup.connection, kind, IN_STREAM, lowering):
        note_query(lowering, parsed, found.reads, find, kind, place=lookup.connection)
    lookup = replace(lookup, query=parsed.text.text, reads=found.reads)
    if found.fields is None or any(field.type.kind == "unknown" for field in found.fields):
        return replace(lookup, columns=lowering.found.get(lookup.name))
    columns = tuple(Column(field.name, field.type, field.nullable) for field in found.fields)
    return replace(lookup, columns=columns, origins=origins_of(found.fields))


def _columns(relation: Relation | None) -> tuple[Column, ...] | None:
    if relation is None or relation.fields is None:
        return None
    return tuple(Column(field.name, field.type, field.nullable) for field in relation.fields)
