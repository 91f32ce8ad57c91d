"""Tests of a project with odd rows: each passes or fails, and none passes that expects one row too many."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from tests.fuzz import trees
from tests.fuzz.datafiles import VALUES
from tests.fuzz.mutant import SPEC, Chance, Mutant
from tests.fuzz.names import NAMES
from tests.fuzz.rules import Observed

_TYPES = {
    "id": "bigint",
    "name": "text",
    "price": "numeric(10,2)",
    "sold": "date",
    "seen": "timestamptz",
    "ok": "boolean",
    "data": "json",
    "ratio": "double",
    "raw": "binary",
    "u": "uuid",
}
_ROW = {
    "id": 1,
    "name": "a",
    "price": 1.5,
    "sold": "2020-01-01",
    "seen": "2020-01-01T00:00:00Z",
    "ok": True,
    "data": {"a": [1]},
    "ratio": 0.1,
    "raw": "YQ==",
    "u": "12345678-1234-1234-1234-123456789abc",
}
_TEXTS = {
    name: value if isinstance(value, str) else json.dumps(value)
    for name, value in _ROW.items()
    if name not in ("raw", "u", "data")
}
PIPELINES = {
    "copied": ({"from": "db", "sql": "SELECT * FROM t", "to": {"connection": "db", "table": "o", "mode": "append"}}, "t"),
    "merged": ({"from": "db", "sql": "SELECT id, name, seen FROM t", "to": {"connection": "db", "table": "o", "mode": "merge", "keys": ["id"]}}, "t"),
    "kept": ({"from": "db", "sql": "SELECT id, name, seen FROM t", "to": {"connection": "db", "table": "o", "mode": "scd2", "keys": ["id"]}, "event_time": "seen"}, "t"),
    "counted": ({"from": "db", "sql": "SELECT name, count(*) AS n, sum(price) AS s FROM t GROUP BY name", "to": {"connection": "db", "table": "o", "mode": "truncate"}, "expect": [{"not_null": ["name"]}]}, "t"),
    "read": ({"from": {"connection": "drop", "path": "a.csv"}, "sql": "SELECT id, upper(name) AS name FROM source", "to": {"connection": "db", "table": "o", "mode": "append"}}, "source"),
}  # fmt: skip
STREAMS = {
    "messages": {"source": {"connection": "bus", "topic": "t", "columns": _TYPES}, "sql": "SELECT *, _event_ts AS at FROM source", "to": {"connection": "db", "table": "o", "mode": "append"}},
    "firsts": {"source": {"connection": "bus", "topic": "t", "columns": _TYPES}, "to": {"connection": "db", "table": "o", "mode": "append"}, "on_error": "drop", "dedupe": {"keys": ["id"], "within": "10m"}, "watermark": {"idle": "1m"}},
    "lines": {"source": {"connection": "drop", "path": "*.csv", "format": "csv", "columns": {name: _TYPES[name] for name in _TEXTS}}, "sql": "SELECT id, name, 10 / id AS q FROM source", "to": {"connection": "db", "table": "o", "mode": "merge", "keys": ["id"]}, "on_error": "drop"},
    "looked": {"source": {"connection": "bus", "topic": "t", "columns": {"id": "bigint", "name": "text"}}, "sql": "SELECT s.id, l.name FROM source s LEFT JOIN l ON l.id = s.id", "lookups": {"l": {"connection": "db", "table": "t"}}, "to": {"connection": "db", "table": "o", "mode": "append"}},
}  # fmt: skip
STEPS = [
    "restart", "drain", {"restart": None}, {"drain": None}, {"advance": "30s"}, {"advance": "99999d"},
    {"idle": "partition 0"}, {"idle": "source"}, {"watermark": "2020-01-01T00:00:00Z"}, {"watermark": "0001-01-01"},
    *({"crash": point} for point in ("after_compute", "after_intent", "during_write", "after_write", "after_checkpoint")),
]  # fmt: skip


def mutant(chance: Chance) -> Mutant:
    """A project whose test is changed, and the same test with one row more in what it expects."""
    connections = {
        "db": {"kind": chance.choice(["duckdb", "sqlite", "postgres"]), "url": "${NOWHERE}"},
        "bus": {"kind": "kafka", "bootstrap_servers": "${NOWHERE}"},
        "drop": {"kind": "files", "uri": "data", "format": "csv"},
    }
    test: dict[str, Any] = {**_subject(chance), "expect": []}
    subject = test.get("pipeline") or test["stream"]
    test["expect"] = _rows(_arriving(test), chance)
    for _ in range(chance.choice([0, 0, 1, 2])):
        try:
            chance.choice(trees.CHANGES)({"test": test}, chance)
        except (IndexError, KeyError):  # an earlier change left no such place
            continue
    if chance.random() < 0.1:
        test[chance.choice(["now", "expect_error"])] = chance.choice([*VALUES, "2020-01-01", "bigint"])
    more = deepcopy(test)
    if isinstance(more.get("expect"), list):
        more["expect"] = [*more["expect"], chance.choice([{}, {"id": 99}, *more["expect"]])]
    project = {
        "connections": connections, "tables": {"t": {"connection": "db", "columns": _TYPES}},
        "pipelines": {subject: PIPELINES[subject][0]} if subject in PIPELINES else {}, "streams": {subject: STREAMS[subject]} if subject in STREAMS else {},
        "tests": {"same": test, "more": more},
    }  # fmt: skip
    return Mutant({SPEC: json.dumps(project, default=str).encode("utf-8", "replace")}, demands=judged)


def _subject(chance: Chance) -> dict[str, Any]:
    """What is tested, with rows that are given."""
    if chance.random() < 0.5:
        name = chance.choice(sorted(PIPELINES))
        given = {PIPELINES[name][1]: _given(_ROW, chance)}
        return {"pipeline": name, "given": given | ({"o": _given(_ROW, chance)} if chance.random() < 0.1 else {})}
    name = chance.choice(sorted(STREAMS))
    given = {
        "source": _given(_TEXTS if name == "lines" else _ROW if name != "looked" else {"id": 1, "name": "a"}, chance)
    }
    lookups = {"l": _given({"id": 1, "name": "b"}, chance)} if name == "looked" else {}
    if chance.random() < 0.5:
        return {"stream": name, "given": given | lookups}
    return {"stream": name, "given": lookups, "steps": _steps(given["source"], chance)}


def _steps(rows: list[dict[str, Any]], chance: Chance) -> list[Any]:
    """What happens to a stream, the rows among it."""
    steps: list[Any] = [{"rows": chance.choice([rows[at : at + 2], {"source": rows[at : at + 2]}])} for at in (0, 2, 4)]
    for _ in range(chance.choice([0, 1, 3])):
        steps.insert(chance.randrange(len(steps) + 1), deepcopy(chance.choice(STEPS)))
    for step in steps:
        if isinstance(step, dict) and chance.random() < 0.1:
            step["emits"] = chance.choice([[], [{"id": 1}], [{"name": "a"}]])
    return steps


def _given(row: dict[str, Any], chance: Chance) -> list[dict[str, Any]]:
    odd, rows = chance.choice([0.0, 0.05, 0.3]), []
    for number in range(chance.choice([0, 1, 2, 5])):
        made = deepcopy({**row, "id": str(number) if isinstance(row["id"], str) else number})
        for name in list(made):
            if chance.random() < odd:
                made[name] = deepcopy(chance.choice(VALUES))
        if chance.random() < odd:
            made[chance.choice((*NAMES, "_event_ts", "_key", "_headers", "_partition", "_offset", "_topic"))] = (
                deepcopy(chance.choice(VALUES))
            )
        rows.append(made)
    return rows


def _arriving(test: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of what is tested."""
    rows = [step["rows"] for step in test.get("steps", ()) if isinstance(step, dict) and "rows" in step]
    stepwise = [row for each in rows for row in (each["source"] if isinstance(each, dict) else each)]
    return stepwise if "steps" in test else next(iter(test["given"].values()))


def _rows(rows: list[dict[str, Any]], chance: Chance) -> list[dict[str, Any]]:
    """What may be expected of what is given: columns of its rows."""
    names = chance.choice([["name"], ["id", "name"], ["id", "name"], [*_TYPES]])
    return [{name: deepcopy(row[name]) for name in names if name in row} for row in rows if chance.random() < 0.9]


def judged(project: Observed, mutant: Mutant, chance: Chance) -> None:
    """Each test has an outcome, and the two that expect different rows do not both pass."""
    done = project.observe("test", *chance.choice([("--format", "json"), ("--format", "json"), ()]))
    if done.code not in (0, 1):
        project.note("stops", ("test",), done.err)
    if not done.out.startswith("{"):
        return
    passed = {each["name"]: each["status"] == "ok" for each in json.loads(done.out)["tests"]}
    test = json.loads(mutant.files[SPEC])["tests"]["same"]
    if set(passed) != {"same", "more"}:
        project.note("lost", ("test",), done.out)
    elif all(passed.values()) and isinstance(test.get("expect"), list) and "expect_error" not in test:
        project.note("passes", ("test",), done.out)
