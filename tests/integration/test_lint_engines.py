"""What lint reports of SQL that an engine at hand does not take: at its place, once, and only where it is certain."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Diagnostic, Reporter, Severity
from flowc.service.checking import checker
from tests.commands import Inside
from tests.unit.project import write

BASE = """
connections:
  db: { kind: duckdb, path: x.duckdb }
  lite: { kind: sqlite, path: x.sqlite }
  pg: { kind: postgres, url: "${PG}" }
  drop: { kind: files, uri: inbox }
  bus: { kind: kafka, bootstrap_servers: "${BUS}" }
tables:
  invoices:
    connection: db
    schema: mart
    columns: { id: bigint not null, country: text, total: "numeric(12,2)", made: date, "größe": integer }
  orders:
    connection: lite
    columns: { id: bigint not null, status: text, amount: "numeric(12,2)" }
  bills:
    connection: pg
    columns: { id: bigint not null, country: text, total: "numeric(12,2)" }
"""


def lint(folder: Path, text: str) -> list[Diagnostic]:
    reporter = Reporter()
    stages.lint([write(folder, BASE + text)], reporter, checker=checker())
    return reporter.sorted()


def found(folder: Path, text: str) -> list[tuple[str, str]]:
    """The code and the marked text of each."""
    spans = [(d.code, d.span) for d in lint(folder, text)]
    return [(code, span.file.text[span.start : span.end] if span else "") for code, span in spans]


def on(connection: str, sql: str, more: str = "") -> str:
    lines = "\n".join("      " + line for line in sql.splitlines())
    head = f"pipelines:\n  p:\n    from: {connection}\n    sql: |\n{lines}\n"
    return f"{head}    to: {{connection: {connection}, table: out}}\n    mode: append\n{more}"


MARKED = [
    ("db", "SELECT country,, count(*) AS n\nFROM mart.invoices", "sql-syntax", ","),
    ("lite", "SELECT status,, count(*) AS n\nFROM orders", "sql-syntax", ","),
    ("pg", "SELECT country,, count(*) AS n\nFROM bills", "sql-syntax", ","),
    ("db", "SELECT 'é' AS e, country\nFROM mart.invoices\nGROUP", "sql-syntax", "GROUP"),
    ("lite", "SELECT status, ',' AS c\nFROM orders\nGROUP", "sql-syntax", "GROUP"),
    ("pg", "SELECT country\nFROM bills\nGROUP", "sql-syntax", "GROUP"),
    ("db", "SELECT größe, country, count(*) AS n\nFROM mart.invoices GROUP BY größe", "query-refused", "country"),
    ("db", "SELECT sum(country) AS s\nFROM mart.invoices", "query-refused", "sum(country)"),
    ("db", "SELECT id FROM mart.invoices\nWHERE sum(total) > 1", "query-refused", "sum(total)"),
    ("db", "SELECT total + made AS x FROM mart.invoices", "query-refused", "+"),
    ("db", "SELECT id FROM mart.invoices WHERE made > DATE '2020-13-45'", "query-refused", "'2020-13-45'"),
    ("db", "SELECT summ(total) AS s FROM mart.invoices", "unknown-function", "summ"),
    ("lite", "SELECT id, summ(amount) AS s FROM orders", "unknown-function", "summ"),
    ("lite", "SELECT id FROM orders WHERE sum(amount) > 1", "query-refused", "sum"),
    ("lite", "SELECT 'quote' AS u, quote(status, 1) AS v FROM orders", "query-refused", "quote"),
]


@pytest.mark.parametrize(("connection", "sql", "code", "marked"), MARKED)
def test_a_refusal_stands_at_its_place(tmp_path: Path, connection: str, sql: str, code: str, marked: str) -> None:
    assert found(tmp_path, on(connection, sql)) == [(code, marked)]


def test_a_place_behind_a_template_is_that_of_the_author(tmp_path: Path) -> None:
    loop = "{% for name in ['id', 'total'] %}{% if not loop.first %}UNION ALL {% endif %}SELECT {{ name }} AS v\n"
    sql = loop + "FROM mart.invoices {% endfor %}\nWHERE summ(1) > 0"
    (error,) = lint(tmp_path, on("db", sql))
    assert error.code == "unknown-function"
    assert error.span is not None
    assert error.span.file.position(error.span.start) == (25, 13)


def test_what_is_known_of_no_table_is_not_judged(tmp_path: Path) -> None:
    sql = "SELECT x, sum(y) AS s, own_macro(z) AS m FROM elsewhere"
    assert found(tmp_path, on("db", sql)) == []
    assert found(tmp_path, on("lite", sql)) == []
    assert found(tmp_path, on("db", "SELECT x,, y FROM elsewhere")) == [("sql-syntax", ",")]
    assert found(tmp_path, on("lite", "SELECT x,, y FROM elsewhere")) == [("sql-syntax", ",")]


def test_what_an_engine_says_holds_no_value_of_the_environment(tmp_path: Path) -> None:
    sql = "SELECT CAST('{{ env.TOKEN }}' AS date) AS d, country FROM mart.invoices"
    reporter, env = Reporter(), {"TOKEN": "hunter2-hunter2"}
    stages.lint([write(tmp_path, "env: [TOKEN, NAME]\n" + BASE + on("db", sql))], reporter, env=env, checker=checker())
    (error,) = reporter.sorted()
    assert (error.code, "***" in error.message, "hunter2" in error.message) == ("query-refused", True, False)


def test_a_text_that_no_engine_can_be_given_is_told_before_one_is_asked(tmp_path: Path) -> None:
    reporter, env = Reporter(), {"NAME": "\udcff"}  # what Python makes of a byte that is no UTF-8
    sql = "SELECT '{{ env.NAME }}' AS n FROM mart.invoices"
    stages.lint([write(tmp_path, "env: [TOKEN, NAME]\n" + BASE + on("db", sql))], reporter, env=env, checker=checker())
    assert [found.code for found in reporter.sorted()] == ["template-error"]


ELSEWHERE = [
    "SELECT main.own_macro(id) AS m FROM mart.invoices",
    "SELECT st_point(1, 2) AS p FROM mart.invoices",
    "SELECT a.x FROM read_csv('nowhere.csv') AS a JOIN mart.invoices i ON i.id = a.id",
    "SELECT current_setting('own_setting') AS s FROM mart.invoices",
]


@pytest.mark.parametrize("sql", ELSEWHERE)
def test_what_an_engine_may_have_elsewhere_is_not_judged(tmp_path: Path, sql: str) -> None:
    assert found(tmp_path, on("db", sql)) == []


@pytest.mark.parametrize(
    ("name", "severity"),
    [("net_of_tax", Severity.WARNING), ("summ", Severity.ERROR), ("date_format", Severity.ERROR)],
)
def test_what_may_be_a_macro_of_a_file_is_no_error(tmp_path: Path, name: str, severity: Severity) -> None:
    (found,) = lint(tmp_path, on("db", f"SELECT {name}(total) AS n FROM mart.invoices"))
    assert (found.code, found.severity) == ("unknown-function", severity)


def test_a_function_that_a_hook_makes_is_there(tmp_path: Path) -> None:
    sql, hook = (
        "SELECT net(total) AS n FROM mart.invoices",
        "    before: [ CREATE OR REPLACE MACRO net(x) AS x * 0.8 ]\n",
    )
    assert found(tmp_path, on("db", sql)) == [("unknown-function", "net")]
    assert found(tmp_path, on("db", sql, hook)) == []
    assert found(tmp_path, on("db", sql, "    before: [ LOAD own_extension ]\n")) == []


HOOKS = [
    ("db", "SET memory_limit = '1GB'", []),
    ("db", "CREATE TEMP TABLE x AS SELECT 1 AS a; INSERT INTO x VALUES (2)", []),
    ("db", "DELETE FORM elsewhere", [("sql-syntax", "FORM")]),
    ("lite", "PRAGMA case_sensitive_like = ON", []),
    ("lite", "DELETE FROM elsewhere WHERE", [("sql-syntax", "WHERE")]),
    ("pg", "REFRESH MATERIALIZED VIEW CONCURRENTLY v", []),
    ("pg", "ANALYSE bills; DELETE FORM bills", [("sql-syntax", "FORM")]),
]


@pytest.mark.parametrize(("connection", "statement", "wanted"), HOOKS)
def test_the_syntax_of_hooks_is_judged(
    tmp_path: Path, connection: str, statement: str, wanted: list[tuple[str, str]]
) -> None:
    hook = f'    after: [ "{statement}" ]\n'
    assert found(tmp_path, on(connection, "SELECT 1 AS one", hook)) == wanted


LOOKUP = """
    lookups:
      bills: { connection: db, sql: "QUERY" }
    to: { connection: pg, table: out }
"""


def test_lookups_are_judged_by_their_own_database(tmp_path: Path) -> None:
    sql = '"SELECT s.id, b.total FROM source s JOIN bills b ON b.id = s.id"'
    stream = STREAM.replace("SQL", sql).replace("\n    to: { connection: pg, table: out }\n", LOOKUP)
    good = "SELECT id, total FROM mart.invoices"
    assert found(tmp_path, stream.replace("QUERY", good)) == []
    assert found(tmp_path, stream.replace("QUERY", f"{good} GROUP BY id")) == [("query-refused", "total")]
    assert found(tmp_path, stream.replace("QUERY", f"{good} GROUP")) == [("sql-syntax", "GROUP")]


def test_a_mistake_is_reported_once(tmp_path: Path) -> None:
    assert found(tmp_path, on("db", "SELECT nope, sum(country) AS s FROM mart.invoices")) == [
        ("unknown-column", "nope")
    ]
    assert found(tmp_path, on("db", "SELECT id FROM mart.invoices WHERE AND")) == [("sql-syntax", "AND")]


def test_watermarks_are_bound(tmp_path: Path) -> None:
    cursor = "    incremental: { column: id, start: 0 }\n"
    assert found(tmp_path, on("db", "SELECT id FROM mart.invoices WHERE {{ incremental }}", cursor)) == []
    assert found(tmp_path, on("db", "SELECT id FROM mart.invoices WHERE id > {{ watermark }}", cursor)) == []
    cursor = "    incremental: { column: made }\n"
    assert found(tmp_path, on("db", "SELECT made FROM mart.invoices WHERE made > {{ watermark }}", cursor)) == []


FUNCTIONS = """
functions:
  net: { python: "own:net", args: [double], returns: double }
  last_of: { python: "own:Last", kind: aggregate, args: [text], state: [text], returns: text }
"""
FILES = """
pipelines:
  p:
    from:
      sales: { connection: drop, path: sales.csv, columns: { id: bigint, amount: double, shop: text } }
    sql: SQL
    to: { connection: lite, table: out }
    mode: append
"""


@pytest.mark.parametrize("dialect", ["datafusion", "postgres"])
def test_functions_of_the_project_are_there_in_files(tmp_path: Path, dialect: str) -> None:
    text = FUNCTIONS + FILES.replace("    sql", f"    dialect: {dialect}\n    sql")
    assert (
        found(
            tmp_path,
            text.replace("SQL", '"SELECT shop, net(sum(amount)) AS n, last_of(shop) AS l FROM sales GROUP BY shop"'),
        )
        == []
    )
    assert found(tmp_path, text.replace("SQL", '"SELECT id, net(amount) AS n, count(*) AS c FROM sales"')) == [
        ("query-refused", "id")
    ]
    assert found(tmp_path, text.replace("SQL", '"SELECT shop,, id FROM sales"')) == [("sql-syntax", ",")]


STREAM = """
streams:
  s:
    source:
      connection: bus
      topic: t
      format: json
      columns:
        { id: bigint, page: text, amount: "numeric(12,2)", plain: numeric, at: timestamptz,
          doc: "struct(a bigint, b text)" }
    sql: SQL
    to: { connection: pg, table: out }
"""
SOUND = [
    "SELECT id, page, _event_ts, _offset, _topic FROM source",
    "SELECT id, (doc).a AS a, now() AS seen FROM source WHERE at > now() - INTERVAL '1 day'",
    "SELECT page, count(*) AS n, sum(amount) AS total FROM source GROUP BY page",
    "SELECT id, upper(page) AS page, amount::text AS a, to_char(at, 'YYYY-MM') AS month FROM source",
    "SELECT id, net(amount::double precision) AS n FROM source",
    "SELECT id, row_number() OVER (PARTITION BY page ORDER BY id) AS r FROM source",
    "SELECT * FROM source",
]
FAULTY = [
    ("SELECT page,, id FROM source", "sql-syntax", ","),
    ("SELECT id, page, count(*) AS n FROM source GROUP BY page", "query-refused", "id"),
    ("SELECT sum(page) AS s FROM source", "query-refused", "sum"),
    ("SELECT id, nope(page) AS x FROM source", "unknown-function", "nope(page"),
    ("SELECT sum(plain) AS s FROM source", "query-refused", "sum"),
    ("SELECT id FROM source WHERE sum(amount) > 1", "query-refused", None),
]


@pytest.mark.parametrize("sql", SOUND)
def test_a_stream_is_judged_by_the_engine_that_runs_it(tmp_path: Path, sql: str) -> None:
    codes = [code for code, _ in found(tmp_path, FUNCTIONS + STREAM.replace("SQL", f'"{sql}"'))]
    assert [code for code in codes if code != "batch-dependent"] == []


@pytest.mark.parametrize(("sql", "code", "marked"), FAULTY)
def test_faults_of_a_stream(tmp_path: Path, sql: str, code: str, marked: str | None) -> None:
    errors = [one for one in found(tmp_path, STREAM.replace("SQL", f'"{sql}"')) if one[0] != "batch-dependent"]
    assert errors == [(code, marked or sql)]


EXPECTATIONS = [
    ("db", "total > 0", []),
    ("db", "total", []),
    ("db", "country", [("not-a-condition", "country")]),
    ("db", "upper(country)", [("not-a-condition", "upper(country")]),
    ("db", "sum(country) OVER () > 1", [("not-a-row-condition", "sum(country")]),
    ("db", "total + made > 5", [("query-refused", "+")]),
    ("db", "lenght(country) > 2", [("unknown-function", "lenght")]),
    ("pg", "total", [("not-a-condition", "total")]),
    ("lite", "amount", []),
    ("lite", "status", [("not-a-condition", "status")]),
    ("lite", "lenght(status) > 2", [("unknown-function", "lenght")]),
]


@pytest.mark.parametrize(("connection", "condition", "wanted"), EXPECTATIONS)
def test_expectations_are_conditions(
    tmp_path: Path, connection: str, condition: str, wanted: list[tuple[str, str]]
) -> None:
    table = {"db": "invoices", "pg": "bills", "lite": "orders"}[connection]
    read = "mart.invoices" if connection == "db" else table
    pipeline = f"pipelines: {{ p: {{ from: {connection}, sql: SELECT * FROM {read}, to: {table}, mode: append"
    got = found(tmp_path, f'{pipeline}, expect: [ {{ sql: "{condition}", name: x }} ] }} }}\n')
    assert [one for one in got if one[0] != "select-star"] == wanted


NAMES = [
    ("mart.invoice", [("misspelled-table", "invoice")]),
    ("mart.invioces", [("misspelled-table", "invioces")]),
    ("raw.invoice", []),
    ("mart.invoices_2023", []),
    ("mart.payments", []),
]


@pytest.mark.parametrize(("name", "wanted"), NAMES)
def test_names_that_are_nearly_those_of_tables(tmp_path: Path, name: str, wanted: list[tuple[str, str]]) -> None:
    assert found(tmp_path, on("db", f"SELECT id FROM {name}")) == wanted


def test_a_name_that_several_pipelines_read_is_no_slip(tmp_path: Path) -> None:
    read = "{{ from: db, sql: SELECT id FROM mart.invoice, to: {{ connection: db, table: {} }}, mode: append }}"
    several = "".join(f"  {name}: {read.format(name)}\n" for name in ("one", "two"))
    assert found(tmp_path, f"pipelines:\n{several}") == []


def test_a_reference_without_its_end(tmp_path: Path) -> None:
    path = write(
        tmp_path, 'connections:\n  db: { kind: postgres, url: "${WH_URL" }\n  ok: { kind: postgres, url: "${A}" }\n'
    )
    reporter = Reporter()
    stages.lint([path], reporter)
    (error,) = reporter.sorted()
    assert (error.code, error.span and error.span.file.position(error.span.start)) == ("unknown-reference", (2, 31))


def test_without_the_parser_of_postgresql_its_syntax_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pgparse", None)
    assert found(tmp_path, on("pg", "SELECT id FROM bills ORDER BY id LIMIT 1, 2")) == []


@pytest.mark.parametrize("words", [("lint",), ("compile",), ("plan",)])
def test_commands_that_look_at_specs_ask_the_engines(tmp_path: Path, words: tuple[str, ...]) -> None:
    base = BASE.replace("  pg:", "  # pg:").partition("  bills:")[0]
    write(tmp_path, base + on("db", "SELECT sum(country) AS s FROM mart.invoices"))
    done = Inside(tmp_path).flowc(*words)
    assert done.code == 1
    assert "error[query-refused]: DuckDB: No function matches" in done.out + done.err


def test_a_run_asks_no_engine_beforehand(tmp_path: Path) -> None:
    base = BASE.replace("  pg:", "  # pg:").partition("  bills:")[0]
    write(tmp_path, base + on("db", "SELECT sum(country) AS s FROM mart.invoices"))
    done = Inside(tmp_path).flowc("run", "--once")
    assert "DuckDB: No function matches" not in done.out + done.err


JSON = [
    "SELECT status, jsonb_agg(jsonb_build_object('id', id) ORDER BY id) AS o FROM source GROUP BY status",
    "SELECT status, jsonb_object_agg(id, status)::text AS o FROM source GROUP BY status",
    "SELECT payload ->> 'a' AS o, payload -> 'b' AS p FROM source",
    "SELECT status, array_agg(named_struct('id', id))::jsonb AS o FROM source GROUP BY status",
]


def test_json_over_files_is_refused_by_nobody(tmp_path):
    columns = "{ id: bigint, status: text, payload: json }"
    source = f"{{ connection: drop, path: o.jsonl, format: jsonl, columns: {columns} }}"
    more = "to: { connection: db, table: out }, mode: append"
    loads = (f"  p{i}: {{ from: {source}, sql: {json.dumps(sql)}, {more} }}\n" for i, sql in enumerate(JSON))
    assert found(tmp_path, "pipelines:\n" + "".join(loads)) == []
