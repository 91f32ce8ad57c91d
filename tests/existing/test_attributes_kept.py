"""A change of a column keeps each of its attributes, or is refused with the name of what it would lose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.existing.making import made
from tests.migrate.projects import specs
from tests.stores import Store, address

_COLUMNS = {
    "mysql": {
        "COMPRESSED": "varchar(20) COMPRESSED",
        "INVISIBLE": "varchar(20) INVISIBLE",
        "CHECK": "varchar(20) CHECK (a <> 'x')",
        "latin1_bin": "varchar(20) CHARACTER SET latin1 COLLATE latin1_bin",
        "utf8mb4_spanish_ci": "varchar(20) COLLATE utf8mb4_spanish_ci",
        "COMMENT 'of mine'": "varchar(20) COMMENT 'of mine'",
    },
    "sqlite": {
        "COLLATE": "varchar(20) COLLATE NOCASE",
        "CHECK": "varchar(20) CHECK (a <> 'x')",
        "REFERENCES": "varchar(20) REFERENCES other (id)",
        "ON CONFLICT": "varchar(20) UNIQUE ON CONFLICT IGNORE",
    },
    "duckdb": {
        "CHECK": "varchar CHECK (a <> 'x')",
        "COLLATE NOCASE": "varchar COLLATE NOCASE",
    },
    "postgres": {
        'COLLATE "C"': 'varchar(20) COLLATE "C"',
        "STORAGE e": "varchar(20); ALTER TABLE {} ALTER a SET STORAGE EXTERNAL",
        "COMPRESSION p": "varchar(20) COMPRESSION pglz",
        "CHECK": "varchar(20) CHECK (a <> 'x')",
    },
}
_EDITS = {"longer": "varchar(40)", "text": "text", "required": "varchar(20) not null"}


@pytest.mark.parametrize("kind", list(_COLUMNS))
def test_a_change_keeps_each_attribute_or_names_it(request: pytest.FixtureRequest, kind: str, tmp_path: Path):
    store = Store(kind, tmp_path, address(request, kind))
    project = Inside(store.folder, {"STORE": store.dsn})
    store.run("CREATE TABLE other (id varchar(20) PRIMARY KEY)")
    tables = {f"t{number}": words for number, words in enumerate(_COLUMNS[kind])}
    for table, words in tables.items():
        definition, *more = _COLUMNS[kind][words].split("; ")
        store.run(f"CREATE TABLE {table} (id bigint PRIMARY KEY, a {definition})", *(m.format(table) for m in more))
    for edit, declared in _EDITS.items():
        before = {table: _made(store, table) for table in tables}
        specs(project, store, dict.fromkeys(tables, f"columns: {{ id: bigint primary key, a: {declared} }}"))
        plan = json.loads(project.flowc("plan", "--json").out)
        told = {t: [c for c in plan["changes"] if c["name"].split(".")[1] == t and c["blocked"]] for t in tables}
        kept = {t: f"columns: {{ id: bigint primary key, a: {declared} }}" for t in tables if not told[t]}
        specs(project, store, kept)
        done = project.flowc("apply", "--yes")
        assert done.code == 0, done.err
        for table, words in tables.items():
            named = " ".join(str(change["blocked"]) for change in told[table])
            assert words in (named if named else _made(store, table)), (words, edit, named)
            assert not named or _made(store, table) == before[table], (words, edit)


def _made(store: Store, table: str) -> str:
    """The table, or what of its column no type says, in the engine's words."""
    queries = {
        "mysql": f"SHOW CREATE TABLE {table}",
        "sqlite": f"SELECT sql FROM sqlite_master WHERE name = '{table}'",
        "duckdb": f"SELECT sql FROM duckdb_tables() WHERE table_name = '{table}'",
        "postgres": "SELECT 'COLLATE ' || attcollation::regcollation, 'STORAGE ' || attstorage::text, "
        "'COMPRESSION ' || attcompression::text, "
        "(SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint WHERE conrelid = "
        f"attrelid) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = 'a'",
    }
    return " ".join(str(value) for value in store.raw(queries[store.kind])[0])


_IMPORTED = {
    "postgres": (
        """
COMMENT ON SCHEMA public IS 'of mine';
CREATE TABLE t (id bigint PRIMARY KEY, a integer CONSTRAINT ua UNIQUE, b integer);
CREATE INDEX ib ON t (b);
COMMENT ON INDEX ib IS 'by b'
""",
        ("constraint `ua`: UNIQUE", "the comment of schema public", "the comment of index ib"),
    ),
    "mysql": (
        """
CREATE TABLE t (id bigint PRIMARY KEY, a varchar(20) COMPRESSED, b integer, KEY ib (b) COMMENT 'by b') COMMENT 'parts'
PARTITION BY HASH (id) PARTITIONS 2
""",
        ("`a`: COMPRESSED", "the comment of index ib", "description: parts", "varchar(20)"),
    ),
    "sqlite": ("CREATE TABLE t (id bigint PRIMARY KEY, a integer UNIQUE)", ("UNIQUE, of which flowc makes",)),
    "duckdb": ("CREATE TABLE t (id bigint PRIMARY KEY, a integer UNIQUE)", ("UNIQUE, of which flowc makes",)),
}


@pytest.mark.parametrize("kind", list(_IMPORTED))
def test_import_notes_what_it_does_not_hold(request: pytest.FixtureRequest, kind: str, tmp_path: Path):
    text, words = _IMPORTED[kind]
    done = made(Store(kind, tmp_path, address(request, kind)), text).flowc("import", "w", "t")
    assert [each for each in words if each not in done.out + done.err] == [], done.out
