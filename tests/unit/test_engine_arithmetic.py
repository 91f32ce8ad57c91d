"""Where queries for the engine compute, and what becomes of them there."""

from __future__ import annotations

import random

import datafusion
import pyarrow as pa
import pytest

from flowc.compiler.systems.datafusion.arithmetic import arithmetic
from flowc.errors import EngineError
from flowc.loadplan import Arithmetic
from flowc.runtime.engine.arithmetic import Query

COLUMNS = pa.schema(
    [("a", pa.int64()), ("b", pa.int32()), ("u", pa.uint64()), ("x", pa.float64()), ("d", pa.date32()),
     ("s", pa.string()), ("p", pa.decimal128(12, 2)), ("w", pa.decimal128(36, 4))]
)  # fmt: skip


class Session:
    """An engine with an empty table `t`."""

    def __init__(self):
        options = {"datafusion.sql_parser.dialect": "duckdb"}
        self.context = datafusion.SessionContext(datafusion.SessionConfig(options))
        empty = pa.RecordBatch.from_pylist([], schema=COLUMNS)
        self.context.register_record_batches("t", [[empty]])
        self.plans = 0

    def register(self, name, function, takes, gives):
        self.given = gives
        self.context.register_udf(datafusion.udf(function, takes, gives, "immutable", name))

    def plan(self, sql):
        self.plans += 1
        return self.context.sql(sql)

    def checked(self, sql, found=None):
        places = arithmetic(sql) if found is None else found
        text = Query(sql, places, self.register, lambda error: None).checked(self.plan)
        self.plan(text).collect()
        return text


@pytest.fixture
def session():
    return Session()


def pieces(sql):
    return [sql[each.start : each.end] for each in arithmetic(sql)]


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT a + b * 2 - 3 FROM t", ["b * 2", "a + b * 2", "a + b * 2 - 3"]),
        ("SELECT (a + b) * -c::int FROM t", ["a + b", "-c::int", "(a + b) * -c::int"]),
        ("SELECT 'a' || b + 1, -5, 2 * 3, y + 0.5, x * 0.5, d - INTERVAL '1' DAY FROM t", ["'a' || b + 1", "x * 0.5"]),
        ("SELECT *, t.*, count(*) FROM t", []),
        ("SELECT '1 + 1', \"a - b\", $$a * b$$ -- a + b\n FROM t /* - x */", []),
        (
            "SELECT sum(DISTINCT t.a) FILTER (WHERE a - 1 > 0) OVER (ORDER BY -a) AS s FROM t",
            ["a - 1", "-a", "sum(DISTINCT t.a) FILTER (WHERE a - 1 > 0) OVER (ORDER BY -a)"],
        ),
        ("SELECT CASE WHEN a > -b THEN a + 1 END * 2 FROM t", ["-b", "a + 1", "CASE WHEN a > -b THEN a + 1 END * 2"]),
        ("SELECT a FROM t WHERE a IN (b + 1, 2) AND a BETWEEN -b AND b + 2 LIMIT 3", ["b + 1", "-b", "b + 2"]),
        ("SELECT a + b total, [a + 1, 2][b - 1], f(l, e -> e * 2) FROM t", ["a + b", "a + 1", "b - 1", "e * 2"]),
        ("SELECT x AT TIME ZONE 'UTC' - y FROM t", ["x AT TIME ZONE 'UTC' - y"]),
        ("SELECT DATE '2024-01-01' + n FROM t", ["DATE '2024-01-01' + n"]),
        ("SELECT summary(a), t.sum, sum(a, b) FROM t", ["sum(a, b)"]),
    ],
)  # fmt: skip
def test_computations_are_found_with_their_operands(sql, wanted):
    assert pieces(sql) == wanted


def test_the_same_expression_has_one_name_in_a_select():
    sql = "WITH q AS (SELECT a + 1 AS v FROM t GROUP BY A  +  1, t.a + 1) SELECT a + 1 FROM q"
    first, second, third, other = (each.name for each in arithmetic(sql))
    assert first == second == third != other


def test_expressions_of_two_tables_have_two_names():
    one, two = (each.name for each in arithmetic("SELECT l.a + 1, r.a + 1 FROM l, r"))
    assert one != two


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT a + b AS v FROM t", "SELECT flowc_add_1(a ,  b) AS v FROM t"),
        ("SELECT -b AS v FROM t", "SELECT flowc_negate_1(b) AS v FROM t"),
        ("SELECT sum(b) AS v FROM t", "SELECT flowc_sum_1(sum(CAST(b AS DECIMAL(20,0)))) AS v FROM t"),
        ("SELECT sum(w) AS v FROM t", "SELECT CAST(sum(CAST(w AS DECIMAL(76,4))) AS DECIMAL(38,4)) AS v FROM t"),
        ("SELECT sum(p) AS v FROM t", "SELECT (sum((p))) AS v FROM t"),
        ("SELECT a * x - 1 AS v FROM t", "SELECT flowc_subtract_2(flowc_multiply_1(a ,  x) ,  1) AS v FROM t"),
        ("SELECT d - 1 AS v FROM t WHERE u * u > 1", "SELECT (d  -  1) AS v FROM t WHERE flowc_multiply_2(u ,  u) > 1"),
    ],
)
def test_what_the_engine_runs(session, sql, wanted):
    assert session.checked(sql) == wanted


def test_the_engine_judges_types_inside_conditions(session):
    sql = "SELECT a FROM t WHERE CASE WHEN x - 1 > 0 THEN a + 1 ELSE b - x END > 0 OR s = 'a'"
    assert "flowc_add_2(a ,  1)" in session.checked(sql)


def test_a_text_that_reads_in_two_ways_is_refused(session):
    sql = "SELECT a - b * 2 AS v FROM t"
    wrong = (Arithmetic("subtract", "flowc_subtract_1", 7, 9, 10, 12),)
    with pytest.raises(EngineError, match="reads in two ways"):
        session.checked(sql, wrong)


def expression(pick, depth):
    """A number of some type, as people might write it."""
    if depth == 0:
        return pick.choice(
            ["a", "b", "t.a", "x", "u", "p", "3", "-2", "1.5", "9223372036854775807", "CAST(x AS BIGINT)"]
        )
    left, right = (expression(pick, pick.randrange(depth)) for _ in range(2))
    return pick.choice(
        [
            f"{left} + {right}", f"{left} - {right}", f"{left} * {right}", f"({left} - {right})", f"- ({left})",
            f"-b * {right}", f"{left}-a::int", f"CASE WHEN {left} > {right} THEN {left} ELSE {right} END - b",
            f"coalesce({left}, {right}) + 1", f"[{left}][1] * 2", f"{left} + length('a-' || ({right}))",
            f"(SELECT max({left}) FROM t) - {right}", f"{left} / 2 * {right} % 5", f"- - a + {right}",
            f"sum(a - b) OVER (PARTITION BY {left} ORDER BY b - a ROWS 1 PRECEDING) + {right}",
        ]
    )  # fmt: skip


def failure(work, sql):
    """The engine's words, or none."""
    try:
        work(sql)
    except Exception as error:
        return str(error) or "it failed"
    return ""


@pytest.mark.parametrize("seed", range(60))
def test_the_compiler_reads_operands_as_the_engine_does(session, seed):
    """What the engine takes, it takes with its computations checked, unless constants overflow."""
    sql = f"SELECT {expression(random.Random(seed), 4)} AS v FROM t WHERE {expression(random.Random(-seed), 2)} > 0"
    if not failure(lambda text: session.context.sql(text).collect(), sql):
        words = failure(session.checked, sql)
        assert not words or "overflow" in words, sql


def test_what_stands_in_a_cast_to_fewer_bits_is_computed_in_them(session):
    text = session.checked("SELECT CAST(b + b AS INT) AS s, CAST(a + 1 AS INT) AS l, CAST(x * 2 AS INT) AS f FROM t")
    kinds = {field.name: field.type for field in session.plan(text).schema()}
    assert kinds == {"s": pa.int32(), "l": pa.int32(), "f": pa.int32()}


def test_a_sum_that_also_stands_in_no_cast_keeps_its_bits(session):
    text = session.checked("SELECT a + 1 AS wide, CAST(a + 1 AS INT) AS narrow FROM t")
    assert session.plan(text).schema().field("wide").type == pa.int64()


def test_a_sum_beyond_32_bits_names_its_operands():
    context, failures = datafusion.SessionContext(), []
    rows = pa.RecordBatch.from_pydict({"a": pa.array([1, 2147483647], pa.int32())})
    context.register_record_batches("t", [[rows]])

    def register(name, function, takes, gives):
        context.register_udf(datafusion.udf(function, takes, gives, "immutable", name))

    sql = "SELECT CAST(a + a AS INT) AS s FROM t"
    text = Query(sql, arithmetic(sql), register, failures.append).checked(context.sql)
    with pytest.raises(Exception, match="overflow"):
        context.sql(text).collect()
    assert failures[0].message == "`a + a` overflows: 2147483647 + 2147483647 does not fit a 32-bit integer"


def test_a_long_row_of_integers_is_one_call(session):
    row = " - ".join(["a + b * 2"] * 10)
    text = session.checked(f"SELECT {row} AS v FROM t")
    assert text.count("flowc_") - text.count("flowc_multiply") == 1
    assert "- " not in text


def test_a_long_row_of_decimals_stays_as_it_is(session):
    row = " + ".join(["p"] * 20)
    assert session.checked(f"SELECT {row} AS v FROM t") == f"SELECT ({row}) AS v FROM t"


def test_a_long_row_of_floats_is_one_call(session):
    row = " + ".join(["x"] * 20)
    assert (
        session.checked(f"SELECT {row} AS v FROM t") == f"SELECT flowc_add_19({row.replace(' +', ' , ')}) AS v FROM t"
    )


def test_two_casts_around_a_long_row_are_of_all_its_steps(session):
    row = " + ".join(["b"] * 20)
    narrow, wide = (f"SELECT {'CAST(' * n}{row}{' AS INT)' * n} AS v FROM t" for n in (2, 1))
    for sql, wanted in ((narrow, pa.int32()), (wide, pa.int64())):
        session.checked(sql)
        assert session.given == wanted
