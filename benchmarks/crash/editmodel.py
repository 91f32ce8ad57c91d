"""A model of edited streams in plain Python: whether what targets hold can have come of plans that took turns.

Each message is read by one plan, by all its targets and the state alike. Where a worker was killed, any number of
messages may have been read; so the model tries each, and gives up a way as soon as a target lacks one of its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.crash.editplans import LETTERS, STATELESS, WINDOWS, Plan

Row = tuple[object, ...]
Held = Mapping[str, Counter[Row]]
"""The rows of each target."""
_FOREVER = 10**12


@dataclass(frozen=True)
class Message:
    """One message; `x` is None where it cannot be read."""

    n: int
    id: str
    k: int
    x: int | None
    at: int
    """Seconds."""


@dataclass(frozen=True)
class Run:
    """A worker of a plan, when so many messages were there. One that is `whole` has read them all."""

    plan: Plan
    available: int
    whole: bool


@dataclass(frozen=True)
class Moved:
    """A rewind to `held`, `earliest` or `current`; some targets may hold epochs of a plan that it gave up."""

    plans: tuple[Plan, ...]
    """Those of the workers since the rewind before, the last one first."""
    to: str
    by: Plan
    """The plan that is rewound; `held` is the last epoch that all of its targets have."""

    @property
    def plan(self) -> Plan:
        """The plan of the last worker."""
        return self.plans[0] if self.plans else self.by


Event = Run | Moved


@dataclass
class State:
    """A way to take: how much was read, what is remembered, and which rows are not accounted for."""

    left: dict[str, Counter[Row]]
    at: int = 0
    mark: int = -_FOREVER
    floor: int = -_FOREVER
    """Windows that end by then are out."""
    totals: dict[str, int] = field(default_factory=dict)
    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of targets whose rows are replaced."""
    seen: frozenset[int] = frozenset()
    letters: frozenset[int] = frozenset()
    forgotten: frozenset[int] = frozenset()
    """Messages that a join may have forgotten under its bounds of then. Wider bounds do not bring them back."""

    def copy(self) -> State:
        """Another way that begins here."""
        left = {name: Counter(rows) for name, rows in self.left.items()}
        rows = {name: dict(rows) for name, rows in self.rows.items()}
        return replace(self, left=left, totals=dict(self.totals), rows=rows)


@dataclass(frozen=True)
class Model:
    """What the messages are."""

    messages: Sequence[Message]

    def fits(self, events: Sequence[Event], held: Held) -> bool:
        """Whether targets may hold these rows, after these events and the end of the input."""
        start = State({name: Counter(rows) for name, rows in held.items()})
        return any(self._is_end(state, events[-1].plan) for state in self._ways(start, events))

    def _ways(self, state: State, events: Sequence[Event]) -> Iterator[State]:
        if not events:
            yield state
            return
        event, *later = events
        if isinstance(event, Moved):
            for moved in self._moved(state, event):
                yield from self._ways(moved, later)
            return
        if not event.whole:
            yield from self._ways(state.copy(), later)
            idle = state.copy()
            if self._lets_out(idle, event.plan, idle.mark):
                yield from self._ways(idle, later)
        while state.at < event.available:
            if not self._read(state, event.plan):
                return
            if not event.whole:
                yield from self._ways(state.copy(), later)
        if event.whole and self._lets_out(state, event.plan, state.mark):
            yield from self._ways(state, later)

    def _lets_out(self, state: State, plan: Plan, mark: int) -> bool:
        """Lets out the windows that are over by then, messages or none; whether each row is where it has to be."""
        return plan.operator == "running" or all(_take(state, plan, row) for row in list(self._due(state, plan, mark)))

    def _moved(self, state: State, event: Moved) -> Iterator[State]:
        """Some messages may be in the first targets alone."""
        for plan in event.plans or (event.by,):
            for count in range(len(plan.targets) if event.plans else 1):
                some, part = state.copy(), replace(plan, targets=plan.targets[:count])
                by_all = some if set(event.by.targets) <= set(part.targets) else state
                while True:
                    starts = {"earliest": [0], "current": [some.at], "held": range(by_all.at, -1, -1)}[event.to]
                    for start in starts:
                        yield _begun_again(some.copy(), start)
                    if not count or some.at == len(self.messages) or not self._read(some, part):
                        break

    def _read(self, state: State, plan: Plan) -> bool:
        """Reads the next message; whether its rows are where they have to be."""
        message = self.messages[state.at]
        state.at += 1
        if message.x is None:
            return plan.on_error == "drop" or (plan.on_error == "dlq" and _set_aside(state, message.n))
        rows = list(self._rows(state, plan, message))
        if plan.operator != "running":
            state.mark = max(state.mark, message.at - plan.lateness)
            past = (each.n for each in self.messages[: state.at] if each.at + plan.size < state.mark)
            state.forgotten |= frozenset(past)
            rows += self._due(state, plan, state.mark)
            return all(_take(state, plan, row) for row in rows)
        for _, id_, value in rows:
            for name in plan.targets:
                state.rows.setdefault(name, {})[str(id_)] = int(str(value))
        return True

    def _rows(self, state: State, plan: Plan, message: Message) -> Iterator[Row]:
        """What comes out of a message at once."""
        assert message.x is not None
        value = _made(plan, message)
        if plan.operator == "join":
            yield from self._pairs(state, plan, message)
        elif message.x <= plan.least:
            return
        elif plan.operator == STATELESS:
            yield message.n, message.id, plan.factor * value
        elif plan.operator == "dedupe" and message.k not in state.seen:
            state.seen |= {message.k}
            yield message.n, message.id, plan.factor * value
        elif plan.operator == "running":
            state.totals[message.id] = state.totals.get(message.id, 0) + value
            yield 0, message.id, plan.factor * state.totals[message.id]

    def _pairs(self, state: State, plan: Plan, message: Message) -> Iterator[Row]:
        """Its pairs with what came before, and with itself."""
        for other in self.messages[: state.at]:
            if other.x is None or other.id != message.id:
                continue
            for left, right in dict.fromkeys(((message, other), (other, message))):
                row = left.n, right.n, left.id, plan.factor * plan.code * (right.x or 0)
                missing = left.n in state.forgotten and not any(state.left[name][row] for name in plan.targets)
                if 0 <= right.at - left.at <= plan.size and (right.x or 0) > plan.least and not missing:
                    yield row

    def _due(self, state: State, plan: Plan, mark: int) -> Iterator[Row]:
        """The windows and sessions that are over by then."""
        found = self._windows(state, plan) if plan.operator in WINDOWS else None
        if plan.operator == "session":  # a row exactly the gap behind still belongs to it
            found, mark = self._sessions(state, plan), mark - 1
        for (end, id_), value in (found or {}).items():
            if state.floor < end <= mark:
                yield end, id_, plan.factor * value
        state.floor = max(state.floor, mark // plan.step * plan.step if plan.operator in WINDOWS else mark)

    def _windows(self, state: State, plan: Plan) -> dict[tuple[int, str], int]:
        found = dict[tuple[int, str], int]()
        for each in self.messages[: state.at]:
            if each.x is None or each.x <= plan.least:
                continue
            for start in range(each.at // plan.step * plan.step, each.at - plan.size, -plan.step):
                key = start + plan.size, each.id
                found[key] = found.get(key, 0) + _made(plan, each)
        return found

    def _sessions(self, state: State, plan: Plan) -> dict[tuple[int, str], int]:
        found = dict[tuple[int, str], int]()
        there = [each for each in self.messages[: state.at] if each.x is not None and each.x > plan.least]
        last = dict[str, int]()
        for each in sorted(there, key=lambda each: each.at):
            total = 0
            if each.at - last.get(each.id, -_FOREVER) <= plan.size:
                total = found.pop((last[each.id] + plan.size, each.id))
            last[each.id] = each.at
            found[each.at + plan.size, each.id] = total + _made(plan, each)
        return found

    def _is_end(self, state: State, plan: Plan) -> bool:
        """Whether all is read, and every row is accounted for when all windows are over."""
        if state.at < len(self.messages):
            return False
        if plan.operator == "running":
            letters = state.left.get(LETTERS, Counter()).total()
            left = {name: rows for name, rows in state.left.items() if name != LETTERS}
            held = {name: {str(id_): int(str(v)) for _, id_, v in rows} for name, rows in left.items()}
            return not letters and held == {name: state.rows.get(name, {}) for name in held}
        return self._lets_out(state, plan, _FOREVER) and not any(rows.total() for rows in state.left.values())


def _set_aside(state: State, n: int) -> bool:
    """Accounts for a letter; whether there is one."""
    if not state.left[LETTERS][n,]:
        return False
    state.left[LETTERS][n,] -= 1
    state.letters |= {n}
    return True


def _begun_again(state: State, start: int) -> State:
    """A rewind; the letters of what is read again are removed by it."""
    removed = {n for n in state.letters if n >= start}
    if LETTERS in state.left:
        state.left[LETTERS].update((n,) for n in removed)
    return replace(state, at=start, seen=frozenset(), letters=state.letters - removed)


def _made(plan: Plan, message: Message) -> int:
    assert message.x is not None
    return message.x * plan.code * plan.lookup


def _take(state: State, plan: Plan, row: Row) -> bool:
    """Accounts for a row in each target; whether all had it."""
    for name in plan.targets:
        if not state.left[name][row]:
            return False
        state.left[name][row] -= 1
    return True
