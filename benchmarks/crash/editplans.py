"""Plans of a stream that are edited: what each of its keys is, the spec that it makes, and what an edit promises.

The promises are those of docs/guides/changing-streams.md, and are not read from flowc.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

STATELESS = "project"
OPERATORS = (STATELESS, "dedupe", "tumbling", "hopping", "session", "join", "running")
WINDOWS = ("tumbling", "hopping")
KEEP, MIGRATE, REPLAY, REFUSE = VERDICTS = ("keep", "migrate", "replay", "refuse")
"""From the weakest to the strongest."""
LETTERS = "letters"
"""The target of messages that cannot be read."""
OTHERS = ("database", "duckdb", "files", "delta", "postgres", "mysql")
"""Where a second target may be."""
_APPENDS = ("files", "delta")
"""Targets that take no row in the place of another one."""
_MADE = """WITH made AS (
        SELECT s.n, s.id, s.k, s.at, worth(s.x) * g.w AS x
        FROM source AS s JOIN weights AS g ON g.one = CASE WHEN s.n < 0 THEN 2 ELSE 1 END
        WHERE s.x > {})
      """


@dataclass(frozen=True)
class Plan:
    """One version of the spec."""

    operator: str
    least: int = 0
    """Rows of less are filtered out before the operator."""
    code: int = 1
    """What the project's function multiplies by, before the operator."""
    lookup: int = 1
    """What the lookup multiplies by, before the operator; of a join, a condition of one side that is always true."""
    factor: int = 1
    """What the query multiplies by behind the operator."""
    size: int = 60
    """Seconds: the size of windows, the gap of sessions, the bound of a join, the hours of `dedupe`."""
    lateness: int = 30
    on_error: str = "drop"
    targets: tuple[str, ...] = ("first",)
    table: str = "t"
    """The name of what each target writes."""
    state: str = ""
    """The connection that holds the state; empty for a file of the project."""
    rows: int = 1
    """How many rows an epoch has."""
    path: str = "*.jsonl"
    """The files that are read: all of them, however that is written. A topic has none."""

    @property
    def step(self) -> int:
        """Seconds from one window to the next."""
        return self.size // 2 if self.operator == "hopping" else self.size

    def spec(self, connections: Mapping[str, str], stream: str, source: str) -> str:
        """The project of a stream; `source` are the keys that say where its messages are."""
        named = "".join(f"  {name}: {{ {text} }}\n" for name, text in connections.items())
        state = f"    state: {{ connection: {self.state} }}\n" if self.state else ""
        letters = f"    dead_letter: {{ connection: first, table: letters_{self.table} }}\n" * (self.on_error == "dlq")
        read = source.format(path=self.path)
        ttl = "    group_ttl: never\n" if self.operator == "running" else ""
        return f"""\
connections:
  ref: {{ kind: sqlite, path: ref.sqlite }}
{named}functions:
  worth: {{ python: "own:worth", args: [bigint], returns: bigint }}
streams:
  {stream}:
    source: {{ {read}, columns: {{ n: bigint, id: text, k: bigint, x: bigint, at: timestamptz }}, event_time: at }}
    watermark: {{ lateness: {self.lateness}s }}
    lookups: {{ weights: {{ connection: ref, sql: "SELECT {self.lookup} AS w, 1 AS one" }} }}
{ttl}{state}    sql: |
      {self._query()}
    to: [{", ".join(map(self._target, self.targets))}]
    batch: {{ max_rows: {self.rows} }}
    on_error: {self.on_error}
{letters}"""

    def _query(self) -> str:
        size, step = (f"INTERVAL '{seconds} seconds'" for seconds in (self.size, self.step))
        value, groups = f"{self.factor} * sum(x) AS v", "GROUP BY window_end, id"
        window = f"SELECT extract(epoch FROM window_end)::bigint AS n, id, {value} FROM"
        if self.operator == "join":
            return (
                f"SELECT l.n, r.n AS m, l.id, {self.factor} * worth(r.x) AS v FROM source AS l JOIN source AS r "
                f"ON l.id = r.id AND l.k > -{self.lookup} AND r._event_ts BETWEEN l._event_ts AND l._event_ts + {size} "
                f"WHERE r.x > {self.least}"
            )
        return (
            _MADE.format(self.least)
            + {
                STATELESS: f"SELECT n, id, {self.factor} * x AS v FROM made",
                "dedupe": f"SELECT n, id, {self.factor} * x AS v FROM dedupe(made, k, INTERVAL '{self.size} hours')",
                "tumbling": f"{window} tumble(made, {size}) {groups}",
                "hopping": f"{window} hop(made, {step}, {size}) {groups}",
                "session": f"{window} session(made, {size}, INTERVAL '2 hours') {groups}",
                "running": f"SELECT id, {value} FROM made GROUP BY id",
            }[self.operator]
        )

    def _target(self, name: str) -> str:
        if name == "files":
            return f"{{ connection: files, path: {self.table}, format: parquet, roll: {{ rows: 5 }} }}"
        mode = "merge, keys: [id]" if self.operator == "running" else "append"
        return f"{{ connection: {name}, table: {self.table}, mode: {mode} }}"


def drawn(operator: str, chance: random.Random, table: str) -> Plan:
    """A first plan. Half of them have a second target, and a third keep their state in PostgreSQL."""
    others = [name for name in OTHERS if operator != "running" or name not in _APPENDS]
    several = ("first", chance.choice(others)) if chance.random() < 0.6 else ("first",)
    state = chance.choice(("", "", "postgres"))
    made = Plan(operator, targets=several, table=table, state=state, rows=chance.randint(1, 3))
    if operator == "dedupe":
        made = replace(made, size=1)
    if state and len(several) == 1 and chance.random() < 0.5:
        made = replace(made, targets=("postgres",))  # the state goes in the transactions of its rows
    return replace(made, on_error=chance.choice(("fail", "drop", "dlq")))


def edited(plan: Plan, chance: random.Random) -> Plan:
    """The plan with one thing or two changed."""
    for _ in range(chance.choice((1, 1, 2))):
        plan = _edit(plan, chance)
    return plan


def _edit(plan: Plan, chance: random.Random) -> Plan:
    what = chance.choice(
        (
            "least",
            "code",
            "lookup",
            "factor",
            "factor",
            "size",
            "lateness",
            "on_error",
            "targets",
            "targets",
            "rows",
            "path",
        )
    )
    if what == "targets":
        return replace(plan, targets=_targets(plan, chance))
    values: Mapping[str, tuple[object, ...]] = {
        "least": (0, 30, 60), "code": (1, 2, 3), "lookup": (1, 5, 7), "factor": (1, 10, 100), "lateness": (25, 30, 60),
        "on_error": ("fail", "drop", "dlq"), "rows": (1, 2, 3),
        "path": ("*.jsonl", "./*.jsonl", "**/*.jsonl", "[0-9]*.jsonl"),
        "size": (1, 2) if plan.operator == "dedupe" else (40, 60, 120),
    }  # fmt: skip
    other = [value for value in values[what] if value != getattr(plan, what)]
    return replace(plan, **{what: chance.choice(other)})


def _targets(plan: Plan, chance: random.Random) -> tuple[str, ...]:
    """One target more or less; those with which the state goes in one transaction stay."""
    if plan.state and len(plan.targets) == 1 and plan.targets[0] == plan.state:
        return plan.targets
    if len(plan.targets) > 1:
        left = list(plan.targets)
        left.remove(chance.choice(left))
        return tuple(left)
    fit = [name for name in ("first", *OTHERS) if plan.operator != "running" or name not in _APPENDS]
    return (*plan.targets, chance.choice([name for name in fit if name not in plan.targets]))


def promised(before: Plan, after: Plan) -> str:
    """What an edit promises of what the operator remembers."""
    found = [KEEP]
    if before.operator in WINDOWS:
        found += [REPLAY] * (_before(before) != _before(after) or before.size != after.size)
    elif before.operator == "dedupe":
        found += [MIGRATE] * (after.size > before.size)
    elif before.operator == "join":
        found += [MIGRATE] * (after.size > before.size) + [REFUSE] * (before.lookup != after.lookup)
    elif before.operator != STATELESS:
        found += [REFUSE] * (_before(before) != _before(after))
    if before.operator == "session":
        found += [REFUSE] * (before.size != after.size)
    return max(found, key=VERDICTS.index)


def _before(plan: Plan) -> tuple[int, int, int]:
    return plan.least, plan.code, plan.lookup
