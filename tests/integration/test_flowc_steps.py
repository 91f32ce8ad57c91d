"""`flowc test` of streams step by step: the clock, silence, watermarks, restarts, crashes, and what is said of them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowc.compiler.front.schemas import schema_at
from flowc.service.testing.timeline import POINTS
from tests.commands import Done, Inside
from tests.extended import with_extended

SPECS = """
connections:
  warehouse: { kind: postgres, url: "${NOBODY_SET_THIS}" }
  bus: { kind: kafka, bootstrap_servers: "${NOR_THIS}" }
streams:
  plain:
    source: { connection: bus, topic: events, columns: { id: bigint } }
    sql: SELECT id, now() AS seen FROM source
    to: { connection: warehouse, table: plain, mode: append }
  latest:
    source: { connection: bus, topic: events, columns: { id: bigint, n: bigint } }
    to: { connection: warehouse, table: latest, mode: merge, keys: [id] }
  beside: &firsts
    source: { connection: bus, topic: events, columns: { id: bigint } }
    dedupe: { keys: [id], within: 10m }
    watermark: { lateness: 1m, idle: 1m }
    sql: SELECT id, _event_ts AS at, now() AS seen FROM source
    state: { connection: warehouse }
    to: { connection: warehouse, table: firsts, mode: append }
  apart:
    source: { connection: bus, topic: events, columns: { id: bigint } }
    watermark: { lateness: 1m, idle: 1m }
    sql: SELECT id, _event_ts AS at, now() AS seen FROM dedupe(source, id, INTERVAL '10 minutes')
    to: { connection: warehouse, table: firsts, mode: append }
  onward:
    source: { connection: bus, topic: events, columns: { id: bigint } }
    dedupe: { keys: [id], within: 10m }
    watermark: { lateness: 1m, idle: 1m }
    sql: SELECT id, _event_ts AS at, now() AS seen FROM source
    to: { connection: bus, topic: out, format: json }
  both:
    sources:
      o: { connection: bus, topic: o, columns: { id: bigint } }
      p: { connection: bus, topic: p, columns: { id: bigint } }
    dedupe: { keys: [id], within: 10m }
    watermark: { idle: 1m }
    to: { connection: warehouse, table: both, mode: append }
  ahead:
    source: { connection: bus, topic: events, columns: { id: bigint } }
    dedupe: { keys: [id], within: 10m }
    watermark: { max_ahead: 1h }
    on_error: drop
    to: { connection: warehouse, table: ahead, mode: append }
tests:
"""
REMEMBERING = ("beside", "apart", "onward")
"""Streams that drop repeats: with the state beside the rows, in a store of its own, and into a topic."""


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def outcome(folder: Inside, stream: str, steps: Mapping[str, str], *arguments: str, more: str = "") -> Done:
    """What comes of tests of a stream, by their names. `@` is the hour in which they are."""
    text = "".join(
        f'  {name}:\n    stream: {stream}\n    now: "@00:00Z"\n{more}    steps:{each.rstrip()}\n'
        for name, each in steps.items()
    )
    folder.write("specs/project.yaml", SPECS + text.replace("@", "2026-01-01T00:"))
    return folder.flowc("test", *arguments)


def failed(folder: Inside, stream: str, steps: Mapping[str, str], *, more: str = "") -> dict[str, list[int]]:
    """The tests that failed, each with the numbers of the steps in which it did."""
    done = outcome(folder, stream, steps, "--json", more=more)
    assert done.code in (0, 1), done.err
    tests = json.loads(done.out)["tests"]
    assert [test["name"] for test in tests] == list(steps)
    return {test["name"]: [step["step"] for step in test["steps"]] for test in tests if test["status"] == "failed"}


FORGOTTEN = """
      - rows: [{ id: 1, _event_ts: "@00:00Z" }]
        emits: [{ id: 1, at: "@00:00Z" }]
      - rows: [{ id: 1, _event_ts: "@00:00Z" }]
        emits: []
      - HAPPENS
      - rows: [{ id: 1, _event_ts: "@00:00Z" }]
        emits: EMITTED
"""
"""A repeat comes out again when the watermark is more than ten minutes behind the first one."""
AGAIN = '[{ id: 1, at: "@00:00Z" }]'
TIMES = {
    "silence that sets aside and moves the watermark on": ("{ advance: 721s, emits: [] }", AGAIN),
    "silence that is too short by a second": ("advance: 12m", "[]"),
    "a long silence": ("advance: 30d", AGAIN),
    "a watermark": ('watermark: "@10:01Z"', AGAIN),
    "a watermark at the bound": ('watermark: "@10:00Z"', "[]"),
    "rows that are later": ('{ rows: [{ id: 2, _event_ts: "@11:01Z" }], emits: [{ id: 2 }] }', AGAIN),
    "a partition that is set aside": ("{ idle: partition 0, emits: [] }", "[]"),
    "a restart": ("restart", "[]"),
    "the end of the input": ("{ drain: , emits: [] }", "[]"),
}


def forgetting(happens: str, emitted: str) -> str:
    return FORGOTTEN.replace("HAPPENS", happens).replace("EMITTED", emitted)


def other(emitted: str) -> str:
    return "[]" if emitted == AGAIN else AGAIN


@pytest.mark.parametrize("stream", with_extended(REMEMBERING[:1], REMEMBERING[1:]))
def test_event_time_goes_on_as_steps_say(folder: Inside, stream: str):
    right = {name: forgetting(happens, emitted) for name, (happens, emitted) in TIMES.items()}
    assert failed(folder, stream, right) == {}
    third = list(TIMES)[REMEMBERING.index(stream) :: 3]
    wrong = {name: forgetting(TIMES[name][0], other(TIMES[name][1])) for name in third}
    assert failed(folder, stream, wrong) == {name: [4] for name in third}


FAST = 'rows: [{ id: 2, _event_ts: "@30:00Z" }]'
SLOW = '      - rows: [{ id: 3, _event_ts: "@00:00Z", _partition: 1 }]'
SPEEDS = {
    "the slow one holds the watermark back": (FAST, "[]"),
    "the slow one is set aside": (f"{FAST}\n      - idle: partition 1", AGAIN),
    "the source is set aside": (f"{FAST}\n      - idle: source", AGAIN),
    "one of a source is set aside": (f"{FAST}\n      - idle: source partition 1", AGAIN),
    "the fast one is set aside": (f"{FAST}\n      - idle: partition 0", "[]"),
    "the slow one is silent too long": (f"advance: 59s\n      - {FAST}\n      - advance: 1s", AGAIN),
    "the slow one is silent not long enough": (f"advance: 58s\n      - {FAST}\n      - advance: 1s", "[]"),
    "a row takes it in again": (f"idle: partition 1\n{SLOW}\n      - {FAST}", "[]"),
    "a restart takes it in again": (f"idle: partition 1\n      - restart\n      - {FAST}", "[]"),
}


@pytest.mark.parametrize("stream", with_extended(REMEMBERING[:1], REMEMBERING[1:]))
def test_partitions_have_speeds_of_their_own(folder: Inside, stream: str):
    """All that a test names are there from its start: none that has given nothing yet lets the watermark go on."""
    tests = {name: forgetting(happens, emitted) for name, (happens, emitted) in SPEEDS.items()}
    named = SLOW.replace("3", "4")
    assert failed(folder, stream, {name: f"{each}{named}" for name, each in tests.items()}) == {}
    alone = {name: tests[name] for name in tests if "partition 1" not in tests[name] and SLOW not in tests[name]}
    assert set(failed(folder, stream, alone)) == {
        "the slow one holds the watermark back", "the slow one is silent not long enough",
        "the fast one is set aside",
    }  # fmt: skip


def test_the_clock_is_what_rows_see_and_are_stamped_with(folder: Inside):
    steps = """
      - rows: [{ id: 1 }]
        emits: [{ id: 1, at: "@00:00Z", seen: "@00:00Z" }]
      - advance: 90s
      - rows: [{ id: 2 }]
        emits: [{ id: 2, at: "@01:30Z", seen: "@01:30Z" }]
      - restart
      - advance: 500ms
      - rows: [{ id: 3 }]
        emits: [{ id: 3, at: "@01:30.5Z", seen: "@01:30.5Z" }]
"""
    for stream in REMEMBERING:
        assert failed(folder, stream, {"t": steps}) == {}


def test_what_claims_to_be_of_the_future_is_judged_by_the_clock(folder: Inside):
    steps = """
      - rows: [{ id: 1, _event_ts: "2026-01-01T02:00:00Z" }, { id: 2, _event_ts: "2026-01-01T01:00:00Z" }]
        emits: [{ id: 2 }]
      - advance: 1h
      - rows: [{ id: 1, _event_ts: "2026-01-01T02:00:00Z" }]
        emits: [{ id: 1 }]
"""
    assert failed(folder, "ahead", {"t": steps}) == {}


def test_what_a_step_emits_is_what_was_not_there_before(folder: Inside):
    """A row that is replaced counts as a new one; one that is as it was does not. `expect` tells all at the end."""
    steps = """
      - rows: [{ id: 1, n: 1 }, { id: 1, n: 2 }, { id: 2, n: 1 }]
        emits: [{ id: 2, n: 1 }, { id: 1, n: 2 }]
      - rows: [{ id: 1, n: 3 }, { id: 2, n: 1 }]
        emits: [{ id: 1, n: 3 }]
"""
    expect = "    given: { latest: [{ id: 9, n: 9 }] }\n    expect: [{ id: 9 }, { id: 1, n: 3 }, { id: 2 }]\n"
    assert failed(folder, "latest", {"t": steps}, more=expect) == {}


def test_rows_are_of_sources_in_the_order_in_which_they_stand(folder: Inside):
    steps = """
      - rows: { p: [{ id: 1, _event_ts: "@00:00Z" }], o: [{ id: 1, _event_ts: "@00:00Z" }, { id: 2 }] }
        emits: [{ id: 1 }, { id: 2 }]
      - rows: { o: [{ id: 3, _event_ts: "@30:00Z" }] }
      - rows: { p: [{ id: 1, _event_ts: "@00:00Z" }] }
        emits: []
      - idle: p
      - rows: { p: [{ id: 1, _event_ts: "@00:00Z" }] }
        emits: [{ id: 1 }]
"""
    assert failed(folder, "both", {"t": steps}) == {}


CRASHING = """
      - rows: [{ id: 1, _event_ts: "@00:00Z" }, { id: 2, _event_ts: "@05:00Z" }]
        emits: [{ id: 1 }, { id: 2 }]
      - CRASH
      - rows: [{ id: 2, _event_ts: "@05:00Z" }, { id: 3, _event_ts: "@06:00Z" }, { id: 3, _event_ts: "@06:00Z" }]
        emits: [{ id: 3, at: "@06:00Z" }]
      - CRASH
      - rows: [{ id: 4, _event_ts: "@20:00Z", _partition: 1 }]
        emits: [{ id: 4 }]
      - restart
      - rows: [{ id: 4, _event_ts: "@20:00Z", _partition: 1 }, { id: 3, _event_ts: "@06:00Z" }]
        emits: []
      - CRASH
      - rows: [{ id: 5, _event_ts: "@30:00Z" }, { id: 1, _event_ts: "@00:00Z" }]
        emits: [{ id: 5 }, { id: 1 }]
"""
POINTS_OF = {
    "beside": ("after_compute", "during_write", "after_write"), "apart": tuple(POINTS), "onward": tuple(POINTS),
}  # fmt: skip


@pytest.mark.parametrize("stream", with_extended(list(POINTS_OF)[:2], list(POINTS_OF)[2:]))
def test_a_crash_at_any_point_leaves_the_same_emissions(folder: Inside, stream: str):
    """In the last step, the watermark of before the crash has forgotten the first row: it comes out once more."""
    crashing = {point: CRASHING.replace("CRASH", f"crash: {point}") for point in POINTS_OF[stream]}
    assert failed(folder, stream, crashing) == {}
    point = POINTS_OF[stream][list(POINTS_OF).index(stream)]
    twice = {point: crashing[point].replace("[{ id: 4 }]", "[{ id: 4 }, { id: 4 }]")}
    assert failed(folder, stream, twice) == {point: [5]}


@pytest.mark.parametrize("stream", with_extended(REMEMBERING[:1], REMEMBERING[1:]))
def test_a_step_that_expects_anything_else_fails(folder: Inside, stream: str):
    """Each `emits` for itself: of none, of other rows, and of one row more, by turns with the streams."""
    lines = [line for line in CRASHING.splitlines() if "CRASH" not in line]
    places = [number for number, line in enumerate(lines) if "emits" in line]
    tests, wanted = {"as it is": "\n".join(lines)}, {}
    for step, number in enumerate(places):
        more = lines[number].replace("]", ", { id: 1 }]").replace("[, ", "[")
        others = {"none": "        emits: []", "others": "        emits: [{ id: 7 }]", "more": more}
        for turn, (name, line) in enumerate(others.items(), step):
            if turn % 3 == REMEMBERING.index(stream) and line != lines[number]:
                tests[f"{name} in {step}"] = "\n".join([*lines[:number], line, *lines[number + 1 :]])
                wanted[f"{name} in {step}"] = [[1, 2, 3, 5, 6][step]]
    assert len(wanted) in (4, 5)
    done = json.loads(outcome(folder, stream, tests, "--json").out)["tests"]
    assert {t["name"]: [s["step"] for s in t["steps"]] for t in done if t["status"] == "failed"} == wanted


OTHERS = """
connections:
  wh: { kind: postgres, url: "${X}" }
  bus: { kind: kafka, bootstrap_servers: "${Y}" }
  drop: { kind: files, uri: data, format: csv }
streams:
  lines:
    source: { connection: drop, path: "clicks-*.csv", columns: { id: bigint, name: text } }
    lookups: { users: { connection: wh, table: public.users, refresh: 1m } }
    sql: SELECT s.id, upper(s.name) AS name, u.country FROM source s LEFT JOIN users u ON u.id = s.id
    to: { connection: wh, table: lines, mode: merge, keys: [id] }
  raws:
    source: { connection: bus, topic: words, format: raw, columns: { value: text } }
    sql: SELECT value AS word, _partition, _offset FROM source
    to: { connection: bus, topic: out, format: json }
  far:
    source: { connection: bus, topic: words, columns: { id: bigint, at: timestamptz }, event_time: at }
    dedupe: { keys: [id], within: 1h }
    watermark: { lateness: 1h }
    to: [{ connection: wh, table: far, mode: append }]
    state: { connection: wh }
tests:
  csv:
    stream: lines
    given: { users: [{ id: 1, country: de }], lines: [{ id: 7, name: old, country: fr }] }
    steps:
      - rows: [{ id: "1", name: a }]
        emits: [{ id: 1, name: A, country: de }]
      - crash: after_write
      - rows: { source: [{ id: "7", name: new }] }
        emits: [{ id: 7, name: NEW, country: null }]
    expect: [{ id: 1 }, { id: 7, name: NEW }]
  raw:
    stream: raws
    steps:
      - crash: during_write
      - rows: [{ value: x, _offset: 17 }, { value: y, _partition: 2 }]
        emits: [{ word: x, _offset: 17 }, { word: y, _partition: 2, _offset: 0 }]
      - crash: after_compute
      - rows: [{ value: z }, { value: z, _offset: 40 }]
        emits: [{ word: z, _offset: 18 }, { word: z, _offset: 40 }]
      - restart:
        emits: []
    expect: [{}, {}, {}, {}]
  event time of a column:
    stream: far
    steps:
      - rows: [{ id: 1, at: "2026-01-01T00:00:00Z" }]
      - watermark: "2026-01-01T01:00:00Z"
      - rows: [{ id: 1, at: "2026-01-01T00:00:00Z" }]
        emits: []
      - rows: [{ id: 2, at: "2026-01-01T02:00:01Z" }]
      - rows: [{ id: 1, at: "2026-01-01T00:00:00Z" }]
        emits: [{ id: 1 }]
"""


def test_sources_and_targets_of_other_sorts_have_steps_too(folder: Inside):
    """CSV with a lookup into a table that holds rows, raw messages with gaps into a topic, event time of a column."""
    folder.write("specs/project.yaml", OTHERS)
    done = folder.flowc("test")
    assert done.code == 0, done.out + done.err


def test_json_tells_the_steps_that_differ_and_the_one_that_failed(folder: Inside):
    steps = """
      - rows: [{ id: 1, n: 1 }]
        emits: [{ id: 2, n: 2 }]
      - advance: 1m
      - rows: [{ id: 2, n: 2 }]
      - rows: [{ id: many }]
"""
    (test,) = json.loads(outcome(folder, "latest", {"t": steps}, "--json").out)["tests"]
    (step,) = test["steps"]
    assert (step["step"], step["action"], step["clock"], step["watermark"]) == (
        1, "rows", "2026-01-01T00:00:00Z", None,
    )  # fmt: skip
    assert step["missing"][0]["came_in_step"] == 3
    assert step["missing"][0]["nearest"] is None
    assert step["unexpected"] == [{"id": 1, "n": 1}]
    assert (test["failed_step"]["step"], test["error"]["code"]) == (4, "value-does-not-fit")


def test_points_of_crashes_are_those_of_the_language():
    (_, mapping) = schema_at("project.json#/$defs/step").branches
    assert tuple(POINTS) == mapping.properties["crash"].allowed


SESSIONS = """
connections:
  warehouse: { kind: duckdb, path: warehouse.duckdb }
  bus: { kind: kafka, bootstrap_servers: "${NOR_THIS}" }
streams:
  visits:
    source: { connection: bus, topic: events, columns: { id: bigint, n: bigint } }
    window:
      kind: session
      gap: 5m
      max_duration: 1h
      group_by: [id]
      aggregate:
        share: "1000 / coalesce(sum(n), 0)"
        most: "CAST(coalesce(CAST(max(n) AS text), 'none') AS bigint)"
        all: array_agg(n)
      AGAIN
    to: { connection: warehouse, table: visits, mode: merge, keys: [session_id] }
tests:
  one that begins earlier goes:
    stream: visits
    steps:
      - rows: [{ id: 1, n: 5, _event_ts: "2026-01-01T10:00:00Z" }]
      - watermark: "2026-01-01T10:LATER:00Z"
        emits: [{ id: 1, share: 200, most: 5, all: [5] }]
      - rows: [{ id: 1, n: 5, _event_ts: "2026-01-01T09:58:00Z" }]
      - watermark: "2026-01-01T10:LATER:10Z"
    expect: [{ id: 1, share: 100, most: 5, all: [5, 5] }]
"""


@pytest.mark.parametrize(
    ("again", "later"), [("emit: { every: 1m }", "01"), ("late: reopen\n      allowed_lateness: 1h", "06")]
)
def test_nothing_is_computed_of_a_session_that_goes(folder: Inside, again: str, later: str):
    """It holds NULL in the place of its aggregates, of which a row that is there holds none."""
    folder.write("specs/project.yaml", SESSIONS.replace("AGAIN", again).replace("LATER", later))
    done = folder.flowc("test")
    assert done.code == 0, done.out + done.err
