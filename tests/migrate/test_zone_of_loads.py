"""Where the time zone of a change of type comes from: the column, else the loads into the table, else nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.catalog import Column, Table, TableName
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.migration import Managed, WantedTable
from flowc.types import BIGINT, TEXT, DataType, Kind
from tests.commands import Inside
from tests.migrate.killing import killed_after
from tests.migrate.projects import specs
from tests.stores import Store

INSTANT = DataType(Kind.TIMESTAMPTZ)
ROWS = "INSERT INTO t (id, a) VALUES (1, '2026-07-01 12:00:00.000000')"
BERLIN, NEW_YORK = [("2026-07-01 10:00:00",)], [("2026-07-01 16:00:00",)]
UNKNOWN = "the time zone of the local times in `a` is not known"


def _load(name: str, zone: str | None, to: str = "t") -> str:
    said = f"\n    timezone: {zone}" if zone else ""
    return f"  {name}:\n    sql: SELECT id, a FROM s\n    from: w\n    to: {to}\n    mode: append{said}\n"


class Trial:
    """A project whose table `t` is filled by some pipelines, each with its time zone."""

    def __init__(self, folder: Path) -> None:
        self.store, self.project = Store("sqlite", folder), Inside(folder)

    def specs(self, column: str, loads: dict[str, str | None]) -> None:
        text = "connections:\n  w: { kind: sqlite, path: store.sqlite }\ntables:\n"
        for name, kind in {"s": "timestamp", "t": column}.items():
            text += f"  {name}:\n    connection: w\n    columns: {{ id: bigint primary key, a: {kind} }}\n"
        pipelines = "".join(_load(name, zone) for name, zone in loads.items())
        self.project.write("specs/p.yaml", text + (f"pipelines:\n{pipelines}" if pipelines else ""))

    def begin(self, loads: dict[str, str | None]) -> None:
        self.specs("timestamp", loads)
        assert self.project.flowc("apply", "--yes").code == 0
        self.store.run(ROWS)

    def plan(self) -> str:
        return " ".join(self.project.flowc("plan").out.split())

    def apply(self, *arguments: str) -> list[tuple[object, ...]]:
        done = self.project.flowc("apply", *(arguments or ("--yes",)))
        assert done.code == 0, done.out + done.err
        return self.store.rows("SELECT a FROM t")


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def test_the_zone_of_all_loads_is_taken_and_named_there_and_back(trial: Trial):
    loads: dict[str, str | None] = {"p": "Europe/Berlin", "q": "Europe/Berlin"}
    trial.begin(loads)
    trial.specs("timestamptz", loads)
    assert "local times are those of Europe/Berlin (`timezone` of `p`, `q`)" in trial.plan()
    assert trial.apply() == BERLIN
    made = trial.project.flowc("plan", "--rollback-to", "1", "--out", "back.json")
    assert made.code == 0, made.err
    assert trial.apply("back.json") == [("2026-07-01 12:00:00",)]


def test_the_column_has_the_last_word_which_a_rollback_knows(trial: Trial):
    trial.begin({"p": "Europe/Berlin"})
    trial.specs("{ type: timestamptz, change_timezone: America/New_York }", {"p": "Europe/Berlin"})
    assert "local times are those of America/New_York (`change_timezone` of the column)" in trial.plan()
    assert trial.apply() == NEW_YORK
    trial.specs("timestamptz", {"p": "Europe/Berlin"})
    trial.apply()  # a version that no longer says it
    trial.project.flowc("plan", "--rollback-to", "1", "--out", "back.json")
    assert trial.apply("back.json") == [("2026-07-01 12:00:00",)]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({}, {}, "no pipeline fills the table"),
        ({"p": "Europe/Berlin"}, {"p": "America/New_York"}, "`p`: Europe/Berlin, `p`: America/New_York"),
        ({"p": "Europe/Berlin"}, {"q": "UTC"}, "`p`: Europe/Berlin, `q`: UTC"),
        ({"q": None}, {"p": "Europe/Berlin"}, "`q` of the loads into the table names no `timezone`"),
    ],
    ids=["no load", "another zone than before", "another load than before", "a load without a zone"],
)
def test_a_zone_that_is_not_known_is_asked_for(
    trial: Trial, before: dict[str, str | None], after: dict[str, str | None], why: str
):
    trial.begin(before)
    trial.specs("timestamptz", after)
    plan = trial.plan()
    assert UNKNOWN in plan
    assert why in plan
    assert "say it with `change_timezone: ZONE` on the column" in plan
    refused = trial.project.flowc("apply", "--yes")
    assert refused.code == 2
    assert "help: say it with `change_timezone: ZONE` on the column\n" in refused.err
    assert trial.store.rows("SELECT a FROM t") == [("2026-07-01 12:00:00",)]


@pytest.mark.parametrize(
    "versions",
    [[{"p": "Europe/Berlin", "q": "UTC"}, {"q": "UTC"}], [{"q": "Europe/Berlin"}, {"q": "UTC"}]],
    ids=["a load that was removed", "a zone that was changed"],
)
def test_loads_of_earlier_versions_filled_the_table_too(trial: Trial, versions: list[dict[str, str | None]]):
    trial.begin(versions[0])
    trial.specs("timestamp", versions[1])
    trial.apply()
    trial.apply()  # the versions between hold only the last loads
    trial.specs("timestamptz", versions[1])
    assert "Europe/Berlin" in trial.plan()
    assert UNKNOWN in trial.plan()
    assert trial.project.flowc("apply", "--yes").code == 2
    trial.specs("{ type: timestamptz, change_timezone: Europe/Berlin }", versions[1])
    assert trial.apply() == BERLIN
    trial.project.flowc("plan", "--rollback-to", "1", "--out", "back.json")
    assert trial.apply("back.json") == [("2026-07-01 12:00:00",)]


def test_a_zone_that_a_column_had_is_not_forgotten(trial: Trial):
    trial.begin({"p": "Europe/Berlin"})
    trial.specs("{ type: timestamptz, change_timezone: America/New_York }", {"p": "Europe/Berlin"})
    assert trial.apply() == NEW_YORK
    trial.specs("timestamptz", {"p": "Europe/Berlin"})
    trial.apply()
    trial.specs("timestamp", {"p": "Europe/Berlin"})
    assert "name `p`: Europe/Berlin, earlier versions: America/New_York" in trial.plan()
    trial.specs("{ type: timestamp, change_timezone: America/New_York }", {"p": "Europe/Berlin"})
    assert trial.apply() == [("2026-07-01 12:00:00",)]


@pytest.mark.parametrize("back", [True, False], ids=["a rollback", "reverted specs"])
def test_a_zone_of_an_apply_that_was_cut_off_is_not_forgotten(postgres: str, tmp_path: Path, back: bool):
    store = Store("postgres", tmp_path, postgres)
    project = Inside(tmp_path, {"STORE": postgres})

    def declare(column: str, more: str = "") -> None:
        table = f"columns: {{ id: bigint primary key, a: {column} }}{more}"
        specs(project, store, {"s": "columns: { id: bigint primary key, a: timestamp }", "t": table})
        project.write("specs/p.yaml", "pipelines:\n" + _load("p", "UTC"))

    declare("timestamp")
    assert project.flowc("apply", "--yes").code == 0
    store.run(ROWS)
    declare("{ type: timestamptz, change_timezone: America/New_York }", "\nindexes: [{ columns: [a] }]")
    killed_after(project, "postgres", ("TYPE",), "--yes")
    store.run("DELETE FROM flowc.locks")
    declare("timestamp")
    if back:
        assert project.flowc("plan", "--rollback-to", "1", "--out", "back.json").code == 0
        assert project.flowc("apply", "back.json").code == 0
    else:
        assert "earlier versions: America/New_York" in " ".join(project.flowc("plan").out.split())
        declare("{ type: timestamp, change_timezone: America/New_York }")
        assert project.flowc("apply", "--yes").code == 0
    assert [str(value) for (value,) in store.raw("SELECT a FROM t")] == ["2026-07-01 12:00:00"]


def test_a_load_is_known_by_any_spelling_of_the_table(trial: Trial):
    trial.begin({"p": "Europe/Berlin"})
    trial.specs("timestamptz", {"p": "Europe/Berlin"})
    with (trial.store.folder / "specs/p.yaml").open("a") as file:
        file.write(_load("q", "UTC", "{ connection: w, table: T }"))
    assert UNKNOWN in trial.plan()


@pytest.mark.parametrize(("column", "code"), [
    ("{ type: timestamptz, change_timezone: Europe/Berlim }", "unknown-timezone"),
    ("{ type: text, change_timezone: Europe/Berlin }", "conflicting-options"),
])  # fmt: skip
def test_a_zone_that_means_nothing_is_reported(trial: Trial, column: str, code: str):
    trial.specs(column, {})
    done = trial.project.flowc("lint")
    assert f"[{code}]" in done.out + done.err


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Column("b", INSTANT, default="'2026-07-01 12:00:00'"), "the engine would read b in Europe/Berlin, too"),
        (Column("b", BIGINT, default="GENERATED ALWAYS AS (id + 1) STORED"), "the engine would read b in Europe"),
        (Column("b", INSTANT, default="CURRENT_TIMESTAMP"), None),
    ],
    ids=["an instant as default", "a computed column", "a clock as default"],
)
def test_mysql_reads_no_default_in_the_time_zone_of_a_change(other: Column, words: str | None):
    def table(kind: DataType) -> Table:
        return Table(TableName(None, "t"), (Column("id", BIGINT, False), Column("a", kind), other), ("id",))

    live = table(DataType(Kind.TIMESTAMP))
    wanted = WantedTable("w", "mysql", "t", table(INSTANT), zones=(("a", "Europe/Berlin"),))
    plan = plan_tables("w", "mysql", [wanted], live={live.name: live}, managed=[Managed("t", live)])
    changes = plan[0].changes
    assert [words in (change.blocked or "") if words else change.blocked is None for change in changes] == [True]
    sessions = [s.session for change in changes for s in change.statements]
    assert sessions == ([] if words else [("SET time_zone = 'Europe/Berlin'", "SET time_zone = '+00:00'")])


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (Column("b", INSTANT), Column("b", TEXT), "converts in one time zone at a time"),
        (Column("b", INSTANT), Column("b", DataType(Kind.TIMESTAMPTZ, precision=0)), "in one time zone at a time"),
        (Column("b", INSTANT), Column("b", DataType(Kind.TIMESTAMPTZ, precision=6)), None),
        (None, Column("b", DataType(Kind.TIMESTAMP), default="CURRENT_TIMESTAMP"), "the engine would read b in Europe"),
        (None, Column("b", DataType(Kind.TIMESTAMP), default="'2026-07-01 12:00:00'"), None),
        (None, Column("b", BIGINT), None),
    ],
    ids=["a text", "fewer digits", "the same type", "a new clock", "a new literal", "a new column"],
)
def test_mysql_makes_no_other_column_in_the_time_zone_of_a_change(was: Column | None, now: Column, words: str | None):
    def table(kind: DataType, *others: Column) -> Table:
        return Table(TableName(None, "t"), (Column("id", BIGINT, False), Column("a", kind), *others), ("id",))

    live = table(DataType(Kind.TIMESTAMP), *([was] if was else []))
    wanted = WantedTable("w", "mysql", "t", table(INSTANT, now), zones=(("a", "Europe/Berlin"),))
    plan = plan_tables("w", "mysql", [wanted], live={live.name: live}, managed=[Managed("t", live)])
    blocked = next(change.blocked for change in plan[0].changes if change.column == "a")
    assert blocked is None if words is None else words in (blocked or "")
