"""A column that a load itself needs and that is not there is reported where the pipeline names it."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Diagnostic, Reporter
from tests.unit.project import BASE, found, write

TABLES = """
  h: { connection: db, columns: { id: bigint, a: text, at: timestamp }, natural_key: [id] }
  n: { connection: db, columns: { a: text, b: int not null, c: int not null } }
  src: { connection: db, columns: { id: bigint, a: text, at: timestamp, other: text } }
"""


def linted(folder: Path, body: str) -> list[Diagnostic]:
    reporter = Reporter()
    text = f"{BASE}{TABLES}pipelines:\n  p:\n    from: db\n    sql: SELECT a FROM src\n    {body}\n"
    stages.lint([write(folder, text)], reporter)
    return reporter.sorted()


@pytest.mark.parametrize(
    ("body", "code", "marked", "after"),
    [
        ("to: t\n    mode: merge\n    keys: [ id ]", "missing-column", "id", "keys: [ "),
        ("to: { table: t, mode: merge, keys: [id] }", "missing-column", "id", "keys: ["),
        ("to: { connection: db, table: x, mode: merge, primary_key: [id] }", "missing-column", "id", "primary_key: ["),
        ("to: t\n    mode: merge\n    keys: [a]\n    compare: [b]", "missing-column", "b", "compare: ["),
        ("to: { connection: db, table: x }\n    incremental: { column: at }", "missing-column", "at", "column: "),
        ("to: { connection: db, table: x }\n    mode: scd2\n    keys: [a]\n    event_time: at", "missing-column", "at", "event_time: "),
        ("to: { connection: db, table: x }\n    keys: [a]\n    dedupe: { order_by: at desc }", "unknown-column", "at", "order_by: "),
        ("to: { connection: db, table: x }\n    freshness: { column: at, max_age: 2h }", "missing-column", "at", "column: "),
        ("to: { table: n }\n    freshness: { column: at, max_age: 2h }", "missing-column", "at", "column: "),
    ],
)  # fmt: skip
def test_the_place_is_the_keys_own(tmp_path: Path, body: str, code: str, marked: str, after: str) -> None:
    diagnostic = next(d for d in linted(tmp_path, body) if d.code == code and "leaves" not in d.message)
    assert found([diagnostic]) == [(code, marked)]
    assert diagnostic.span is not None
    assert diagnostic.span.file.text[: diagnostic.span.start].endswith(after)


def test_a_key_of_the_table_is_shown_in_a_note(tmp_path: Path) -> None:
    (diagnostic,) = linted(tmp_path, "to: h\n    mode: merge")
    assert found([diagnostic]) == [("missing-column", "h")]
    (note,) = diagnostic.notes
    assert note.span is not None
    assert note.span.file.text[: note.span.start].endswith("natural_key: [")


def test_every_role_is_reported(tmp_path: Path) -> None:
    body = (
        "to: { connection: db, table: x, mode: merge, keys: [id] }\n    compare: [b]\n    incremental: { column: at }"
    )
    assert found(linted(tmp_path, body)) == [("missing-column", name) for name in ("id", "b", "at")]


def test_all_columns_that_may_not_be_null_are_named(tmp_path: Path) -> None:
    (diagnostic,) = linted(tmp_path, "to: n")
    assert diagnostic.message == "columns `b`, `c` of `n` are NOT NULL, but `p` leaves them out"


def test_the_normaliser_that_is_wrong_is_marked(tmp_path: Path) -> None:
    normalize = r"[trim, { regex_replace: { pattern: x, replacement: 'a\d' } }, lower]"
    text = f"{BASE}  r: {{ connection: db, columns: {{ a: {{ type: text, normalize: {normalize} }} }} }}\n"
    reporter = Reporter()
    stages.lint([write(tmp_path, text + "pipelines: { p: { sql: SELECT a FROM t, to: r } }\n")], reporter)
    assert found(reporter.sorted()) == [("normalizer-argument", r"{ pattern: x, replacement: 'a\d' }")]
