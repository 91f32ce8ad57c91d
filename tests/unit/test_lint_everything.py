"""A mistake in the shape of an entry hides nothing else of that entry, and is followed by no false report."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from tests.unit.project import BASE, Found, found, write


def linted(folder: Path, text: str) -> list[Found]:
    """What lint finds in the base project with more text; narrowing and the like is left to other tests."""
    reporter = Reporter()
    stages.lint([write(folder, BASE + text)], reporter)
    return found(reporter.sorted())


def pipeline(*lines: str) -> str:
    """A pipeline `p` with a key in each line."""
    return "pipelines:\n  p:\n" + "".join(f"    {line}\n" for line in lines)


FILE = "from: { connection: drop, path: x.csv, columns: { id: bigint, a: text } }"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (  # the shape, a name in SQL, and a bad value below a list
            (FILE, "sql: SELECT id, zz FROM source", "to: t", "foo: 1", "expect: [{ sql: z > 0, severity: bad }]"),
            [("unknown-column", "zz"), ("unknown-key", "foo"), ("unknown-column", "z"), ("bad-value", "bad")],
        ),
        (  # a type that is none: its column is known all the same
            (FILE.replace("bigint", "bigit"), "sql: SELECT id, zz FROM source", "to: { connection: db, table: x }"),
            [("unknown-type", "bigit"), ("unknown-column", "zz")],
        ),
        (  # a misspelled mode makes no default mode that the rest conflicts with
            ("sql: SELECT id, a FROM t", "to: { connection: db, table: x }", "mod: merge", "deletes: hard"),
            [("unknown-key", "mod")],
        ),
        (  # keys of the wrong type are not missing
            ("sql: SELECT id, zz FROM t", "to: { connection: db, table: x }", "mode: merge", "keys: id"),
            [("unknown-column", "zz"), ("wrong-type", "id")],
        ),
        (  # a target that is not there hides neither the SQL nor the timing
            ("from: db", "sql: SELECT zz FROM t", "to: nope", "schedule: '* *'", "timeout: 5"),
            [("unknown-column", "zz"), ("unknown-table", "nope"), ("bad-schedule", "* *"), ("wrong-type", "5")],
        ),
        (  # nothing is known of a join's columns when one source cannot be read, but roles are
            (
                "from: { o: { connection: drop, path: x.csv, columns: { id: int } }, p: { conection: drop, path: y } }",
                "sql: SELECT o.idd FROM o JOIN p USING (id)", "to: t", "mode: merge", "compare: [zz]",
            ),
            [("unknown-key", "conection"), ("unknown-column", "zz")],
        ),
        (  # the misspelled key is the missing one
            ("from: db", "sqll: SELECT 1", "to: t", "timezone: Berlin"),
            [("unknown-key", "sqll"), ("unknown-timezone", "Berlin")],
        ),
        (("from: db", "sql: SELECT zz FROM t"), [("missing-key", "p"), ("unknown-column", "zz")]),
        (  # what is read in an unknown dialect cannot be judged
            ("sql: SELECT zz FROM t", "to: t", "dialect: [x]"), [("wrong-type", "[")],
        ),
    ],
)  # fmt: skip
def test_pipelines(tmp_path: Path, lines: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    assert linted(tmp_path, pipeline(*lines)) == expected


def test_a_table_with_a_bad_type_is_still_known(tmp_path: Path) -> None:
    columns = "{ k: bigit primary key, b: { typ: text }, c: { type: tex, nullable: no } }"
    table = f"  u:\n    connection: db\n    columns: {columns}\n"
    text = table + pipeline("sql: SELECT id AS k, zz FROM t", "to: u", "mode: merge", "compare: [b, c, d]")
    assert linted(tmp_path, text) == [
        ("unknown-type", "bigit"), ("unknown-key", "typ"), ("unknown-type", "tex"), ("wrong-type", "no"),
        ("unknown-column", "zz"), ("unknown-column", "d"),
    ]  # fmt: skip


def test_a_table_whose_place_is_not_known_is_taken_for_no_other(tmp_path: Path) -> None:
    text = "  u:\n    conection: db\n    name: t\n    columns: { k: bigit }\n" + pipeline(
        "sql: SELECT id FROM t", "to: u"
    )
    assert linted(tmp_path, text) == [("unknown-key", "conection"), ("unknown-type", "bigit")]


def test_streams(tmp_path: Path) -> None:
    text = "streams:\n  s: { sorce: { connection: bus, topic: x }, to: nope, on_eror: dlq, lookups: { u: 1 } }\n"
    assert linted(tmp_path, text) == [
        ("unknown-key", "sorce"), ("unknown-table", "nope"), ("unknown-key", "on_eror"), ("wrong-type", "1"),
    ]  # fmt: skip


def test_what_is_broken_never_runs(tmp_path: Path) -> None:
    text = "  u: { connection: db, columns: { id: bigit } }\n" + (
        "pipelines:\n"
        "  gap: { sql: SELECT 1 AS id, to: t, foo: 1 }\n"
        "  table: { sql: SELECT 1 AS id, to: u }\n"
        "  source: { from: { connection: drop, path: x.csv, columns: { id: bigit } }, to: t }\n"
        "  fine: { sql: SELECT 1 AS id, to: t }\n"
    )
    reporter = Reporter()
    linted = stages.lint([write(tmp_path, BASE + text)], reporter)
    assert linted is not None
    assert [p.name for p in linted[1].pipelines] == ["fine"]


def test_a_value_that_was_cut_at_a_comma_is_not_judged(tmp_path: Path) -> None:
    text = "pipelines: { p: { sql: SELECT id, zz FROM t, to: t, expect: [{ sql: coalesce(a, b) > 0, name: x }] } }\n"
    assert linted(tmp_path, text) == [("unknown-key", "zz FROM t"), ("unknown-key", "b) > 0")]
    text = pipeline(FILE.replace("a: text", "a: numeric(12,2)"), "sql: SELECT id, a, zz FROM source", "to: t")
    assert linted(tmp_path, text) == [("wrong-type", "2)"), ("unknown-column", "zz")]


def test_a_dependency_that_cannot_be_read_makes_no_cycle(tmp_path: Path) -> None:
    text = (
        "pipelines:\n"
        "  a: { from: db, table: t, to: { connection: db, table: u } }\n"
        "  b: { from: db, table: u, to: t, depends_on: none }\n"
    )
    assert linted(tmp_path, text) == [("wrong-type", "none")]


def test_a_connection_in_place_of_a_table(tmp_path: Path) -> None:
    reporter = Reporter()
    stages.lint([write(tmp_path, BASE + pipeline("from: db", "table: t", "to: db.out"))], reporter)
    assert [(d.code, d.helps) for d in reporter.found] == [("unknown-table", ("write `{connection: db, table: out}`",))]
