"""Runs the daemon for long, from a Kafka of its own into a PostgreSQL of its own, with faults on the way.

python -m benchmarks.soak                                  20,000 messages a second for 30 minutes
python -m benchmarks.soak --rate 1000 --minutes 0.3        short and slow
python -m benchmarks.soak --faults worker broker           other faults, in their order
python -m benchmarks.soak --json soak.jsonl                each look as a line, and what came of all as the last one
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from benchmarks.poison import TABLE, specs
from benchmarks.soak.faults import EVERY, Faults
from benchmarks.soak.feed import PARTITIONS, Feed
from benchmarks.soak.samples import Memory, Sample, Sampler, memory
from tests import topics
from tests.commands import Folder
from tests.daemons import daemon
from tests.services import Killable, killable

STREAM = "events"
_RESTART = "    restart: { min_backoff: 200ms, max_backoff: 2s }\n"
_CATCH_UP = 600.0
_COUNTS = """\
SELECT (SELECT count(*) FROM events), (SELECT count(DISTINCT id) FROM events),
       (SELECT count(*) FROM flowc.dead_letters),
       (SELECT count(DISTINCT (partition_name, message_position)) FROM flowc.dead_letters)"""


@dataclass(frozen=True)
class Result:
    """What came of a run. A good message has to be in the table once, a bad one among the dead letters once."""

    seconds: float
    rate: int
    sent: int
    bad: int
    lost: int
    twice: int
    letters_lost: int
    letters_twice: int
    faults: tuple[str, ...]
    degraded: int
    """Looks at which the stream was not running."""
    exit_code: int
    memory: tuple[Memory, ...]

    @property
    def good(self) -> bool:
        """Whether everything is there once, and memory is flat."""
        wrong = (self.lost, self.twice, self.letters_lost, self.letters_twice, self.exit_code)
        return not any(wrong) and all(each.flat is not False for each in self.memory)


@dataclass
class Soak:
    """One run."""

    options: argparse.Namespace
    folder: Path
    servers: Mapping[str, Killable]
    samples: list[Sample]

    def run(self) -> Result:
        """From the first message to the last row."""
        address, dsn = self.servers["kafka"].address.partition("?")[0], self.servers["postgres"].address
        with psycopg.connect(dsn) as connection:
            connection.execute(TABLE)
        topic, project = topics.fresh(address, PARTITIONS), Folder(self.folder)
        project.write("specs/soak.yaml", specs(address, dsn, topic, "dlq") + _RESTART)
        feed = Feed(address, topic, self.options.rate)
        with daemon(project, cold=True) as running:
            running.until(lambda: running.page("/readyz")[0] == 200)
            faults, sampler = Faults(running, STREAM, self.servers), Sampler(running, STREAM)
            seconds = self._flow(feed, faults, sampler)
            code = running.stop()
        result = self._result(feed, faults, seconds, code, dsn)
        self._tell({**asdict(result), "good": result.good})
        return result

    def _flow(self, feed: Feed, faults: Faults, sampler: Sampler) -> float:
        """Feeds and looks until the time is over and all is written, or is not in a long time."""
        began, over = time.monotonic(), threading.Event()
        feed.start()
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(self._look, sampler, feed, faults, over)
            try:
                faults.run(self.options.faults, self.options.minutes * 60)
                feed.stop()
                until = time.monotonic() + _CATCH_UP
                while self._read() < feed.sent and time.monotonic() < until:
                    time.sleep(0.5)
            finally:
                over.set()
            looking.result()
        return time.monotonic() - began

    def _read(self) -> int:
        """How many messages are behind the stored positions."""
        with psycopg.connect(self.servers["postgres"].address) as connection:
            row = connection.execute("SELECT sum(next_position::bigint) FROM flowc.positions").fetchone()
        return int(row[0] or 0) if row else 0

    def _look(self, sampler: Sampler, feed: Feed, faults: Faults, over: threading.Event) -> None:
        began = time.monotonic()
        while not over.wait(self.options.every):
            sample = sampler.look(time.monotonic() - began, feed.sent, faults.now)
            self.samples.append(sample)
            self._tell(asdict(sample))

    def _tell(self, line: Mapping[str, object]) -> None:
        if self.options.json:
            with self.options.json.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def _result(self, feed: Feed, faults: Faults, seconds: float, code: int, dsn: str) -> Result:
        with psycopg.connect(dsn) as connection:
            row = connection.execute(_COUNTS).fetchone()
        assert row is not None
        rows, ids, letters, places = row
        at = [sample.at for sample in self.samples]
        sizes = (
            memory("daemon", at, [sample.daemon_mib for sample in self.samples]),
            memory("worker", at, [sample.worker_mib for sample in self.samples]),
        )
        return Result(
            round(seconds, 1), self.options.rate, feed.sent, feed.bad, feed.sent - feed.bad - ids, rows - ids,
            feed.bad - places, letters - places, tuple(faults.done),
            sum(sample.status != "running" for sample in self.samples), code, sizes,
        )  # fmt: skip


def page(result: Result, samples: Sequence[Sample]) -> str:
    """The run as a table."""
    steady = sorted(sample.p99 for sample in samples if sample.p99 is not None and not sample.faults)
    rows = [
        ("messages", f"{result.sent:,} in {result.seconds:,.0f} s, wanted {result.rate:,} a second"),
        ("lost, twice", f"{result.lost}, {result.twice}"),
        ("bad messages", f"{result.bad:,}; of their letters lost {result.letters_lost}, twice {result.letters_twice}"),
        ("faults", " ".join(result.faults)),
        ("not running", f"{result.degraded} of {len(samples)} looks"),
        ("most behind", f"{max(sample.lag for sample in samples):,} messages"),
        ("p99 of latency", f"median of the looks up to {steady[len(steady) // 2] * 1000:g} ms" if steady else "-"),
        ("exit code", str(result.exit_code)),
        *((f"memory of {each.name}", _words(each)) for each in result.memory),
    ]
    return "\n".join(["| soak | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _words(memory: Memory) -> str:
    flat = {True: "flat", False: "NOT FLAT", None: "too short to judge"}[memory.flat]
    return f"peak {memory.peak_mib:.0f} MiB, {memory.growth_mib:+.1f} MiB over the second half: {flat}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it and prints a table; 1 when something was lost, is there twice, or memory grew."""
    options = _parser().parse_args(arguments)
    samples: list[Sample] = []
    with ExitStack() as stack:
        servers = {name: stack.enter_context(killable(name)) for name in ("kafka", "postgres")}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowc-soak-")))
        result = Soak(options, folder, servers, samples).run()
    print(page(result, samples))
    return 0 if result.good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rate", type=int, default=20_000, help="messages a second (default: 20000)")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between looks (default: 5)")
    shown = f"of worker, broker, database (default: {' '.join(EVERY)})"
    parser.add_argument("--faults", nargs="*", default=EVERY, choices=sorted(set(EVERY)), metavar="FAULT", help=shown)
    parser.add_argument("--json", type=Path, help="a file that each look is added to as a line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
