"""The column that marks rows whose key the source no longer has: a boolean, or the time of the load that missed it."""

from __future__ import annotations

from flowc.compiler.loads.cursor import now_literal
from flowc.compiler.loads.load import Load
from flowc.compiler.quote import ident, qualified
from flowc.errors import UsageError
from flowc.types import Kind

DEFAULT = "deleted_at"
_TIMES = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)


def soft_column(load: Load) -> tuple[str, Kind]:
    """The column's name and kind.

    Raises UsageError when the target lacks it or it can hold neither a time nor a boolean.
    """
    name = load.apply.soft_delete_column or DEFAULT
    column = load.table.column(name)
    if column is None or column.type.kind not in (*_TIMES, Kind.BOOL):
        fault = "no column" if column is None else f"a {column.type} column"
        raise UsageError(
            f"`{load.label}` has {fault} `{name}` to mark deleted rows with",
            code="soft-delete-column-missing",
            help=f"declare `{name}: timestamptz` (or boolean), or name another with `soft_delete_column`",
        )
    return name, column.type.kind


def marked(load: Load, alias: str) -> str:
    """The condition that a row is marked; never NULL."""
    name, kind = soft_column(load)
    column = qualified(name, alias)
    return f"coalesce({column}, {_false(load)})" if kind is Kind.BOOL else f"{column} IS NOT NULL"


def mark(load: Load) -> str:
    """The assignment that marks a row."""
    name, kind = soft_column(load)
    if kind is Kind.BOOL:
        return f"{ident(name)} = {'true' if load.dialect.literals.typed else '1'}"
    column = load.table.column(name)
    assert column is not None  # soft_column has seen it
    return f"{ident(name)} = {now_literal(load.now, column.type, load.dialect)}"


def unmark(load: Load) -> str:
    """The assignment that takes the mark away."""
    name, kind = soft_column(load)
    return f"{ident(name)} = {_false(load) if kind is Kind.BOOL else 'NULL'}"


def _false(load: Load) -> str:
    return "false" if load.dialect.literals.typed else "0"
