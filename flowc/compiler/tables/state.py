"""flowc's own tables in a database: made where they are missing, renewed where an older version made them.

Each row of them is of a project. What an older version wrote is of none until the project it is of goes on with it:
its rows have no name there. Columns have other names than they had, so that an older version that still runs fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import keyed, spell
from flowc.loadplan import PROJECT, Renewal
from flowc.types import TEXT, DataType, Kind

PROJECT_COLUMN = Column(PROJECT, TEXT, nullable=False)
KEPT = (
    "migrations",
    "migration_steps",
    "watermarks",
    "loads",
    "positions",
    "checkpoints",
    "epochs",
    "state",
    "segments",
    "facts",
    "payloads",
)
"""The names of those of flowc's own tables whose rows are of projects, without their schema or prefix."""
OWN = (*KEPT, "locks", "dead_letters", "runs", "schedules", "leases", "conditions")
"""The names of all of flowc's own tables."""
WAS = {"stream_name": "stream", "pipeline_name": "pipeline", "plan_id": "plan"}
"""What columns were called before there were projects."""
_LENGTHS = {PROJECT: 64, "source": 128, "partition_name": 64, "condition_name": 32, "alert_name": 128, "lane": 128}
"""Characters of texts in keys, where keys have a greatest length."""


def own_tables(dialect: Dialect) -> tuple[TableName, ...]:
    """The names of flowc's own tables in a database."""
    return tuple(dialect.state_table(name) for name in OWN)


def ensure_state(name: str, columns: Sequence[Column], key: Sequence[str], dialect: Dialect) -> tuple[str, ...]:
    """The statements that make one of flowc's own tables, for instance `flowc.watermarks`, where it is missing."""
    return ensure_table(dialect.state_table(name), columns, key, dialect)


def ensure_table(state: TableName, columns: Sequence[Column], key: Sequence[str], dialect: Dialect) -> tuple[str, ...]:
    """The statements that make a table, and its schema, where it is missing."""
    whole = Table(state, tuple(columns), tuple(key))
    parts = {
        "schema": (schema := ident(state.schema or "")),
        "schema_text": text(schema, dialect),
        "table": table(state),
        "text": text(table(state), dialect),
        "columns": _columns(whole, dialect),
    }
    if dialect.names.schemas and state.schema is None:
        return (f"CREATE TABLE IF NOT EXISTS {parts['table']} ({parts['columns']})",)
    return tuple(template.format(**parts) for template in dialect.tables.ensure)


def renewal(name: str, columns: Sequence[Column], key: Sequence[str], dialect: Dialect) -> Renewal:
    """How one of flowc's own tables that was made before there were projects becomes as `ensure_state` makes it."""
    state = dialect.state_table(name)
    whole = Table(state, tuple(columns), tuple(key))
    known = [column for column in columns if column.name != PROJECT]
    parts = {
        "table": table(state),
        "copy": ident(f"{state.name}_before"),
        "columns": _columns(whole, dialect),
        "names": idents(column.name for column in (PROJECT_COLUMN, *known)),
        # SQLite takes a name that no column has for a text, unless it stands behind that of a table.
        "old": ", ".join(("''", *(f"o.{ident(WAS.get(column.name, column.name))}" for column in known))),
        "project": _column(PROJECT_COLUMN, whole, dialect),
        "changes": "".join(
            f"CHANGE COLUMN {ident(WAS.get(c.name, c.name))} {_column(c, whole, dialect)}, " for c in known
        ),
        "key": idents(key),
        "constraint": ident(f"{state.name}_pkey"),
    }
    called = next((column.name for column in columns if column.name in WAS), None)
    parts |= {"was": ident(WAS[called]), "now": ident(called)} if called else {}
    templates = (template for template in dialect.tables.renew if called or "{was}" not in template)
    return Renewal(state, tuple(template.format(**parts) for template in templates))


def retyping(
    name: str, was: Mapping[str, str], columns: Sequence[Column], key: Sequence[str], dialect: Dialect
) -> Renewal:
    """How one of flowc's own tables gets some of its columns in place of others; `was` tells of which each is made."""
    state = dialect.state_table(name)
    whole = Table(state, tuple(columns), tuple(key))
    changed = [column for column in columns if column.name in was]
    parts = {
        "table": table(state),
        "copy": ident(f"{state.name}_before"),
        "columns": _columns(whole, dialect),
        "names": idents(column.name for column in columns),
        "old": ", ".join(
            f"CAST(o.{ident(was[c.name])} AS {spell(c.type, dialect)})" if c in changed else f"o.{ident(c.name)}"
            for c in columns
        ),
        "changes": ", ".join(f"CHANGE COLUMN {ident(was[c.name])} {_column(c, whole, dialect)}" for c in changed),
    }
    each = [{"was": ident(was[c.name]), "now": ident(c.name), "type": spell(c.type, dialect)} for c in changed]
    statements = (
        template.format(**parts, **(one or {}))
        for template in dialect.tables.retype
        for one in (each if "{now}" in template else (None,))
    )
    return Renewal(state, tuple(statements), changed[0].name)


def _columns(whole: Table, dialect: Dialect) -> str:
    spelled = ", ".join(_column(column, whole, dialect) for column in whole.columns)
    return f"{spelled}, PRIMARY KEY ({idents(whole.primary_key)})" if whole.primary_key else spelled


def _column(column: Column, whole: Table, dialect: Dialect) -> str:
    length = _LENGTHS.get(column.name)
    if length and column.name in whole.primary_key and dialect.types.in_keys:
        column = replace(column, type=DataType(Kind.TEXT, length=length))
    kind = spell(keyed(column, whole, dialect).type, dialect)
    return f"{ident(column.name)} {kind}{'' if column.nullable else ' NOT NULL'}"


def move_project(name: str, old: str, new: str, dialect: Dialect, where: str = "") -> str:
    """Gives the rows of a project in one of flowc's own tables, or some of them, to another name."""
    sets, of = (f"{ident(PROJECT)} = {text(project, dialect)}" for project in (new, old))
    condition = f" AND {where}" if where else ""
    return f"UPDATE {table(dialect.state_table(name))} SET {sets} WHERE {of}{condition}"


def count_project(name: str, project: str | None, dialect: Dialect, where: str = "", *, each: bool = False) -> str:
    """How many rows of a project, or of all, one of flowc's own tables holds; or the names of `each` of them."""
    state = table(dialect.state_table(name))
    if each:
        return f"SELECT DISTINCT {ident(PROJECT)} FROM {state}"
    of = "" if project is None else f"{ident(PROJECT)} = {text(project, dialect)}"
    conditions = " AND ".join(filter(None, (of, where))) or "1 = 1"
    return f"SELECT count(*) AS {ident('n')} FROM {state} WHERE {conditions}"
