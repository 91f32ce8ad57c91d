"""Windows that come out more than once: what they are refused for, by its code and the text it marks, and what not."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.compiler.lowering import streampasses
from flowc.compiler.lowering.groupnodes import WindowSettings
from flowc.diagnostics import Reporter
from flowc.nodes import Changelog, WindowPlan
from flowc.render.streamplans import stream_sql
from flowc.service.streams.run import planned
from flowc.stream import StreamPlan, TableTarget
from tests.unit.project import Found, found, write

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: postgres, url: "postgres://u@h/db" }}
  drop: {{ kind: files, uri: ./drop }}
  lake: {{ kind: delta, uri: ./lake }}
streams:
  s:
    source: {{ connection: bus, topic: x, columns: {{ id: bigint, n: bigint }} }}
    {more}
    to: {to}
"""
_JUDGED = {"changes-not-taken", "corrections-to-append-target", "bad-value", "unknown-key", "conflicting-options"}
REOPEN, EVERY = "late: reopen, allowed_lateness: 9s", "emit: { every: 10s }"
MERGED = "{ connection: wh, table: t, mode: merge }"
CUMULATING, SESSION = "kind: cumulating, size: 1h, step: 10m", "kind: session, gap: 1m, max_duration: 1h"
PINNED = "size: 1h, hop: 30m, timezone: Europe/Berlin"


def window(more: str = REOPEN, kind: str = "kind: tumbling, size: 1m", count: str = "count(*)") -> str:
    return f"window: {{ {kind}, group_by: [id], aggregate: {{ c: {count} }}, {more} }}"


def merged(*keys: str) -> str:
    return f"{{ connection: wh, table: t, mode: merge, keys: [{', '.join(keys)}] }}"


def linted(folder: Path, more: str, to: str) -> tuple[list[Found], StreamPlan | None]:
    reporter = Reporter()
    checked = stages.lint([write(folder, PROJECT.format(more=more, to=to))], reporter)
    assert checked is not None
    errors = [each for each in found(reporter.sorted()) if each.code in _JUDGED]
    return errors, planned(checked[1].streams[0]) if not errors else None


@pytest.mark.parametrize(
    ("more", "to", "expected"),
    [
        (window(), MERGED, []),
        (window(EVERY), MERGED, []),
        (window(f"{REOPEN}, {EVERY}"), MERGED, []),
        (window("emit: final"), "{ connection: wh, table: t }", []),
        (window(), merged("id", "window_end", "window_start"), []),
        (window(), "{ connection: lake, table: t, mode: merge }", []),
        (window(), "{ connection: bus, topic: t, key: [window_start, id] }", []),
        (f"sql: SELECT id FROM dedupe(source, id, INTERVAL '1 minute')\n    {window()}", MERGED, []),
        (window(kind=f"kind: hopping, {PINNED}"), merged("window_start", "window_end", "id"), []),
        (window(kind=CUMULATING), MERGED, []),
        (window(kind=CUMULATING), merged("window_end", "id"), []),
        (window(kind=SESSION), MERGED, []),
        (window(kind=SESSION), merged("session_id"), []),
        (window(kind=SESSION), merged("id", "window_start"), []),
        (window(kind=SESSION), merged("session_id", "window_start", "id"), []),
        (window(kind=SESSION), "{ connection: bus, topic: t, key: session_id }", []),
        # targets
        (window(kind=CUMULATING), merged("window_start", "id"), [("changes-not-taken", "t")]),
        (window(kind=SESSION), merged("id", "window_end"), [("changes-not-taken", "t")]),
        (window(kind=SESSION), merged("session_id", "window_end"), [("changes-not-taken", "t")]),
        (window(kind=SESSION), merged("window_start"), [("changes-not-taken", "t")]),
        (window(kind=SESSION), "{ connection: wh, table: t }", [("corrections-to-append-target", "reopen")]),
        (window(), "{ connection: wh, table: t }", [("corrections-to-append-target", "reopen")]),
        (window(EVERY), "{ connection: wh, table: t }", [("corrections-to-append-target", "10s")]),
        (window(), "{ connection: lake, table: t }", [("corrections-to-append-target", "reopen")]),
        (window(), "{ connection: drop, path: t }", [("corrections-to-append-target", "reopen")]),
        (window(EVERY), "{ connection: bus, topic: t }", [("corrections-to-append-target", "10s")]),
        (window(), merged("window_start"), [("changes-not-taken", "t")]),
        (window(), merged("window_end", "id"), [("changes-not-taken", "t")]),
        (window(), "{ connection: bus, topic: t, key: id }", [("changes-not-taken", "t")]),
        (window(kind=f"kind: hopping, {PINNED}"), MERGED, [("changes-not-taken", "t")]),
        # what stands behind
        (window(count="rank() OVER (PARTITION BY window_start ORDER BY count(*))"), MERGED, [("changes-not-taken", "rank")]),
        (f"sql: SELECT window_start AS at, id FROM tumble(source, INTERVAL '9 seconds') GROUP BY window_start, window_end, id\n    {window()}", MERGED, []),
        # what is said
        (window("emit: { every: 0s }"), MERGED, [("bad-value", "0s")]),
        (window("emit: often"), MERGED, [("bad-value", "often")]),
        (window(EVERY, "kind: cumulating, size: 1h, step: 1m"), MERGED, [("unknown-key", "emit")]),
        (window(EVERY, SESSION), merged("session_id"), []),
        (window(EVERY, SESSION), merged("session_id", "window_end"), [("changes-not-taken", "t")]),
        (window(EVERY, SESSION), "{ connection: wh, table: t }", [("corrections-to-append-target", "10s")]),
        (window(f"{REOPEN}, {EVERY}", SESSION), MERGED, [("conflicting-options", "10s")]),
    ],
)  # fmt: skip
def test_windows_that_come_again_are_judged(
    tmp_path: Path, more: str, to: str, expected: list[tuple[str, str]]
) -> None:
    assert linted(tmp_path, more, to)[0] == expected


@pytest.mark.parametrize(
    ("sql", "marked"),
    [
        ("SELECT id AS who, window_start AS at, count(*) AS c FROM tumble(source, INTERVAL '9 seconds') {g} HAVING count(*) > 1", None),
        ("SELECT window_start, count(*) AS c FROM tumble(source, INTERVAL '9 seconds') {g}", "tumble(source"),
        ("SELECT window_start, id + 1 AS id, count(*) AS c FROM tumble(source, INTERVAL '9 seconds') {g}", "tumble(source"),
        ("SELECT window_start, id, sum(count(*)) OVER (PARTITION BY window_start) AS c FROM tumble(source, INTERVAL '9 seconds') {g}", "sum"),
    ],
)  # fmt: skip
def test_what_stands_behind_in_sql_keeps_the_key(
    tmp_path: Path, sql: str, marked: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streampasses, "window_settings", lambda _: WindowSettings(late="reopen", allowed_lateness=1))
    text = sql.format(g="GROUP BY window_start, window_end, id")
    keys = ("at", "who") if marked is None else ("window_start", "id")
    errors, plan = linted(tmp_path, f'sql: "{text}"', merged(*keys))
    if marked is None:
        assert plan is not None
        assert plan.nodes[-1].traits.key == ("at", "who")
        assert "_flowc_kind" in stream_sql(plan)
    else:
        (error,) = errors
        assert error.code == "changes-not-taken"
        assert error.marked.startswith(marked)


def test_each_node_says_what_its_rows_do_and_state_knows_how_windows_come(tmp_path: Path) -> None:
    plan = linted(tmp_path, window(f"{REOPEN}, {EVERY}"), MERGED)[1]
    assert plan is not None
    before, node, query = plan.nodes
    modes = [each.traits.mode for each in (before, node, query)]
    assert modes == [Changelog.INSERT_ONLY, Changelog.UPSERT, Changelog.UPSERT]
    assert isinstance(node, WindowPlan)
    assert (node.emit, node.allowed_lateness, node.replaces) == (10_000_000, 9_000_000, True)
    assert '"reopen":9000000,"emit":10000000' in node.fingerprint
    assert query.traits.key == ("window_start", "id")
    (target,) = plan.targets
    assert isinstance(target, TableTarget)
    assert (target.changes, target.keys) == (Changelog.UPSERT, ("window_start", "id"))
    assert "in tumbling windows of 1m by id, shown each 10s before they end; late rows: reopen; upsert" in stream_sql(
        plan
    )
