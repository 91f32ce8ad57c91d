"""The SQL of a stream over one batch after the other."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flowc.compiler.systems.datafusion.arithmetic import arithmetic
from flowc.errors import DataError, EngineError
from flowc.runtime.arrow import data_type
from flowc.runtime.streams.transform import Transform

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])


def _transform(sql: str) -> Transform:
    return Transform(sql, {"source": SCHEMA}, arithmetic(sql))


def _batch(*rows: tuple[int, str]) -> dict[str, pa.RecordBatch]:
    return {"source": pa.RecordBatch.from_pylist([{"id": i, "name": n} for i, n in rows], schema=SCHEMA)}


def test_each_batch_is_seen_and_no_other() -> None:
    transform = _transform("SELECT id, upper(name) AS name FROM source WHERE id > 1")
    assert transform(_batch((1, "a"), (2, "b"))).to_pylist() == [{"id": 2, "name": "B"}]
    assert transform(_batch((3, "c"))).to_pylist() == [{"id": 3, "name": "C"}]
    assert transform(_batch((0, "d"))).num_rows == 0
    assert transform(_batch()).schema.names == ["id", "name"]


def test_a_full_join_keeps_rows_whose_other_side_is_missing() -> None:
    sides = "(SELECT * FROM source WHERE id > 5) x FULL JOIN source y ON x.id = y.id AND x.name = y.name"
    transform = _transform(f"SELECT x.id AS one, y.id AS other FROM {sides} WHERE y.id <> 0 AND x.id IS NULL")
    assert transform(_batch((1, "a"), (9, "b"))).to_pylist() == [{"one": None, "other": 1}]


def test_a_column_of_several_types_is_described_as_its_rows_are() -> None:
    transform = _transform("SELECT CASE WHEN id = 1 THEN 0 ELSE CAST(1.25 AS DECIMAL(10, 2)) END AS v FROM source")
    assert [column.type for column in transform.columns()] == [data_type(transform(_batch((1, "a"))).schema.field("v"))]
    [none] = transform.apart("source", list(_batch().values())) or [None]
    [some] = transform.apart("source", list(_batch((2, "a")).values())) or [None]
    assert isinstance(none, pa.RecordBatch)
    assert isinstance(some, pa.RecordBatch)
    assert none.schema.types == some.schema.types


def test_arithmetic_never_wraps_around() -> None:
    transform = _transform("SELECT id + 1 AS next FROM source")
    assert transform(_batch((5, "a"))).to_pylist() == [{"next": 6}]
    with pytest.raises(DataError) as failure:
        transform(_batch((2**63 - 1, "a")))
    assert failure.value.code == "arithmetic-overflow"
    assert transform(_batch((6, "a"))).to_pylist() == [{"next": 7}]


def test_a_query_that_cannot_be_planned_says_so_before_any_row() -> None:
    with pytest.raises(EngineError):
        _transform("SELECT nothing FROM source")
