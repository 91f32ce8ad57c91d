"""`tables`: nodes to `TableSpec`, with columns in their short and long form."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowc.compiler.front.columndef import UNDERSTOOD, Part, split_definition
from flowc.compiler.front.nodes import Context, content, flag, located, name, names, text
from flowc.compiler.front.owntypes import is_padded, own_name
from flowc.compiler.front.spec import NO_GAPS, ColumnSpec, Gaps, IndexSpec, Name, NormalizeSpec, TableSpec
from flowc.compiler.front.types import known_type
from flowc.compiler.front.yamlmap import mapped
from flowc.compiler.front.yamltree import Entry, Node, Scalar, Sequence, TreeMap
from flowc.diagnostics import Note
from flowc.source import Located, MappedText
from flowc.types import UNKNOWN, DataType

DEFAULT_CONNECTION = "default"
_PLACE = frozenset({"connection", "schema", "name"})
"""Without one of these as it was meant, a table would be taken for another one."""


@dataclass(frozen=True, slots=True)
class _Built:
    """A column, and whether it asks for a unique index of its own."""

    column: ColumnSpec
    unique: bool


def build_table(entry: Entry, context: Context, gaps: Gaps = NO_GAPS) -> TableSpec | None:
    """One entry of `tables`, whose shape is right but for its gaps; None when its columns or its place are not known.

    A column that cannot be read has been reported; it stays, of unknown type, and leaves a gap.
    """
    node = entry.value
    assert isinstance(node, TreeMap)
    key = Located(entry.key.text, content(entry.key))
    columns_node = node.get("columns")
    before = context.reporter.errors
    found = (
        tuple(_column(e, context) for e in columns_node.entries.values()) if isinstance(columns_node, TreeMap) else ()
    )
    if not found or gaps & _PLACE:
        return None
    gaps = gaps | {"columns"} if context.reporter.errors > before else gaps
    primary = _primary_key(node, found, context)
    return TableSpec(
        key=key,
        connection=name(node.get("connection")) or Located(DEFAULT_CONNECTION, key.span),
        schema=name(node.get("schema")),
        name=name(node.get("name")),
        description=text(node.get("description")),
        columns=_not_null(tuple(b.column for b in found), primary),
        primary_key=primary,
        natural_key=names(node.get("natural_key")),
        indexes=(*_indexes(node.get("indexes")), *_unique(found)),
        partition_by=names(node.get("partition_by")),
        span=key.span,
        gaps=gaps,
    )


def _not_null(columns: tuple[ColumnSpec, ...], primary: tuple[Name, ...]) -> tuple[ColumnSpec, ...]:
    """Columns of the primary key are never NULL."""
    keys = {key.value for key in primary}
    return tuple(replace(c, nullable=False, primary_key=True) if c.name.value in keys else c for c in columns)


def _primary_key(node: TreeMap, columns: tuple[_Built, ...], context: Context) -> tuple[Name, ...]:
    listed = names(node.get("primary_key"))
    marked = tuple(b.column.name for b in columns if b.column.primary_key)
    if listed and marked and {n.value for n in listed} != {n.value for n in marked}:
        note = Note(f"`{marked[0].value}` is marked as primary key here", marked[0].span)
        message = "`primary_key` and the columns marked as primary key differ"
        helps = ("give the primary key in one of the two ways",)
        context.reporter.error("conflicting-keys", message, listed[0].span, notes=(note,), helps=helps)
    return listed or marked


def _indexes(node: Node | None) -> tuple[IndexSpec, ...]:
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(
        IndexSpec(names(i.get("columns")), flag(i.get("unique"), default=False), name(i.get("name")), i.span)
        for i in items
        if isinstance(i, TreeMap)
    )


def _unique(columns: tuple[_Built, ...]) -> tuple[IndexSpec, ...]:
    return tuple(IndexSpec((b.column.name,), True, None, b.column.name.span) for b in columns if b.unique)


def _column(entry: Entry, context: Context) -> _Built:
    column_name = Located(entry.key.text, content(entry.key))
    if isinstance(entry.value, Scalar):
        return _short(column_name, entry.value, context)
    assert isinstance(entry.value, TreeMap)
    return _long(column_name, entry.value, context)


def _long(column_name: Name, node: TreeMap, context: Context) -> _Built:
    default = node.get("default")
    said = node.entries["type"].value
    kind, own = _type(said, context)
    primary = flag(node.get("primary_key"), default=False)
    column = ColumnSpec(
        name=column_name,
        type=kind,
        nullable=flag(node.get("nullable"), default=not primary),
        primary_key=primary,
        default=Located(default.text, default.span) if isinstance(default, Scalar) else None,
        description=text(node.get("description")),
        renamed_from=name(node.get("renamed_from")),
        change_timezone=name(node.get("change_timezone")),
        normalize=_normalisers(node.get("normalize")),
        own=own,
        padded=isinstance(said, Scalar) and is_padded(mapped(said).text),
    )
    return _Built(column, flag(node.get("unique"), default=False))


def _type(node: Node, context: Context, part: tuple[int, int] | None = None) -> tuple[Located[DataType], str | None]:
    """The type, and its name where that is the database's own, which no other part of flowc knows anything about."""
    text = mapped(node).text if isinstance(node, Scalar) and node.value is not None else ""
    own = own_name(text[slice(*part)] if part else text)
    if own is not None:
        return Located(UNKNOWN, node.span), own
    return known_type(node, context.reporter, part=part), None


def _normalisers(node: Node | None) -> tuple[NormalizeSpec, ...]:
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(_normaliser(item) for item in items)


def _normaliser(node: Node) -> NormalizeSpec:
    if isinstance(node, Scalar):
        return NormalizeSpec(Located(node.text, content(node)), None)
    assert isinstance(node, TreeMap)
    entry = next(iter(node.entries.values()))
    empty = isinstance(entry.value, Scalar) and entry.value.value is None
    return NormalizeSpec(Located(entry.key.text, content(entry.key)), None if empty else located(entry.value))


def _short(column_name: Name, node: Scalar, context: Context) -> _Built:
    definition = mapped(node)
    kind_part, *clauses = split_definition(definition.text)
    for part in clauses:
        if part.clause not in UNDERSTOOD or (part.clause == "default" and part.body == part.end):
            _bad_clause(definition, part, context)
    kind, own = _type(node, context, part=(kind_part.body, kind_part.end))
    given = {part.clause: part for part in clauses}
    column = ColumnSpec(
        name=column_name,
        type=kind,
        nullable="not null" not in given and "primary key" not in given,
        primary_key="primary key" in given,
        default=_default(definition, given.get("default")),
        own=own,
        padded=is_padded(definition.text[kind_part.body : kind_part.end]),
    )
    return _Built(column, "unique" in given)


def _default(definition: MappedText, part: Part | None) -> Located[str] | None:
    if part is None or part.body == part.end:
        return None
    return Located(definition.text[part.body : part.end], definition.span(part.body, part.end))


def _bad_clause(definition: MappedText, part: Part, context: Context) -> None:
    span = definition.span(part.start, part.start + len(part.clause))
    if part.clause == "default":
        message, helps = "`default` needs a value", ("write `default 0`",)
    else:
        known = ", ".join(f"`{clause}`" for clause in UNDERSTOOD)
        message, helps = f"a column cannot say `{part.clause}`", (f"a type, then any of {known}",)
    context.reporter.error("bad-column-definition", message, span, helps=helps)
