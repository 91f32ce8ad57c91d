"""Runs as invocations of an AWS Lambda function, with a run log on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import ROOT, Inside
from tests.running import running
from tests.services.awslambda import Functions, functions

NOON = "2026-03-10T12:00:00Z"
BEFORE = "2026-03-10T11:59:00Z"
SPEC = """
project: shop
connections: {{ db: {{ kind: postgres, url: "${{DSN}}" }} }}
run_log: {{ connection: db }}
tables: {{ a: {{ connection: db, columns: {{ n: bigint }} }} }}
pipelines: {{ up: {{ from: db, sql: "{sql}", to: a, mode: truncate, schedule: "0 * * * *" }} }}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Functions]:
    yield from running(functions())


class Shop:
    def __init__(self, folder: Path, dsn: str, server: Functions) -> None:
        self.inside = Inside(folder, {"DSN": dsn, "FLOWC_LEASE": "6", **server.keys})
        self.server, self.name, self.dsn = server, folder.name, dsn
        self.executor = f"lambda://{self.name}?region=us-east-1&endpoint={server.endpoint}&specs={folder}/specs"

    def create(self, timeout: int = 300) -> None:
        python = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
        env = {"DSN": self.dsn, "PYTHONPATH": python}
        self.server.create(self.name, "flowc.api.awslambda.handler", env, timeout)

    def write(self, sql: str = "SELECT 1 AS n") -> None:
        self.inside.write("specs/s.yaml", SPEC.format(sql=sql))

    def due(self, at: str = NOON, more: str = ""):
        return self.inside.flowc("run-due", "--now", at, "--executor", self.executor + more)

    def run(self):
        return self.inside.flowc("runs", "show", "last", "--json").json


@pytest.fixture
def shop(tmp_path: Path, postgres: str, server: Functions) -> Shop:
    shop = Shop(tmp_path, postgres, server)
    shop.write()
    shop.due(BEFORE)
    return shop


def test_a_run_ends_well_and_its_words_are_in_the_run_log(shop):
    shop.create()
    done = shop.due()
    assert done.code == 0, done.err
    run = shop.run()
    assert (run["status"], run["rows_inserted"], "said" in run["detail"]) == ("ok", 1, True)


def test_a_failure_is_recorded(shop):
    shop.create()
    shop.write("SELECT n FROM gone")
    assert shop.due().code == 1
    assert (shop.run()["status"], shop.run()["error_code"]) == ("failed", "query-refused")


def test_a_run_ends_before_its_function_does(shop):
    shop.create(timeout=33)
    shop.write("SELECT 1 AS n FROM pg_sleep(60)")
    assert shop.due().code == 1
    assert shop.run()["status"] == "timeout"


def test_a_run_that_nobody_begins_is_lost(shop):
    shop.server.create(shop.name, "flowc.nowhere.handler", {"PYTHONPATH": str(ROOT)})
    done = shop.due(more="&start-timeout=2s")
    assert done.code == 1
    assert shop.run()["status"] == "lost"
    assert "no worker has begun it within 2s" in shop.run()["error"]


def test_a_function_that_there_is_not(shop):
    assert shop.due().code == 1
    run = shop.run()
    assert (run["status"], run["error_code"]) == ("failed", "connection-failed")
    assert "there is no Lambda function" in run["error"]
