"""Kills streams on a real Apache Kafka, and counts what their targets hold: nothing lost, nothing twice.

python -m benchmarks.crash                               200 trials for each kind of target
python -m benchmarks.crash --trials 20 --only postgres   fewer, of one kind
python -m benchmarks.crash --ways broker database        kill servers, which are its own then, and not workers
python -m benchmarks.crash --ways dropped restored       targets that lose rows
python -m benchmarks.crash --ways rewind rolling         what operators do beside a busy worker
python -m benchmarks.crash --seed 7                      the same kills again, as far as time lets them
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmarks.crash.feeds import filled
from benchmarks.crash.places import PLACES, SERVERS
from benchmarks.crash.trial import MEMBERS, RESTARTS, WAYS, WORKERS, Outcome, Trial, ways_of
from tests import topics
from tests.services import Killable, killable, service, variable

EVENTS = 6000


@dataclass(frozen=True)
class Campaign:
    """Trials on the broker of `bootstrap`; `sources` are the topics of each feed that was needed so far."""

    folder: Path
    bootstrap: str
    sources: dict[str, Sequence[str]]
    seed: int
    ways: Sequence[str]
    servers: Mapping[str, Killable]
    events: int = EVENTS

    def run(self, kind: str, trials: int) -> list[Outcome]:
        """So many trials of one kind of target, each way in turn."""
        chance, outcomes = random.Random(f"{self.seed} {kind}"), list[Outcome]()
        ways, first = ways_of(kind, self.ways), list(PLACES).index(kind)
        for number in range(trials if ways else 0):
            own = self.folder / f"{kind}-{number}"
            own.mkdir()
            way = ways[(first + number) % len(ways)]
            with PLACES[kind](own) as place:
                topics, wanted = self._topics(place.feed), place.wanted(self.events)
                trial = Trial(kind, own, place, self.bootstrap, topics, wanted, chance, self.servers, self.events)
                outcomes.append(trial.run(way))
            if not outcomes[-1].good:
                sys.stderr.write(f"{kind} {number} ({way}): {outcomes[-1]}\n")
        return outcomes

    def _topics(self, feed: str) -> Sequence[str]:
        if feed not in self.sources:
            self.sources[feed] = filled(self.bootstrap, feed, self.events)
        return self.sources[feed]


def line(kind: str, outcomes: Sequence[Outcome]) -> str:
    """A row of the table."""
    ways = Counter(outcome.way for outcome in outcomes)
    cells = (
        kind, len(outcomes), sum(o.kills for o in outcomes), sum(o.lost for o in outcomes),
        sum(o.twice for o in outcomes), sum(o.late for o in outcomes), sum(bool(o.errors) for o in outcomes),
        sum(o.fenced for o in outcomes), sum(o.stops for o in outcomes), sum(o.skipped for o in outcomes),
        sum(o.again for o in outcomes),
        " ".join(f"{way} {count}" for way, count in ways.items()),
    )  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


HEAD = """\
| target | trials | kills | lost | twice | late | stuck | fenced | behind | announced lost | announced twice | ways |
|---|---|---|---|---|---|---|---|---|---|---|---|"""
"""`behind` counts stops with `target-behind`; `lost` and `twice` are what was not announced by a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the campaigns and prints a table; 1 when an event was lost, is there twice, or was late."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        kinds = options.only or list(PLACES)
        servers = _servers(kinds, own=bool(RESTARTS.keys() & set(options.ways)), stack=stack)
        bootstrap = os.environ[variable("kafka")].partition("?")[0]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowc-crash-")))
        sources = dict[str, Sequence[str]]()
        campaign = Campaign(folder, bootstrap, sources, options.seed, options.ways, servers, options.events)
        print(HEAD, flush=True)
        good = True
        for kind in kinds:  # each takes many minutes, and is told as it ends
            outcomes = campaign.run(kind, options.trials)
            good = good and all(outcome.good for outcome in outcomes)
            print(line(kind, outcomes), flush=True)
        for topic in chain.from_iterable(sources.values()):
            topics.drop(bootstrap, topic)
    return 0 if good else 1


def _servers(kinds: Sequence[str], *, own: bool, stack: ExitStack) -> dict[str, Killable]:
    """Makes the servers known that the kinds need; gives them, when nobody else uses them."""
    found: dict[str, Killable] = {}
    for name in dict.fromkeys(("kafka", *(server for kind in kinds for server in SERVERS.get(kind, ())))):
        if own:
            found[name] = stack.enter_context(killable(name))
        os.environ[variable(name)] = found[name].address if own else stack.enter_context(service(name))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=200, help="of each kind of target (default: 200)")
    parser.add_argument("--only", nargs="+", metavar="KIND", choices=list(PLACES), help=f"of {', '.join(PLACES)}")
    every = [*WORKERS, *MEMBERS]
    shown = f"of {', '.join(WAYS)} (default: {', '.join(every)})"
    parser.add_argument("--ways", nargs="+", metavar="WAY", choices=list(WAYS), default=every, help=shown)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"messages of each trial (default: {EVENTS})")
    parser.add_argument("--seed", type=int, default=1, help="of the kills (default: 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
