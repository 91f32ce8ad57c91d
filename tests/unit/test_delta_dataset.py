"""A reader of a Delta table leaves out no file because of what the log says of its values."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake

from flowc.runtime.systems.delta.tables import dataset

LONG = pa.decimal128(38, 10)


def found(path: Path, condition: ds.Expression) -> list[int]:
    return sorted(dataset(DeltaTable(path)).to_table(filter=condition).column("id").to_pylist())


def test_long_decimals_are_found(tmp_path):
    """The log has them as doubles, which the reader cannot make decimals of."""
    values = ["-0.0000634984", "9E-10", "12345678901234567890.0000000001"]
    write_deltalake(tmp_path, pa.table({"id": [1, 2, 3], "c": pa.array(map(Decimal, values), LONG)}))
    assert found(tmp_path, ds.field("c") >= pa.scalar(Decimal(-1), LONG)) == [1, 2, 3]
    assert found(tmp_path, ds.field("c") >= pa.scalar(Decimal(values[2]), LONG)) == [3]


def test_times_that_another_writer_has_cut_to_milliseconds_are_found(tmp_path):
    moment = datetime(2026, 1, 1, 0, 0, 0, 123456)
    write_deltalake(tmp_path, pa.table({"id": [1], "c": pa.array([moment], pa.timestamp("us"))}))
    log = tmp_path / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            bound = {"c": "2026-01-01T00:00:00.123"}
            stats = {"numRecords": 1, "minValues": bound, "maxValues": bound, "nullCount": {"c": 0}}
            action["add"]["stats"] = json.dumps(stats)
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    assert found(tmp_path, ds.field("c") >= pa.scalar(moment.replace(microsecond=123400), pa.timestamp("us"))) == [1]


def test_partitions_are_still_told_apart(tmp_path):
    rows = pa.table({"id": [1, 2, 3, 4], "p": ["a", "b", None, "a"], "q": [1, None, 3, 4]})
    write_deltalake(tmp_path, rows, partition_by=["p", "q"])
    fragments = list(dataset(DeltaTable(tmp_path)).get_fragments(filter=ds.field("p") == "a"))
    assert len(fragments) == 2
    whole = dataset(DeltaTable(tmp_path)).to_table().select(["id", "p", "q"]).sort_by("id")
    assert whole.to_pylist() == rows.to_pylist()
    assert found(tmp_path, ds.field("p").is_null()) == [3]
