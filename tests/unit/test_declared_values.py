"""What lint says of defaults, event times and keys of the language that cannot be, and in which words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.lineage import graph
from flowc.compiler.loads.conversion import between, convert
from flowc.diagnostics import Diagnostic, Reporter, did_you_mean
from flowc.errors import DataError
from flowc.types import parse_type
from tests.unit.project import BASE, write


def found(folder: Path, text: str) -> list[Diagnostic]:
    reporter = Reporter()
    stages.lint([write(folder, BASE, text)], reporter)
    return [each for each in reporter.sorted() if each.severity.name == "ERROR"]


TABLE = """
tables:
  d: {{ connection: {place}, columns: {{ id: bigint primary key, x: {{ type: "{kind}", default: {default} }} }} }}
"""


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("text", "G"),
        ("date", "G"),
        ("bigint", "\"'x'\""),
        ("date", "5"),
        ("text", "upper(G)"),
        ("numeric(5,2)", "\"''\""),
    ],
)
def test_a_default_that_is_none_is_told(kind: str, default: str, tmp_path: Path):
    (error,) = found(tmp_path, TABLE.format(place="db", kind=kind, default=default))
    assert (error.code, "the default of column `x`" in error.message) == ("bad-column-definition", True)


PLACES = """
connections:
  warehouse: { kind: duckdb, path: a.duckdb }
  lite: { kind: sqlite, path: a.db }
"""


@pytest.mark.parametrize("place", ["db", "raw", "warehouse", "lite"])
@pytest.mark.parametrize(
    "default",
    [
        "0)); COMMIT; DROP TABLE orders; SELECT ((1", "0; DROP TABLE orders", "0), CHECK (1 = 1", "(0", "0 /*", "'a",
        "GENERATED ALWAYS AS (0)); DROP TABLE orders; SELECT (1)",
    ],
)  # fmt: skip
def test_a_default_is_one_expression(place: str, default: str, tmp_path: Path):
    (error,) = found(tmp_path, PLACES + TABLE.format(place=place, kind="bigint", default=json.dumps(default)))
    assert (error.code, "not one expression" in error.message) == ("bad-column-definition", True)


def test_what_mysql_runs_of_a_comment_is_of_the_default(tmp_path: Path):
    (error,) = found(tmp_path, TABLE.format(place="raw", kind="bigint", default='"0 /*! ), b int default (1 */"'))
    assert error.code == "bad-column-definition"


@pytest.mark.parametrize(
    ("place", "kind", "default"),
    [
        ("db", "text", "\"'G'\""), ("db", "bigint", "\"'5'\""), ("db", "bigint", "-5"), ("db", "text", "current_user"),
        ("db", "date", "\"'today'\""), ("db", "timestamp", "current_timestamp(3)"), ("db", "boolean", "true"),
        ("db", "bigint", "\"nextval('s'::regclass)\""), ("db", "jsonb", "\"'{}'::jsonb\""), ("db", "time", "localtime"),
        ("raw", "bigint", "(id + 1)"), ("raw", "text", '\'"x"\''), ("raw", "char(36)", "(uuid())"),
        ("raw", "date", "20260102"), ("raw", "bigint", "AUTO_INCREMENT"),
        ("db", "bigint", "GENERATED ALWAYS AS IDENTITY"),
    ],
)  # fmt: skip
def test_a_default_that_an_engine_takes_is_let_be(place: str, kind: str, default: str, tmp_path: Path):
    assert found(tmp_path, TABLE.format(place=place, kind=kind, default=default)) == []


def test_an_event_time_that_begins_no_version_is_named(tmp_path: Path):
    text = """
tables:
  h: { connection: db, columns: { id: bigint, day: date, valid_from: timestamptz }, natural_key: [id] }
  s: { connection: db, columns: { id: bigint, day: date } }
pipelines:
  p: { from: db, sql: "SELECT id, day FROM s", to: h, mode: scd2, event_time: day }
"""
    (error,) = found(tmp_path, text)
    assert error.message == "the event time `day` is date, and `valid_from` of `h` timestamptz"
    assert (
        found(
            tmp_path,
            text.replace("day: date, valid", "day: timestamptz, valid").replace("day: date }", "day: timestamptz }"),
        )
        == []
    )


def test_types_that_do_not_fit_are_those_of_named_columns():
    words = "`day` cannot fill column `valid_from`: values of type date"
    with pytest.raises(DataError, match=words), between("day", "valid_from"):
        convert("x", parse_type("date"), parse_type("timestamptz"), DIALECTS["postgres"], None)


PIPELINE = "pipelines: {{ p: {{ from: db, sql: SELECT 1 AS id, to: {{ connection: db, table: u }}, {keys} }} }}"


def test_an_unknown_check_is_told_with_the_checks_there_are(tmp_path: Path):
    (error,) = found(tmp_path, PIPELINE.format(keys="expect: [{ accepted_values: { id: [1] } }]"))
    assert error.code == "unknown-key"
    assert error.helps == ("known keys: `not_null`, `unique`, `sql`, `name`, `severity`, `max_failures`",)


def test_a_key_of_the_project_is_told_as_one(tmp_path: Path):
    (error,) = found(tmp_path, PIPELINE.format(keys="alert: x"))
    assert error.helps[0].startswith("`alerts` is a key of the project")


def test_names_are_near_that_a_slip_makes():
    assert did_you_mean("alert", ["dialect", "after"]) == ()
    for wrong, right in (
        ("tabel", "table"),
        ("soruce", "source"),
        ("descripton", "description"),
        ("onnection", "connection"),
    ):
        assert did_you_mean(wrong, [right, "x"]) == (f"did you mean `{right}`?",)


STREAM = """
streams:
  w:
    source: {{ connection: bus, topic: clicks, columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    watermark: {{ idle: 1m }}
    to: {{ connection: db, table: w, mode: merge, keys: [id, started] }}
    {query}
"""
WINDOWED = """
      SELECT window_start AS started, window_end - INTERVAL '1 second' AS ended, id, count(*) AS n, max(id) AS m,
        1 AS one
      FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start, window_end, id
"""


def followed(folder: Path, query: str) -> dict[str, set[str]]:
    linted = stages.lint([write(folder, BASE, STREAM.format(query=query))], Reporter())
    assert linted is not None
    made: dict[str, set[str]] = {}
    for flow in graph(linted[1], columns=True).columns:
        made.setdefault(flow.target_column, set()).add(flow.source_column)
    return made


def test_bounds_of_windows_are_made_of_the_event_time_and_counts_of_rows(tmp_path: Path):
    made = {"started": {"at"}, "ended": {"at"}, "id": {"id"}, "n": {"*"}, "m": {"id"}}
    assert followed(tmp_path, f"sql: |{WINDOWED}") == made
    inner = WINDOWED.replace("\n      ", "\n        ")
    through = f"sql: |\n      WITH c AS ({inner.strip()}) SELECT started, ended, id, n, m, one FROM c\n"
    assert followed(tmp_path, through) == made


def test_those_of_the_block_are_followed_too(tmp_path: Path):
    block = "window: { kind: tumbling, size: 1m, group_by: [id], aggregate: { n: count(*), started: min(at) } }"
    made = followed(tmp_path, block)
    assert (made["window_start"], made["window_end"], made["n"], made["started"]) == ({"at"}, {"at"}, {"*"}, {"at"})
