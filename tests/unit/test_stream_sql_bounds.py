"""SQL that is short and large for flowc's engine is refused before the work, and what is a little smaller is read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlglot import parse_one

from flowc.compiler import stages
from flowc.compiler.sql.types.tablerefs import outer_tables
from flowc.diagnostics import Reporter
from flowc.runtime.engine.context import depth_of
from flowc.service.checking import checker
from tests.unit.project import write

LONGEST = 6
"""Seconds of the processor, on a busy machine."""

PROJECT = """
connections:
  f: {{ kind: files, uri: ., format: jsonl }}
  w: {{ kind: duckdb, path: a.duckdb }}
streams:
  p:
    sources: {{ lines: {{ connection: f, path: "*.jsonl", columns: {{ id: bigint, ids: "bigint[]", v: double }} }} }}
    sql: {sql}
    to: {{ connection: w, table: o, mode: append }}
"""


def codes(folder: Path, sql: str) -> list[str]:
    """The codes that lint gives to a stream."""
    specs = write(folder, PROJECT.format(sql=sql))
    reporter, started = Reporter(), time.process_time()
    stages.lint([specs], reporter, checker=checker())
    assert time.process_time() - started < LONGEST
    return [diagnostic.code for diagnostic in reporter.sorted()]


def doubling(step: str, levels: int) -> str:
    """CTEs that each read the one before twice."""
    steps = "".join(f", t{i} AS ({step.format(f't{i - 1}')})" for i in range(1, levels))
    return f"WITH t0 AS (SELECT id FROM lines){steps} SELECT id FROM t{levels - 1}"


def nested(call: str, levels: int) -> str:
    """Calls in each other."""
    return f"SELECT {call * levels}id{')' * levels} AS id FROM lines"


UNION = "SELECT id FROM {0} UNION ALL SELECT id FROM {0}"
CHAIN = "SELECT id FROM {0}"
STARS = "SELECT *, * FROM {0}"


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (doubling(UNION, 10), doubling(UNION, 11)),
        (doubling(CHAIN, 39), doubling(CHAIN, 40)),
        (doubling(CHAIN, 39), doubling(CHAIN, 2_300)),
        (doubling(UNION, 10), doubling(UNION, 60)),
        (doubling(STARS, 14), doubling(STARS, 15)),
        (doubling(STARS, 14), doubling(STARS, 39)),
        (" UNION ALL ".join(["SELECT id FROM lines"] * 400), " UNION ALL ".join(["SELECT id FROM lines"] * 1_001)),
        (nested("round(", 3), nested("round(", 145)),
        (nested("round(", 2), nested("round(", 40)),
        (nested("to_array(", 8), nested("to_array(", 145)),
    ],
)
def test_what_grows_in_the_engine_is_refused_before_it_does(tmp_path: Path, small: str, large: str):
    assert "sql-too-large" not in codes(tmp_path, small)
    assert codes(tmp_path, large) == ["sql-too-large"]


@pytest.mark.parametrize(("levels", "expected"), [(2, []), (145, ["sql-too-large"])])
def test_what_the_text_of_a_call_copies_is_copied_once(tmp_path: Path, levels: int, expected: list[str]):
    """`decode(id, decode(id, …), 1)` reads its value twice."""
    call = "decode(id, " * levels + "id" + ", 1)" * levels
    assert codes(tmp_path, f"SELECT {call} AS id FROM lines") == expected


@pytest.mark.parametrize("windows", ["w0 AS (ORDER BY id), w1 AS (w0)", "w0 AS ()"])
def test_a_window_may_only_name_another(tmp_path: Path, windows: str):
    assert codes(tmp_path, f"SELECT id FROM lines WINDOW {windows}") == ["batch-dependent"]


def test_a_window_may_not_add_to_another(tmp_path: Path):
    windows = "w0 AS (), w1 AS (w0 ORDER BY id)"
    assert codes(tmp_path, f"SELECT id FROM lines WINDOW {windows}") == ["untranslatable-sql"]


@pytest.mark.parametrize(
    ("call", "code"), [("jsonb_exists(id)", "untranslatable-sql"), ("j_s_o_n_cast(id, 1)", "unknown-function")]
)
def test_a_call_of_json_in_an_odd_form_is_told(tmp_path: Path, call: str, code: str):
    assert codes(tmp_path, f"SELECT {call} AS id FROM lines") == [code]


@pytest.mark.parametrize(
    "sql",
    [
        ("coalesce(abs(", "), 1)"),
        ("coalesce(", ", 1, 2)"),
        ("(", " BETWEEN 1 AND 2)::int"),
    ],
)
def test_values_that_the_optimizer_looks_at_again_and_again_are_bounded(tmp_path: Path, sql: tuple[str, str]):
    def query(levels: int) -> str:
        return f"SELECT {sql[0] * levels}id{sql[1] * levels} AS x FROM lines"

    assert codes(tmp_path, query(8)) == []
    assert codes(tmp_path, query(9)) == ["sql-too-deep"]
    assert codes(tmp_path, f"SELECT {'coalesce(id, ' * 20}1{')' * 20} AS x FROM lines") == []


@pytest.mark.parametrize(("call", "levels"), [("unix_seconds", 148), ("ntile", 145)])
def test_what_is_written_deeper_than_the_engine_reads_is_told_whatever_it_would_cost_to_ask(
    tmp_path: Path, call: str, levels: int
):
    """Each call becomes two or three levels: reading them was over the depth of Python's stack in `compile`."""
    assert "sql-too-deep" in codes(tmp_path, f"SELECT {f'{call}(' * levels}id{')' * levels} AS x FROM lines")


def test_brackets_in_comments_are_no_levels(tmp_path: Path):
    sql = f"|\n      SELECT (id) /* it's {'(' * 300} */ -- {'(' * 300} END\n      AS x FROM lines"
    assert codes(tmp_path, sql) == []
    assert depth_of("SELECT ((1 -- END\n/* ) END */ + (2") == 4


def many(item: str, count: int) -> str:
    """A SELECT of so many items, of which each has a number of its own."""
    return f"SELECT {', '.join(item.format(number) for number in range(count))} FROM lines"


@pytest.mark.parametrize(("sql", "code"), [
    (many("sum(id) OVER (ORDER BY id) AS a{}", 1_400), ["batch-dependent"]),
    (many("id", 5_500), ["duplicate-output-column"]), (many("f{}(id)", 1_000), ["unknown-function"] * 1_000),
])  # fmt: skip
def test_what_stands_in_one_select_thousands_of_times_takes_its_own_time(tmp_path: Path, sql: str, code: list[str]):
    """Each item looked at all of the others."""
    assert codes(tmp_path, sql) == code


def test_the_tables_of_thousands_of_ctes_are_found_at_once():
    """Each was compared with all CTEs before it."""
    tree = parse_one(f"WITH {', '.join(f'c{number} AS (SELECT id FROM s)' for number in range(5_000))} SELECT 1")
    started = time.process_time()
    assert len(list(outer_tables(tree, "postgres"))) == 5_000
    assert time.process_time() - started < 1
