"""SQL names a table by the key that the project gives it, on every engine; what may mean another table is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Folder, Inside
from tests.databases import KINDS, Databases
from tests.services.mysql import fresh_database

SPECS = """connections:
  db: {connection}
tables:
  invoices: {{ connection: db, {place}name: Billed, columns: {{ id: bigint, total: bigint }} }}
  people: {{ connection: db, {place}columns: {{ id: bigint, name: text }} }}
  Mixed: {{ connection: db, {place}name: odd, columns: {{ id: bigint }} }}
  sums: {{ connection: db, columns: {{ n: bigint }} }}
pipelines:
  add:
    from: db
    sql: |
      {sql}
    to: sums
    mode: truncate
    expect: [{{ sql: "n < 99 AND (SELECT sum(invoices.total) FROM invoices) = 12" }}]
  fill: {{ from: db, sql: "SELECT 1 AS id, 5 AS total UNION ALL SELECT 2, 7", to: invoices, mode: truncate }}
  meet: {{ from: db, sql: "SELECT 2 AS id, 'ann' AS name", to: people, mode: truncate }}
  odd: {{ from: db, sql: "SELECT 2 AS id", to: Mixed, mode: truncate }}
"""
QUERIES = {
    "the key stands for the table and still calls it": (
        "SELECT CAST(sum(invoices.total) AS {int}) AS n FROM invoices JOIN people ON people.id = invoices.id", 7,
    ),
    "an alias of its own stays": (
        "SELECT CAST(sum(i.total) AS {int}) AS n FROM invoices AS i, people p WHERE p.id = i.id", 7,
    ),
    "in subqueries and unions": (
        "SELECT CAST(sum(x.total) AS {int}) AS n FROM (SELECT total FROM invoices UNION ALL SELECT id FROM people) x"
        " WHERE EXISTS (SELECT 1 FROM people WHERE people.id = 2)", 14,
    ),
    "a CTE hides it nowhere else": (
        "SELECT CAST(sum(invoices.total) AS {int}) AS n FROM invoices"
        " WHERE id IN (WITH invoices AS (SELECT 2 AS id) SELECT id FROM invoices)", 7,
    ),
    "quoted": ("SELECT CAST(sum({q}invoices{q}.total) AS {int}) AS n FROM {q}invoices{q}", 12),
    "quoted in mixed case": ("SELECT {q}Mixed{q}.id AS n FROM {q}Mixed{q}, invoices WHERE total = 5", 2),
}  # fmt: skip

ODD = [
    ("duckdb", "SELECT count(*) AS n FROM (TABLE invoices) x"),
    ("duckdb", "SELECT count(*) AS n FROM (SUMMARIZE invoices) x"),
    ("duckdb", "FROM invoices SELECT invoices.id AS n"),
    ("postgres", "SELECT x.id AS n FROM (TABLE invoices) x JOIN ONLY invoices ON invoices.id = x.id"),
    ("postgres", "SELECT invoices.id AS n FROM invoices TABLESAMPLE SYSTEM (1)"),
    ("mysql", "SELECT invoices.id AS n FROM invoices USE INDEX ()"),
    ("sqlite", "SELECT invoices.id AS n FROM invoices NOT INDEXED"),
]
LATER_CTE = (
    "WITH a AS (SELECT total FROM invoices), invoices AS (SELECT 1 AS total)"
    " SELECT (SELECT sum(total) FROM a) + (SELECT sum(total) FROM invoices) AS n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Inside(tmp_path)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(kind: str, mysql_address: str) -> Iterator[str]:
    """Another schema than the default one; SQLite has none, and there only the name is another."""
    if kind == "mysql":
        with fresh_database(mysql_address) as dsn:
            yield f"schema: {dsn.rpartition('/')[2]}, "
    else:
        yield "" if kind == "sqlite" else "schema: mart, "


@pytest.fixture
def connection(kind: str, folder: Folder, postgres: str, mysql: str) -> str:
    """With tables that nobody declares, and that have the names of keys."""
    databases = Databases(folder.path, postgres, mysql)
    session = databases.session(kind)
    for name in ("invoices", *(("people",) if kind != "sqlite" else ()), '"Mixed"'):
        session.execute(f"CREATE TABLE {name} (id BIGINT, total BIGINT)")
        session.execute(f"INSERT INTO {name} VALUES (2, 1000)")
    databases.close()
    given = {"sqlite": "path: test.sqlite", "duckdb": "path: test.duckdb"}
    url = postgres if kind == "postgres" else mysql
    return f"{{ kind: {kind}, {given.get(kind, f'url: {chr(39)}{url}{chr(39)}')} }}"


def loaded(folder: Folder, *adding: str) -> list[object]:
    """What is shown of `add`, or of pipelines by other names, after a run of all."""
    adding = adding or ("add",)
    linted = folder.flowc("lint", "--format", "concise")
    assert linted.code == 0, linted.out
    assert folder.flowc("apply", "--yes").code == 0
    done = folder.flowc("run", "--once", "--json")
    assert done.code == 0, done.err + done.out
    names = [pipeline["name"] for pipeline in done.json["pipelines"]]
    assert min(map(names.index, adding)) > names.index("fill"), "what is read comes first"
    shown = [folder.flowc("preview", name, "--json").json["rows"] for name in adding]
    return [row["row"]["n"] for rows in shown for row in rows]


def test_a_key_means_its_table_on_every_engine(folder, kind, connection, place):
    """A pipeline for each query, all in one project."""
    before, _, rest = SPECS.partition("  add:\n")
    add, _, after = rest.partition("  fill:")
    words, names = {"connection": connection, "place": place}, [f"add{number}" for number in range(len(QUERIES))]
    text = before.format(**words) + "".join(
        f"  {name}:\n"
        + add.format(sql=spelled(query, kind)).replace("to: sums", f"to: {{ connection: db, table: {name} }}")
        for name, (query, _) in zip(names, QUERIES.values(), strict=True)
    )
    folder.write("specs/a.yaml", text + "  fill:" + after.format(**words))
    assert loaded(folder, *names) == [wanted for _, wanted in QUERIES.values()]


def spelled(query: str, kind: str) -> str:
    return query.format(int="SIGNED" if kind == "mysql" else "BIGINT", q="`" if kind == "mysql" else '"')


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sqlite"])
def test_a_later_cte_hides_nothing(folder, connection, place):
    folder.write("specs/a.yaml", SPECS.format(connection=connection, place=place, sql=LATER_CTE))
    assert loaded(folder) == [13]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_in_sqlite_a_later_cte_is_meant(folder, connection, place):
    folder.write("specs/a.yaml", SPECS.format(connection=connection, place=place, sql=LATER_CTE))
    assert "WITH a AS (SELECT total FROM invoices), invoices AS" in folder.flowc("compile", "add").out


@pytest.mark.parametrize(("kind", "sql"), ODD)
def test_odd_places_of_a_name_are_read_by_the_engine(folder, connection, place, sql):
    folder.write("specs/a.yaml", SPECS.format(connection=connection, place=place, sql=sql))
    assert folder.flowc("apply", "--yes").code == 0
    done = folder.flowc("validate")
    assert done.code == 0, done.out + done.err
    assert "Billed" in folder.flowc("compile", "add").out.partition("read the source")[2].partition(";")[0]


TWO = """connections:
  db: {{ kind: duckdb, path: a.duckdb }}
  far: {{ kind: sqlite, path: b.db }}
  files: {{ kind: files, uri: . }}
tables:
  invoices: {{ connection: db, schema: mart, columns: {{ id: bigint, total: bigint }} }}
  people: {{ connection: far, columns: {{ id: bigint }} }}
  sums: {{ connection: db, columns: {{ n: bigint }} }}
{more}
"""
ADD = "pipelines: {{ add: {{ from: {home}, sql: '{sql}', to: sums, mode: truncate{more} }} }}"
OWN = "pipelines: { copy: { from: db, sql: 'SELECT id, total FROM invoices', to: invoices, mode: truncate } }"
COPY = """pipelines:
  copy: { from: db, sql: SELECT id FROM people, to: people, mode: truncate }
  add: { from: db, sql: SELECT id AS n FROM people, to: sums, mode: truncate }
"""
ALIKE = """  Invoices: { connection: db, schema: other, columns: { id: bigint } }
pipelines: { add: { from: db, sql: SELECT id AS n FROM INVOICES, to: sums, mode: truncate } }
"""
WRITTEN = """pipelines:
  make: { from: db, sql: SELECT 1 AS other, to: { connection: db, table: invoices }, mode: append }
  add: { from: db, sql: SELECT other AS n FROM invoices, to: sums, mode: truncate }
"""
DECLARED = """  bare: { connection: db, name: invoices, columns: { other: bigint } }
pipelines: { add: { from: db, sql: SELECT other AS n FROM invoices, to: sums, mode: truncate } }
"""
QUALIFIED = """  bare: { connection: db, name: invoices, columns: { other: bigint } }
pipelines: { add: { from: db, sql: SELECT other AS n FROM main.invoices, to: sums, mode: truncate } }
"""
SOURCES = """pipelines:
  add:
    from: { a: { connection: files, path: a.csv, columns: { id: bigint } } }
    sql: SELECT a.id AS n FROM a JOIN invoices ON a.id = invoices.id
    to: sums
    mode: truncate
"""

STREAM = """streams:
  s:
    source: { connection: files, path: in, format: jsonl, columns: { id: bigint } }
    sql: SELECT source.id AS n FROM source JOIN invoices ON invoices.id = source.id
    to: { table: sums, mode: append }
"""


def added(sql: str, more: str = "", home: str = "db") -> str:
    return ADD.format(sql=sql, more=more, home=home)


@pytest.mark.parametrize(
    ("more", "place", "said"),
    [
        (OWN, "9:60", "error[ambiguous-table]: `invoices` may be the declared table `mart.invoices` or another one"),
        (OWN, "", "help: write `{{ ref('invoices') }}` for `mart.invoices`"),
        (OWN, "", "help: name the other one with its schema: `main.invoices`"),
        (ALIKE, "10:56", "error[ambiguous-table]: `INVOICES` may be `mart.invoices` or `other.Invoices`"),
        (WRITTEN, "11:48", "warning[hidden-table-key]: `invoices` is the table of that name here, and not `mart."),
        (DECLARED, "10:59", "warning[hidden-table-key]: `invoices` is the table of that name here"),
        (DECLARED, "", "help: write `{{ ref('invoices') }}` for `mart.invoices`"),
        (DECLARED, "", "help: name the other one with its schema: `main.invoices`"),
        (SOURCES, "12:39", "error[unknown-table]: `invoices` is not a source of this pipeline"),
        (SOURCES, "", "help: read it as one of several sources: `from: { invoices: { connection: db, … } }`"),
        (STREAM, "12:49", "help: look its rows up: `lookups: { invoices: { connection: db, … } }`"),
        (added("SELECT invoices.idd AS n FROM invoices"), "9:53", "error[unknown-column]: column `idd` does not exist"),
        (
            added("SELECT 1 AS n", more=', after: ["DELETE FROM invoices WHERE id = 1"]'),
            "9:100", "warning[table-key-in-statement]: `invoices` is not the declared table `mart.invoices` here",
        ),
    ],
)  # fmt: skip
def test_what_may_be_another_table_is_told_at_its_place(folder, more, place, said):
    folder.write("specs/a.yaml", TWO.format(more=more))
    done = folder.flowc("lint")
    assert said in done.out
    assert f"specs/a.yaml:{place}" in done.out, done.out


@pytest.mark.parametrize("more", [COPY, QUALIFIED, added("SELECT 1 AS n", more=', after: ["ANALYZE sums"]')])
def test_what_means_one_table_only_is_told_nothing(folder, more):
    folder.write("specs/a.yaml", TWO.format(more=more))
    assert "no problems" in folder.flowc("lint").err


def test_a_lookup_names_a_table_by_its_key(folder):
    folder.write(
        "specs/a.yaml",
        TWO.format(
            more="""streams:
  s:
    source: { connection: files, path: in, format: jsonl, columns: { id: bigint } }
    lookups: { i: { connection: db, sql: "SELECT invoices.id, invoices.total FROM invoices" } }
    sql: SELECT source.id AS n FROM source JOIN i ON i.id = source.id
    to: { table: sums, mode: append }
"""
        ),
    )
    assert folder.flowc("lint", "--format", "concise").code == 0, folder.flowc("lint").out
    assert "<- db.mart.invoices" in folder.flowc("graph").out
