"""Numbers that overflow: never a wrong value in the target, whatever computes and in whichever dialect."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stores import KINDS, Store, address

MOST = 2**63 - 1
LEAST = -(2**63)
ROWS = pa.table(
    {
        "id": pa.array([1, 2], pa.int64()),
        "n": pa.array([1, MOST], pa.int64()),
        "low": pa.array([-1, LEAST], pa.int64()),
        "i": pa.array([1, 2**31 - 1], pa.int32()),
        "tiny": pa.array([1, 127], pa.int8()),
        "u": pa.array([1, 2**64 - 1], pa.uint64()),
        "byte": pa.array([1, 255], pa.uint8()),
        "f": pa.array([1.0, 2.0], pa.float64()),
        "price": pa.array([1, 2], pa.decimal128(12, 2)),
        "wide": pa.array([1, 10**38 - 1], pa.decimal128(38, 0)),
        "day": pa.array([1, 2], pa.date32()),
    }
)


class Files:
    """A pipeline over a Parquet file with one output column `v`, into a DuckDB table."""

    def __init__(self, project):
        self.project = project
        (project.path / "inbox").mkdir()
        pq.write_table(ROWS, project.path / "inbox" / "t.parquet")
        self.target = Store("duckdb", project.path)

    def write(self, sql, *, into="w: t", dialect="dialect: datafusion", extra="", more=""):
        table = into if into.startswith("{") else "{ connection: w, table: t }"
        indented = sql.replace("\n", "\n      ")
        self.project.write(
            "specs/p.yaml",
            f"""
connections:
  drop: {{ kind: files, uri: ./inbox }}
  w: {self.target.connection}
pipelines:
  p:
    from: {{ connection: drop, path: t.parquet }}
    {dialect}
    sql: |
      {indented}
    to: {table}
    mode: truncate
    {extra}
{more}
""",
        )

    def run(self, sql, **options):
        self.write(sql, **options)
        return self.project.flowc("run", "--once")

    def value(self, expression, **options):
        done = self.run(f"SELECT {expression} AS v FROM source", **options)
        assert done.code == 0, done.out + done.err
        return [row[0] for row in self.target.raw("SELECT v FROM t ORDER BY 1")]

    def kind(self):
        return self.target.raw("SELECT data_type FROM duckdb_columns() WHERE table_name = 't'")[0][0]


@pytest.fixture
def files(project):
    return Files(project)


def refused(done, *words):
    said = done.out + done.err
    assert done.code != 0, said
    assert "arithmetic-overflow" in said, said
    for word in words:
        assert word in said


OVERFLOWING = {
    "n + 1": "9223372036854775807 + 1",
    "low - 1": "-9223372036854775808 - 1",
    "n * 2": "9223372036854775807 * 2",
    "-low": "-(-9223372036854775808)",
    "u + u": "18446744073709551615 + 18446744073709551615",
    "byte * n": "255 * 9223372036854775807",
    "9223372036854775807 + 1": "9223372036854775807 + 1",
    "(n - 5) * (tiny + 3)": "9223372036854775802 * 130",
    "CASE WHEN id > 1 THEN n + id ELSE 0 END": "9223372036854775807 + 2",
    "coalesce(nullif(n, 5) + tiny, 0)": "9223372036854775807 + 127",
    "array_transform([n], x -> x + 1)[1]": "`x + 1`",
    "abs(low)": "overflow on abs",
    "low / -1": "-9223372036854775808 / -1",
}


@pytest.mark.parametrize("expression", OVERFLOWING)
def test_an_expression_over_a_file(files, expression):
    refused(files.run(f"SELECT {expression} AS v FROM source"), OVERFLOWING[expression])
    assert files.target.raw("SELECT * FROM duckdb_tables() WHERE table_name = 't'") == []


SUMS = {
    "SELECT sum(n) AS v FROM source": "`sum(n)` overflows: 9223372036854775808 ",
    "SELECT sum(DISTINCT n) AS v FROM source": "9223372036854775808 ",
    "SELECT sum(u) AS v FROM source": "18446744073709551616 ",
    "SELECT sum(n) FILTER (WHERE id > 0) AS v FROM source": "9223372036854775808 ",
    "SELECT sum(n) OVER (ORDER BY id) AS v FROM source": "9223372036854775808 ",
    "SELECT sum(n) OVER w AS v FROM source WINDOW w AS (ORDER BY id)": "9223372036854775808 ",
    "SELECT sum(n) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS v FROM source": "9223372036854775808",
    "SELECT tiny * 0 AS k, sum(n) AS v FROM source GROUP BY tiny * 0": "9223372036854775808 ",
    "SELECT sum(n - 1) + 5 AS v FROM source": "9223372036854775806 + 5",
    "WITH q AS (SELECT n + 1 AS v FROM source) SELECT v FROM q": "`n + 1`",
    "SELECT id AS v FROM source WHERE n * 2 > 5": "9223372036854775807 * 2",
    "SELECT a.id AS v FROM source a JOIN source b ON a.n + 1 = b.n": "`a.n + 1`",
    "SELECT id AS v FROM source ORDER BY n + 1": "`n + 1`",
    "SELECT id AS v FROM source WHERE n IN (SELECT n + 1 FROM source)": "`n + 1`",
    "SELECT (SELECT max(n) FROM source) + id AS v FROM source": "9223372036854775807 + ",
    "SELECT id AS v FROM source UNION ALL SELECT n + 1 FROM source": "`n + 1`",
    "SELECT sum(wide) AS v FROM source": "100000000000000000000000000000000000000",
    "SELECT wide * 2 AS v FROM source": "99999999999999999999999999999999999999 * 2",
}


@pytest.mark.parametrize("sql", SUMS)
def test_a_query_over_a_file(files, sql):
    refused(files.run(sql), SUMS[sql])


@pytest.mark.parametrize(
    ("expression", "wanted", "kind"),
    [
        ("i + i", [2, 2**32 - 2], "BIGINT"),
        ("i * i", [1, (2**31 - 1) ** 2], "BIGINT"),
        ("tiny + tiny", [2, 254], "BIGINT"),
        ("byte - byte - byte", [-255, -1], "BIGINT"),
        ("sum(i)", [2**31], "BIGINT"),
        ("sum(n - 1)", [MOST - 1], "BIGINT"),
        ("sum(low + 1)", [LEAST + 1], "BIGINT"),
        ("u - 1", [0, 2**64 - 2], "DECIMAL(21,0)"),
        ("sum(price)", [3], "DECIMAL(22,2)"),
        ("sum(f) * 2", [6.0], "DOUBLE"),
        ("n - 1 - f + f", [0.0, float(MOST - 1)], "DOUBLE"),
        ("sum(CAST(n AS DECIMAL(38,0)))", [MOST + 1], "DECIMAL(38,0)"),
        ("'a - b' || (i - 1) || '-- +'", ["a - b0-- +", "a - b2147483646-- +"], "VARCHAR"),
        ("CASE WHEN n < 5 THEN n + 1 END", [2, None], "BIGINT"),
        ("-5 - -i", [-4, 2**31 - 6], "BIGINT"),
        ("7 - 2 - 1", [4, 4], "BIGINT"),
        ("tiny - 2 * 3 - id / 2", [-5, 120], "BIGINT"),
    ],
)
def test_what_fits_is_exact_and_of_a_type_that_holds_it(files, expression, wanted, kind):
    assert files.value(expression) == wanted
    assert files.kind() == kind


DIALECTS = ("datafusion", "duckdb", "postgres", "snowflake", "bigquery", "spark", "mysql")


@pytest.mark.covering
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("expression", ["n + 1", "-low", "sum(n)", "n * i - 3", "sum(low) - 1"])
def test_every_dialect(files, dialect, expression):
    refused(files.run(f"SELECT {expression} AS v FROM source", dialect=f"dialect: {dialect}"))


@pytest.mark.parametrize(
    ("dialect", "expression"), [("duckdb", "n // 2"), ("mysql", "n DIV 2"), ("bigquery", "DIV(n, 2)")]
)
def test_division_of_integers_keeps_every_digit(files, dialect, expression):
    assert files.value(expression, dialect=f"dialect: {dialect}") == [0, MOST // 2]
    assert files.value(expression.replace("n", "-n", 1), dialect=f"dialect: {dialect}") == [-(MOST // 2), 0]


def test_a_declared_column_takes_a_sum_that_fits(files):
    into = "{ connection: w, table: t }"
    declared = "tables:\n  t: { connection: w, columns: { v: bigint } }"
    assert files.value("sum(n - 1)", more=declared, into=into) == [MOST - 1]
    refused(files.run("SELECT sum(n) AS v FROM source", more=declared), "sum(n)")


def test_a_narrower_column_takes_what_fits_it(files):
    declared = "tables:\n  t: { connection: w, columns: { v: integer } }"
    assert files.value("tiny + tiny", more=declared) == [2, 254]
    done = files.run("SELECT i + i AS v FROM source", more=declared)
    assert done.code != 0
    assert "value-does-not-fit" in done.out + done.err
    assert "4294967294" in done.out + done.err


def test_a_preview(files):
    files.write("SELECT n + 1 AS v FROM source")
    refused(files.project.flowc("preview", "p"), "`n + 1`")


def test_a_bound_around_the_query(files):
    extra = "incremental: { column: v }"
    files.write("SELECT n + 1 AS v FROM source", extra=extra)
    text = (files.project.path / "specs/p.yaml").read_text().replace("mode: truncate", "mode: append")
    files.project.write("specs/p.yaml", text)
    refused(files.project.flowc("run", "--once"), "`n + 1`")


def test_several_sources(files, store):
    other = Store("sqlite", files.project.path, file="other")
    other.run("CREATE TABLE o (id BIGINT, m BIGINT)", f"INSERT INTO o VALUES (2, {MOST})")
    files.project.write(
        "specs/p.yaml",
        f"""
connections:
  drop: {{ kind: files, uri: ./inbox }}
  w: {files.target.connection}
  other: {other.connection}
pipelines:
  p:
    from:
      a: {{ connection: drop, path: t.parquet }}
      b: {{ connection: other, table: o }}
    sql: SELECT a.id AS id, a.id + b.m AS v FROM a JOIN b ON a.id = b.id
    to: {{ connection: w, table: t }}
    mode: truncate
""",
    )
    refused(files.project.flowc("run", "--once"), "2 + 9223372036854775807")


def test_a_csv_file(files):
    files.project.write("inbox/t.csv", f"id,n\n1,5\n2,{MOST}\n")
    files.write("SELECT sum(n) AS v FROM source")
    text = (files.project.path / "specs/p.yaml").read_text().replace("t.parquet", "t.csv")
    files.project.write("specs/p.yaml", text)
    refused(files.project.flowc("run", "--once"), "9223372036854775812")


@pytest.mark.covering(2)
@pytest.mark.parametrize("expression", ["n + 1", "n * 3", "-low", "low - 1", "sum(n)", "abs(low)", "sum(n) OVER ()"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["same", "duckdb"])
def test_databases_compute_exactly_or_fail(project, kind, target, expression, request):
    """SQLite turns what overflows into a float, which no column of integers takes when it is not exact."""
    store = Store(kind, project.path, address(request, kind))
    other = store if target == "same" else Store("duckdb", project.path, file="target")
    store.run("CREATE TABLE s (id BIGINT, n BIGINT, low BIGINT)")
    store.run(f"INSERT INTO s VALUES (1, {MOST}, {LEAST}), (2, 1, -1)")
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ a: {store.connection}, b: {other.connection} }}
tables:
  t: {{ connection: b, columns: {{ v: bigint }} }}
pipelines:
  p: {{ from: a, sql: "SELECT {expression} AS v FROM s", to: t, mode: append }}
""",
    )
    done = project.flowc("run", "--once")
    assert done.code != 0, (done.out, other.raw("SELECT v FROM t"))


def test_sqlite_makes_no_table_of_floats_from_integers_that_overflow(project):
    store = Store("sqlite", project.path)
    store.run("CREATE TABLE s (id BIGINT, n BIGINT)", f"INSERT INTO s VALUES (1, {MOST}), (2, 1)")
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ a: {store.connection}, b: {{ kind: duckdb, path: b.duckdb }} }}
pipelines:
  p: {{ from: a, sql: "SELECT n + 1 AS v FROM s", to: {{ connection: b, table: t }}, mode: append }}
""",
    )
    refused(project.flowc("run", "--once"), "9.223372036854776e+18")


@pytest.mark.covering
@pytest.mark.parametrize("expression", ["n + 1", "-low", "low - 1", "n * 3"])
def test_a_derived_column(files, store, expression):
    """Computed where the target is, in its dialect."""
    files.project.write(
        "specs/p.yaml",
        f"""
connections:
  drop: {{ kind: files, uri: ./inbox }}
  s: {store.connection}
tables:
  t:
    connection: s
    columns:
      id: bigint primary key
      n: bigint
      low: bigint
      v: {{ type: bigint, normalize: [{{ derive: "{expression}" }}] }}
pipelines:
  p:
    from: {{ connection: drop, path: t.parquet }}
    sql: SELECT id, n, low FROM source
    to: t
    mode: append
""",
    )
    done = files.project.flowc("run", "--once")
    assert done.code != 0, (done.out, store.raw("SELECT * FROM t"))
    said = done.err.lower()
    assert any(words in said for words in ("overflow in", "out of range", "value-does-not-fit")), said


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("CAST(f + 0.005 AS numeric(10,2))", [Decimal("1.01"), Decimal("2.01")]),
        ("CAST(f / 3 AS numeric(20,18))", [Decimal("0.333333333333333"), Decimal("0.666666666666667")]),
        ("CAST(CAST(f / 3 AS real) AS numeric(20,18))", [Decimal("0.333333"), Decimal("0.666667")]),
        ("CAST(f * 1e-7 AS numeric(20,9))", [Decimal("0.0000001"), Decimal("0.0000002")]),
        ("CAST(price AS numeric(12,1))", [1, 2]),
        ("CAST(NULLIF(f, 1) AS numeric(10,2))", [2, None]),
        ("round(f + 0.5)", [2, 2]),
        ("round(price + 0.5)", [2, 3]),
        ("round(n / 2)", [0, float(2**62)]),
    ],
)
def test_numbers_of_files_whose_types_are_not_declared_are_postgresqls(files, expression, wanted):
    assert files.value(expression, dialect="") == wanted


LONG = {"i": "CAST(i AS integer)", "n": "n", "f": "f", "price": "price"}


@pytest.mark.parametrize(("column", "terms"), [
    *((column, 49) for column in LONG), ("i", 17), ("n", 17), ("i", 500), ("n", 500),
])  # fmt: skip
def test_a_long_sum_is_computed_whatever_its_type(project, column, terms):
    """Its parser tried for ever where each sum of 32-bit integers was in a CAST and in brackets of its own."""
    files = Files(project)
    sum = " + ".join([LONG[column]] * (terms - 1) + ["1"])
    assert files.value(sum + " AS v FROM source WHERE id = 1 --", dialect="") == [terms]


@pytest.mark.parametrize(("column", "bits"), [("i", 32), ("n", 64)])
def test_a_long_sum_fails_where_one_of_its_steps_overflows(project, column, bits):
    files = Files(project)
    sum = " + ".join([LONG[column], "1", *["0"] * 20, "- 1"]).replace("+ -", "-")
    refused(files.run(f"SELECT {sum} AS v FROM source", dialect=""), " + 1` overflows", f"a {bits}-bit integer")


@pytest.mark.parametrize("column", ["n", "u"])
def test_integers_before_other_numbers_in_a_long_sum_are_not_let_wrap(project, column):
    files = Files(project)
    sum = " + ".join([column, column, *["f"] * 20])
    assert files.value(f"{sum} AS v FROM source WHERE id = 1 --", dialect="") == [22.0]
    refused(files.run(f"SELECT {sum} AS v FROM source", dialect=""), f"`{column} + {column}` overflows")


NESTED = {
    "n": ("(n + ", ")", 32),
    "1": ("(CAST(i AS integer) + ", ")", 23),
    "f": ("abs(", ")", 96),
    "id": ("CASE WHEN id > 0 THEN ", " END", 96),
}


@pytest.mark.parametrize("inner", NESTED)
def test_what_nests_too_deeply_for_the_engine_is_told_by_lint(project, inner):
    """A level less runs, and lint says nothing of it. A run, which knows the types, writes no more than lint does."""
    before, after, most = NESTED[inner]
    files = Files(project)
    for levels in (most, most + 1):
        files.write(f"SELECT {before * levels}{inner}{after * levels} AS v FROM source WHERE id = 1", dialect="")
        linted, done = project.flowc("lint"), project.flowc("run", "--once")
        by_lint, by_run = ("error[sql-too-deep]" in told.out + told.err for told in (linted, done))
        assert by_lint == (levels > most), (levels, linted.out)
        assert by_run == by_lint or (done.code == 0 and inner == "1"), (levels, done.err)


@pytest.mark.parametrize(("operator", "operand"), [("+", "n"), ("||", "'a'"), ("*", "1")])
def test_more_terms_than_the_engine_takes_are_told_by_lint(project, operator, operand):
    files = Files(project)
    for terms in (500, 501):
        files.write(f"SELECT {f' {operator} '.join([operand] * terms)} AS v FROM source", dialect="")
        assert ("error[sql-too-deep]" in project.flowc("lint").out) == (terms > 500)
