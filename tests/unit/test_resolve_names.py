"""Names resolved, defaults decided, and combinations refused: each fault by its code and the text it marks."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from tests.unit.project import BASE, Found, check, write

BODY = "\n    sql: SELECT id, a, b FROM raw_t"


def pipeline(body: str, extra: str = "") -> str:
    """A project whose pipeline `p` says `body`."""
    return f"{BASE}{extra}pipelines:\n  p:\n    {body}\n"


def faults(tmp_path: Path, text: str) -> list[Found]:
    return check(tmp_path, text)[1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("to: tt" + BODY, ("unknown-table", "tt")),
        ("to: { connection: dbb, table: x }" + BODY, ("unknown-connection", "dbb")),
        ("to: t\n    from: rawww" + BODY, ("unknown-connection", "rawww")),
        ("to: t\n    from: bus" + BODY, ("unsupported-source", "bus")),
        ("to: t\n    from: drop" + BODY, ("unsupported-source", "drop")),
        ("to: t\n    from: { connection: bus, table: x }" + BODY, ("unsupported-source", "bus")),
        ("to: t\n    from: { connection: drop, table: x }" + BODY, ("conflicting-keys", "x")),
        ("to: t\n    from: { connection: raw, path: x.csv }" + BODY, ("conflicting-keys", "x.csv")),
        ("to: t\n    from: { connection: raw, table: x, sql: SELECT 1 }" + BODY, ("conflicting-keys", "")),
        ("to: t\n    from: { connection: drop }" + BODY, ("missing-key", "drop")),
        ("to: t\n    from: { connection: drop, path: data }" + BODY, ("missing-key", "data")),
        ("from: raw\n    to: { connection: bus, table: x }" + BODY, ("unsupported-target", "x")),
        ("to: { connection: db, topic: x }" + BODY, ("conflicting-keys", "db")),
        ("to: { connection: db }" + BODY, ("missing-key", "db")),
        ("to: { mode: merge }" + BODY, ("missing-key", "mode")),
        ("to: { connection: drop, path: out }" + BODY, ("missing-key", "p")),
        ("to: t", ("missing-key", "p")),
        (
            "to: t\n    from: { a: { connection: raw, table: x }, b: { connection: raw, table: y } }",
            ("missing-key", "p"),
        ),
        ("to: t\n    table: x" + BODY, ("conflicting-keys", "x")),
        ("to: t\n    table: x\n    from: { connection: drop, path: a.csv }", ("conflicting-keys", "x")),
        ("to: t\n    columns: { a: b }" + BODY, ("conflicting-keys", "a")),
        ("to: t\n    dialect: postgers" + BODY, ("unknown-dialect", "postgers")),
        ("to: { connection: db, table: x }\n    mode: merge" + BODY, ("missing-keys", "x")),
        ("to: t\n    mode: merge\n    keys: [idd]" + BODY, ("unknown-column", "idd")),
        ("to: t\n    mode: merge\n    keys: [id, id]" + BODY, ("duplicate-column", "id")),
        ("to: t\n    mode: merge\n    compare: [id]" + BODY, ("conflicting-options", "id")),
        ("to: t\n    mode: merge\n    compare: [z]" + BODY, ("unknown-column", "z")),
        ("to: t\n    compare: [a]" + BODY, ("conflicting-options", "a")),
        ("to: t\n    deletes: hard" + BODY, ("conflicting-options", "hard")),
        ("to: t\n    mode: merge\n    deletes: close" + BODY, ("conflicting-options", "close")),
        ("to: t\n    mode: merge\n    deletes: soft\n    soft_delete_column: gone" + BODY, ("unknown-column", "gone")),
        (
            "to: t\n    mode: merge\n    deletes: soft\n    soft_delete_column: a" + BODY,
            ("conflicting-options", "text"),
        ),
        ("to: t\n    mode: merge\n    soft_delete_column: a" + BODY, ("conflicting-options", "a")),
        (
            "to: t\n    mode: merge\n    deletes: hard\n    incremental: { column: a }" + BODY,
            ("conflicting-options", "hard"),
        ),
        ("to: t\n    mode: truncate\n    incremental: { column: a }" + BODY, ("conflicting-options", "a")),
        ("to: t\n    mode: merge\n    ttl: 30d" + BODY, ("conflicting-options", "30d")),
        ("to: t\n    mode: merge\n    event_time: a" + BODY, ("conflicting-options", "a")),
        ("to: { connection: db, table: x }\n    dedupe: { order_by: a }" + BODY, ("missing-keys", "a")),
        ("to: [t, t]" + BODY, ("duplicate-target", "t")),
        ("to: [t, { connection: db, table: t }]" + BODY, ("duplicate-target", "t")),
        ("to: [t, { connection: db, table: public.t }]" + BODY, ("duplicate-target", "public.t")),
        ("to: t\n    schedule: '* * *'" + BODY, ("bad-schedule", "* * *")),
        ("to: t\n    schedule: '61 * * * *'" + BODY, ("bad-schedule", "61 * * * *")),
        ("to: t\n    schedule: 'é * * * *'" + BODY, ("bad-schedule", "é * * * *")),
        ("to: t\n    schedule: '0 0 30 2 *'" + BODY, ("bad-schedule", "0 0 30 2 *")),
        ("to: t\n    timezone: Berlin" + BODY, ("unknown-timezone", "Berlin")),
        ("to: t\n    timezone: ../../etc/passwd" + BODY, ("unknown-timezone", "../../etc/passwd")),
        ("to: t\n    timezone: Europe" + BODY, ("unknown-timezone", "Europe")),
        ("to: t\n    depends_on: [q]" + BODY, ("unknown-pipeline", "q")),
        ("to: t\n    expect: [{ not_null: [z] }]" + BODY, ("unknown-column", "z")),
    ],
)
def test_faults(tmp_path: Path, body: str, expected: tuple[str, str]) -> None:
    assert faults(tmp_path, pipeline(body)) == [expected]


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ("u: { connection: dbb, columns: { id: bigint } }", ("unknown-connection", "dbb")),
        ("u: { columns: { id: bigint } }", ("unknown-connection", "u")),
        ("u: { connection: bus, columns: { id: bigint } }", ("unsupported-target", "bus")),
        ("u: { connection: db, name: t, columns: { id: bigint } }", ("duplicate-table", "u")),
        ("u: { connection: db, columns: { id: bigint }, primary_key: [ix] }", ("unknown-column", "ix")),
        ("u: { connection: db, columns: { id: bigint }, natural_key: [id, id] }", ("duplicate-column", "id")),
        ("u: { connection: db, columns: { id: bigint }, indexes: [{ columns: [ix] }] }", ("unknown-column", "ix")),
        ("u: { connection: db, columns: { id: bigint, ID: text } }", ("case-clash", "ID")),
        ("T: { connection: db, columns: { id: bigint } }", ("case-clash", "T")),
        ("u: { connection: db, columns: { a: int, b: { type: int, renamed_from: a } } }", ("conflicting-options", "a")),
        (
            "u: { connection: db, columns: { a: { type: int, renamed_from: c }, b: { type: int, renamed_from: c } } }",
            ("conflicting-options", "c"),
        ),
        (
            "u: { connection: db, columns: { id: bigint primary key, a: int }, primary_key: [a] }",
            ("conflicting-keys", "a"),
        ),
    ],
)
def test_table_faults(tmp_path: Path, tables: str, expected: tuple[str, str]) -> None:
    assert faults(tmp_path, f"{BASE}  {tables}\n") == [expected]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("to: t", ("missing-key", "s")),
        ("to: tt, source: { connection: bus, topic: x }", ("unknown-table", "tt")),
        (
            "to: [t, { connection: dbb, table: x }], source: { connection: bus, topic: x }",
            ("unknown-connection", "dbb"),
        ),
        ("to: { connection: bus }, source: { connection: bus, topic: x }", ("missing-key", "bus")),
        ("to: t, source: { connection: bus, queue: x }", ("conflicting-keys", "x")),
        ("to: t, source: { connection: bus }", ("missing-key", "bus")),
        ("to: t, source: { connection: db, table: x }", ("unsupported-source", "db")),
        (
            "to: { connection: bus, topic: y }, source: { connection: bus, topic: x }, on_error: dlq",
            ("missing-key", "dlq"),
        ),
        ("to: t, source: { connection: bus, topic: x }, state: { connection: bus }", ("unsupported-source", "bus")),
        (
            "to: t, source: { connection: bus, topic: x }, lookups: { u: { connection: no, table: x } }",
            ("unknown-connection", "no"),
        ),
        (
            "to: t, source: { connection: bus, topic: x }, cdc: { envelope: maxwell }, "
            "window: { kind: tumbling, size: 1m, aggregate: { n: count(*) } }",
            ("conflicting-keys", "{ kind: tumbling, size: 1m, aggregate: { n: count(*) } }"),
        ),
    ],
)
def test_stream_faults(tmp_path: Path, stream: str, expected: tuple[str, str]) -> None:
    assert faults(tmp_path, f"{BASE}streams: {{ s: {{ {stream} }} }}\n") == [expected]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("pipeline: q", ("unknown-pipeline", "q")),
        ("stream: q", ("unknown-stream", "q")),
        ("description: x", ("missing-key", "x")),
    ],
)
def test_test_faults(tmp_path: Path, test: str, expected: tuple[str, str]) -> None:
    assert faults(tmp_path, f"{BASE}tests: {{ x: {{ {test}, given: {{}} }} }}\n") == [expected]


def test_defaults(tmp_path: Path) -> None:
    extra = (
        "  h: { connection: db, schema: s, columns: { id: bigint, v: text }, natural_key: [v], primary_key: [id, v] }\n"
    )
    text = pipeline("to: t" + BODY, extra) + (
        "  m: { to: h, mode: merge, sql: SELECT 1, from: raw }\n"
        "  f: { to: [{ table: t, mode: truncate, keys: [a] }, { connection: lake, table: s.x }], mode: append, sql: SELECT 1,"
        " from: { connection: drop, path: a.csv.gz } }\n"
    )
    text = text.replace("connections:\n", "connections:\n  lake: { kind: delta, uri: lake }\n", 1)
    checked, found = check(tmp_path, text)
    assert found == []
    assert checked is not None
    p, m, f = (checked.pipelines[name] for name in "pmf")
    assert (p.engine, p.dialect, p.targets[0].mode, p.targets[0].keys, p.deletes) == (
        "postgres", "postgres", "append", ("id",), "ignore",
    )  # fmt: skip
    assert (m.engine, m.dialect, m.targets[0].keys, str(m.targets[0].name)) == ("mysql", "mysql", ("v",), "s.h")
    assert (f.engine, f.dialect, f.database, [s.name for s in f.sources]) == (
        "datafusion",
        "postgres",
        None,
        ["source"],
    )
    assert [(t.mode, t.keys, str(t.name)) for t in f.targets] == [("truncate", ("a",), "t"), ("append", (), "s.x")]


def test_scd2_columns_are_no_keys(tmp_path: Path) -> None:
    extra = "  h: { connection: db, columns: { id: int, valid_from: timestamptz }, primary_key: [id, valid_from] }\n"
    checked, found = check(tmp_path, pipeline("to: h\n    mode: scd2" + BODY, extra))
    assert found == []
    assert checked is not None
    assert checked.pipelines["p"].targets[0].keys == ("id",)


def test_a_target_named_by_its_place_is_the_declared_table(tmp_path: Path) -> None:
    checked, found = check(tmp_path, pipeline("to: { connection: db, table: t }\n    mode: merge" + BODY))
    assert found == []
    assert checked is not None
    target = checked.pipelines["p"].targets[0]
    assert target.table is checked.project.tables["t"]


def test_one_bad_pipeline_hides_nothing(tmp_path: Path) -> None:
    text = pipeline("to: nope" + BODY) + "  q: { to: t, sql: SELECT 1, schedule: x }\n  r: { to: t, sql: SELECT 1 }\n"
    checked, found = check(tmp_path, text)
    assert found == [("unknown-table", "nope"), ("bad-schedule", "x")]
    assert checked is not None
    assert (sorted(checked.pipelines), sorted(checked.failed)) == (["q", "r"], ["p", "q"])


def test_what_is_broken_is_not_called_unknown(tmp_path: Path) -> None:
    text = pipeline("to: u" + BODY, "  u: { connection: db, columns: { id: nope } }\n")
    assert faults(tmp_path, text) == [("unknown-type", "nope")]


def test_what_may_be_in_a_broken_file_is_not_called_unknown(tmp_path: Path) -> None:
    _, found = check(tmp_path, pipeline("to: u" + BODY), "tables: {")
    assert [f.code for f in found] == ["yaml-syntax"]


@pytest.mark.parametrize("expression", ["@daily", "0 6 * * 1-5", "*/5 * * * *", "*/30 * * * * *", "0 0 1 JAN *"])
def test_good_schedules(tmp_path: Path, expression: str) -> None:
    assert faults(tmp_path, pipeline(f"to: t\n    schedule: '{expression}'" + BODY)) == []


def test_a_schedule_of_100_kb_is_refused_in_a_short_message(tmp_path: Path) -> None:
    reporter = Reporter()
    text = pipeline(f"to: t\n    schedule: '{'0,' * 50_000}0 * * * *'" + BODY)
    begin = time.process_time()
    stages.lint([write(tmp_path, text)], reporter)
    assert time.process_time() - begin < 5
    (message,) = [found.message for found in reporter.sorted() if found.code == "bad-schedule"]
    assert message == f"the schedule `{'0,' * 50}…` has 100,009 characters; at most 1,000 are read"
