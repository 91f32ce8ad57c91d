"""`flowc plan` says what becomes of what a stream remembers, and the next run does just that."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.commands import Inside

pytestmark = pytest.mark.usefixtures("kept_files")

HEAD = """
project: mine
connections:
  drop: {{ kind: files, uri: . }}
  wh: {{ kind: {kind}, {place} }}
streams:
  {name}:
    source:
      connection: drop
      path: "in/*.jsonl"
      columns: {{ id: bigint, name: text, at: timestamptz }}
      event_time: at
    {state}
    {query}
    to: {{ connection: wh, table: made }}
"""
DEDUPE = "sql: SELECT id, name FROM dedupe(source, id, INTERVAL '10 minutes') AS firsts"
WINDOW = (
    "sql: SELECT window_start, name, count(*) AS n FROM tumble(source, INTERVAL '1 minute') AS w WHERE id > 0 "
    "GROUP BY window_start, name"
)
UNNAMED = WINDOW.replace(" AS w", "")
BLOCK = "dedupe: { keys: [id], within: 10m }\n    sql: SELECT id, name FROM source"
BEFORE = "SELECT * FROM dedupe(source, name, INTERVAL '1 second')"
EMPTY = "nothing is kept of it: it begins empty, with what is read from now on"
ANEW, LAST = "what is open is made anew of rows from {} on", "2026-01-01 00:00:00"
BEHIND = f"sql: WITH b AS ({BEFORE}) " + WINDOW.removeprefix("sql: ").replace("source", "b")
STATELESS = "sql: SELECT id, name FROM source"


class Project:
    """A stream over files, whose query is edited between runs."""

    def __init__(self, folder: Path, kind: str, place: str, state: str) -> None:
        self.folder, self.options, self.files = Inside(folder), {"kind": kind, "place": place, "state": state}, 0

    def write(self, query: str, name: str = "events") -> None:
        self.folder.write("specs/s.yaml", HEAD.format(name=name, query=query, **self.options))

    def run(self, name: str = "events") -> tuple[str, str]:
        """Runs on with a file more; how that ended."""
        self.files += 1
        rows = ({"id": n, "name": "a", "at": f"2026-01-01T00:0{self.files}:{n:02}Z"} for n in range(1, 6))
        self.folder.write(f"in/{self.files}.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
        (report,) = self.folder.flowc("run", name, "--once", "--json").json
        return report["status"], (report["error"] or {}).get("message", "")

    def told(self) -> dict[str, tuple[str, str]]:
        """What a plan says of each node."""
        found = self.folder.flowc("plan", "--json")
        assert found.code == 0, found.err
        return {v["node"]: (v["decision"], v["reason"]) for s in found.json["states"] for v in s["verdicts"]}


def _project(where: str, request: pytest.FixtureRequest, folder: Path) -> Project:
    """A project whose state is in a file of its own, or beside the rows."""
    kind = "sqlite" if where == "embedded" else where
    place = f'url: "{request.getfixturevalue("postgres")}"' if kind == "postgres" else "path: wh.db"
    return Project(folder, kind, place, "" if where == "embedded" else "state: { connection: wh }")


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """One with a file of its own."""
    return _project("embedded", request, tmp_path)


@pytest.fixture(params=["embedded", "sqlite"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """Either of both."""
    return _project(request.param, request, tmp_path)


EDITS = {
    "nothing": (DEDUPE, DEDUPE, {"firsts": ("keep", "")}),
    "what is selected": (DEDUPE, DEDUPE.replace("SELECT id", "SELECT id + 1 AS id"), {"firsts": ("keep", "")}),
    "a shorter within": (DEDUPE, DEDUPE.replace("10 minutes", "5 minutes"), {"firsts": ("keep", "")}),
    "a longer within": (
        DEDUPE, DEDUPE.replace("10 minutes", "1 hour"),
        {"firsts": ("migrate", "its within was 10m, is 1h: "
                    "a repeat of what was forgotten under the shorter `within` gets through")},
    ),
    "keys": (
        DEDUPE, DEDUPE.replace("source, id,", "source, id, name,"),
        {"firsts": ("refuse", "its keys were (id bigint), are (id bigint, name text)")},
    ),
    "a name": (
        DEDUPE, DEDUPE.replace("firsts", "first_ones"),
        {"firsts": ("refuse", "it is gone, and `first_ones` has seen nothing")},
    ),
    "one more": (
        DEDUPE, f"sql: WITH b AS ({BEFORE}) " + DEDUPE.removeprefix("sql: ").replace("source", "b"),
        {"firsts": ("keep", ""), "b": ("reset", EMPTY)},
    ),
    "the size": (
        WINDOW, WINDOW.replace("1 minute", "5 minutes"),
        {"w": ("replay", f"its size was 1m, is 5m: {ANEW.format('2025-12-31 23:56:00')}")},
    ),
    "the rows of a window": (
        WINDOW, WINDOW.replace("id > 0", "id > 1"),
        {"w": ("replay", f"its query before it changed: {ANEW.format(LAST)}")},
    ),
    "the kind of a window": (
        WINDOW, WINDOW.replace("tumble(source,", "session(source, INTERVAL '1 minute',"),
        {"w": ("refuse", "its kind was tumbling, is session")},
    ),
    "the kind of a window without an alias": (
        UNNAMED, UNNAMED.replace("tumble(source,", "hop(source, INTERVAL '30 seconds',"),
        {"hop": ("replay", f"its kind was tumbling, is hopping: {ANEW.format(LAST)}")},
    ),
    "a session for a window without an alias": (
        UNNAMED, UNNAMED.replace("tumble(source,", "session(source, INTERVAL '1 minute',"),
        {"session": ("refuse", "its kind was tumbling, is session")},
    ),
    "a window behind others": (
        BEHIND, BEHIND.replace("1 minute", "5 minutes"),
        {"b": ("keep", ""), "w": ("refuse", "its size was 1m, is 5m, and others that remember have seen its rows")},
    ),
    "HAVING": (WINDOW, WINDOW + " HAVING count(*) > 1", {"w": ("keep", "")}),
    "an aggregate": (
        WINDOW, WINDOW.replace("count(*)", "max(id)"),
        {"w": ("replay", f"its aggregates were (count(*)), are (max(id bigint)): {ANEW.format(LAST)}")},
    ),
}  # fmt: skip


_BESIDE = ("a longer within", "one more")
"""Edits that are tried with every place of the state."""
CASES = [("embedded", edit) for edit in EDITS] + [(w, e) for w in ("sqlite", "duckdb", "postgres") for e in _BESIDE]


def _first(project: Project, query: str) -> None:
    """The run before the edit."""
    project.write(query)
    assert project.told() == {}
    assert project.run() == ("ok", "")


@pytest.fixture(scope="module")
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The folder of a project that has run a query once: one for all edits of it, to be copied. Of no server."""

    @cache
    def made(where: str, query: str) -> Path:
        folder = tmp_path_factory.mktemp("ran")
        _first(_project(where, request, folder), query)
        return folder

    return made


@pytest.mark.parametrize(("where", "edit"), CASES)
def test_the_next_run_does_what_the_plan_says(
    request: pytest.FixtureRequest, tmp_path: Path, ran: Callable[[str, str], Path], where: str, edit: str
) -> None:
    before, after, said = EDITS[edit]
    project = _project(where, request, tmp_path)
    if where == "postgres":
        _first(project, before)
    else:
        shutil.copytree(ran(where, before), tmp_path, dirs_exist_ok=True)
        project.files = 1
    project.write(after)
    told = project.told()
    assert told == said
    status, error = project.run()
    refused = [reason for decision, reason in told.values() if decision == "refuse"]
    assert (status == "ok") == (not refused), error
    assert all(reason.removeprefix("it is gone, and ") in error for reason in refused)


MORE = "sum(id + 7) AS s, max(id * 10) AS m, count(*) AS n, min(id + 1) FILTER (WHERE id > 2) AS l"
LESS = "min(id + 1) FILTER (WHERE id > 2) AS l, count(*) AS n, max(id * 10) AS m"


@pytest.mark.covering
@pytest.mark.parametrize("running", [False, True], ids=["window", "running"])
def test_groups_go_on_with_fewer_aggregates_in_another_order(either: Project, running: bool) -> None:
    window, ttl = WINDOW.replace("count(*) AS n", "{}"), ""
    if running:
        window, ttl = "sql: SELECT name, {} FROM source WHERE id > 0 GROUP BY name", "group_ttl: 1h\n    "
    target = ", mode: merge, keys: [name] }" if running else " }"

    def write(aggregates: str) -> None:
        either.write(ttl + window.format(aggregates))
        path = either.folder.path / "specs/s.yaml"
        path.write_text(
            path.read_text().replace("table: made }", f"table: made{target}").replace("text,", "text not null,")
        )

    write(MORE)
    assert either.run() == ("ok", "")
    write(LESS)
    assert [decision for decision, _ in either.told().values()] == ["keep"]
    late = {"id": 9, "name": "a", "at": "2026-01-01T00:01:59Z"}
    either.folder.write("in/0.jsonl", json.dumps(late) + "\n")
    assert [either.run() for _ in range(2)] == [("ok", "")] * 2
    with sqlite3.connect(either.folder.path / "wh.db") as made:
        rows = made.execute("SELECT l, n, m FROM made ORDER BY n").fetchall()
    assert rows == ([(4, 16, 90)] if running else [(4, 5, 50), (4, 6, 90)])
    write(MORE)
    ((decision, reason),) = either.told().values()
    assert (decision, "its aggregates were (" in reason) == ("refuse" if running else "replay", True)


def test_a_percentile_less_is_not_another_one(project: Project) -> None:
    def write(*calls: str) -> None:
        names = ", ".join(f"approx_percentile_cont({call}) AS p{place}" for place, call in enumerate(calls))
        project.write(f"group_ttl: 1h\n    sql: SELECT name, {names} FROM source GROUP BY name")
        path = project.folder.path / "specs/s.yaml"
        path.write_text(path.read_text().replace("table: made", "table: made, mode: merge, keys: [name]"))

    write("id, 0.5", "id * 2, 0.9")
    assert project.run()[0] == "ok"
    for calls, said in (
        (("id * 2, 0.9", "id, 0.5"), "keep"), (("id * 2, 0.9",), "keep"), (("id * 2, 0.5", "id, 0.9"), "refuse"),
    ):  # fmt: skip
        write(*calls)
        assert [decision for decision, _ in project.told().values()] == [said]


def test_what_is_removed_and_comes_again_is_told_as_it_goes(either: Project) -> None:
    either.write(DEDUPE)
    either.run()
    either.write(STATELESS)
    gone = "it is gone: what it remembers is left where it is, and not used any more"
    assert either.told() == {"firsts": ("reset", gone)}
    assert either.run() == ("ok", "")
    assert either.told() == {}
    either.write(DEDUPE)
    ((node, (decision, reason)),) = either.told().items()
    assert (node, decision) == ("firsts", "refuse")
    assert either.run() == ("failed", reason)
    assert "its state knows not" in reason


def test_what_is_added_to_a_stream_without_state(either: Project) -> None:
    either.write(STATELESS)
    either.run()
    either.write(DEDUPE)
    ((node, (decision, reason)),) = either.told().items()
    assert (node, decision) == ("firsts", "refuse")
    assert either.run() == ("failed", reason)


OTHERWISE = {
    "a column that nothing reads": ("name: text,", "name: text, more: bigint,", "keep"),
    "the type of a key": ("id: bigint", "id: integer", "refuse"),
    "the target's table": ("table: made", "table: other", "keep"),
    "lateness": (
        "event_time: at",
        "event_time: at\n    watermark: { lateness: 1m }\n    on_error: drop",
        "keep",
    ),
}


@pytest.mark.parametrize("edit", OTHERWISE)
def test_edits_beside_the_query(either: Project, edit: str) -> None:
    before, after, said = OTHERWISE[edit]
    either.write(DEDUPE)
    either.run()
    spec = either.folder.path / "specs/s.yaml"
    spec.write_text(spec.read_text().replace(before, after))
    (decision, reason), *targets = either.told().values()
    moved = edit == "the target's table"
    assert [each for each, _ in targets] == (["keep", "reset"] if moved else [])  # the new table, and the old one
    assert decision == said
    status, error = either.run()
    assert status == ("failed" if decision == "refuse" else "ok"), error
    assert decision == "keep" or reason in error


def test_another_place_for_the_state_is_told(project: Project) -> None:
    project.write(DEDUPE)
    project.run()
    project.options["state"] = "state: { connection: wh }"
    project.write(DEDUPE)
    ((decision, reason),) = project.told().values()
    assert decision == "refuse"
    assert project.run() == ("failed", reason)


def test_a_first_one_beside_state_of_several_targets(project: Project) -> None:
    project.write(STATELESS)
    spec = project.folder.path / "specs/s.yaml"
    two = "to: [{ connection: wh, table: made }, { connection: wh, table: other }]"
    spec.write_text(spec.read_text().replace("to: { connection: wh, table: made }", two))
    assert project.run() == ("ok", "")
    assert project.told() == {}
    spec.write_text(spec.read_text().replace(STATELESS, DEDUPE))
    assert project.told() == {"firsts": ("reset", EMPTY)}
    assert project.run() == ("ok", "")
    assert project.told() == {"firsts": ("keep", "")}


def test_what_a_rewind_has_dropped_is_told(either: Project) -> None:
    either.write(DEDUPE)
    either.run()
    moved = either.folder.flowc("rewind", "events", "--to", "earliest", "--yes")
    assert moved.code == 0, moved.err
    assert either.told() == {"firsts": ("reset", EMPTY)}
    assert "RESET in stream `events`: `firsts`" in either.folder.flowc("plan").out
    assert either.run() == ("ok", "")


def test_one_of_two_that_is_removed(either: Project) -> None:
    either.write(EDITS["one more"][1])
    either.run()
    either.write(DEDUPE)
    dropped = ("reset", "it is gone: what it remembers is dropped")
    assert either.told() == {"b": dropped, "firsts": ("keep", "")}
    assert either.run() == ("ok", "")
    assert either.told() == {"firsts": ("keep", "")}


def test_a_block_is_told_as_the_sql_is(project: Project) -> None:
    project.write(BLOCK)
    project.run()
    project.write(BLOCK.replace("keys: [id]", "keys: [name]"))
    assert project.told() == {"dedupe": ("refuse", "its keys were (id bigint), are (name text)")}


def test_a_stream_of_another_name_begins_anew(project: Project) -> None:
    project.write(DEDUPE)
    project.folder.flowc("apply", "--yes")
    project.run()
    project.write(DEDUPE, name="others")
    found = project.folder.flowc("plan", "--json").json
    assert found["states"] == []
    (gone,) = (load for load in found["pipelines"] if load["action"] == "remove")
    assert "so does what it remembers: a stream of another name begins anew" in gone["effects"][0]
    assert project.run("others") == ("ok", "")
    assert project.told() == {"firsts": ("keep", "")}


def test_a_store_that_is_lost_is_told(project: Project) -> None:
    project.write(DEDUPE)
    project.run()
    for file in project.folder.path.glob(".flowc/state/events.sqlite*"):
        file.unlink()
    ((decision, reason),) = project.told().values()
    assert decision == "refuse"
    assert project.run() == ("failed", reason)


def test_a_store_that_does_not_answer_stops_no_plan(project: Project) -> None:
    project.options["state"] = "state: { connection: far }"
    project.write(DEDUPE)
    spec = project.folder.path / "specs/s.yaml"
    spec.write_text(
        spec.read_text().replace("streams:", "  far: { kind: postgres, url: 'postgres://u@127.0.0.1:1/d' }\nstreams:")
    )
    done = project.folder.flowc("plan", "--json")
    assert done.code == 0, done.err
    (state,) = done.json["states"]
    assert (state["where"], state["verdicts"], state["refused"]) == ("far", [], False)
    assert state["unknown"]
    assert "what becomes of it cannot be told" in project.folder.flowc("plan").out


def test_a_plan_writes_nothing_and_makes_no_store(either: Project) -> None:
    either.write(DEDUPE)
    either.told()
    root = either.folder.path
    assert not (root / "wh.db").exists()
    assert not (root / ".flowc/state").exists()
    either.run()
    either.write(WINDOW)
    before = _contents(root)
    assert any(decision == "refuse" for decision, _ in either.told().values())
    assert _contents(root) == before


def _contents(root: Path) -> dict[str, list[object]]:
    """The rows of all tables of all databases there."""
    found: dict[str, list[object]] = {}
    for file in (root / "wh.db", *root.glob(".flowc/state/*.sqlite")):
        with sqlite3.connect(file) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found[f"{file.name}.{name}"] = connection.execute(f'SELECT * FROM "{name}"').fetchall()
    return found


def test_an_apply_goes_on_and_warns(either: Project) -> None:
    either.write(DEDUPE)
    folder, said = either.folder, "its keys were (id bigint), are (id bigint, name text)"
    assert folder.flowc("apply", "--yes").code == 0
    either.run()
    assert folder.flowc("plan", "--detailed-exitcode").code == 0
    either.write(DEDUPE.replace("source, id,", "source, id, name,"))
    shown = folder.flowc("plan", "--detailed-exitcode", "--out", "p.json")
    assert shown.code == 2
    assert f"REFUSE firsts: {said}" in " ".join(shown.out.split())
    assert "stream `events` will not start" in shown.out
    marked = folder.flowc("plan", "--markdown").out
    assert "A stream will not start." in marked
    assert f"`firsts` of `events`: {said}; undo the change" in marked
    words = f"warning: stream `events` will not start: `firsts`: {said}"
    applied = folder.flowc("apply", "p.json")
    assert (applied.code, words in applied.err) == (0, True), applied.err
    again = folder.flowc("apply", "--yes")
    assert (again.code, words in again.err) == (0, True), again.err
    quiet = folder.flowc("plan", "--detailed-exitcode")
    assert quiet.code == 2
    assert "\nNo changes" in quiet.out
    assert "REFUSE firsts" in quiet.out


def test_what_is_kept_is_told_where_the_stream_changes(project: Project) -> None:
    project.write(DEDUPE)
    project.folder.flowc("apply", "--yes")
    project.run()
    assert "KEEP" not in project.folder.flowc("plan").out
    project.write(DEDUPE.replace("SELECT id", "SELECT id + 1 AS id"))
    shown = project.folder.flowc("plan").out
    assert "state of stream events, in .flowc/state/events.sqlite\n    KEEP firsts" in shown
