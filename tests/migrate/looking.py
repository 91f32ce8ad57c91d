"""Tables as the engines' own catalogs tell them, and as YAML declares them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml
from deltalake import DeltaTable

from tests.lakes import Lake
from tests.stores import Store


@dataclass(frozen=True)
class Seen:
    """A table: nullability, default and comment of its columns, its key, its indexes with whether they are unique."""

    columns: dict[str, tuple[bool, str | None, str | None]]
    key: tuple[str, ...]
    indexes: frozenset[tuple[tuple[str, ...], bool]]
    comment: str | None = None


_DEFAULT = re.compile(r"default (.+?)(?: unique| not null|$)", re.IGNORECASE)


def declared(text: str, kind: str) -> Seen:
    """What the YAML of a table says; SQLite keeps no comments."""
    whole = yaml.safe_load(text)
    comments = kind != "sqlite"
    columns, key, unique = {}, list(whole.get("primary_key", ())), []
    for name, given in whole["columns"].items():
        column = _long(given) if isinstance(given, str) else given
        key += [name] if column.get("primary_key") else []
        unique += [name] if column.get("unique") else []
        nullable = column.get("nullable", True) and name not in key
        default = column.get("default")
        columns[name] = nullable, _bare(default), column.get("description") if comments else None
    indexes = {(tuple(index["columns"]), index.get("unique", False)) for index in whole.get("indexes", ())}
    indexes |= {((name,), True) for name in unique}
    if kind == "delta":  # keys, indexes and defaults are the spec's alone
        columns = {name: (nullable, None, comment) for name, (nullable, _, comment) in columns.items()}
        key, indexes = [], set()
    return Seen(columns, tuple(key), frozenset(indexes), whole.get("description") if comments else None)


def _long(text: str) -> dict[str, Any]:
    default = _DEFAULT.search(text)
    return {
        "nullable": "not null" not in text, "primary_key": "primary key" in text, "unique": " unique" in text,
        "default": default[1] if default else None,
    }  # fmt: skip


def _bare(default: object) -> str | None:
    """A default as a value: no engine keeps an expression as it was written, so of that only that it is there."""
    if default is None:
        return None
    text = re.sub(r"^CAST\((.*) AS .*\)$|(.*)::.*$", r"\1\2", str(default).strip("()"))
    value = text.strip("()'\"").replace("''", "'").replace("\\'", "'")
    value = {"true": "1", "false": "0"}.get(value.lower(), value)  # MySQL's booleans are numbers
    return (
        "expression"
        if "current" in value.lower() or value.lower() in ("now", "now()", "get_current_timestamp")
        else value
    )


def look(store: Any, table: str) -> Seen | None:
    """The table in the engine's own catalog, in which no apply has left anything; None where there is none."""
    left = _leftovers(store, table)
    assert not left, left
    return look_between(store, table)


def look_between(store: Any, table: str) -> Seen | None:
    """The same table between an apply that was cut off and the next one."""
    return _LOOK[store.kind](store, table)


def _seen(columns: Iterable[Any], key: Iterable[str], indexes: Iterable[Any], comment: str | None) -> Seen | None:
    found = {name: (bool(nullable), _bare(default), words or None) for name, nullable, default, words in columns}
    listed = frozenset((tuple(names), bool(unique)) for names, unique in indexes)
    return Seen(found, tuple(key), listed, comment or None) if found else None


def _sqlite(store: Store, table: str) -> Seen | None:
    rows = store.raw(f"PRAGMA table_info({table})")
    columns = [(row[1], not row[3] and not row[5], row[4], None) for row in rows]
    key = [row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5]]
    indexes = [
        ([part[2] for part in store.raw(f'PRAGMA index_info("{row[1]}")')], row[2])
        for row in store.raw(f"PRAGMA index_list({table})")
        if row[3] != "pk"
    ]
    return _seen(columns, key, indexes, None)


def _duckdb(store: Store, table: str) -> Seen | None:
    columns = store.raw(
        f"SELECT column_name, is_nullable, column_default, comment FROM duckdb_columns() WHERE table_name = '{table}' "
        "ORDER BY column_index"
    )
    keys = store.raw(
        f"SELECT constraint_column_names FROM duckdb_constraints() WHERE table_name = '{table}' "
        "AND constraint_type = 'PRIMARY KEY'"
    )
    indexes = store.raw(f"SELECT expressions, is_unique FROM duckdb_indexes() WHERE table_name = '{table}'")
    listed = [([part.strip("'\" ") for part in text.strip("[]").split(", ")], unique) for text, unique in indexes]
    comments = store.raw(f"SELECT comment FROM duckdb_tables() WHERE table_name = '{table}'")
    return _seen(columns, keys[0][0] if keys else (), listed, comments[0][0] if comments else None)


def _postgres(store: Store, table: str) -> Seen | None:
    columns = store.raw(
        "SELECT a.attname, NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum) "
        "FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        f"WHERE a.attrelid = to_regclass('{table}') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )
    indexes = store.raw(
        "SELECT ARRAY(SELECT attname FROM unnest(i.indkey) WITH ORDINALITY AS k(n, o) JOIN pg_attribute a "
        "ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.o)::text[], i.indisunique, i.indisprimary, "
        f"i.indisvalid FROM pg_index i WHERE i.indrelid = to_regclass('{table}')"
    )
    key = next((row[0] for row in indexes if row[2]), ())
    comment = store.raw(f"SELECT obj_description(to_regclass('{table}'), 'pg_class')")[0][0]
    return _seen(columns, key, [row[:2] for row in indexes if not row[2]], comment)


def _leftovers(store: Any, table: str) -> list[str]:
    """The invalid indexes and the CHECK constraints that an apply has left in a PostgreSQL table."""
    if store.kind != "postgres":
        return []
    of = f"to_regclass('{table}')"
    checks = f"SELECT conname::text FROM pg_constraint WHERE contype = 'c' AND conrelid = {of}"
    invalid = f"SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = {of} AND NOT indisvalid"
    return [name for (name,) in store.raw(f"{checks} UNION ALL {invalid}")]


def _mysql(store: Store, table: str) -> Seen | None:
    here = f"table_schema = database() AND table_name = '{table}'"
    columns = store.raw(
        "SELECT column_name, is_nullable = 'YES', CASE WHEN upper(column_default) <> 'NULL' THEN column_default END, "
        f"column_comment FROM information_schema.columns WHERE {here} ORDER BY ordinal_position"
    )
    rows = store.raw(
        "SELECT index_name, non_unique, group_concat(column_name ORDER BY seq_in_index SEPARATOR '|') "
        f"FROM information_schema.statistics WHERE {here} GROUP BY index_name, non_unique"
    )
    named = {name: (names.split("|"), not int(plain)) for name, plain, names in rows}
    key, _ = named.pop("PRIMARY", ((), True))
    comments = store.raw(f"SELECT table_comment FROM information_schema.tables WHERE {here}")
    return _seen(columns, key, named.values(), comments[0][0] if comments else None)


def _delta(lake: Lake, table: str) -> Seen | None:
    if not lake.path(table).exists():
        return None
    columns = [(c["name"], c["nullable"], None, c["metadata"].get("comment")) for c in lake.schema(table)]
    return _seen(columns, (), (), DeltaTable(lake.path(table)).metadata().description)


_LOOK = {"delta": _delta, "sqlite": _sqlite, "duckdb": _duckdb, "postgres": _postgres, "mysql": _mysql}


def values(store: Store | Lake, table: str, names: Iterable[str]) -> list[list[object]]:
    """Columns of a table, row by row in the order of the first, each value in one form for all types and engines."""
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    return [[plain(value) for value in row] for row in store.raw(f"SELECT {columns} FROM {table} ORDER BY 1")]


def plain(value: object) -> object:
    """A value so that 1, 1.0 and '1' are one, and times of UTC are bare."""
    if value is None:
        return None
    text = str(int(value)) if isinstance(value, bool) else str(value)
    text = text.removesuffix("+00:00").removesuffix(".000000")
    return format(Decimal(text).normalize(), "f") if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else text
