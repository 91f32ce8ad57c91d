"""Delta tables after an apply: drift, import, rollback, and their end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests import lakes
from tests.commands import Inside
from tests.lakes import Lake
from tests.migrate.beginning import AFTER, BEFORE, begun, specs, text_column


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@pytest.fixture
def project(lake: Lake) -> Inside:
    return begun(lake, lake.folder)


def test_drift(lake: Lake, project: Inside):
    assert project.flowc("drift").code == 0
    DeltaTable(lake.path("t")).alter.add_columns([text_column("z")])
    done = project.flowc("drift")
    assert done.code == 1
    assert "add column z text" in done.out


def test_import(lake: Lake, tmp_path: Path):
    kinds: dict[str, Any] = {
        "flag": pa.bool_(), "small": pa.int16(), "amount": pa.decimal128(12, 2), "day": pa.date32(),
        "at": pa.timestamp("us", "UTC"), "local": pa.timestamp("us"), "raw": pa.binary(), "many": pa.list_(pa.int64()),
        "both": pa.struct([pa.field("x", pa.int32()), pa.field("y", pa.string())]), "ratio": pa.float64(),
    }  # fmt: skip
    fields = [pa.field("id", pa.int64(), False), pa.field("region", pa.string(), True, {"comment": 'Where: "here".'})]
    fields += [pa.field(name, kind) for name, kind in kinds.items()]
    DeltaTable.create(
        tmp_path / "lake" / "sales" / "orders", pa.schema(fields), description="All.", partition_by=["region"]
    )
    project = Inside(tmp_path)
    project.write("specs/project.yaml", "connections:\n  w: { kind: delta, uri: ./lake }\n")
    done = project.flowc("import", "w", "--out", "specs/tables.yaml")
    assert done.code == 0, done.err
    text = (tmp_path / "specs/tables.yaml").read_text()
    assert "partition_by:" in text
    assert "Where:" in text
    plan = project.flowc("plan", "--detailed-exitcode")
    assert (plan.code, plan.out.splitlines()[1:]) == (0, ["No changes: what is there is what the specs say."]), plan.out
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("drift").code == 0


def test_rollback(lake: Lake, project: Inside):
    specs(project, {"t": AFTER.replace("  d: integer default 7", "  c: text\n  d: integer default 7")})
    assert project.flowc("apply", "--yes").code == 0
    planned = project.flowc("plan", "--rollback-to", "1", "--out", "plan.json")
    assert planned.code == 0, planned.err
    done = project.flowc("apply", "plan.json", "--allow-destructive", "w.t.d")
    assert done.code == 0, done.err
    assert lake.raw("SELECT id, a, b, c FROM t ORDER BY id") == [
        (1, 5, "x", "gone"), (2, -7, None, None), (3, 9, "y", None)
    ]  # fmt: skip
    assert DeltaTable(lake.path("t")).metadata().partition_columns == []


def test_a_dropped_table_goes_whole_and_nothing_beside_it(lake: Lake, project: Inside):
    (lake.folder / "lake" / "notes.txt").write_text("mine")
    lakes.write(lake.folder / "lake" / "other", {"id": [1]})
    specs(project, {})
    refused = project.flowc("apply", "--yes")
    assert "error[destructive-change]" in refused.err
    assert "3 rows are lost" in refused.err
    assert lake.raw("SELECT count(*) FROM t") == [(3,)]
    done = project.flowc("apply", "--yes", "--allow-destructive", "w.t")
    assert done.code == 0, done.err
    left = sorted(path.name for path in (lake.folder / "lake").iterdir())
    assert left == ["_flowc", "notes.txt", "other"]
    assert [path.name for path in (lake.folder / "lake" / "_flowc").iterdir()] == ["flowc.sqlite"]


@pytest.mark.parametrize("way", ["a table inside", "a link"])
def test_a_folder_that_is_not_the_table_s_own_is_not_dropped(lake: Lake, project: Inside, way: str):
    if way == "a table inside":
        lakes.write(lake.path("t") / "inner", {"id": [1]})
    else:
        lake.path("t").rename(lake.folder / "elsewhere")
        lake.path("t").symlink_to(lake.folder / "elsewhere")
    specs(project, {})
    done = project.flowc("apply", "--yes", "--allow-destructive", "w.t")
    code = "unsupported-table-feature" if way == "a table inside" else "path-outside"
    assert f"error[{code}]" in done.err
    assert lake.raw("SELECT count(*) FROM t") == [(3,)]


def test_a_plan_makes_nothing(tmp_path: Path):
    project = Inside(tmp_path)
    specs(project, {"t": BEFORE})
    for command in ("plan", "drift"):
        project.flowc(command)
    assert not (tmp_path / "lake").exists()
