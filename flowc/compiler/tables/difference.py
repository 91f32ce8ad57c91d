"""Compares a declared table with the live one.

A type equals what the engine reports for the type flowc would create, so a table that flowc made from the spec never
differs from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from flowc.catalog import ROW_ID, Column, Table
from flowc.compiler.dialect import Dialect
from flowc.compiler.tables.ddl import keyed, reported, stored
from flowc.compiler.tables.defaults import default_value, plain_number
from flowc.compiler.tables.owntypes import same_name
from flowc.compiler.tables.spelling import NO_NAMES, backquoted, respelled, words
from flowc.errors import UsageError
from flowc.types import TEMPORAL, DataType, Kind


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a live table is not as declared. A harmless one is told and stops nothing."""

    message: str
    harmless: bool = False


def differences(declared: Table, live: Table, dialect: Dialect) -> tuple[Difference, ...]:
    """Everything that differs, in the declared order; column order and comments do not count."""
    live = respelled(live, declared.column_names, dialect)
    return (
        *(d for column in declared.columns for d in _column(keyed(column, declared, dialect), declared, live, dialect)),
        *_extra_columns(declared, live),
        *(_partitions(declared, live) if dialect.attached else _primary_key(declared, live)),
        *(() if dialect.attached else _indexes(declared, live)),
    )


def same_type(declared: DataType, live: DataType, dialect: Dialect) -> bool:
    """Whether an engine that was asked for `declared` would report `live`."""
    if declared == live:
        return True
    wanted = (stored(declared, dialect), reported(declared, dialect))
    return _plain(live, dialect) in [_plain(kind, dialect) for kind in wanted]


def same_column(declared: Column, live: Column, dialect: Dialect) -> bool:
    """Whether a live column is of the declared type: as the engine reports it, or as a row id, which holds a bigint.

    A type by its own name is that of the live column by name; a word of flowc's is what its values are to flowc.
    """
    if declared.own is not None:
        names = live.named if live.own is None else (live.own, *live.named)
        return any(same_name(declared.own, name) for name in names)
    if same_type(declared.type, live.type, dialect):
        return True
    return ROW_ID in live.beyond and declared.type == dialect.types.holds.get(live.type.kind)


def _plain(kind: DataType, dialect: Dialect) -> DataType:
    """Without differences in writing: six fractional digits are the default."""
    if kind.kind is Kind.ARRAY and kind.element is not None:
        element = _plain(kind.element, dialect)
        return (
            element if element.kind is Kind.ARRAY and not dialect.types.array_depth else replace(kind, element=element)
        )
    if kind.kind is Kind.STRUCT:
        return replace(kind, fields=tuple((name, _plain(field, dialect)) for name, field in kind.fields))
    return replace(kind, precision=None) if kind.kind in TEMPORAL and kind.precision == 6 else kind


def _column(column: Column, declared: Table, live: Table, dialect: Dialect) -> Iterator[Difference]:
    found = live.column(column.name)
    if found is None:
        yield Difference(f"column `{column.name}` ({column.kind}) is missing{_near(column.name, live)}")
        return
    if not same_column(column, found, dialect):
        yield Difference(f"column `{column.name}` is {found.kind}, declared {column.kind}")
    if column.name not in declared.primary_key and column.nullable != found.nullable:
        words = ("may be NULL", "is NOT NULL")
        yield Difference(f"column `{column.name}` {words[not found.nullable]}, declared {_nullability(column)}")
    if not dialect.attached:
        yield from _default(column, found, dialect)


def _near(name: str, live: Table) -> str:
    other = next((c.name for c in live.columns if c.name.lower() == name.lower()), None)
    return f"; the table has `{other}`" if other else ""


def _nullability(column: Column) -> str:
    return "nullable" if column.nullable else "not nullable"


def _default(column: Column, live: Column, dialect: Dialect) -> Iterator[Difference]:
    declared, found = (known_default(c.default, column, dialect) for c in (column, live))
    if declared is None and found is None:
        return
    if found is None:
        yield Difference(f"column `{column.name}` has no default, declared `{column.default}`")
    elif declared is None:
        yield Difference(f"column `{column.name}` has a default `{live.default}` that is not declared", harmless=True)
    elif declared != found:
        literals = all(form.startswith(_LITERAL) for form in (declared, found))
        message = f"column `{column.name}` has the default `{live.default}`, declared `{column.default}`"
        # Engines rewrite expressions when they store them, so only plain values can be told apart for sure.
        yield Difference(message, harmless=not literals)


def known_default(text: str | None, column: Column, dialect: Dialect) -> str | None:
    """The form of a column's default: a literal is the value that it is in the column, where engines keep values."""
    form = default_form(text, dialect)
    if form is None or not form.startswith(_LITERAL):
        return form
    literal = form.removeprefix(_LITERAL)
    if column.type.kind is Kind.BOOL:
        return _LITERAL + _TRUTH.get(literal.lower(), literal)
    if column.type.is_number:
        literal = {"true": "1", "false": "0"}.get(literal, literal)
    value = default_value(literal, column.type) if dialect.literals.kept_as_values else literal
    return _LITERAL + (
        _told(value) if dialect.literals.kept_as_values and column.type.kind in dialect.types.short_floats else value
    )


def _told(number: str) -> str:
    """The digits that an engine tells of a short float."""
    return plain_number(Decimal(format(float(number), ".6g"))) if _NUMBER.fullmatch(number) else number


_LITERAL = "literal "
_TRUTH = {"1": "true", "t": "true", "true": "true", "0": "false", "f": "false", "false": "false"}


def default_form(text: str | None, dialect: Dialect, renamed: Mapping[str, str] = NO_NAMES) -> str | None:
    """A default without what engines add to it: casts, and parentheses that change nothing. NULL is no default.

    `renamed` are old names of columns and new ones.
    """
    if text is None or text.strip().upper() == "NULL":
        return None
    try:
        tree = sqlglot.parse_one(backquoted(text, dialect), read=dialect.sqlglot)
    except SqlglotError:
        return " ".join(words(text, dialect, renamed))
    plain = _in_one_word if dialect.literals.clock_words else _uncast
    while (bare := tree.transform(plain)) != tree:  # what replaces a node is not looked into
        tree = bare
    bare = bare.transform(_named, dialect, renamed)
    if isinstance(bare, exp.Null):
        return None
    sign = "-" if isinstance(bare, exp.Neg) else ""
    value = bare.this if sign else bare
    if isinstance(value, (exp.HexString, exp.BitString)):
        return f"{_LITERAL}{sign}{int(str(value.this), 16 if isinstance(value, exp.HexString) else 2)}"
    if isinstance(value, (exp.Literal, exp.Boolean)):
        return f"{_LITERAL}{sign}{_literal(value)}"
    return repr(bare)  # the tree: it tells what belongs together without parentheses


def _uncast(node: exp.Expr) -> exp.Expr:
    """Without casts, parentheses and character sets; a number that an engine keeps as a cast text is a number."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Introducer):
        return _uncast(node.expression)
    if isinstance(node, exp.Interval) and isinstance(node.this, exp.Literal) and node.unit is not None:
        return exp.Literal.string(f"{node.this.this} {node.unit}".lower())
    if not isinstance(node, exp.Cast):
        return node
    held = _uncast(node.this)
    if node.to.this in exp.DataType.NUMERIC_TYPES:
        number = isinstance(held, exp.Literal) and held.is_string and _NUMBER.fullmatch(str(held.this))
        return exp.Literal.number(str(held.this)) if number else held
    return held


def _named(node: exp.Expr, dialect: Dialect, renamed: Mapping[str, str]) -> exp.Expr:
    """With names as the engine compares them: an engine quotes them, and writes functions in its own case."""
    if isinstance(node, exp.Identifier):
        name = renamed.get(node.name, node.name)
        return exp.Identifier(this=dialect.names.fold(name if node.args.get("quoted") else name.lower()), quoted=False)
    if type(node) is exp.Anonymous:
        node.set("this", node.name.lower())  # in its place, for a new one would not be looked into
    return node


_UTC = {"utc_timestamp": exp.UtcTimestamp, "utc_date": exp.UtcDate, "utc_time": exp.UtcTime}


def _in_one_word(node: exp.Expr) -> exp.Expr:
    """What MySQL and MariaDB have several words for, in one; which of them they tell differs by column and server."""
    node = _uncast(node)
    if isinstance(node, exp.Column) and node.name.lower() in _UTC and len(node.parts) == 1:
        return _UTC[node.name.lower()]()
    if isinstance(node, (exp.Localtime, exp.Localtimestamp)):
        return exp.CurrentTimestamp(this=node.this)
    if type(node) is exp.Anonymous and node.name.lower() == "now":
        return exp.CurrentTimestamp(this=next(iter(node.expressions), None))
    if isinstance(node, (exp.DateAdd, exp.DateSub)) and node.unit is not None:
        step = exp.Literal.string(f"{node.expression.name} {node.unit}".lower())
        return (exp.Add if isinstance(node, exp.DateAdd) else exp.Sub)(this=node.this, expression=step)
    return node


_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _literal(value: exp.Expr) -> str:
    text = str(value.this)
    if isinstance(value, exp.Boolean):
        return text.lower()
    return text if value.is_string else plain_number(Decimal(text))


def _extra_columns(declared: Table, live: Table) -> Iterator[Difference]:
    for column in live.columns:
        if declared.column(column.name) is not None:
            continue
        optional = column.nullable or column.default is not None
        reason = "" if optional else ", which is NOT NULL without a default"
        yield Difference(f"the table also has column `{column.name}` ({column.kind}){reason}", harmless=optional)


def _primary_key(declared: Table, live: Table) -> Iterator[Difference]:
    if declared.primary_key == live.primary_key:
        return
    found = f"({', '.join(live.primary_key)})" if live.primary_key else "missing"
    wanted = f"declared ({', '.join(declared.primary_key)})" if declared.primary_key else "none is declared"
    harmless = not declared.primary_key or set(declared.primary_key) == set(live.primary_key)
    yield Difference(f"the primary key is {found}, {wanted}", harmless=harmless)


def _partitions(declared: Table, live: Table) -> Iterator[Difference]:
    if declared.partition_by != live.partition_by:
        found, wanted = (", ".join(table.partition_by) or "nothing" for table in (live, declared))
        yield Difference(f"the table is partitioned by {found}, declared is {wanted}")


def _indexes(declared: Table, live: Table) -> Iterator[Difference]:
    held = {index.identity for index in live.indexes if index.valid}
    for index in declared.indexes:
        if index.identity not in held:
            kind = "unique index" if index.unique else "index"
            yield Difference(f"the {kind} on ({', '.join(index.columns)}) is missing")
    wanted = {index.identity for index in declared.indexes}
    for index in live.indexes:
        if index.unique and index.identity not in wanted:
            yield Difference(f"the table also has a unique index on ({', '.join(index.columns)})", harmless=True)


def not_a_table(label: str, form: str) -> UsageError:
    """The error of a declared table that is something else in the database."""
    return UsageError(
        f"`{label}` is declared as a table, and is {form} in the database",
        code="not-a-table",
        help="give the table another name, or remove it from `tables:`; flowc changes and drops nothing but tables",
    )
