"""How long pages of `flowc web` take with 100,000 runs of 100 scheduled pipelines: half of them, and 99 of 100.

CPU is that of this process, in which both the server and its client are.

python -m benchmarks.webpages                        on SQLite and PostgreSQL
python -m benchmarks.webpages --only duckdb mysql    on others
"""

from __future__ import annotations

import argparse
import http.client
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.crash.schedulers import KINDS, place
from flowc.cli.opened import OpenProject, open_project
from flowc.cli.serving import WebOptions, serving
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.tables.rowsql import insert
from flowc.compiler.tables.runlog import RUNS
from flowc.controls import json_text
from flowc.loadplan import PROJECT
from flowc.runtime.systems import open_database
from flowc.service.runs.due import scheduled
from flowc.service.runs.log import RunLog

_PIPELINES, _RUNS, _PIECE = 100, 100_000, 1000
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_SAID = "the last words of a run that went as all others do\n" * 20


def main() -> None:
    """Prints a table: a page on a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=KINDS, default=("sqlite", "postgres"))
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    print("| run log | page | p50, ms | p99, ms | CPU, ms | KiB |")
    print("|---|---|---|---|---|---|")
    for kind in given.only:
        with tempfile.TemporaryDirectory() as name, place(kind, Path(name)) as options, chdir(name):
            os.environ["RUN_LOG"] = str(options.get("url", ""))
            opened = _project(Path(name), kind, options)
            _fill(kind, options, opened, given.runs)
            with serving(opened, [Path("specs")], None, WebOptions("127.0.0.1:0")) as server:
                for page in _pages(given.runs):
                    _measure(kind, page, server.port, given.rounds)


def _project(folder: Path, kind: str, options: Mapping[str, object]) -> OpenProject:
    where = f'path: "{options["path"]}"' if "path" in options else "url: '${RUN_LOG}'"
    lines = [
        "project: many", "run_log: { connection: log }",
        f"connections: {{ db: {{ kind: sqlite, path: d.db }}, log: {{ kind: {kind}, {where} }} }}",
        "tables: { a: { connection: db, columns: { n: bigint primary key } } }", "pipelines:",
    ]  # fmt: skip
    lines += [
        f'  p{n}: {{ from: db, sql: "SELECT {n} AS n", to: a, mode: merge, schedule: "{n % 60} * * * *" }}'
        for n in range(_PIPELINES)
    ]
    (folder / "specs").mkdir()
    (folder / "specs/many.yaml").write_text("\n".join(lines))
    return open_project([Path("specs")], None, "nothing is measured")


def _fill(kind: str, options: Mapping[str, object], opened: OpenProject, runs: int) -> None:
    log = RunLog(lambda: open_database(kind, options), kind, "many", "a machine#1")
    pipelines = scheduled(opened.ir.pipelines)
    log.begin_schedules([(p.name, p.timing.schedule, p.timing.timezone) for p in pipelines], log.now())
    database = open_database(kind, options)
    for start in range(0, runs, _PIECE):
        first, *others = _rows(start, min(start + _PIECE, runs))
        database.begin()
        database.execute(insert(RUNS, first, DIALECTS[kind], *others))
        database.commit()
    database.close()
    log.close()


def _rows(start: int, end: int) -> Iterator[dict[str, object]]:
    """Of every pipeline as many; every thousandth failed."""
    target = {"target": "db.a", "mode": "merge", "status": "ok", "counts": {"read": 1}, "seconds": 1.5, "expects": []}
    detail = json_text({"pipelines": [{"name": "p", "targets": [target]}], "said": _SAID}, indent=None)
    for n in range(start, end):
        at = _BEGAN + timedelta(seconds=n)
        failed = n % 1000 == 0
        yield {
            PROJECT: "many", "run_id": _id(n), "pipeline_name": f"p{n % _PIPELINES}", "due_at": at, "attempt": 1,
            "reason": "schedule", "status": "failed" if failed else "ok", "owner": "a machine#1", "started_at": at,
            "finished_at": at + timedelta(seconds=1 + n % 7), "rows_read": n, "rows_inserted": 1, "rows_updated": 0,
            "rows_deleted": 0, "error_code": "row-fails" if failed else None, "error": None, "detail": detail,
        }  # fmt: skip


def _id(n: int) -> str:
    return f"{_BEGAN + timedelta(seconds=n):%Y%m%dT%H%M%S}.000-{n:08x}"


def _pages(runs: int) -> tuple[str, ...]:
    return (
        "/", "/pipelines/p7", f"/runs/{_id(runs // 2)}", "/runs", f"/runs?before={_id(runs // 2)}",
        "/runs?status=failed", "/runs?pipeline=p7", f"/runs?pipeline=p7&status=failed&before={_id(runs // 2)}",
        "/lineage",
    )  # fmt: skip


def _measure(kind: str, page: str, port: int, rounds: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    times, size, busy = [], 0, time.process_time()
    for _ in range(rounds):
        began = time.perf_counter()
        connection.request("GET", page)
        answer = connection.getresponse()
        size = len(answer.read())
        times.append(time.perf_counter() - began)
        assert answer.status == 200, answer.status
    connection.close()
    busy = (time.process_time() - busy) / rounds * 1000
    times.sort()
    p50, p99 = (times[min(int(share * rounds), rounds - 1)] * 1000 for share in (0.5, 0.99))
    print(f"| {kind} | `{page}` | {p50:.1f} | {p99:.1f} | {busy:.1f} | {size / 1024:.0f} |", flush=True)


if __name__ == "__main__":
    main()
