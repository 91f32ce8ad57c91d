"""What pages show: of runs, schedules, lineage, plans and streams; and what forms do, by role."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flowc.errors import TransientError
from flowc.runtime.systems import open_database
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import Outcome, RunRecord
from flowc.web.daemons import Daemons, status_at, watermarks
from tests.commands import Inside
from tests.daemons import daemon
from tests.services.machine import free_port
from tests.waiting import until
from tests.web.browser import ADMIN, OPERATOR, SPEC, VIEWER, Browser, site

WORKER = {
    "stream": "clicks", "worker": 1, "status": "running", "rows": 12, "messages": 14, "epochs": 3, "bad_rows": 1,
    "late_rows": 2, "dead_letters": 1, "restarts": 0, "trouble": None, "error": None, "lag": {"s": {"0": 7}},
    "latency_p50": 0.01, "latency_p99": 0.2, "watermarks": {"s": {"0": "2026-11-29T14:00:00Z"}},
}  # fmt: skip
STREAM = """
project: shop
connections: { db: { kind: sqlite, path: shop.db }, data: { kind: files, uri: data } }
tables: { events: { connection: db, columns: { id: bigint primary key } } }
streams:
  clicks:
    source: { connection: data, path: "in/*.jsonl", format: json, columns: { id: bigint } }
    on_error: dlq
    to: events
    mode: append
"""


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    return folder


@pytest.fixture
def ran(folder: Inside) -> Inside:
    assert folder.flowc("run", "--once").code == 1
    return folder


@pytest.fixture
def browser(ran: Inside) -> Iterator[Browser]:
    with site(ran) as found:
        yield found


def run_of(page: str, pipeline: str) -> str:
    """The address of the newest run of a pipeline."""
    row = next(row for row in page.split("<tr>") if f"/pipelines/{pipeline}" in row)
    return row.partition('href="')[2].partition('"')[0]


def test_the_overview_shows_health_schedules_and_failures(browser: Browser):
    browser.sign_in(VIEWER)
    page = browser.get("/").text
    assert '<div class="not-ok"><dt>not ok</dt><dd>1</dd>' in page
    tiles = re.findall(r"<dt>([a-z ]+)</dt><dd>(\d+)</dd>", page)
    pipelines = page.count('<th scope="row"><a href="/pipelines/')
    assert sum(int(count) for state, count in tiles if "streams" not in state) == pipelines
    assert "begins with the next scheduler" in page
    assert "query-refused" in page
    assert 'aria-label="the last 1 runs: 0 not ok' in page


def test_a_pipeline_has_runs_sql_lineage_and_checks(browser: Browser):
    browser.sign_in(VIEWER)
    page = browser.get("/pipelines/up").text
    assert "SELECT 1 AS n" in page
    assert "not_null(n)" in page
    assert "All &lt;b&gt;numbers&lt;/b&gt;" in page
    assert '<a href="/pipelines/down">down</a>' in page
    assert "INSERT INTO" in page
    assert "<svg" in page


def test_a_run_shows_its_targets_its_error_and_its_words(browser: Browser):
    browser.sign_in(VIEWER)
    runs = browser.get("/runs").text
    assert "db.a" in browser.get(run_of(runs, "up")).text
    assert "no such table: gone" in browser.get(run_of(runs, "bad")).text
    assert browser.get("/runs/20260101T000000.000-00000000").status == 404
    failed = browser.get("/runs?status=failed").text
    assert run_of(failed, "bad")
    assert "/runs/2" in failed
    assert failed.count('<th scope="row">') == 1


def test_a_run_shows_the_rows_that_it_set_aside(folder: Inside):
    spec = SPEC.replace("SELECT 1 AS n", "SELECT 1 AS n UNION ALL SELECT -1")
    folder.write("specs/s.yaml", spec.replace("not_null: [n]", "sql: n > 0, name: positive, severity: quarantine"))
    assert folder.flowc("run", "up", "--once").code == 0
    with site(folder) as browser:
        browser.sign_in(VIEWER)
        page = browser.get(run_of(browser.get("/runs").text, "up")).text
    assert '<th scope="col">bad</th>' in page
    assert "positive (1 of 2 rows, quarantined)" in page


def fill(folder: Inside, runs: int) -> None:
    path = folder.path / ".flowc/runs.sqlite"
    path.parent.mkdir(exist_ok=True)
    log = RunLog(lambda: open_database("sqlite", {"path": str(path)}), "sqlite", "shop", "elsewhere#1")
    for i in range(runs):
        at = datetime(2026, 1, 1, 0, i // 60, i % 60, tzinfo=UTC)
        run = f"20260101T00{i // 60:02}{i % 60:02}.000-0000000a"
        log.begin(RunRecord(run, "up", 1, "manual", "running", "elsewhere#1", at))
        log.end(run, Outcome("ok" if i % 2 else "failed", {"rows_read": 12345}, error="a <b>word</b>"), at)
    log.close()


def test_runs_are_paged(folder: Inside):
    fill(folder, 120)
    with site(folder) as browser:
        browser.sign_in(VIEWER)
        seen, path = [], "/runs?pipeline=up"
        while path:
            page = browser.get(path).text
            seen += [row.partition('"')[0] for row in page.split('<th scope="row"><a href="/runs/')[1:]]
            _, older, rest = page.partition('<a href="/runs?pipeline=up&amp;before=')
            path = "/runs?pipeline=up&before=" + rest.partition('"')[0] if older else ""
        assert len(seen) == 120
        assert seen == sorted(seen, reverse=True)
        assert "12,345" in page
        assert "<b>word" not in browser.get(f"/runs/{seen[1]}").text


def test_runs_that_come_later_are_seen(folder: Inside):
    with site(folder) as browser:
        browser.sign_in(VIEWER)
        assert "no runs are recorded" in browser.get("/runs").text
        fill(folder, 2)
        assert "20260101T000001" in browser.get("/runs").text


def test_a_run_log_that_cannot_be_read_is_told_in_words(ran: Inside):
    (ran.path / ".flowc/runs.sqlite").write_bytes(b"no database" * 100)
    with site(ran) as browser:
        browser.sign_in(VIEWER)
        answer = browser.get("/")
        assert answer.status >= 500
        assert "error[" in answer.text.replace("<strong>", "")
        assert "Traceback" not in answer.text


def test_an_operator_runs_pauses_and_resumes(browser: Browser, ran: Inside):
    browser.sign_in(OPERATOR)
    assert "Pause its schedule" in browser.get("/pipelines/up").text
    paused = browser.post("/pipelines/up/pause")
    assert (paused.status, paused.place) == (303, "/pipelines/up?done=paused")
    assert "Resume its schedule" in browser.get("/pipelines/up").text
    assert ran.flowc("schedule", "list", "--json").json[0]["paused"]
    browser.post("/pipelines/up/resume")
    assert not ran.flowc("schedule", "list", "--json").json[0]["paused"]
    before = len(ran.flowc("runs", "list", "up", "--json").json)
    assert browser.post("/pipelines/up/run").status == 303
    until(lambda: [run["status"] for run in ran.flowc("runs", "list", "up", "--json").json] == ["ok"] * (before + 1))


def test_what_a_run_says_that_fails_is_shown(browser: Browser):
    browser.sign_in(OPERATOR)
    browser.post("/pipelines/bad/run")
    until(lambda: "it ended with exit code 1" in browser.get("/pipelines/bad").text)
    assert browser.get("/pipelines/bad").text.count("query-refused") == 2
    assert browser.post("/pipelines/down/pause").status == 409
    assert browser.post("/pipelines/nobody/run").status == 404


def test_plan_and_drift_are_looked_at_when_an_operator_asks(browser: Browser):
    browser.sign_in(OPERATOR)
    for path, words in (("/plan", "Plan: "), ("/drift", "Nothing to compare")):
        assert "Nobody has looked yet" in browser.get(path).text
        assert browser.post(path).place == f"{path}?done=looking"
        until(lambda path=path, words=words: words in browser.get(path).text)


def test_a_stream_shows_what_daemons_tell_and_what_is_stored(folder: Inside):
    folder.write("specs/s.yaml", STREAM)
    folder.write("data/in/a.jsonl", '{"id": 1}\n{"id": "<script>"}\n')
    assert folder.flowc("run", "--once").code == 0
    with site(folder, statuses=[lambda: {"workers": [{**WORKER, "dead_letters": 0}]}]) as browser:
        browser.sign_in(ADMIN)
        until(lambda: '<td class="n">1</td></tr>' in browser.get("/").text)  # which the store holds
        until(lambda: "Replay all dead letters" in browser.get("/streams/clicks").text)
        page = browser.get("/streams/clicks").text
        assert '<td class="n">7</td>' in browser.get("/").text
        assert "Numbers count from the start of the daemon; all dead letters stand" in page
        assert "unknown-page" in browser.get("/streams/absent").text
        assert "2026-11-29T14:00:00Z" in page
        assert "&lt;script&gt;" in page
        browser.post("/streams/clicks/replay")
        until(lambda: "1 failed again" in browser.get("/streams/clicks").text)
        browser.sign_in(VIEWER)
        page = browser.get("/streams/clicks").text
        assert "Replay all" not in page
        assert "script&gt;" not in page


def test_the_content_of_a_bad_message_is_for_operators(folder: Inside):
    going = (
        "  others:\n    source: { connection: data, path: none/*.jsonl, format: json, columns: { id: bigint } }\n"
        "    to: { connection: db, table: others, mode: append }\n"
    )
    folder.write("specs/s.yaml", STREAM.replace("on_error: dlq", "on_error: fail") + going)
    folder.write("data/in/a.jsonl", '{"id": "hunter2"}\n')
    port = free_port()
    folder.env["FLOWC_WEB_TOKENS"] = f"viewer: {VIEWER}, operator: {OPERATOR}"
    with daemon(folder, "--web", f"127.0.0.1:{port}") as running:
        running.until(lambda: "failed" in running.page("/status")[1])
        assert "hunter2" in running.log()
        assert "hunter2" not in running.page("/status")[1]
        pages = {}
        for token in (VIEWER, OPERATOR):
            browser = Browser(port)
            browser.sign_in(token)
            running.until(lambda browser=browser: "badge failed" in browser.get("/streams/clicks").text)
            pages[token] = browser.get("/streams/clicks").text
        assert ["hunter2" in pages[token] for token in (VIEWER, OPERATOR)] == [False, True]


def test_the_daemon_serves_the_pages_too(folder: Inside):
    port = free_port()
    with daemon(folder, "--web", f"127.0.0.1:{port}") as running:
        running.until(lambda: f"http://127.0.0.1:{port}" in running.log())
        assert Browser(port).get("/pipelines/up").status == 200
        running.until(lambda: "fine" in Browser(port).get("/").text)


def test_a_daemon_elsewhere_is_asked_for_its_streams(folder: Inside):
    folder.write("specs/s.yaml", STREAM)
    folder.write("data/in/a.jsonl", '{"id": 1}\n')
    with daemon(folder) as running, site(folder, daemons=(f"http://{running.address}",)) as browser:
        browser.sign_in(VIEWER)
        until(lambda: '<span class="badge running">' in browser.get("/streams/clicks").text, running.log)
        until(lambda: '<th scope="row">1</th>' in browser.get("/streams/clicks").text, running.log)
        running.stop()
        until(lambda: "does not answer" in browser.get("/").text)


@pytest.mark.parametrize(
    "url",
    [
        "me:hunter2@nowhere", "http://127.0.0.1:abc", "http://[", "http://me:hunter2@127.0.0.1:1", "http://a b:1",
        "http://me:hunter2@[", "http://127.0.0.1:1/?x", "http://127.0.0.1:99999", "http://x\n:1", "ftp://x", "http://:1",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_daemon_is_refused_when_it_starts(folder: Inside, url: str):
    done = folder.flowc("web", "--listen", "127.0.0.1:0", "--daemon", url)
    assert done.code == 2
    assert "--daemon" in done.err
    assert "hunter2" not in done.err


ANSWERS = [
    b"rubbish", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    *(
        b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps({"workers": [{**WORKER, **odd}]}).encode()
        for odd in (
            {"lag": 5}, {"lag": {"s": 5}}, {"lag": {"s": {"0": "x"}}}, {"stream": []}, {"rows": None}, {"error": "x"},
            {"latency_p99": "x"}, {"watermarks": {"s": {"0": 5}}}, {"status": {}}, {"trouble": 5}, {"late_rows": "x"},
        )
    ),
    b"HTTP/1.0 200 OK\r\n\r\n[" + b" " * 5000, b"HTTP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}", b"",
]  # fmt: skip


def test_whatever_a_daemon_answers_it_is_asked_again():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: [answer(server, each) for each in ANSWERS], daemon=True).start()
        daemons = Daemons([status_at(f"http://127.0.0.1:{server.getsockname()[1]}")])
        for _ in ANSWERS:
            daemons.ask()
            assert len(daemons.troubles) == 1
            assert "daemon" in daemons.troubles[0]
            assert not daemons.workers


def answer(server: socket.socket, what: bytes) -> None:
    """Answers one request."""
    client, _ = server.accept()
    with client:
        client.recv(1 << 16)
        client.sendall(what)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_daemon_that_answers_byte_by_byte_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, head: bytes):
    monkeypatch.setattr("flowc.web.daemons._LONGEST", 0.5)

    def drip() -> None:
        client, _ = server.accept()
        with client, suppress(OSError):
            client.sendall(head)
            for _ in range(100):
                client.sendall(b" ")
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(TransientError):
            status_at(f"http://127.0.0.1:{server.getsockname()[1]}")()
        assert time.monotonic() - begun < 5


def test_a_daemon_may_tell_any_latency(folder: Inside):
    folder.write("specs/s.yaml", STREAM)
    odd = {**WORKER, "latency_p50": 1e15, "latency_p99": 9e17}
    with site(folder, statuses=[lambda: {"workers": [odd]}]) as browser:
        browser.sign_in(VIEWER)
        until(lambda: "running" in browser.get("/streams/clicks").text)
        assert browser.get("/").status == 200


def test_instants_that_are_none_are_no_watermarks():
    worker = {**WORKER, "watermarks": {"s": {"0": "soon", "1": None}}}
    found = list(watermarks([worker], datetime.now(UTC)))
    assert found == [("s", "0", "-", None), ("s", "1", "-", None)]
