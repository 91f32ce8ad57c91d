"""Sources that change between the plan of a load and its read, and columns that a spec names in another case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.catalog import TableName
from flowc.compiler.ir import Apply, Incremental, Source, Target
from flowc.compiler.loads.reads import read_of
from flowc.compiler.loads.sqlplan import plan_load
from flowc.loadplan import LoadPlan, LoadResult
from flowc.runtime.loads.load import describe, run_load
from flowc.runtime.stores.files import Files
from flowc.runtime.systems import open_database
from flowc.service.loads.watermarks import stored_watermark
from tests.model import histories as h

Row = dict[str, Any]
ROW = {"id": 1, "a": "x", "b": "y"}
FORMATS = {
    "csv": lambda path, row: path.write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n"),
    "jsonl": lambda path, row: path.write_text(json.dumps(row) + "\n"),
    "parquet": lambda path, row: pq.write_table(pa.Table.from_pylist([row]), path),
}


class Changing:
    """A source of one row whose columns may come in another order, and a table of another database."""

    def __init__(self, folder: Path, kind: str, source: str, urls: dict[str, str]):
        self.kind, self.source, self.folder = kind, source, folder
        self.near = open_database(kind, {"url": urls[kind]} if kind in urls else {"path": str(folder / "near")})
        self.far = None
        if source not in FORMATS:
            self.far = open_database(source, {"url": urls[source]} if source in urls else {"path": str(folder / "far")})
        self.near.execute("DROP TABLE IF EXISTS tgt")

    def put(self, row: Row) -> None:
        if self.far is None:
            FORMATS[self.source](self.folder / f"rows.{self.source}", row)
            return
        kinds = ", ".join(f"{name} {'BIGINT' if name == 'id' else 'VARCHAR(9)'}" for name in row)
        self.far.execute("DROP TABLE IF EXISTS src")
        self.far.execute(f"CREATE TABLE src ({kinds})")
        self.far.execute(f"INSERT INTO src VALUES ({', '.join(map(repr, row.values()))})")

    def sources(self, _name: str) -> Any:
        return self.far or Files({"uri": str(self.folder)})

    @property
    def node(self) -> Source:
        if self.far is None:
            return Source("s", "s", "f", "files", None, None, f"rows.{self.source}", self.source, {}, None)
        return Source("s", "s", "f", self.source, table=TableName(None, "src"))

    def apply(self, mode: str, **more: Any) -> Apply:
        target = Target("c", self.kind, TableName(None, "tgt"), None)
        return h.apply_for(self.kind, mode, **{"input": self.node, "target": target, "compare": None} | more)

    def planned(self, apply: Apply, day: int = 0, *, same_database: bool = False) -> LoadPlan:
        columns, live = describe(read_of(self.node), self.sources), self.near.table(TableName(None, "tgt"))
        stored = stored_watermark(apply, self.near)
        return plan_load(
            apply, columns=columns, live=live, watermark=stored.value if stored else None, now=h.moment(day),
            same_database=same_database, kept=stored.kept if stored else None,
        )  # fmt: skip

    def run(self, plan: LoadPlan) -> LoadResult:
        return run_load(plan, self.near, self.sources)

    def rows(self, names: str) -> list[tuple]:
        return [tuple(row.values()) for row in self.near.query(f"SELECT {names} FROM tgt ORDER BY {names}").to_pylist()]


@pytest.fixture
def changing(tmp_path: Path, request: pytest.FixtureRequest):
    opened: list[Changing] = []

    def make(kind: str, source: str) -> Changing:
        urls = {name: request.getfixturevalue(name) for name in (kind, source) if name in ("postgres", "mysql")}
        opened.append(Changing(tmp_path, kind, source, urls))
        return opened[-1]

    yield make
    for each in opened:
        each.near.close()
        if each.far is not None:
            each.far.close()


PAIRS = [
    ("sqlite", "duckdb"), ("duckdb", "sqlite"), ("postgres", "postgres"), ("duckdb", "mysql"),
    *(("sqlite", each) for each in FORMATS),
]  # fmt: skip


@pytest.mark.covering
@pytest.mark.parametrize("mode", ["append", "merge"])
@pytest.mark.parametrize(("kind", "source"), PAIRS)
def test_columns_that_change_places_before_the_read(changing: Callable, kind: str, source: str, mode: str) -> None:
    at = changing(kind, source)
    at.put(ROW)
    apply = at.apply(mode, keys=("id",) if mode == "merge" else ())
    plan = at.planned(apply)
    at.put({name: ROW[name] for name in ("id", "b", "a")})
    refused = at.run(plan)
    assert refused.error is not None
    assert refused.error.code == "source-changed"
    assert at.run(at.planned(apply)).error is None
    assert at.rows("id, a, b") == [(1, "x", "y")]


@pytest.mark.parametrize("source", ["duckdb", "csv"])
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_cursor_in_another_case_is_the_column(changing: Callable, kind: str, source: str) -> None:
    """Of a row whose key the target has, a later version is new."""
    at = changing(kind, source)
    apply = at.apply("append", keys=("ID",), incremental=Incremental("A", None, 0, False))
    for value in ("x", "z"):
        at.put({**ROW, "a": value})
        assert at.run(at.planned(apply)).error is None
    assert at.rows("id, a") == [(1, "x"), (1, "z")]


@pytest.mark.parametrize("source", ["duckdb", "csv"])
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_an_event_time_in_another_case_is_the_column(changing: Callable, kind: str, source: str) -> None:
    """Versions begin at the event time, not at the time of the load."""
    at = changing(kind, source)
    apply = at.apply("scd2", keys=("ID",), event_time="A", compare=("B",))
    for day in (1, 2):
        at.put({"id": 1, "a": day, "b": f"v{day}"})
        assert at.run(at.planned(apply, day)).error is None
    found = [tuple(map(str, row)) for row in at.rows("id, b, valid_from, valid_to")]
    assert found == [("1", "v1", "1", "2"), ("1", "v2", "2", "None")]


@pytest.mark.parametrize("dedupe", [None, "b"])
@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgres", "mysql"])
def test_an_event_time_that_the_table_spells_in_another_case_makes_no_version(
    changing: Callable, kind: str, dedupe: str | None
) -> None:
    """A row of another time whose content is that of the version before is no version."""
    at = changing(kind, "duckdb")
    q = "`" if kind == "mysql" else '"'
    text = "VARCHAR(9)"
    at.near.execute(
        f"CREATE TABLE tgt (id BIGINT, {q}A{q} {text}, b {text}, valid_from {text}, valid_to {text}, "
        "is_current BOOLEAN)"
    )
    apply = at.apply("scd2", keys=("id",), event_time="a", dedupe=dedupe)
    for day, b in ((1, "v1"), (2, "v1"), (3, "v3")):
        at.put({"id": 1, "a": day, "b": b})
        assert at.run(at.planned(apply, day)).error is None
    found = [tuple(map(str, row)) for row in at.rows("id, b, valid_from, valid_to")]
    assert found == [("1", "v1", "1", "3"), ("1", "v3", "3", "None")]


@pytest.mark.parametrize("beside", [True, False])
def test_a_column_fills_no_other_whose_name_differs_in_case(changing: Callable, beside: bool) -> None:
    at = changing("postgres", "postgres")
    at.near.execute('CREATE TABLE tgt (id BIGINT, a TEXT, "A" TEXT, b TEXT)')
    at.near.execute("INSERT INTO tgt VALUES (1, 'old', 'other', 'y')")
    at.put(ROW)
    apply = at.apply("merge", keys=("id",))
    plan = at.planned(apply, same_database=beside)
    assert at.run(plan).error is None
    assert at.rows('id, a, "A", b') == [(1, "x", "other", "y")]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgres", "mysql"])
def test_two_first_loads_that_replace_leave_the_rows_once(changing: Callable, kind: str) -> None:
    at = changing(kind, "sqlite" if kind == "duckdb" else "duckdb")
    at.put(ROW)
    apply = at.apply("truncate", keys=())
    for plan in [at.planned(apply), at.planned(apply)]:
        at.run(plan)
    assert at.rows("id, a, b") == [(1, "x", "y")]
