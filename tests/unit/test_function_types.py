"""What functions of a project get and give in the engine: exact values of the declared types, or an error."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from flowc.errors import DataError
from flowc.loadplan import FunctionPlan
from flowc.runtime.engine.context import new_context
from flowc.runtime.engine.functions import Function, mistyped, register_all
from flowc.runtime.engine.functiontypes import declared_type, taken
from flowc.types import goes_into, parse_type

NOON = datetime(2024, 1, 1, 12)


def function(args: Sequence[str], returns: str, python: Any, state: Sequence[str] = ()) -> Function:
    """A function `f` of those types; with a state, an aggregate."""
    kinds, kept = (tuple(map(parse_type, each)) for each in (args, state))
    return Function(FunctionPlan("f", "m:f", bool(state), kinds, parse_type(returns), kept), python)


def result(made: Function, sql: str, *columns: pa.Array, partitions: int = 1) -> pa.ChunkedArray:
    """The first column of a query that calls `flowc_fn_f`, over `t` with columns `a` and `b`."""
    context = new_context(target_partitions=str(partitions))
    batch = pa.RecordBatch.from_arrays(list(columns), names=["a", "b"][: len(columns)])
    step = -(-batch.num_rows // partitions)
    context.register_record_batches("t", [[batch.slice(at * step, step)] for at in range(partitions)])
    failures: list[DataError] = []
    try:
        register_all([made], context, sql, failures.append)
        return context.sql(sql).to_arrow_table().column(0)
    except BaseException as error:
        raise (failures[0] if failures else mistyped(error) or error) from None


def seen(args: Sequence[str], sql: str, *columns: pa.Array) -> tuple[str, list[Any]]:
    """The type and the values that a function gets for its first argument."""
    got: list[pa.Array] = []

    def keep(*arrays: pa.Array) -> pa.Array:
        got.append(arrays[0])
        return pa.repeat(pa.scalar(True), len(arrays[0]))

    result(function(args, "boolean", keep), sql, *columns)
    return str(got[-1].type), got[-1].to_pylist()


def column(values: Sequence[Any], kind: Any) -> pa.Array:
    return pa.array(values, kind)


SELECT = "SELECT flowc_fn_f(a) FROM t"


@pytest.mark.parametrize(
    ("declared", "given", "type_", "values"),
    [
        ("numeric", column([Decimal("1.50"), None], pa.decimal128(10, 2)), "decimal128(10, 2)", [Decimal("1.50"), None]),
        ("numeric", column([7, None], pa.int64()), "decimal128(38, 10)", [Decimal("7.0000000000"), None]),
        ("numeric", column(["1.5", None], pa.string()), "decimal128(38, 10)", [Decimal("1.5000000000"), None]),
        ("numeric(12,2)", column([Decimal("1.5000"), None], pa.decimal128(20, 4)), "decimal128(12, 2)", [Decimal("1.50"), None]),
        ("numeric(50,2)", column([3], pa.int32()), "decimal256(50, 2)", [Decimal("3.00")]),
        ("integer", column([5, None], pa.int64()), "int32", [5, None]),
        ("bigint", column([None, None], pa.null()), "int64", [None, None]),
        ("double", column([1, None], pa.int64()), "double", [1.0, None]),
        ("double", column([Decimal("1.5")], pa.decimal128(10, 2)), "double", [1.5]),
        ("timestamp", column([NOON, None], pa.timestamp("ns")), "timestamp[us]", [NOON, None]),
        ("timestamp", column([date(2024, 1, 1)], pa.date32()), "timestamp[us]", [datetime(2024, 1, 1)]),
        ("timestamptz", column([NOON, None], pa.timestamp("ms", "Europe/Berlin")), "timestamp[us, tz=UTC]", [NOON.replace(tzinfo=UTC), None]),
        ("date", column([date(2024, 1, 1), None], pa.date32()), "date32[day]", [date(2024, 1, 1), None]),
        ("text", column(["é", None], pa.string_view()), "string", ["é", None]),
        ("binary", column([b"\xff", None], pa.binary_view()), "binary", [b"\xff", None]),
        ("text[]", column([["a", None], None, []], pa.list_(pa.string_view())), "list<item: string>", [["a", None], None, []]),
        ("bigint[]", column([[1], None], pa.list_(pa.int32())), "list<item: int64>", [[1], None]),
        ("uuid", column(["550e8400-e29b-41d4-a716-446655440000"], pa.string()), "string", ["550e8400-e29b-41d4-a716-446655440000"]),
    ],
)  # fmt: skip
def test_a_function_gets_the_declared_type(declared: str, given: pa.Array, type_: str, values: list[Any]) -> None:
    assert seen([declared], SELECT, given) == (type_, values)


@pytest.mark.parametrize(
    ("declared", "sql", "type_"),
    [
        ("integer", "SELECT flowc_fn_f(1) FROM t", "int32"),
        ("numeric(10,2)", "SELECT flowc_fn_f(1.5) FROM t", "decimal128(10, 2)"),
        ("timestamp", "SELECT flowc_fn_f(CAST('2024-01-01 12:00:00' AS TIMESTAMP)) FROM t", "timestamp[us]"),
        ("smallint", "SELECT a FROM t WHERE flowc_fn_f(a + 1)", "int16"),
        ("numeric", "SELECT flowc_fn_f(sum(a)) FROM t", "decimal128(38, 10)"),
    ],
)
def test_whatever_the_engine_computes(declared: str, sql: str, type_: str) -> None:
    arguments = column([1, 2], pa.int64())
    if "1.5" in sql:
        sql = sql.replace("1.5", "CAST(1.5 AS DECIMAL(5,1))")
    assert seen([declared], sql, arguments)[0] == type_


@pytest.mark.parametrize(
    ("declared", "given", "words"),
    [
        ("integer", column([2**31], pa.int64()), "not in range"),
        ("numeric(10,2)", column([Decimal("1.555")], pa.decimal128(10, 3)), "data loss"),
        ("numeric(4,2)", column([Decimal("123.00")], pa.decimal128(10, 2)), "does not fit in precision"),
        ("timestamp", column([1_704_067_200_000_000_001], pa.timestamp("ns")), "would lose data"),
    ],
)  # fmt: skip
def test_a_value_that_the_type_would_change_fails(declared: str, given: pa.Array, words: str) -> None:
    with pytest.raises(DataError, match=words) as failure:
        seen([declared], SELECT, given)
    assert failure.value.code == "function-failed"


SIMPLE = [
    "boolean",
    "smallint",
    "bigint",
    "real",
    "double",
    "numeric(12,2)",
    "date",
    "timestamp",
    "timestamptz",
    "text",
]


@pytest.mark.parametrize("declared", SIMPLE)
def test_windows_take_what_lint_takes(declared: str) -> None:
    kinds = [parse_type(each) for each in SIMPLE]
    takes = [str(kind) for kind in kinds if taken(parse_type(declared), declared_type(kind)) is not None]
    assert takes == [str(kind) for kind in kinds if goes_into(kind, parse_type(declared))]
    assert ("numeric(12,2)" in takes, "real" in takes) == {
        "double": (True, True), "numeric(12,2)": (True, False), "real": (False, True),
    }.get(declared, (False, False))  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ("bigint", column(["1"], pa.string())),
        ("bigint", column([1.0], pa.float64())),
        ("numeric", column([1.5], pa.float64())),
        ("numeric(10,2)", column(["1.5"], pa.string())),
        ("timestamp", column([NOON], pa.timestamp("us", "UTC"))),
        ("date", column([NOON], pa.timestamp("us"))),
        ("boolean", column([1], pa.int64())),
    ],
)
def test_other_types_are_not_taken(declared: str, given: pa.Array) -> None:
    with pytest.raises(DataError, match="function `f` does not take what the SQL gives it") as failure:
        seen([declared], SELECT, given)
    assert failure.value.code == "wrong-arguments"


def test_several_arguments_each_in_its_type() -> None:
    declared = ["text[]", "numeric", "interval", "integer"]
    sql = "SELECT flowc_fn_f(a, b, INTERVAL '1 day', 2) FROM t"
    lists, decimals = (
        column([["a", None], None], pa.list_(pa.string())),
        column([Decimal("1.5"), None], pa.decimal128(10, 2)),
    )
    assert seen(declared, sql, lists, decimals) == ("list<item: string>", [["a", None], None])
    nested = column([[Decimal("1.5")], None], pa.list_(pa.decimal128(10, 1)))
    assert seen(["numeric(12,2)[]"], SELECT, nested) == ("list<item: decimal128(12, 2)>", [[Decimal("1.50")], None])


def test_calls_that_differ_have_to_be_cast() -> None:
    columns = column([Decimal("1.5")], pa.decimal128(10, 2)), column([Decimal("1.5")], pa.decimal128(12, 4))
    with pytest.raises(DataError, match="does not take") as failure:
        seen(["numeric"], "SELECT flowc_fn_f(a), flowc_fn_f(b) FROM t", *columns)
    assert "in every call alike" in str(failure.value.help)
    sql = "SELECT flowc_fn_f(CAST(a AS DECIMAL(12,4))), flowc_fn_f(b) FROM t"
    assert seen(["numeric"], sql, *columns)[0] == "decimal128(12, 4)"


@pytest.mark.parametrize(
    ("returns", "made", "values"),
    [
        ("numeric", lambda a: pa.array([Decimal("1.5"), None]), [Decimal("1.5000000000"), None]),
        ("bigint", lambda a: pa.array([1, None], pa.int8()), [1, None]),
        ("text", lambda a: pa.array(["a", None], pa.large_string()), ["a", None]),
        ("text", lambda a: pa.chunked_array([["a"], [None]]), ["a", None]),
        ("bigint", lambda a: pa.nulls(2), [None, None]),
        ("text[]", lambda a: pa.array([["a"], None]), [["a"], None]),
        ("timestamptz", lambda a: pa.array([NOON.replace(tzinfo=UTC), None], pa.timestamp("s", "Europe/Berlin")), [NOON.replace(tzinfo=UTC), None]),
    ],
)  # fmt: skip
def test_a_function_gives_the_declared_type(returns: str, made: Callable[..., Any], values: list[Any]) -> None:
    found = result(function(["bigint"], returns, made), SELECT, column([1, 2], pa.int64()))
    assert found.to_pylist() == values


@pytest.mark.parametrize(
    ("returns", "made", "words"),
    [
        ("numeric", lambda a: pa.array([Decimal("0.12345678901")] * 2), "data loss"),
        ("bigint", lambda a: pa.array([1.5, 2.5]), "truncated"),
        ("bigint", lambda a: pc.sum(a), "Int64Scalar"),
        ("bigint", lambda a: [1, 2], "it returned list"),
    ],
)
def test_what_is_not_exactly_of_the_declared_type_fails(returns: str, made: Callable[..., Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        result(function(["bigint"], returns, made), SELECT, column([1, 2], pa.int64()))


class Largest:
    """The largest decimal, and the times at which parts were merged."""

    merged = 0

    def __init__(self) -> None:
        self.value: Decimal | None = None

    def update(self, values: pa.Array) -> None:
        assert values.type == pa.decimal128(10, 2), values.type
        self._take(pc.max(values).as_py())

    def merge(self, values: pa.Array) -> None:
        Largest.merged += 1
        self._take(pc.max(values).as_py())

    def _take(self, value: Decimal | None) -> None:
        known = [each for each in (self.value, value) if each is not None]
        self.value = max(known) if known else None

    def state(self) -> list[Decimal | None]:
        return [self.value]

    def evaluate(self) -> Decimal | None:
        return self.value


def test_an_aggregate_in_several_threads_is_merged() -> None:
    values = column([Decimal(n) / 4 if n % 3 else None for n in range(40_000)], pa.decimal128(10, 2))
    made = function(["numeric"], "numeric", Largest, ["numeric"])
    group = pc.bit_wise_and(column(range(40_000), pa.int64()), 1)
    sql = "SELECT flowc_fn_f(a) AS v FROM t GROUP BY b ORDER BY b"
    found = result(made, sql, values, group, partitions=4)
    assert found.to_pylist() == [Decimal("9999.5"), Decimal("9999.25")]
    assert Largest.merged > 0
    assert result(made, "SELECT flowc_fn_f(a) AS v FROM t WHERE b > 9", values, group).to_pylist() == [None]


def test_a_failing_merge_names_the_function() -> None:
    class Unmergeable(Largest):
        def merge(self, values: pa.Array) -> None:
            raise KeyError("merged")

    values = column([Decimal(n) for n in range(1000)], pa.decimal128(10, 2))
    made = function(["numeric"], "numeric", Unmergeable, ["numeric"])
    with pytest.raises(DataError, match="function `f` failed: KeyError: 'merged'"):
        result(made, "SELECT flowc_fn_f(a) AS v FROM t", values, partitions=4)


def test_user_code_is_not_called_to_find_types() -> None:
    calls: list[int] = []

    def count(numbers: pa.Array) -> pa.Array:
        calls.append(len(numbers))
        return numbers

    result(function(["integer"], "integer", count), "SELECT flowc_fn_f(a) FROM t", column([1, 2], pa.int64()))
    assert calls == [2]
