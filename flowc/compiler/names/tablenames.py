"""Names of tables as specs write them."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.spec import Name
from flowc.compiler.tables.ddl import too_long
from flowc.diagnostics import Reporter
from flowc.source import Span


def table_name(name: Name, reporter: Reporter, kind: str = "") -> TableName | None:
    """The table that a name means in a connection of that kind; None when it is none, which is then reported."""
    try:
        found = TableName.parse(name.value)
        return found if check_length(found.name, name.span, kind, reporter) else None
    except ValueError:
        message = f"`{name.value}` is not the name of a table"
        helps = ('write `table`, `schema.table`, or, with a dot inside, `schema."my.table"`',)
        reporter.error("bad-value", message, name.span, helps=helps)
        return None


def check_length(name: str, span: Span, kind: str, reporter: Reporter) -> bool:
    """Whether a database of that kind has names so long; else it is reported, as it could be cut to another one."""
    dialect = DIALECTS.get(kind)
    if dialect is None or not dialect.too_long(name):
        return True
    error = too_long(name, dialect)
    reporter.error(error.code, error.message, span, helps=(error.help or "",))
    return False
