"""One trial: a stream whose worker is killed again and again, and whose spec is edited in between."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.crash.editmodel import Event, Held, Message, Model, Moved, Row, Run
from benchmarks.crash.editplaces import Places, Servers, feed_of
from benchmarks.crash.editplans import LETTERS, REFUSE, STATELESS, Plan, drawn, edited, promised
from benchmarks.crash.worker import DONE, FAILED, Command, Job, asked, end_all, ended

_POINTS = ("target 0", "target 0", "intended", "checkpoint", "committed", "positions", "target 1")
_BEGIN = int(datetime(2026, 1, 1, 10, tzinfo=UTC).timestamp())
_MESSAGES, _PACE, _DISORDER = 24, 12, 20
_LAST_ATTEMPT = 12
_CODE = "import pyarrow.compute as pc\n\n\ndef worth(x):\n    return pc.multiply(x, {})\n"
_ERROR = re.compile(r"^([a-z0-9-]+): ", re.MULTILINE)
_FORGETS = (STATELESS, "dedupe")
"""Operators of which the model knows what a rewind makes of them."""


@dataclass
class Found:
    """What a campaign found."""

    trials: int = 0
    kills: int = 0
    edits: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Wrong(Exception):
    """What happened is not what was promised."""


@dataclass
class Trial:
    """A stream of an operator in a folder."""

    folder: Path
    operator: str
    chance: random.Random
    servers: Servers
    found: Found
    events: list[Event] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    refused: bool | None = None
    """What the plan said of the next run."""
    undone: int = 0
    """How many edits were undone since the last worker that was not refused."""

    def run(self) -> str:
        """Carries it out; what was wrong, or nothing."""
        self.name = f"s_{uuid.uuid4().hex[:10]}"
        self.plan = drawn(self.operator, self.chance, f"t_{self.name}")
        self.messages = [_message(n, self.chance) for n in range(_MESSAGES)]
        self.available = 0
        (self.folder / "specs").mkdir()
        self.feed = feed_of(self.folder, self.servers, self.chance)
        self.places = Places(self.folder, self.servers)
        try:
            self._turns()
            self._end()
        except (Wrong, TimeoutError) as error:
            return f"{error}\n  " + "\n  ".join(self.story)
        finally:
            end_all()
            self.feed.close()
        return ""

    def _turns(self) -> None:
        self._put(self.chance.randint(6, 14))
        for _ in range(self.chance.randint(2, 4)):
            for _ in range(self.chance.choice((1, 1, 2))):
                self._attempt(kill=self.chance.random() < 0.9)
            if self.chance.random() < 0.4:
                self._put(self.chance.randint(1, 5))
            self._edit()

    def _edit(self) -> None:
        """Edits the spec, or undoes what was edited before; most often a plan is asked for."""
        before = [event.plan for event in self.events]
        undone = before and self.chance.random() < 0.2
        plan = self.chance.choice(before) if undone else edited(self.plan, self.chance)
        if self._goes_on(plan):
            self._change(plan)

    def _goes_on(self, plan: Plan) -> bool:
        """Whether it is no other table that alone knows the positions: that one begins anew."""
        alone = self.operator == STATELESS and len(plan.targets) == 1
        return not alone or all(plan.targets[0] in event.plan.targets for event in self.events)

    def _change(self, plan: Plan) -> None:
        keys = [key for key, value in vars(plan).items() if value != getattr(self.plan, key)]
        self.found.edits += bool(keys)
        self.story.append("edit " + ", ".join(f"{key}: {getattr(plan, key)}" for key in keys))
        self.plan, self.refused = plan, None
        if self.events and self.chance.random() < 0.6:
            self._ask()

    def _ask(self) -> None:
        code, text = self._command("plan", "--json")
        found = json.loads(text[text.index("{") :]) if "{" in text else {}
        if code or "states" not in found:
            raise Wrong(f"the plan ended with {code}: {text[-1500:]}")
        verdicts = [each for state in found["states"] for each in state["verdicts"]]
        self.found.verdicts.update(each["decision"] for each in verdicts)
        self.refused = any(state["refused"] for state in found["states"])
        told = "; ".join(f"{each['node']} {each['decision']} {each['reason']}" for each in verdicts)
        self.story.append(f"plan says {told or 'nothing'}, refused: {self.refused}")

    def _attempt(self, *, kill: bool, drain: bool = False) -> bool:
        """A worker; whether it has read all. What stops it is seen to."""
        job = self._job()
        before = len(_said(job))
        if kill and self.chance.random() < 0.7:
            job = replace(job, point=self._point(), count=self.chance.randint(1, 5))
        process = replace(job, drain=drain).start()
        if kill and job.point is None:
            time.sleep(self.chance.uniform(0.05, 0.45))
            os.kill(process, signal.SIGKILL)
        code = ended(process)
        self.found.kills += code < 0
        words = _said(job)[before:]
        self.story.append(f"run of {self.available} ends with {code} {job.point} {job.count} {words.strip()[:1000]}")
        if code == FAILED:
            return self._stopped(words)
        if code not in (DONE, -signal.SIGKILL):
            raise Wrong(f"a worker ended with {code}: {words}")
        if code == DONE:
            self._ran()
        self.events.append(Run(self.plan, self.available, code == DONE))
        self.refused, self.undone = None, 0
        return code == DONE

    def _point(self) -> str:
        """A point that there is."""
        several = len(self.plan.targets) > 1
        if not several and self.operator == STATELESS:
            return self.chance.choice(("committed", "positions"))
        return self.chance.choice(_POINTS if several else _POINTS[:-1])

    def _ran(self) -> None:
        """What ended well may not be what was to be refused."""
        if self.refused or (self.standing and all(promised(each, self.plan) == REFUSE for each in self.standing)):
            raise Wrong(f"it ran, but was to be refused (the plan said so: {self.refused})")

    @property
    def standing(self) -> list[Plan]:
        """The plans of which each may be the last that kept something; empty where perhaps none did."""
        whole = any(isinstance(event, Run) and event.whole for event in self.events[-len(self._trailing) :])
        return self._trailing if whole else []

    @property
    def _trailing(self) -> list[Plan]:
        """The plans of the last workers, from the last one back to one that has read all, or to a rewind."""
        found: list[Plan] = []
        for event in reversed(self.events):
            if isinstance(event, Moved):
                break
            found.append(event.plan)
            if event.whole:
                break
        return found

    def _stopped(self, words: str) -> bool:
        """Sees to what stopped a worker as the words of its error advise; it has not read all."""
        code = _ERROR.findall(words)[-1]
        self.found.stops[code] += 1
        if code in ("state-changed", "unfinished-epochs", "target-behind", "state-lost"):
            getattr(self, f"_{code.replace('-', '_')}")(words)
        elif self.plan.on_error == "fail" and any(message.x is None for message in self.messages):
            self.events.append(Run(self.plan, self.available, whole=False))
            self._change(replace(self.plan, on_error="drop"))
        else:
            raise Wrong(words)
        return False

    def _state_changed(self, words: str) -> None:
        known = [event.plan for event in self.events if isinstance(event, Run)]
        if self.refused is False or not any(promised(each, self.plan) == REFUSE for each in known):
            raise Wrong(f"it was refused (the plan said so: {self.refused}): {words}")
        self._undo()

    def _unfinished_epochs(self, words: str) -> None:
        if all(event.plan.code == self.plan.code for event in self.events):
            raise Wrong(f"nothing was edited that cannot be had any more: {words}")
        if self.operator in _FORGETS and self.chance.random() < 0.5 and self._rewound("held", "earliest"):
            return
        self._undo()

    def _target_behind(self, words: str) -> None:
        known = {name for event in self.events for name in event.plan.targets}
        out = {name for event in self.events for name in known - set(event.plan.targets)}
        back = [name for name in self.plan.targets if name in out]
        if not back:
            raise Wrong(f"no target has come back: {words}")
        if self.operator in _FORGETS and self._rewound(self.chance.choice(("current", "earliest"))):
            return
        left = tuple(name for name in self.plan.targets if name not in back)
        self._change(replace(self.plan, targets=left)) if left else self._undo()

    def _state_lost(self, words: str) -> None:
        counts = {len(event.plan.targets) for event in (*self.events, Run(self.plan, 0, False))}
        if self.operator != STATELESS or counts == {1}:
            raise Wrong(words)
        if not self._rewound("current", "earliest"):
            raise Wrong(f"no rewind gets on: {words}")

    def _rewound(self, *places: str) -> bool:
        for place in places:
            code, text = self._command("rewind", self.name, "--to", place, "--yes")
            self.story.append(f"rewind to {place} ends with {code}: {text[-600:]}")
            if code == DONE:
                self.events.append(Moved(tuple(dict.fromkeys(self._trailing)), place, self.plan))
                self.refused = None
                return True
        return False

    def _undo(self) -> None:
        """Goes back to the plan of a worker: to the last one first, and to an earlier one where that is refused too."""
        plans = list(dict.fromkeys(event.plan for event in reversed(self.events)))
        plan = plans[self.undone % len(plans)] if plans else self.plan
        self.undone += 1
        if plan == self.plan and len(plans) > 1:
            self._undo()
        else:
            self._change(plan)

    def _end(self) -> None:
        self._put(_MESSAGES)
        for _ in range(_LAST_ATTEMPT):
            if self._attempt(kill=False, drain=True):
                break
        else:
            raise Wrong("it does not end well")
        held = self._held()
        if not Model(self.messages).fits(self.events, held):
            rows = {name: sorted(found.elements(), key=str) for name, found in held.items()}
            raise Wrong(f"{self.plan.operator}: no order of the plans gives {rows} of {self.messages}")

    def _held(self) -> Held:
        names = {name for event in self.events for name in event.plan.targets}
        names |= {LETTERS for event in self.events if event.plan.on_error == "dlq"}
        made = {name: Counter[Row]() for name in names}
        columns = {"join": ["n", "m", "id", "v"], "running": ["0 AS n", "id", "v"]}.get(self.operator, ["n", "id", "v"])
        asking = {**dict.fromkeys(names, columns), LETTERS: [f"{self.feed.letter} AS n"]}
        held = partial(self.places.rows, self.plan.table)
        for text in asked(lambda: [json.dumps(row) for name in names for row in held(name, asking[name])]):
            name, *row = json.loads(str(text))
            made[name][tuple(row)] += 1
        return made

    def _put(self, count: int) -> None:
        """Adds so many more messages."""
        self.feed.put(self.messages[self.available : self.available + count])
        self.available = min(self.available + count, len(self.messages))

    def _write(self) -> None:
        connections = {**self.places.connections, self.feed.name: self.feed.connection}
        (self.folder / "out").mkdir(exist_ok=True)
        (self.folder / "specs/project.yaml").write_text(
            self.plan.spec(connections, self.name, self.feed.source), "utf-8"
        )
        (self.folder / "own.py").write_text(_CODE.format(self.plan.code), "utf-8")

    def _job(self) -> Job:
        self._write()
        return Job(self.folder, self.name, self.env, tune=_uncached)

    def _command(self, *words: str) -> tuple[int, str]:
        self._write()
        return Command(self.folder, self.name, self.env, tune=_uncached, words=words).done()

    @property
    def env(self) -> Mapping[str, str]:
        """The environment of workers and commands."""
        return {"HOME": str(self.folder), **self.servers.env}


def _uncached() -> None:
    """Python would take a module of one second and one size for the one before."""
    sys.dont_write_bytecode = True


def _message(n: int, chance: random.Random) -> Message:
    x = None if chance.random() < 0.03 else chance.randint(1, 99)
    at = _BEGIN + n * _PACE - chance.randint(0, _DISORDER)
    return Message(n, chance.choice("abc"), chance.randint(0, 9), x, at)


def _said(job: Job) -> str:
    return job.log.read_text() if job.log.exists() else ""
