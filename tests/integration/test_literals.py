"""Names and texts of every character in the SQL that flowc writes: they stay names and texts, on every engine."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
import yaml

from flowc.catalog import Column, TableName
from flowc.compiler import quote
from flowc.compiler.dialects import DIALECTS
from flowc.runtime.contracts.database import Database
from flowc.runtime.names import qualified, quoted
from flowc.runtime.systems import literal, open_database
from flowc.runtime.systems.mysql.types import _default
from flowc.types import parse_type
from tests.commands import Inside
from tests.stores import Store

CHARACTERS = [chr(code) for code in range(1, 0x100)] + ["\u2028", "\u202e", "\ufeff", "ß", "İ", "𝄞", "\u2018", "\u02bc"]
SAMPLES = [
    "x\\' OR sleep(3)#", "a AND b' AND sleep(3)#", "\\", "\\\\'", "'; DROP TABLE t; --", '" OR 1=1 --', "` OR 1=1 #",
    "' UNION SELECT 1, 2, 3, 4 -- x", "{schema}", "{0} {", "%s %(a)s %", "a\nb", "/* ' */", "$$ ' $$", ":a ?", "x\\",
    "\\x41\\'", "ﬀ' OR ''='", "¿' OR 1=1#",
]  # fmt: skip


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    options = {"url": store.dsn} if store.dsn else {"path": str(store.folder / f"store.{store.kind}")}
    made = open_database(store.kind, options)
    made.open()
    yield made
    made.close()


def _modes(kind: str) -> Iterator[str]:
    yield "SELECT 1"
    if kind == "mysql":
        yield "SET SESSION sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES')"


def test_texts_stay_what_they_are(database: Database) -> None:
    texts = [*CHARACTERS, *(f"\\{c}'" for c in CHARACTERS), *(f"{c}' OR 1=1 --" for c in CHARACTERS), *SAMPLES]
    for mode in _modes(database.kind):
        database.query(mode) if mode.startswith("SELECT") else database.execute(mode)
        for start in range(0, len(texts), 100):
            some = texts[start : start + 100]
            rows = " UNION ALL ".join(f"SELECT {n} AS n, {literal(t, database.kind)} AS t" for n, t in enumerate(some))
            found = database.query(f"SELECT n, t FROM ({rows}) AS q ORDER BY n").column("t").to_pylist()
            assert found == some


def test_texts_of_plans_stay_what_they_are(database: Database) -> None:
    texts = [*CHARACTERS, *(f"\\{c}'" for c in CHARACTERS), *SAMPLES]
    dialect = DIALECTS[database.kind]
    for start in range(0, len(texts), 100):
        some = texts[start : start + 100]
        rows = " UNION ALL ".join(f"SELECT {n} AS n, {quote.text(t, dialect)} AS t" for n, t in enumerate(some))
        assert database.query(f"SELECT n, t FROM ({rows}) AS q ORDER BY n").column("t").to_pylist() == some


def test_names_stay_what_they_are(database: Database) -> None:
    for mode in _modes(database.kind):
        _check_names(database, mode)


def _check_names(database: Database, mode: str) -> None:
    for name in SAMPLES:
        table = TableName(None, name)
        database.execute(f"CREATE TABLE {qualified(table)} ({quoted(name)} VARCHAR(50) PRIMARY KEY, n INTEGER, "
                         f"CONSTRAINT {quoted('c' + name)} CHECK (n > 0))")  # fmt: skip
    database.query(mode) if mode.startswith("SELECT") else database.execute(mode)
    assert {name.name for name in database.names()} >= set(SAMPLES)
    for name in SAMPLES:
        table = TableName(None, name)
        found = database.tables([table])[table]
        assert ([c.name for c in found.columns], found.primary_key) == ([name, "n"], (name,)), name
        assert database.table(TableName(None, name + "!")) is None
        assert database.resolved(table).table.name.lower() == name.lower()
        columns = [Column(name, parse_type("text"), False), Column("n", parse_type("integer"))]
        batch = pa.record_batch([pa.array(["a'\\"]), pa.array([1], pa.int32())], names=[name, "n"])
        database.begin()
        database.lock(table)
        database.ingest(table, columns, iter([batch]), temporary=False)
        database.commit()
        assert database.query(f"SELECT * FROM {qualified(table)}").to_pylist() == [{name: "a'\\", "n": 1}]
        database.execute(f"DROP TABLE {qualified(table)}")


def test_columns_of_every_character(database: Database) -> None:
    # MySQL has no such characters in names, and says so.
    names = [f"{n}{c}'x" for n, c in enumerate(CHARACTERS) if ord(c) < 0x10000 or database.kind != "mysql"]
    columns = ", ".join(f"{quoted(name)} INTEGER" for name in names)
    database.execute(f"CREATE TABLE t ({columns})")
    table = TableName(None, "t")
    assert [column.name for column in database.tables([table])[table].columns] == names


def test_import_takes_any_name(store: Store, project: Inside) -> None:
    names = dict.fromkeys([*SAMPLES, "1e5", "0o17", "null", "~", "2020-01-01", "- a", "a: b #c"])
    store.run(*(f"CREATE TABLE {_own(store, n)} ({_own(store, n)} VARCHAR(50) PRIMARY KEY)" for n in names))
    project.write("specs/s.yaml", f"connections:\n  db: {store.connection}\n")
    done = project.flowc("import", "db", "--out", "specs/t.yaml")
    assert done.code == 0, done.err
    imported = yaml.safe_load((project.path / "specs/t.yaml").read_text("utf-8"))["tables"]
    assert sorted(each for table in imported.values() for each in table["columns"]) == sorted(names)
    assert project.flowc("lint").code == 0
    assert "No changes" in project.flowc("plan").out


def _own(store: Store, name: str) -> str:
    return "`" + name.replace("`", "``") + "`" if store.kind == "mysql" else quoted(name)


def test_a_default_that_a_server_tells_bare_becomes_a_text() -> None:
    """As MySQL tells it; MariaDB tells SQL."""
    assert _default("a\\' b", "", None, "varchar", mariadb=False) == "'a\\\\'' b'"
    assert _default("'a\\\\'' b'", "", None, "varchar", mariadb=True) == "'a\\\\'' b'"
