"""Windowed streams as users have them: from a broker into PostgreSQL, at full speed and beside a steady load."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.latency import RATE, running, steadily
from benchmarks.measure import Side, SideFailed
from benchmarks.report import Row
from benchmarks.soak.samples import resident
from benchmarks.streams import MESSAGES, filled, specs

LOAD_SECONDS = 30.0
_DATABASE, _LOAD = "windowed", "windowload"
_AGGREGATES = "count(*) AS n, sum(amount) AS total, avg(amount) AS mean, min(amount) AS least, max(amount) AS most"
_GROUPS = "tumble(source, INTERVAL '1 minute') GROUP BY window_start, window_end, page"
_SQL = f"    sql: SELECT window_start, page, {_AGGREGATES} FROM {_GROUPS}"
_PROJECT = f"""
connections:
  bus: {{{{ kind: kafka, bootstrap_servers: "{{kafka}}" }}}}
  wh: {{{{ kind: postgres, url: "{{dsn}}" }}}}
streams:
  load:
    source: {{{{ connection: bus, topic: {{topic}}, columns: {{{{ page: text, amount: double }}}} }}}}
    sql: SELECT window_start, page, {_AGGREGATES} FROM {_GROUPS.replace("minute", "second")}
    to: {{{{ connection: wh, table: load, mode: append }}}}
"""


def windows_kafka_postgres(context: Context) -> Iterator[Row]:
    """All messages in windows of a minute and a thousand pages, of event time: the whole process, to its end."""
    count, server = context.rows(MESSAGES), context.postgres
    target = f'kind: postgres, url: "{server.dsn(_DATABASE)}"'
    root = context.project("windows_postgres", specs(context.kafka, filled(context, count), target, _SQL))

    def fresh() -> None:
        server.create(_DATABASE)
        shutil.rmtree(root / ".flowc", ignore_errors=True)

    side = Side("flowc", flowc("run", "events", "--drain", "--json"), fresh, root, flowc_environment())
    best = min((side.run() for _ in range(context.rounds)), key=lambda sample: sample.seconds)
    if (found := server.value("SELECT sum(n) FROM events", _DATABASE)) != count:
        raise SideFailed(f"the windows have {found} of {count} messages")
    groups = server.value("SELECT count(*) FROM events", _DATABASE)
    server.drop(_DATABASE)
    case = f"kafka -> windows -> postgres, {count:,} messages, {groups:,} rows come out"
    speed = count / best.seconds
    shown = f"{best.seconds:.2f} s ({speed / 1000:,.0f} k rows/s), {best.peak_mib:.0f} MiB"
    yield Row(case, shown, "-", "-", ">= 250 k rows/s", speed >= 250_000)


def windows_load_kafka_postgres(context: Context) -> Iterator[Row]:
    """What the daemon takes for windows of a second over 10,000 messages a second, and for none."""
    from tests import topics  # its client comes with the extra `kafka`

    duration = LOAD_SECONDS * context.scale
    topic = topics.fresh(context.kafka, 1)
    producer = topics.producing(context.kafka, linger_ms=0)
    with running(context, _LOAD, _PROJECT, topic) as daemon:
        for rate, load in ((0, lambda: time.sleep(duration)), (RATE, lambda: steadily(producer, topic, duration))):
            began, before = time.monotonic(), _processor(daemon.pid)
            load()
            share = (_processor(daemon.pid) - before) / (time.monotonic() - began)
            memory = sum(resident(pid) or 0.0 for pid in _processes(daemon.pid))
            case = f"daemon with a windowed stream, {rate:,} messages/s"
            yield Row(case, f"{share:.1%} of a core, {memory:.0f} MiB", "-", "-", "-", None)


def _processor(pid: int) -> float:
    """The seconds that a process and those that it started have taken of the processor."""
    stats = (_stat(each) for each in _processes(pid))
    return sum(int(stat[11]) + int(stat[12]) for stat in stats if stat) / os.sysconf("SC_CLK_TCK")


def _processes(pid: int) -> list[int]:
    """A process and all that come from it."""
    parents = {int(each.name): stat[1] for each in Path("/proc").glob("[0-9]*") if (stat := _stat(int(each.name)))}
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if int(parent) == each]
    return found


def _stat(pid: int) -> list[str]:
    """The fields of a process from its state on; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


CASES = (windows_kafka_postgres, windows_load_kafka_postgres)
