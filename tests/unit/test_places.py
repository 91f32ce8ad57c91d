"""Which connections name one database, and what follows from it for the order of pipelines and for shared tables."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from flowc.catalog import TableName
from flowc.compiler.front.places import place_of
from flowc.compiler.ir import Ir
from flowc.compiler.lowering.lower import lower, lower_pipeline
from flowc.compiler.passes import run_lints
from flowc.compiler.sql.types.tableplaces import keys_of_project
from flowc.diagnostics import Reporter
from flowc.service.access.databases import resolved_databases
from flowc.service.access.secrets import Resolver
from tests.unit.project import Found, check, found

FILES = [
    ["app.db", "./app.db", "x/../app.db", "{root}/app.db", "~/app.db", "linked.db", "here/app.db"],
    ["other.db"],
    ["${{DB}}.db"],
    ["data/app.db", "data//app.db"],
]
MADE_BY_URL = ["sqlite:///app.db", "sqlite:app.db", "sqlite:////{root}/app.db"]
FOLDERS = [
    ["lake", "./lake", "lake/", "file://{root}/lake", "{root}/lake"],
    ["lake2"],
    ["s3://lake", "s3://lake/"],
    ["gs://lake"],
]
POSTGRES = [
    ["postgres://h/d", "postgresql://H:5432/d", "postgres://u:${{P}}@h/d?sslmode=require", "host=h dbname=d user=w",
     "postgres://u:se#cret@h/d", "postgres://u:${{file:/run/p}}@h/d", "postgres://u:${{vault:a/b#c}}@h/d",
     "postgres:///d?host=h", "postgres://x/y?host=h&dbname=d", "host='h' port=5432 dbname = 'd'", "postgres://h/%64",
     "postgres://r@h/d?options=-csearch_path%3D%22$user%22,public"],
    ["postgres://u:se#cret@g/d", "postgres://u:${{vault:a/b#c}}@g/d", "postgres://u:${{file:/run/p}}@g/d"],
    ["postgres://h/e"],
    ["postgres://h:5433/d", "postgres://h/d?port=5433"],
    ["postgres://localhost/d", "postgres://127.0.0.1/d", "postgres://[::1]:5432/d", "postgres:///d",
     "postgres:///d?host=/var/run/postgresql", "dbname=d"],
    ["postgres:///d?host=/a"],
    ["postgres:///d?host=/b"],
    ["postgres://u@h", "postgres://u@h/", "postgres://v@h/u"],
    ["postgres://v@h"],
    ["postgres://u:a/b@h/d"],
    ["postgres://u:a?b@h/d"],
    ["postgres://u:a?c@h/d"],
    ["postgres://h/d?service=s"],
    ["postgres://h1:1,h2:2/d"],
    ["postgres://h1:1,h2:3/d"],
    ["postgres://[h/d"],
    ["${{URL}}"],
    ["${{URL2}}"],
    ["postgres://${{HOST}}/d", "postgres://${{HOST}}:5432/d"],
    ["postgres://${{host}}/d"],
    ["postgres://h/d?options=-csearch_path%3Da", "postgres://h/d?options=-c%20search_path%3Da,public"],
    ["postgres://h/d?options=-csearch_path%3Db"],
]  # fmt: skip
MYSQL = [
    ["mysql://h/d", "mariadb://u:${{P}}@H:3306/d?ssl-mode=REQUIRED", "mysql://u:se#cret@h/d/"],
    ["mysql://h/e"],
    ["mysql://h:3307/d"],
    ["mysql://u:se#cret@g/d"],
    ["mysql://localhost/d", "mysql://127.0.0.1:3306/d", "mysql:///d"],
    ["mysql://localhost/d?socket=/a"],
    ["mysql://localhost/d?socket=/b", "mysql://localhost/d?Socket=/b"],
    ["${{URL}}"],
    ["mysql://u:a/b@h/d"],
]
KAFKA = [["h:1,G:2", "g:2, h:1"], ["h:1"], ["${{BUS}}"]]
SPELLINGS = [
    *(("kafka", "bootstrap_servers", group) for group in KAFKA),
    *(("sqlite", "path", group) for group in FILES),
    *(("duckdb", "path", group) for group in FILES),
    ("sqlite", "url", MADE_BY_URL),
    *(("delta", "uri", group) for group in FOLDERS),
    *(("files", "uri", group) for group in FOLDERS),
    *(("postgres", "url", group) for group in POSTGRES),
    *(("mysql", "url", group) for group in MYSQL),
]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "app.db").touch()
    (tmp_path / "linked.db").symlink_to("app.db")
    (tmp_path / "here").symlink_to(tmp_path)
    return str(tmp_path)


def test_spellings_of_one_database_are_one_place_and_others_are_not(root: str):
    places = [
        {place_of(f"c{n}", kind, {option: spelled.format(root=root)}, root) for n, spelled in enumerate(group)}
        for kind, option, group in SPELLINGS
    ]
    assert [(SPELLINGS[n], found) for n, found in enumerate(places) if len(found) != 1] == []
    pairs = itertools.combinations(zip(SPELLINGS, places, strict=True), 2)
    same = [(one, other) for (one, at), (other, there) in pairs if at & there]
    assert same == [(("sqlite", "path", FILES[0]), ("sqlite", "url", MADE_BY_URL))]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("sqlite", {"path": ":memory:"}),
        ("sqlite", {"path": ""}),
        ("sqlite", {"url": "sqlite://"}),
        ("sqlite", {"url": "sqlite:///a.db?mode=ro"}),
        ("sqlite", {"path": "file::memory:?cache=shared"}),
        ("duckdb", {"path": "md:warehouse"}),
        ("duckdb", {"url": "duckdb:"}),
        ("sqlite", {"path": "a\0b"}),
        ("postgres", {"url": ""}),
        ("mysql", {"url": ""}),
        ("snowflake", {"account": "x"}),
        ("kinesis", {"region": "x"}),
        ("kafka", {}),
    ],
)
def test_a_place_that_nothing_is_known_of_is_the_connections_own(root: str, kind: str, options: dict[str, object]):
    assert place_of("a", kind, options, root) != place_of("b", kind, options, root)


def test_an_object_store_is_one_with_its_endpoint_whoever_its_user_is(root: str):
    one = {"uri": "s3://lake", "options": {"access_key_id": "a", "endpoint": "http://a"}}
    two = {"uri": "s3://lake", "options": {"access_key_id": "b", "endpoint": "http://a"}}
    three = {"uri": "s3://lake", "options": {"access_key_id": "a", "endpoint": "http://b"}}
    places = [place_of(name, "delta", options, root) for name, options in (("a", one), ("b", two), ("c", three))]
    assert places[0] == places[1] != places[2]


@pytest.mark.parametrize(
    ("kind", "one", "two", "is_one"),
    [
        ("mysql", ("mysql://h/d", TableName(None, "t")), ("mysql://h/e", TableName("d", "t")), True),
        ("mysql", ("mysql://h/d", TableName(None, "t")), ("mysql://h/e", TableName(None, "t")), False),
        ("mysql", ("mysql://h/d", TableName(None, "t")), ("mysql://h/d", TableName("d", "T")), True),
        ("postgres", ("postgres://h/d", TableName("a", "t")),
         ("postgres://h/d?options=-csearch_path%3Da", TableName(None, "t")), True),
        ("postgres", ("postgres://h/d", TableName(None, "t")),
         ("postgres://h/d?options=-csearch_path%3Da", TableName(None, "t")), False),
        ("postgres", ("postgres://h/d", TableName(None, "t")), ("postgres://u@h/d", TableName("public", "t")), True),
    ],
)  # fmt: skip
def test_a_plain_name_is_in_the_schema_that_the_address_says(
    tmp_path: Path, kind: str, one: tuple[str, TableName], two: tuple[str, TableName], is_one: bool
):
    a, b = (f"{{ kind: {kind}, url: '{url}' }}" for url, _ in (one, two))
    checked, _ = check(tmp_path, f"connections: {{ a: {a}, b: {b} }}\n")
    assert checked is not None
    key_of = keys_of_project(checked.project)
    assert (key_of("a", kind, one[1]) == key_of("b", kind, two[1])) is is_one


HEAD = """
connections:
  ro: { kind: sqlite, path: a.db }
  rw: { kind: sqlite, url: sqlite:///a.db }
pipelines:
"""


def lowered(folder: Path, pipelines: str) -> tuple[Ir, list[Found]]:
    checked, problems = check(folder, HEAD + pipelines)
    assert (problems, checked is not None) == ([], True)
    assert checked is not None
    reporter = Reporter()
    ir = lower(checked, reporter)
    alone = (lower_pipeline(checked, name, Reporter()) for name in checked.pipelines)
    if not reporter.errors:
        assert {p.name: p.depends_on for p in alone if p} == {p.name: p.depends_on for p in ir.pipelines}
    return ir, found(reporter.sorted())


def test_a_pipeline_waits_for_who_writes_by_another_connection(tmp_path: Path):
    ir, problems = lowered(
        tmp_path,
        """
  b: { from: ro, sql: SELECT id FROM t, to: { connection: rw, table: u } }
  a: { from: ro, sql: SELECT 1 AS id, to: { connection: rw, table: t } }
""",
    )
    assert problems == []
    assert [(p.name, p.depends_on) for p in ir.pipelines] == [("a", ()), ("b", ("a",))]


def test_waits_by_other_connections_that_close_a_cycle_are_left_out(tmp_path: Path):
    """`p` and `q` read what the other one writes; who waits for them, or they for, still does."""
    ir, problems = lowered(
        tmp_path,
        """
  after: { from: ro, sql: SELECT id FROM b, to: { connection: rw, table: c } }
  p: { from: ro, sql: SELECT id FROM a, to: { connection: rw, table: b } }
  q: { from: ro, sql: SELECT b.id FROM b JOIN z ON true, to: { connection: rw, table: a } }
  before: { from: ro, sql: SELECT 1 AS id, to: { connection: rw, table: z } }
""",
    )
    assert problems == []
    waits = {pipeline.name: pipeline.depends_on for pipeline in ir.pipelines}
    assert waits == {"after": ("p",), "p": (), "q": ("before",), "before": ()}


def test_a_cycle_through_one_connection_is_an_error_beside_one_through_two(tmp_path: Path):
    _, problems = lowered(
        tmp_path,
        """
  p: { from: rw, sql: SELECT a.id FROM a, to: { connection: rw, table: b } }
  q: { from: rw, sql: SELECT b.id FROM b, to: { connection: rw, table: a } }
  r: { from: ro, sql: SELECT id FROM d, to: { connection: rw, table: c } }
  s: { from: ro, sql: SELECT id FROM c, to: { connection: rw, table: d } }
""",
    )
    assert [problem.code for problem in problems] == ["dependency-cycle"]


def test_a_cycle_that_one_connection_closes_with_another_leaves_the_sure_wait(tmp_path: Path):
    ir, problems = lowered(
        tmp_path,
        """
  p: { from: rw, sql: SELECT id FROM a, to: { connection: rw, table: b } }
  q: { from: ro, sql: SELECT id FROM b, to: { connection: rw, table: a } }
""",
    )
    assert problems == []
    assert {pipeline.name: pipeline.depends_on for pipeline in ir.pipelines} == {"p": ("q",), "q": ()}


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("pipelines: { p: { from: one, sql: SELECT 1 AS id, to: [{ connection: one, table: t }, "
         "{ connection: two, table: t }] } }", ["duplicate-target"]),
        ("streams: { s: { source: { connection: bus, topic: t, columns: { id: bigint } }, to: { connection: bus2, "
         "topic: t } } }", ["stream-reads-target"]),
        ("streams: { s: { source: { connection: bus, topic: t, columns: { id: bigint } }, to: [{ connection: one, "
         "table: t }, { connection: two, table: T }] } }", ["duplicate-target"]),
        ("pipelines: { p: { from: one, sql: SELECT 1 AS id, to: [{ connection: ma, table: b.t }, "
         "{ connection: mb, table: t }] } }", ["duplicate-target"]),
        ("pipelines: { p: { from: one, sql: SELECT 1 AS id, to: [{ connection: ma, table: t }, "
         "{ connection: mb, table: t }] } }", []),
        ("streams: { s: { source: { connection: bus, topic: t, columns: { id: bigint } }, to: [{ connection: pg, "
         "table: b.t }, { connection: pgb, table: t }] } }", ["duplicate-target"]),
        ("streams: { s: { source: { connection: bus, topic: t, columns: { id: bigint } }, to: [{ connection: pg, "
         "table: t }, { connection: pgb, table: t }] } }", []),
        ("run_log: { connection: two }\npipelines: { p: { from: one, sql: SELECT 1 AS id, to: { connection: one, "
         "table: t } } }", ["unsupported-target"]),
    ],
)  # fmt: skip
def test_places_that_must_not_meet_do_not_meet_by_two_connections(tmp_path: Path, more: str, codes: list[str]):
    connections = """
connections:
  one: { kind: sqlite, path: a.db }
  two: { kind: sqlite, path: ./a.db }
  bus: { kind: kafka, bootstrap_servers: "localhost:9092" }
  bus2: { kind: kafka, bootstrap_servers: "LOCALHOST:9092" }
  ma: { kind: mysql, url: "mysql://h/a" }
  mb: { kind: mysql, url: "mysql://u@H:3306/b" }
  pg: { kind: postgres, url: "postgres://h/d" }
  pgb: { kind: postgres, url: "postgres://h/d?options=-csearch_path%3Db" }
"""
    _, problems = check(tmp_path, connections + more + "\n")
    assert [problem.code for problem in problems] == codes


def test_bad_rows_do_not_go_into_a_table_that_another_connection_writes(tmp_path: Path):
    text = """
  p: { from: ro, sql: SELECT 1 AS id, to: { connection: rw, table: t },
       expect: [{ not_null: [id], severity: quarantine }], quarantine: { table: bad } }
  q: { from: ro, sql: SELECT 1 AS id, to: { connection: ro, table: bad } }
"""
    checked, problems = check(tmp_path, HEAD + text)
    assert (problems, checked is not None) == ([], True)
    assert checked is not None
    reporter = Reporter()
    run_lints(checked, lower(checked, Reporter()), reporter)
    assert [problem.code for problem in reporter.sorted()] == ["conflicting-options"]


def test_a_pipe_is_left_to_the_one_who_opens_the_connection(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with open(os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK), "w+b", buffering=0) as pipe:
        pipe.write(b"a.db")
        checked, _ = check(tmp_path, "connections: { a: { kind: sqlite, path: '${file:pipe}' } }\n")
        assert checked is not None
        assert resolved_databases(checked.project, Resolver({}, tmp_path)) == {}
        assert pipe.read(4) == b"a.db"
