"""Lookups of streams: the finished query of each, and the columns that it is known to have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flowc.catalog import Column, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.spec import RawSpec
from flowc.compiler.ir import Lookup
from flowc.compiler.lowering.asking import note_query
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.functioncalls import check_reach
from flowc.compiler.lowering.inputs import origins_of
from flowc.compiler.names.raw import keys_at, name_at, place
from flowc.compiler.quote import idents, table
from flowc.compiler.sql.infer import infer
from flowc.compiler.sql.relations import Relation
from flowc.diagnostics import Reporter
from flowc.durations import parse_duration

IN_STREAM = "call it in the `sql` of the stream"


def stream_lookups(stream: RawSpec, lowering: Lowering) -> Iterator[Lookup]:
    """Those of a stream that name a connection which is there."""
    for key in keys_at(stream, "lookups"):
        path = f"lookups.{key.value}"
        connection, refresh = name_at(stream, f"{path}.connection"), name_at(stream, f"{path}.refresh")
        spec = lowering.checked.project.connections.get(connection.value) if connection else None
        if connection is None or spec is None:
            continue
        seconds = parse_duration(refresh.value) if refresh else None
        bare = Lookup(key.value, connection.value, spec.kind.value, "", None, seconds, place(stream, path))
        lookup = _query(stream, path, bare, lowering) if path in stream.texts else _table(stream, path, bare, lowering)
        if lookup is not None:
            yield lookup


def lookup_relation(lookup: Lookup) -> Relation:
    """A lookup as a relation of the stream's SQL."""
    name, title = TableName(None, lookup.name), f"lookup `{lookup.name}`"
    return replace(Relation.of_table(name, lookup.columns, title, lookup.span), inferred=lookup.table is None)


def _table(stream: RawSpec, path: str, lookup: Lookup, lowering: Lowering) -> Lookup | None:
    """The lookup on a table."""
    named = name_at(stream, f"{path}.table")
    try:
        name = TableName.parse(named.value) if named is not None else None
    except ValueError:  # reported where names are checked
        name = None
    if name is None:
        return None
    columns = _columns(lowering.finder(lookup.connection, lookup.kind)(name))
    chosen = "*" if columns is None else idents(column.name for column in columns)
    columns = lowering.found.get(lookup.name, columns)
    return replace(lookup, query=f"SELECT {chosen} FROM {table(name)}", columns=columns, reads=(name,), table=name)


def _query(stream: RawSpec, path: str, lookup: Lookup, lowering: Lowering) -> Lookup | None:
    """The lookup on a query, in the words of its own database, with what is known of its columns."""
    text = lowering.plain(stream.texts[path], lookup.connection, lookup.kind)
    parsed = lowering.parsed(text, lookup.connection, lookup.kind) if text and lookup.kind in DIALECTS else None
    if parsed is None:
        return None
    find = lowering.finder(lookup.connection, lookup.kind)
    found = infer(parsed, lookup.kind, find, Reporter())
    if check_reach(parsed, lookup.connection, lookup.kind, IN_STREAM, lowering):
        note_query(lowering, parsed, found.reads, find, lookup.kind, lookup.connection)
    lookup = replace(lookup, query=parsed.text.text, reads=found.reads)
    if found.fields is None or any(field.type.kind == "unknown" for field in found.fields):
        return replace(lookup, columns=lowering.found.get(lookup.name))
    columns = tuple(Column(field.name, field.type, field.nullable) for field in found.fields)
    return replace(lookup, columns=columns, origins=origins_of(found.fields))


def _columns(relation: Relation | None) -> tuple[Column, ...] | None:
    if relation is None or relation.fields is None:
        return None
    return tuple(Column(field.name, field.type, field.nullable) for field in relation.fields)
