"""Names and values as SQL text. Everything from a spec passes here, so nothing in it can become SQL.

Names keep their exact case on every engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from flowc.catalog import TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import source_of
from flowc.errors import UsageError


def ident(name: str) -> str:
    """A quoted identifier.

    Raises UsageError for a NUL, which no engine has in a name.
    """
    return '"' + _storable(name).replace('"', '""') + '"'


def idents(names: Iterable[str], prefix: str = "") -> str:
    """Quoted identifiers, separated by commas; `prefix` is a table alias."""
    return ", ".join(qualified(name, prefix) for name in names)


def qualified(name: str, prefix: str = "") -> str:
    """A quoted column, behind the alias of its table when given."""
    return f"{prefix}.{ident(name)}" if prefix else ident(name)


def table(name: TableName) -> str:
    """A quoted table name, with its schema when it has one."""
    return f"{ident(name.schema)}.{ident(name.name)}" if name.schema else ident(name.name)


def quoted(name: str, dialect: str) -> str:
    """A quoted identifier in a sqlglot dialect, which what an author writes is in."""
    mark = "`" if source_of(dialect).backticks else '"'
    return mark + name.replace(mark, mark * 2) + mark


def quoted_table(name: TableName, dialect: str) -> str:
    """A quoted table name in a sqlglot dialect."""
    return ".".join(quoted(part, dialect) for part in (name.schema, name.name) if part)


def text(value: str, dialect: Dialect) -> str:
    """A text literal."""
    quoted = "'" + _storable(value).replace("'", "''") + "'"
    if dialect.literals.escaped_text and "\\" in quoted:
        return "E" + quoted.replace("\\", "\\\\")
    return quoted.replace("\\", "\\\\") if dialect.literals.doubled_backslash else quoted


def instant(moment: datetime) -> str:
    """The canonical text of an instant: UTC, microseconds, `+00:00`."""
    return moment.astimezone(UTC).isoformat(" ", "microseconds")


def _storable(value: str) -> str:
    if "\x00" in value:
        raise UsageError("a name or text holds a NUL character, which no database stores", code="nul-character")
    return value
