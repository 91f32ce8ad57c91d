"""Files to one project: names merged, short forms read, environments applied, positions kept."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler.front.columndef import split_definition
from flowc.compiler.front.project import ProjectSpec
from flowc.durations import parse_duration, parse_share, parse_size
from tests.unit.project import BASE, check, found, load

TABLE = (
    "connections: {{ db: {{ kind: sqlite, path: a.db }} }}\ntables:\n  t:\n    connection: db\n    columns: {columns}\n"
)


def pipeline(body: str) -> str:
    return f"{BASE}pipelines:\n  p:\n    {body}\n    to: t\n"


def table(tmp_path: Path, columns: str) -> ProjectSpec:
    project, diagnostics = load(tmp_path, TABLE.format(columns=columns))
    assert project is not None
    assert diagnostics == []
    return project


def test_files_are_one_project(tmp_path: Path) -> None:
    project, diagnostics = load(
        tmp_path, BASE, "pipelines: { p: { sql: SELECT 1, to: t } }", "vars: { a: [1, x] }\nstreams:\n"
    )
    assert diagnostics == []
    assert project is not None
    assert (list(project.tables), list(project.pipelines), project.vars) == (["t"], ["p"], {"a": [1, "x"]})


def test_one_name_in_two_files(tmp_path: Path) -> None:
    _, (diagnostic,) = load(tmp_path, BASE, "tables: { t: { connection: db, columns: { id: bigint } } }")
    assert diagnostic.code == "duplicate-name"
    note = diagnostic.notes[0].span
    assert note is not None
    assert diagnostic.span is not None
    assert (Path(note.file.path).name, Path(diagnostic.span.file.path).name) == ("f0.yaml", "f1.yaml")


def test_a_broken_entry_leaves_the_others(tmp_path: Path) -> None:
    text = BASE + "pipelines:\n  bad: { sql: x }\n  good: { sql: SELECT 1, to: t }\n"
    project, diagnostics = load(tmp_path, text)
    assert found(diagnostics) == [("missing-key", "bad")]
    assert project is not None
    assert not project.pipelines["good"].gaps
    assert project.pipelines["bad"].gaps == {"to"}
    assert ("pipelines", "bad") in project.broken


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("run_log: { keep: 30 days }", "bad-value", "30 days"),
        ("run_log: { keep: 30 }", "wrong-type", "30"),
        ("run_log: { keep: true }", "wrong-type", "true"),
        ('run_log: { keep: "${KEEP}" }', "bad-value", '"${KEEP}"'),
        ("run_log: { keep: 0s }", "bad-value", "0s"),
        ("telemetry: { metrics: { kind: stdout, every: 1 minute } }", "bad-value", "1 minute"),
        ("telemetry: { metrics: { kind: stdout, every: 5 } }", "wrong-type", "5"),
        ("telemetry: { metrics: { kind: stdout, every: 0s } }", "bad-value", "0s"),
        ("telemetry: { traces: { kind: stdout, sample: 50% } }", "wrong-type", "50%"),
        ("telemetry: { traces: { kind: stdout, sample: null } }", "wrong-type", "null"),
        ("concurrency: { runs: lots }", "wrong-type", "lots"),
    ],
)
def test_a_wrong_value_of_what_a_project_says_of_itself(tmp_path: Path, text: str, code: str, marked: str) -> None:
    _, diagnostics = check(tmp_path, text)
    assert diagnostics == [(code, marked)]


def test_column_forms(tmp_path: Path) -> None:
    columns = """
      id: bigint primary key
      a: "varchar(5) not null default 'not null, x' unique"
      b: { type: "numeric(12,2)", nullable: false, default: 0, renamed_from: c, normalize: [trim, { default: 1 }, { parse_int: null }] }
      c: text[]
      d: timestamp with time zone default now()
      e: double precision null"""
    spec = table(tmp_path, columns).tables["t"]
    by_name = {c.name.value: c for c in spec.columns}
    assert [str(c.type.value) for c in spec.columns] == [
        "bigint", "varchar(5)", "numeric(12,2)", "text[]", "timestamptz", "double",
    ]  # fmt: skip
    assert [c.nullable for c in spec.columns] == [False, False, False, True, True, True]
    assert [c.default.value if c.default else None for c in spec.columns] == [
        None, "'not null, x'", "0", None, "now()", None,
    ]  # fmt: skip
    assert [(n.name.value, n.argument.value if n.argument else None) for n in by_name["b"].normalize] == [
        ("trim", None), ("default", 1), ("parse_int", None),
    ]  # fmt: skip
    assert [(i.columns[0].value, i.unique) for i in spec.indexes] == [("a", True)]
    assert [k.value for k in spec.primary_key] == ["id"]


def test_primary_key_columns_are_never_null(tmp_path: Path) -> None:
    project, _ = load(tmp_path, TABLE.format(columns="{ a: int, b: int }") + "    primary_key: [a, b]\n")
    assert project is not None
    assert [c.nullable for c in project.tables["t"].columns] == [False, False]


@pytest.mark.parametrize(
    ("columns", "code", "marked"),
    [
        ("{ a: bigintt }", "unknown-type", "bigintt"),
        ("{ a: 'varchr(5) not null' }", "unknown-type", "varchr(5)"),
        ("{ a: varchar(0) }", "unknown-type", "varchar(0)"),
        ("{ a: 'numeric(3,5)' }", "unknown-type", "numeric(3,5)"),
        ("{ a: not null }", "unknown-type", ""),
        ("{ a: { type: x } }", "unknown-type", "x"),
        ("{ a: bigint references b }", "bad-column-definition", "references"),
        ("{ a: bigint default }", "bad-column-definition", "default"),
        ("{ a: numeric(12,2) }", "wrong-type", "2)"),
    ],
)  # fmt: skip
def test_wrong_columns(tmp_path: Path, columns: str, code: str, marked: str) -> None:
    _, diagnostics = load(tmp_path, TABLE.format(columns=columns))
    assert (code, marked) in found(diagnostics)


@pytest.mark.parametrize(
    ("definition", "meant"),
    [
        ("bigint primary_key", "primary key"),
        ("text not nul", "not null"),
        ("varchar(5) uniqe", "unique"),
        ("bigit primary key", "bigint"),
    ],
)
def test_a_misspelled_clause_is_no_misspelled_type(tmp_path: Path, definition: str, meant: str) -> None:
    _, diagnostics = load(tmp_path, TABLE.format(columns=f"{{ a: {definition} }}"))
    assert [d.helps for d in diagnostics if d.code == "unknown-type"] == [(f"did you mean `{meant}`?",)]


def test_clauses_split_outside_quotes_and_brackets() -> None:
    text = "numeric(12, 2) NOT  NULL default (a = 'unique' and b is not null) UNIQUE"
    assert [(p.clause, text[p.body : p.end]) for p in split_definition(text)] == [
        ("type", "numeric(12, 2)"), ("not null", ""), ("default", "(a = 'unique' and b is not null)"), ("unique", ""),
    ]  # fmt: skip


def test_sql_points_into_the_yaml(tmp_path: Path) -> None:
    project, _ = load(tmp_path, pipeline("sql: |\n      SELECT a,\n        b\n      FROM x"))
    assert project is not None
    sql = project.pipelines["p"].sql
    assert sql is not None
    at = sql.text.index("FROM")
    span = sql.span(at, at + 4)
    assert span.file.text[span.start : span.end] == "FROM"


def test_sql_file_points_into_that_file(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("SELECT a\nFROM x\n")
    project, diagnostics = load(tmp_path, pipeline("sql_file: q.sql"))
    assert diagnostics == []
    assert project is not None
    sql = project.pipelines["p"].sql
    assert sql is not None
    span = sql.span(sql.text.index("FROM"), sql.text.index("FROM") + 4)
    assert (Path(span.file.path).name, span.file.position(span.start)) == ("q.sql", (2, 1))


@pytest.mark.parametrize(
    ("body", "code", "marked"),
    [
        ("sql_file: no.sql", "missing-file", "no.sql"),
        ("sql_file: '.'", "unreadable-file", "."),
        ("sql: SELECT 1\n    sql_file: no.sql", "conflicting-keys", "no.sql"),
    ],
)  # fmt: skip
def test_wrong_sql_files(tmp_path: Path, body: str, code: str, marked: str) -> None:
    _, diagnostics = load(tmp_path, pipeline(body))
    assert found(diagnostics) == [(code, marked)]


def test_every_form_of_to(tmp_path: Path) -> None:
    to = "[t, { table: t, mode: merge, keys: [id] }, { connection: db, table: s.x, primary_key: [a] }, { connection: drop, path: out }]"
    project, _ = load(tmp_path, BASE + f"pipelines: {{ p: {{ sql: SELECT 1, to: {to} }} }}")
    assert project is not None
    seen = [
        (
            t.table and t.table.value, t.connection and t.connection.value, t.mode and t.mode.value,
            {key: name.value for key, name in t.addresses.items()},
        )
        for t in project.pipelines["p"].to
    ]  # fmt: skip
    assert seen == [
        ("t", None, None, {}), ("t", None, "merge", {}), ("s.x", "db", None, {}), (None, "drop", None, {"path": "out"}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("raw", []),
        ("{ connection: drop, path: a.csv }", ["source"]),
        ("{ a: { connection: drop, path: a.csv }, b: { connection: raw, table: x } }", ["a", "b"]),
        ("{ connection: { connection: raw, table: x } }", ["connection"]),
    ],
)  # fmt: skip
def test_every_form_of_from(tmp_path: Path, form: str, names: list[str]) -> None:
    project, diagnostics = load(tmp_path, pipeline(f"from: {form}\n    sql: SELECT 1"))
    assert diagnostics == []
    assert project is not None
    spec = project.pipelines["p"].from_
    assert spec is not None
    assert [name.value for name, _ in spec.sources] == names


def test_environments_override(tmp_path: Path) -> None:
    text = (
        "vars: { region: eu, size: 1 }\nconnections: { db: { kind: sqlite, path: a.db } }\n"
        "environments: { prod: { vars: { region: us }, connections: { db: { kind: duckdb, path: b.db } } } }\n"
    )
    project, _ = load(tmp_path, text, environment="prod")
    assert project is not None
    assert project.vars == {"region": "us", "size": 1}
    assert project.connections["db"].kind.value == "duckdb"
    assert project.connections["db"].origin == "environment prod"


def test_unknown_environment(tmp_path: Path) -> None:
    _, (diagnostic,) = load(tmp_path, "environments: { prod: {} }", environment="prd")
    assert (diagnostic.code, diagnostic.helps) == ("unknown-environment", ("did you mean `prod`?",))


def test_on_stays_a_name(tmp_path: Path) -> None:
    text = BASE + (
        "streams: { s: { sources: { a: { connection: bus, topic: a }, b: { connection: bus, topic: b } },"
        " join: { left: a, right: b, on: [id], within: 5m }, to: t } }"
    )
    project, diagnostics = load(tmp_path, text)
    assert diagnostics == []
    assert project is not None
    join = project.streams["s"].join
    assert join is not None
    assert [column.value for column in join.on] == ["id"]


def test_numbers_with_units() -> None:
    assert [parse_duration(d) for d in ("500ms", "30s", "1.5m", "2h", "30d")] == [0.5, 30, 90, 7200, 2592000]
    assert [parse_size(s) for s in ("64MiB", "1kB", "10B", "1GiB")] == [67108864, 1000, 10, 1073741824]
    assert parse_share("0.1%") == pytest.approx(0.001)
