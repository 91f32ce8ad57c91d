"""`flowc plan` and `apply` make the tables that streams write and no spec declares, as the streams would make them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowc.catalog import Table, TableName
from flowc.runtime.systems import open_database
from tests.commands import ROOT, Inside
from tests.streams.filefolder import put
from tests.topics import Message, drop, fresh, produce

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

Wh = tuple[str, Mapping[str, object]]
SCHEMA = json.loads((ROOT / "schemas" / "plan.json").read_text("utf-8"))
TYPES = {
    "flag": "bool", "small": "smallint", "whole": "integer", "id": "bigint", "real": "double", "price": "numeric(12,2)",
    "name": "text", "code": "varchar(10)", "day": "date", "hour": "time", "naive": "timestamp", "moment": "timestamptz",
    "key": "uuid", "body": "json", "many": "bigint[]",
}  # fmt: skip
ROW = {
    "flag": True, "small": 1, "whole": 2, "id": 3, "real": 0.5, "price": 1.25, "name": "a", "code": "b",
    "day": "2026-01-31", "hour": "10:11:12", "naive": "2026-01-31T10:11:12", "moment": "2026-01-31T10:11:12Z",
    "key": "3f0e0d9c-2b1a-4c5d-8e7f-0a1b2c3d4e5f", "body": {"x": 1}, "many": [1, 2],
}  # fmt: skip


def place(options: Mapping[str, object]) -> str:
    return ", ".join(f'{key}: "{value}"' for key, value in options.items())


def specs(wh: Wh, *streams: str, tables: str = "", bus: str = "nowhere.invalid:9092") -> str:
    kind, options = wh
    head = f"""
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{bus}" }}
  drop: {{ kind: files, uri: inbox }}
  wh: {{ kind: {kind}, {place(options)} }}
"""
    return "\n".join([head, *(["tables:", tables] if tables else []), "streams:", *streams])


def stream(name: str, table: str, *, columns: str = "id: bigint, name: text", source: str = "", more: str = "") -> str:
    where = source or 'connection: drop, path: "*.jsonl", format: jsonl'
    return f"""
  {name}:
    source: {{ {where}, columns: {{ {columns} }} }}
    to: {{ connection: wh, table: {table}{more} }}
"""


def live(wh: Wh, name: str) -> Table | None:
    kind, options = wh
    database = open_database(kind, options)
    try:
        return database.table(TableName.parse(name))
    finally:
        database.close()


def execute(wh: Wh, *statements: str) -> None:
    kind, options = wh
    database = open_database(kind, options)
    database.open()
    for statement in statements:
        database.execute(statement)
    database.close()


def rows(wh: Wh, query: str) -> list[dict[str, Any]]:
    kind, options = wh
    database = open_database(kind, options)
    try:
        return database.query(query).to_pylist()
    finally:
        database.close()


def planned(folder: Inside, *arguments: str) -> Any:
    """The plan as JSON, as its schema says."""
    found = folder.flowc("plan", *arguments, "--json").json
    jsonschema.validate(found, SCHEMA)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    made = Inside(tmp_path)
    put(tmp_path, "inbox/a.jsonl", '{"id": 1, "name": "one"}\n')
    return made


def shape(table: Table | None) -> Table:
    """A table without its own name, also in its text, and that of its key."""
    assert table is not None
    made = tuple(sql.replace(f'"{table.name.name}"', '"t"') for sql in table.create_sql)
    return replace(table, name=TableName(None, "t"), rows=None, key_name=None, create_sql=made)


def test_what_apply_makes_is_what_a_run_makes_of_every_type(folder: Inside, wh: Wh):
    columns = ", ".join(f'{name}: "{kind}"' for name, kind in TYPES.items())
    options = ", mode: merge, keys: [id]"
    first, second = (stream(n, f"t_{n}", columns=columns, more=options) for n in ("planned", "ran"))
    folder.write("specs/s.yaml", specs(wh, first, second))
    put(folder.path, "inbox/a.jsonl", json.dumps(ROW) + "\n")
    assert folder.flowc("apply", "planned", "--yes").code == 0
    assert live(wh, "t_ran") is None
    done = folder.flowc("run", "ran", "--once")
    assert done.code == 0, done.err
    assert shape(live(wh, "t_planned")) == shape(live(wh, "t_ran"))
    # What a run made fits, and there is nothing to say of it.
    folder.flowc("apply", "--yes")
    found = planned(folder)
    assert (found["changes"], found["notes"], found["pipelines"]) == ([], {}, [])
    assert folder.flowc("run", "planned", "--once").code == 0
    assert rows(wh, "SELECT id FROM t_planned") == [{"id": 3}]


def test_a_table_with_a_key_of_text_fits_what_made_it(folder: Inside, wh: Wh):
    options = ", mode: merge, keys: [name]"
    folder.write("specs/s.yaml", specs(wh, stream("s", "events", more=options)))
    assert folder.flowc("apply", "--yes").code == 0
    found = planned(folder)
    assert (found["changes"], found["notes"]) == ([], {})
    assert folder.flowc("run", "s", "--once").code == 0


def test_a_table_in_a_schema_is_made_with_it(folder: Inside, postgres: str):
    wh = ("postgres", {"url": postgres})
    folder.write("specs/s.yaml", specs(wh, stream("one", "fresh.one"), stream("two", "fresh.two")))
    script = folder.flowc("plan", "--sql").out
    assert script.count("CREATE SCHEMA") == 1
    assert folder.flowc("apply", "--yes").code == 0
    assert folder.flowc("run", "one", "--once").code == 0
    assert rows(wh, "SELECT id, name FROM fresh.one") == [{"id": 1, "name": "one"}]


def test_a_lake_s_table_is_made_as_its_stream_makes_it(folder: Inside, tmp_path: Path):
    wh = ("delta", {"uri": str(tmp_path / "lake")})
    columns = "id: bigint, name: text, day: date, price: numeric(12,2)".replace("numeric(12,2)", '"numeric(12,2)"')
    options = ", partition_by: [day], mode: merge, keys: [id]"
    first, second = (stream(n, f"t_{n}", columns=columns, more=options) for n in ("planned", "ran"))
    folder.write("specs/s.yaml", specs(wh, first, second))
    assert folder.flowc("apply", "planned", "--yes").code == 0
    assert folder.flowc("run", "ran", "--once").code == 0
    assert shape(live(wh, "t_planned")) == shape(live(wh, "t_ran"))
    assert folder.flowc("run", "planned", "--once").code == 0
    assert planned(folder)["changes"] == []


def test_a_saved_plan_makes_it_and_the_stream_goes_on(folder: Inside, wh: Wh, kafka: str):
    topic = fresh(kafka, 2)
    source = f"connection: bus, topic: {topic}"
    folder.write("specs/s.yaml", specs(wh, stream("s", "events", source=source), bus=kafka))
    made = folder.flowc("plan", "--out", "plan.json", "--detailed-exitcode", "--json")
    assert made.code == 2
    (change,) = made.json["changes"]
    assert (change["kind"], change["name"], change["class"]) == ("create_table", "wh.events", "additive")
    assert folder.flowc("apply", "plan.json").code == 0
    assert folder.flowc("plan", "--detailed-exitcode").code == 0
    produce(kafka, topic, [Message(b'{"id": %d}' % n, partition=n % 2) for n in range(5)])
    assert folder.flowc("run", "s", "--once").code == 0
    assert len(rows(wh, "SELECT id FROM events")) == 5
    assert folder.flowc("plan", "--detailed-exitcode").code == 0

    produce(kafka, topic, [Message(b'{"id": 9}', partition=1)])
    changed = stream("s", "events", source=source) + "    sql: SELECT id, name FROM source WHERE id > 1\n"
    folder.write("specs/s.yaml", specs(wh, changed, bus=kafka))
    found = planned(folder)
    (load,) = found["pipelines"]
    assert found["changes"] == []
    assert load["restart"] is True
    assert "2 stored positions: it goes on from there" in load["effects"]
    assert load["positions"] == [
        {"source": "source", "partition": 0, "next": 3, "lag": 0},
        {"source": "source", "partition": 1, "next": 2, "lag": 1},
    ]
    assert "`source`, partition 1: from 2, 1 message to read" in folder.flowc("plan").out
    assert "+SELECT id, name FROM source WHERE id > 1" in folder.flowc("plan").out
    drop(kafka, topic)
    (load,) = planned(folder)["pipelines"]
    assert [at["lag"] for at in load["positions"]] == [None, None], "a plan needs no broker"


def test_the_plan_refuses_what_a_run_refuses(folder: Inside, wh: Wh):
    execute(wh, "CREATE TABLE other (number bigint)", "CREATE TABLE days (id date, name varchar(40))")
    folder.write("specs/s.yaml", specs(wh, stream("other", "other"), stream("days", "days")))
    changes = planned(folder)["changes"]
    assert [(c["kind"], c["name"], c["refused"], c["statements"]) for c in changes] == [
        ("alter_table", "wh.other", True, []),
        ("alter_type", "wh.days.id", True, []),
    ]
    refused = folder.flowc("apply", "--yes")
    assert (refused.code, "precheck-failed" in refused.err) == (2, True)
    for name in ("other", "days"):
        assert folder.flowc("run", name, "--once").code == 1
    assert rows(wh, "SELECT id FROM days") == []


def test_a_column_that_the_table_lacks_is_refused_until_the_table_has_it(folder: Inside, wh: Wh):
    execute(wh, "CREATE TABLE events (id bigint, more bigint)")
    folder.write("specs/s.yaml", specs(wh, stream("s", "events")))
    (change,) = planned(folder)["changes"]
    assert (change["action"], change["name"]) == ("add", "wh.events.name")
    assert "leave it out in the SQL" in change["blocked"]
    assert folder.flowc("apply", "--yes").code == 2
    assert folder.flowc("run", "s", "--once").code == 1
    execute(wh, "ALTER TABLE events ADD COLUMN name text")
    assert planned(folder)["changes"] == []
    assert folder.flowc("run", "s", "--once").code == 0
    assert rows(wh, "SELECT id, more FROM events") == [{"id": 1, "more": None}]


def test_a_key_that_the_table_lacks_is_told_as_a_column(folder: Inside, lite: Wh):
    columns = "id: bigint not null, name: text not null"
    window = "\n    window: {{ kind: tumbling, size: 1m, group_by: [{}], aggregate: {{ n: count(*) }} }}"
    written = stream("s", "events", columns=columns, more=", mode: merge")
    folder.write("specs/s.yaml", specs(lite, written + window.format("id")))
    assert folder.flowc("run", "s", "--once").code == 0
    folder.write("specs/s.yaml", specs(lite, written + window.format("name")))
    changes = {change["name"]: change["blocked"] for change in planned(folder)["changes"]}
    assert "declare the table or add the column" in changes["wh.events.name"]
    assert "stream `s` will not start" in folder.flowc("plan").out
    assert folder.flowc("run", "s", "--once").code == 1


def test_a_column_that_no_row_fills_is_refused(folder: Inside, wh: Wh):
    execute(wh, "CREATE TABLE events (id bigint, name varchar(40), reason varchar(40) NOT NULL)")
    folder.write("specs/s.yaml", specs(wh, stream("s", "events")))
    (change,) = planned(folder)["changes"]
    assert (change["kind"], change["name"], change["refused"]) == ("drop_not_null", "wh.events.reason", True)
    assert folder.flowc("run", "s", "--once").code == 1


@pytest.fixture
def lite(tmp_path: Path) -> Wh:
    return "sqlite", {"path": str(tmp_path / "wh.db")}


def test_columns_that_only_messages_tell_are_said_to_be_so_and_then_remembered(folder: Inside, lite: Wh, kafka: str):
    topic = fresh(kafka)
    source = f"    source: {{ connection: bus, topic: {topic} }}"
    folder.write("specs/s.yaml", specs(lite, f"  s:\n{source}\n    to: {{ connection: wh, table: events }}", bus=kafka))
    words = ["stream `s` makes it when it runs: its columns are found in the first messages of `source`"]
    found = planned(folder)
    assert (found["changes"], found["notes"]) == ([], {"wh.events": words})
    produce(kafka, topic, [Message(b'{"id": 1, "name": "a"}')])
    assert folder.flowc("run", "s", "--once").code == 0
    assert planned(folder)["notes"] == {}
    execute(lite, "DROP TABLE events")
    (change,) = planned(folder)["changes"]
    assert change["after"] == "id bigint, name text"


def test_a_plan_makes_no_file(folder: Inside, lite: Wh):
    undeclared = "  f:\n    source: { connection: bus, topic: t }\n    to: { connection: wh, table: f }\n"
    folder.write("specs/s.yaml", specs(lite, stream("s", "events"), undeclared))
    assert folder.flowc("plan").code == 0
    assert sorted(path.name for path in folder.path.iterdir() if path.name != "home") == ["inbox", "specs"]


def test_a_lookup_that_cannot_be_reached_leaves_the_rest_planned(folder: Inside, lite: Wh):
    looking = stream("s", "events") + (
        "    lookups: { people: { connection: away, table: people } }\n"
        "    sql: SELECT s.id, p.city FROM source s LEFT JOIN people p ON s.id = p.id\n"
    )
    away = "connections: { away: { kind: postgres, url: 'postgres://ada:secret-pw@127.0.0.1:1/x' } }\n"
    folder.write("specs/away.yaml", away)
    folder.write("specs/s.yaml", specs(lite, looking, stream("t", "others")))
    done = folder.flowc("plan", "--json")
    assert [change["name"] for change in done.json["changes"]] == ["wh.others"]
    (note,) = done.json["notes"]["wh.events"]
    assert note.startswith("stream `s` makes it when it runs: ")
    assert "secret-pw" not in done.out + done.err


def test_two_streams_make_one_table(folder: Inside, lite: Wh):
    narrow = stream("two", "events", columns="id: bigint, other: text")
    folder.write("specs/s.yaml", specs(lite, stream("one", "events"), narrow))
    found = planned(folder)
    made, missing = found["changes"]
    assert made["after"] == "id bigint, name text"
    assert (missing["action"], missing["name"]) == ("add", "wh.events.other")
    assert "stream `two`" in missing["blocked"]


def test_a_table_that_a_spec_declares_is_the_spec_s(folder: Inside, lite: Wh):
    declared = "  events: { connection: wh, columns: { id: bigint primary key, name: text, more: text } }"
    folder.write("specs/s.yaml", specs(lite, stream("s", "events"), tables=declared))
    (change,) = planned(folder)["changes"]
    assert change["after"] == "id bigint not null, name text, more text, primary key (id)"
    folder.flowc("apply", "--yes")
    # A stream still writes it, so it is not dropped with its declaration.
    folder.write("specs/s.yaml", specs(lite, stream("s", "events")))
    assert planned(folder)["changes"] == []


def test_a_stream_that_goes_leaves_its_table(folder: Inside, lite: Wh):
    folder.write("specs/s.yaml", specs(lite, stream("s", "events"), stream("t", "others")))
    folder.flowc("apply", "--yes")
    folder.write("specs/s.yaml", specs(lite, stream("t", "others")))
    found = planned(folder)
    assert (found["changes"], [load["action"] for load in found["pipelines"]]) == ([], ["remove"])
    assert folder.flowc("apply", "--yes").code == 0
    assert live(lite, "events") is not None


def test_a_selection_holds_what_the_stream_looks_up(folder: Inside, lite: Wh):
    tables = """
  people: { connection: wh, columns: { id: bigint primary key, city: text } }
  apart: { connection: wh, columns: { id: bigint primary key } }
"""
    looking = stream("s", "events") + (
        "    lookups: { people: { connection: wh, table: people } }\n"
        "    sql: SELECT s.id, p.city FROM source s LEFT JOIN people p ON s.id = p.id\n"
    )
    folder.write("specs/s.yaml", specs(lite, looking, stream("t", "others"), tables=tables))
    found = planned(folder, "--select", "s")
    assert {change["name"] for change in found["changes"]} == {"wh.people", "wh.events"}
    assert folder.flowc("apply", "s", "--yes").code == 0
    assert folder.flowc("plan", "--select", "s", "--detailed-exitcode").code == 0
    rest = planned(folder)["changes"]
    assert {change["name"] for change in rest} == {"wh.apart", "wh.others"}


def test_a_table_that_came_since_makes_the_plan_stale(folder: Inside, lite: Wh):
    folder.write("specs/s.yaml", specs(lite, stream("s", "events")))
    folder.flowc("plan", "--out", "plan.json")
    assert folder.flowc("run", "s", "--once").code == 0
    stale = folder.flowc("apply", "plan.json")
    assert (stale.code, "stale-plan" in stale.err) == (2, True)


def test_a_table_that_cannot_be_made_is_refused(folder: Inside, tmp_path: Path):
    wh = ("delta", {"uri": str(tmp_path / "lake")})
    folder.write("specs/s.yaml", specs(wh, stream("s", "t", columns="id: double", more=", partition_by: [id]")))
    (change,) = planned(folder)["changes"]
    assert (change["kind"], change["refused"], change["statements"]) == ("create_table", True, [])
    run = folder.flowc("run", "s", "--once")
    assert (run.code, change["blocked"] in run.err) == (1, True)


def test_a_stream_of_a_later_version_is_said_to_be_one(folder: Inside, lite: Wh):
    changes = "    cdc: { envelope: debezium }\n"
    folder.write("specs/s.yaml", specs(lite, stream("s", "events", more=", mode: merge, keys: [id]") + changes))
    found = planned(folder)
    assert found["changes"] == []
    assert "it has `cdc`" in found["notes"]["wh.events"][0]


def test_keys_are_part_of_what_is_compared(folder: Inside, lite: Wh):
    folder.write("specs/s.yaml", specs(lite, stream("s", "events", more=", mode: merge, keys: [id]")))
    folder.flowc("apply", "--yes")
    folder.write("specs/s.yaml", specs(lite, stream("s", "events", more=", mode: merge, keys: [name]")))
    (load,) = planned(folder)["pipelines"]
    assert load["changed"] == [{"key": "keys", "before": "id", "after": "name"}]


def test_another_target_is_told(folder: Inside, lite: Wh):
    folder.write("specs/s.yaml", specs(lite, stream("s", "events")))
    folder.flowc("apply", "--yes")
    folder.write("specs/s.yaml", specs(lite, stream("s", "renamed")))
    found = planned(folder)
    assert [change["name"] for change in found["changes"]] == ["wh.renamed"]
    loads = {load["target"]: load for load in found["pipelines"]}
    assert (loads["wh.renamed"]["action"], loads["wh.renamed"]["restart"]) == ("add", True)
    assert (loads["wh.events"]["action"], loads["wh.events"]["restart"]) == ("remove", True)
    assert "the stream no longer writes it" in loads["wh.events"]["effects"]


def test_a_stream_without_tables_is_told_with_where_it_goes_on(folder: Inside, lite: Wh, kafka: str):
    topic, copies = fresh(kafka), fresh(kafka)
    source = f"{{ connection: bus, topic: {topic}, columns: {{ id: bigint }} }}"
    targets = f"[{{ connection: bus, topic: {copies}, key: id }}, {{ connection: drop, path: copies }}]"
    folder.write("specs/s.yaml", specs(lite, f"  s:\n    source: {source}\n    to: {targets}", bus=kafka))
    found = planned(folder)
    assert (found["changes"], found["pipelines"]) == ([], [])
    assert [(o["target"], o["what"]) for o in found["outputs"]] == [
        (f"bus:{copies}", "json messages"),
        ("drop:copies", "parquet files"),
    ]
    assert {(o["start"], *o["positions"]) for o in found["outputs"]} == {("its first start reads from earliest",)}
    produce(kafka, topic, [Message(b'{"id": 1}')])
    assert folder.flowc("run", "s", "--once").code == 0
    produce(kafka, topic, [Message(b'{"id": 2}'), Message(b'{"id": 3}')])
    first, _ = planned(folder)["outputs"]
    assert first["start"] == "1 stored position: it goes on from there"
    assert first["positions"] == [{"source": "source", "partition": 0, "next": 1, "lag": 2}]
    done = folder.flowc("plan", "--detailed-exitcode")
    assert (done.code, "No changes" in done.out) == (0, True), done.out + done.err
