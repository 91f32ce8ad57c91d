"""The examples of event time: they lint, their tests pass, and their files become the rows that are told here."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from flowc import render, resources
from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.service.checking import checker
from tests.commands import Inside

EVENTS = resources.root("specs") / "events"
QUERIES = {
    "SELECT minute, user_id, clicks, pages FROM clicks_per_minute ORDER BY ALL": [
        ("09:00:00", 1, 2, 2), ("09:00:00", 2, 2, 2), ("09:01:00", 1, 3, 3), ("09:02:00", 2, 1, 1),
        ("09:15:00", 3, 1, 1), ("09:32:00", 2, 2, 2), ("09:40:00", 3, 1, 1), ("10:30:00", 1, 1, 1),
    ],
    "SELECT user_id, began, last_click, clicks, entry_page, exit_page FROM visits ORDER BY ALL": [
        (1, "09:00:05", "09:01:55", 5, "/", "/pay"), (1, "10:30:00", "10:30:00", 1, "/", "/"),
        (2, "09:00:20", "09:02:10", 3, "/sale", "/"), (2, "09:32:11", "09:32:45", 2, "/sale", "/pay"),
        (3, "09:15:00", "09:40:00", 2, "/hats", "/hats/2"),
    ],
    "SELECT order_id, amount, method, is_paid FROM paid_orders ORDER BY ALL": [
        (1, Decimal("49.90"), "card", True), (2, Decimal("15.00"), None, False),
        (3, Decimal("120.00"), "invoice", True),
    ],
}  # fmt: skip
CHAINS = [
    ("14:30:00", "2026-06-19", [(100, "call", 5.2, 5.4), (100, "put", 4.4, 4.6), (110, "call", 1.9, 2.0)]),
    ("14:30:00", "2026-09-18", [(100, "call", 7.0, 7.4)]),
    ("14:31:00", "2026-06-19", [(100, "call", 5.0, 5.2)]),
]


def told(database: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    """The rows of a query; of times, the time of day in UTC."""
    return [
        tuple(f"{each.astimezone(UTC):%H:%M:%S}" if isinstance(each, datetime) else each for each in row)
        for row in database.execute(query).fetchall()
    ]


@pytest.fixture
def project(tmp_path: Path) -> Inside:
    return Inside(shutil.copytree(EVENTS, tmp_path / "events"))


def test_they_lint_without_a_word(project: Inside):
    reporter = Reporter()
    with chdir(project.path):
        stages.lint([Path("specs")], reporter, checker=checker())
    assert reporter.found == [], render.full(reporter.sorted())


def test_their_tests_pass(project: Inside):
    done = project.flowc("test", "--json")
    assert done.code == 0, done.out
    assert len(done.json["tests"]) == 4


def test_the_files_become_windows_visits_pairs_and_chains(project: Inside):
    done = project.flowc("run", "--once", "--drain")
    assert done.code == 0, done.out + done.err
    with duckdb.connect(str(project.path / "warehouse.duckdb")) as database:
        for query, rows in QUERIES.items():
            assert told(database, query) == rows
        found = told(database, "SELECT minute, expiry::text, chain FROM option_chains ORDER BY ALL")
    assert [(*of, [tuple(each.values()) for each in json.loads(chain)]) for *of, chain in found] == CHAINS
