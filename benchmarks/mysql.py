"""Loads into MySQL or MariaDB, against `LOAD DATA LOCAL INFILE` of a file that is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb

from benchmarks import bare
from benchmarks.context import Context
from benchmarks.measure import Side, compare
from benchmarks.report import Row, speed_row
from benchmarks.transfers import BY_HAND, alike, flights, flowc_copy, fresh_duckdb
from tests.services import mysql_server
from tests.services.mysql import ask

ROWS = 1_000_000
_DATABASE = "flowc_benchmarks"
_TABLE = """\
CREATE TABLE flights (id BIGINT NOT NULL, carrier VARCHAR(20), day DATE, departed DATETIME(6), delay INT,
                      distance DOUBLE, note VARCHAR(40)) ENGINE = InnoDB CHARACTER SET utf8mb4"""
_SPEC = """\
connections:
  source: {{ kind: duckdb, path: flights.duckdb }}
  target: {{ kind: mysql, url: "{dsn}" }}
pipelines:
  copy:
    from: source
    sql: SELECT id, carrier, day, departed, delay, distance, note FROM flights
    to: {{ connection: target, table: flights }}
    mode: append
"""


def duckdb_to_mysql(context: Context) -> Iterator[Row]:
    """Seven columns from a DuckDB file into a table without indexes; by hand, the server reads a prepared file."""
    rows = context.rows(ROWS)
    with mysql_server() as address:
        dsn = f"{address}/{_DATABASE}"
        ask(address, f"DROP DATABASE IF EXISTS {_DATABASE}", f"CREATE DATABASE {_DATABASE}")
        root = context.project("duckdb_to_mysql", _SPEC.format(dsn=dsn))
        text = _prepared(root, rows)

        def empty() -> None:
            ask(dsn, "DROP TABLE IF EXISTS flights", _TABLE)

        def found() -> object:
            return ask(dsn, "SELECT concat(count(*), ' ', sum(id)) FROM flights")[0][0]

        hand = Side("LOAD DATA LOCAL INFILE", bare.command("load_data", dsn, str(text)), empty, env=BY_HAND)
        check = alike(f"{rows} {rows * (rows + 1) // 2}", found)
        results = compare(flowc_copy(root, empty), [hand], context.rounds, check)
        ask(address, f"DROP DATABASE {_DATABASE}")
    yield speed_row(f"duckdb -> mysql, {rows:,} x 7", results, rows, wanted=0.60)


def _prepared(root: Path, rows: int) -> Path:
    """The rows in a DuckDB file, and as the lines that MySQL reads."""
    fresh_duckdb(root / "flights.duckdb", f"CREATE TABLE flights AS {flights(rows)}")
    text = root / "flights.tsv"
    duckdb.sql(f"COPY ({flights(rows)}) TO '{text}' (DELIMITER '\\t', HEADER false, NULL '\\N', QUOTE '')")
    return text


CASES: Sequence[Callable[[Context], Iterator[Row]]] = (duckdb_to_mysql,)
