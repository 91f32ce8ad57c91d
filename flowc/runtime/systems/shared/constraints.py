"""What a broken constraint is about, by each engine's words and its own record of the constraint.

Engines that tell column and value of one kind of constraint (PostgreSQL of keys) need nothing for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from flowc.catalog import Table
from flowc.runtime.contracts.violations import Violation, named_columns, without_parent
from flowc.runtime.names import literal, qualified, quoted

Ask = Callable[[str], Sequence[Any]]

_SQLITE = re.compile(r"^(UNIQUE|NOT NULL|CHECK) constraint failed: (.*)$", re.DOTALL)
_DUCKDB_CHECK = re.compile(r"CHECK constraint failed on table .*? with expression CHECK\((.*)\)$", re.DOTALL)
_DUCKDB_NULL = re.compile(r"NOT NULL constraint failed: .*\.([^.]+)$", re.DOTALL)
_MYSQL_KEY = re.compile(r"Duplicate entry .* for key '(.*)'$", re.DOTALL)
_MYSQL_NULL = re.compile(r"Column '(.*)' cannot be null")
_MYSQL_CHECK = re.compile(r"(?:CONSTRAINT [`\"](.+?)[`\"] failed for|Check constraint '(.+?)' is violated)")
_MYSQL_PARENT = re.compile(r"add or update a child row.*FOREIGN KEY \((.+?)\) REFERENCES ([^(]+) \((.+?)\)", re.DOTALL)
_POSTGRES_CHECK = re.compile(r'violates check constraint "(.+?)"')
_POSTGRES_TYPE = re.compile(
    r'^(?:invalid input value for enum (?P<enum>.+?): "(?P<value>.*)"|value for domain (?P<domain>.+?) violates )',
    re.DOTALL,
)
_POSTGRES_OF_TYPE = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass({table}) AND atttypid = to_regtype({name}) "
    "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)
_POSTGRES_ROW = re.compile(r"Failing row contains \((.*)\)", re.DOTALL)
_POSTGRES_COLUMNS = (
    "SELECT a.attname, a.attnum = ANY(k.conkey) FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid "
    "WHERE k.contype = 'c' AND k.conrelid = to_regclass({table}) AND k.conname = {name} "
    "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)


def of_sqlite(ask: Ask, table: Table | None, words: str) -> tuple[Violation, ...]:
    """SQLite names columns, or a check, and no value."""
    found = _SQLITE.match(words)
    if found is None or table is None:
        return ()
    if found[1] == "CHECK":
        return _checked(_named_check(table, found[2]), table)
    prefix = f"{table.name.name}."
    columns = tuple(part[len(prefix) :] for part in found[2].split(", ") if part.startswith(prefix))
    return (Violation(columns, unique=found[1] == "UNIQUE", null=found[1] == "NOT NULL"),) if columns else ()


def _named_check(table: Table, name: str) -> str:
    """The expression of a check that has a name; SQLite tells one without by its expression."""
    made = table.create_sql[0] if table.create_sql else ""
    start = re.search(rf"CONSTRAINT\s+[\"`\[]?{re.escape(name)}[\"`\]]?\s+CHECK\s*\(", made, re.IGNORECASE)
    if start is None:
        return name
    depth = 1
    for end in range(start.end(), len(made)):
        depth += {"(": 1, ")": -1}.get(made[end], 0)
        if depth == 0:
            return made[start.end() : end]
    return name


def _checked(expression: str, table: Table | None) -> tuple[Violation, ...]:
    return (Violation(named_columns(expression, table), condition=f"NOT ({expression})"),)


def of_duckdb(ask: Ask, table: Table | None, words: str) -> tuple[Violation, ...]:
    """DuckDB tells the value of a key, or the expression of a check."""
    if table is None:
        return ()
    if check := _DUCKDB_CHECK.search(words):
        return _checked(check[1], table)
    if null := _DUCKDB_NULL.search(words):
        return (Violation((null[1],), null=True),)
    if "foreign key" in words:
        parents = ask(
            "SELECT constraint_column_names, referenced_table, referenced_column_names FROM duckdb_constraints() "
            f"WHERE constraint_type = 'FOREIGN KEY' AND table_name = {literal(table.name.name)}"
        )
        return tuple(without_parent(columns, quoted(parent), referenced) for columns, parent, referenced in parents)
    return (
        tuple(Violation(columns, unique=True) for columns in _keys(table).values()) if "uplicate key" in words else ()
    )


def _keys(table: Table) -> dict[str, tuple[str, ...]]:
    """The columns of each unique key by its name; the primary key's is PRIMARY."""
    named = {i.name or str(n): i.columns for n, i in enumerate(table.indexes) if i.unique}
    return ({"PRIMARY": table.primary_key} if table.primary_key else {}) | named


def of_mysql(ask: Ask, table: Table | None, words: str) -> tuple[Violation, ...]:
    """MySQL tells the value and the name of a key, or the columns of a foreign key, or the name of a check."""
    if table is None:
        return ()
    if key := _MYSQL_KEY.search(words):
        keys = _keys(table)
        return (Violation(keys.get(key[1]) or keys.get(key[1].rpartition(".")[2], ())),)
    if null := _MYSQL_NULL.search(words):
        return (Violation((null[1],), null=True),)
    if parent := _MYSQL_PARENT.search(words):
        columns, referenced = (re.findall(r"[`\"](.+?)[`\"]", names) for names in (parent[1], parent[3]))
        return (without_parent(columns, parent[2], referenced),)
    if check := _MYSQL_CHECK.search(words):
        return _mysql_check(ask, table, (check[1] or check[2]).rpartition(".")[2])
    return ()


def _mysql_check(ask: Ask, table: Table, name: str) -> tuple[Violation, ...]:
    clauses = ask(
        "SELECT check_clause FROM information_schema.check_constraints WHERE constraint_schema = database() "
        f"AND constraint_name = {literal(name, plain_backslash=False)}"
    )
    return _checked(clauses[0][0].replace("\\'", "'"), table) if len(clauses) == 1 else ()


def of_postgres(ask: Ask, table: Table | None, words: str) -> tuple[Violation, ...]:
    """PostgreSQL tells everything but the columns of a check; of a row it tells all values without their names.

    Of a value that a type of the database's own does not take, it names the type, and the value where that is an enum.
    """
    kind = _POSTGRES_TYPE.match(words)
    if kind is not None and table is not None:
        name = kind["enum"] or kind["domain"]
        names = {"table": literal(qualified(table.name)), "name": literal(name)}
        typed = [row[0] for row in ask(_POSTGRES_OF_TYPE.format(**names))]
        told = ((typed[0], kind["value"]),) if len(typed) == 1 and kind["enum"] else ()
        return tuple(Violation((column,), values=told) for column in typed)
    check = _POSTGRES_CHECK.search(words)
    if check is None or table is None:
        return ()
    found = ask(_POSTGRES_COLUMNS.format(table=literal(qualified(table.name)), name=literal(check[1])))
    row = _POSTGRES_ROW.search(words)
    values = row[1].split(", ") if row is not None else []
    # A value with a comma in it would move those after it.
    known = values if len(values) == len(found) else []
    columns = tuple(name for name, checked in found if checked)
    return (Violation(columns, values=tuple((name, known[i]) for i, (name, c) in enumerate(found) if c and known)),)
