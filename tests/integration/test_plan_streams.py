"""`flowc plan` and `apply` cover streams: their tables, where they begin, what changed, and what that means."""

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.topics import Message, fresh, produce

SPECS = """
connections:
  bus: { kind: kafka, bootstrap_servers: "nowhere.invalid:9092" }
  wh: { kind: sqlite, path: wh.db }
tables:
  people: { connection: wh, columns: { id: bigint primary key, name: text } }
streams:
  latest:
    source: { connection: bus, topic: events, columns: { id: bigint, name: text } }
    sql: SELECT id, name FROM source
    to: people
    mode: merge
  copies:
    source: { connection: bus, topic: events, columns: { id: bigint } }
    dedupe: { keys: [id], within: 10m }
    to: { connection: wh, table: copies, mode: append }
    start: latest
"""

COLUMNS = "columns: { id: int }"
JOINED = f"sources: {{ a: {{ connection: bus, topic: a, {COLUMNS} }}, b: {{ connection: bus, topic: b, {COLUMNS} }} }}"
JOIN = "join: { kind: left, left: a, right: b, on: [id], within: 5m }"


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", SPECS)
    return made


def test_a_new_stream_is_told_with_its_start_and_promise(folder: Inside):
    done = folder.flowc("plan")
    assert done.code == 0, done.err
    assert "stream latest into wh.people" in done.out
    assert "its first start reads from earliest" in done.out
    assert "its first start reads from latest" in done.out
    assert "exactly once" in done.out
    assert "it keeps state, and how far it is, in a file under .flowc/" in done.out
    assert "table wh.people" in done.out


def test_applied_it_is_remembered_and_its_tables_are_there(folder: Inside):
    assert folder.flowc("apply", "--yes").code == 0
    assert folder.flowc("plan", "--detailed-exitcode").code == 0
    found = folder.flowc("plan", "--json").json
    assert (found["changes"], found["pipelines"]) == ([], [])


def test_a_change_says_what_it_means(folder: Inside):
    folder.flowc("apply", "--yes")
    changed = SPECS.replace("SELECT id, name", "SELECT id, upper(name) AS name").replace("within: 10m", "within: 5m")
    folder.write("specs/s.yaml", changed.replace("start: latest", "start: earliest"))
    latest, copies = folder.flowc("plan", "--json").json["pipelines"]
    assert (latest["kind"], latest["name"], latest["action"]) == ("stream", "latest", "change")
    assert "upper" in latest["sql"]["after"].lower()
    assert "a worker that runs goes on as it began: restart it" in latest["effects"]
    keys = {entry["key"]: (entry["before"], entry["after"]) for entry in copies["changed"]}
    assert keys == {"dedupe.within": ("10m", "5m"), "start": ("latest", "earliest")}
    assert any("no stored position" in effect for effect in copies["effects"])
    assert "~ stream latest" in folder.flowc("plan").out
    assert "stream latest into wh.people" in folder.flowc("plan", "--markdown").out


def test_a_block_window_is_told_by_what_was_written(folder: Inside):
    window = "window: { kind: tumbling, size: 1m, group_by: [id], aggregate: { n: count(*) }, max_groups: 10 }"
    written = SPECS.replace("dedupe: { keys: [id], within: 10m }", window)
    folder.write("specs/s.yaml", written)
    assert folder.flowc("apply", "--yes").code == 0
    folder.write("specs/s.yaml", written.replace("max_groups: 10", "max_groups: 20"))
    (more,) = folder.flowc("plan", "--json").json["pipelines"]
    assert (more["changed"][0]["key"], more.get("sql")) == ("window.max_groups", None)
    assert not any("will not start" in effect for effect in more["effects"])


def test_the_sql_that_changed_is_shown_as_it_was_written(folder: Inside):
    folder.write("specs/s.yaml", SPECS.replace("SELECT id, name", "SELECT id, name::jsonb ->> 'a' AS name"))
    folder.flowc("apply", "--yes")
    folder.write("specs/s.yaml", SPECS.replace("SELECT id, name", "SELECT id, name::jsonb ->> 'b' AS name"))
    (latest,) = folder.flowc("plan", "--json").json["pipelines"]
    assert latest["sql"] == {
        side: f"SELECT id, name::jsonb ->> '{key}' AS name FROM source"
        for side, key in (("before", "a"), ("after", "b"))
    }
    assert "flowc_" not in folder.flowc("plan").out


def test_another_dialect_of_the_same_sql_is_a_change(folder: Inside):
    folder.flowc("apply", "--yes")
    folder.write("specs/s.yaml", SPECS.replace("    to: people\n", "    dialect: duckdb\n    to: people\n"))
    (latest,) = folder.flowc("plan", "--json").json["pipelines"]
    assert latest["changed"] == [{"key": "dialect", "before": None, "after": "duckdb"}]


def test_a_removed_stream_is_told(folder: Inside):
    folder.flowc("apply", "--yes")
    folder.write("specs/s.yaml", SPECS[: SPECS.index("  copies:")])
    (gone,) = folder.flowc("plan", "--json").json["pipelines"]
    assert (gone["name"], gone["action"]) == ("copies", "remove")
    assert gone["effects"] == [
        "it no longer runs; its positions stay where they are, and so does what it remembers: "
        "a stream of another name begins anew",
        "a worker that runs goes on until it is stopped",
    ]
    assert gone["restart"] is True


def test_a_selected_stream_brings_its_table(folder: Inside):
    found = folder.flowc("plan", "latest", "--json").json
    assert [load["name"] for load in found["pipelines"]] == ["latest"]
    assert any("people" in change["name"] for change in found["changes"])


def test_a_stream_that_has_run_goes_on_where_it_is(folder: Inside, kafka: str):
    topic = fresh(kafka)
    produce(kafka, topic, [Message(b'{"id": 1, "name": "a"}')])
    specs = SPECS.replace("nowhere.invalid:9092", kafka).replace("topic: events", f"topic: {topic}")
    folder.write("specs/s.yaml", specs)
    assert folder.flowc("apply", "--yes").code == 0
    assert folder.flowc("run", "latest", "--once").code == 0
    folder.write("specs/s.yaml", specs.replace("mode: merge", "mode: merge\n    start: latest"))
    (latest,) = folder.flowc("plan", "--json").json["pipelines"]
    assert latest["changed"] == [{"key": "start", "before": None, "after": "latest"}]
    assert "1 stored position: it goes on from there" in latest["effects"]


LOOKED_UP = """
connections:
  bus: { kind: kafka, bootstrap_servers: "nowhere.invalid:9092" }
  ref: { kind: sqlite, path: ref.db }
  wh: { kind: sqlite, path: wh.db }
tables:
  towns: { connection: ref, columns: { id: bigint primary key, %s } }
streams:
  placed:
    source: { connection: bus, topic: events, columns: { id: bigint } }
    lookups: { t: { connection: ref, table: towns } }
    sql: SELECT s.id, t.%s AS place FROM source s JOIN t ON t.id = s.id
    to: { connection: wh, table: placed }
"""


def test_a_column_that_changes_names_the_stream_that_looks_it_up(tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", LOOKED_UP % ("short: text", "short"))
    assert folder.flowc("apply", "--yes").code == 0
    folder.write("specs/s.yaml", LOOKED_UP % ("name: { type: text, renamed_from: short }", "name"))
    done = folder.flowc("plan")
    assert "`placed` reads `name` into `wh.placed.place`" in done.out, done.out + done.err
