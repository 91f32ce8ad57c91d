"""One frozen record per SQL dialect, by the kind of connection that speaks it."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.dialect import Dialect
from flowc.compiler.systems.datafusion.dialect import DATAFUSION
from flowc.compiler.systems.delta.dialect import DELTA
from flowc.compiler.systems.duckdb.dialect import DUCKDB
from flowc.compiler.systems.mysql.dialect import MYSQL
from flowc.compiler.systems.postgres.dialect import POSTGRES
from flowc.compiler.systems.sqlite.dialect import SQLITE

DIALECTS: Mapping[str, Dialect] = {
    "postgres": POSTGRES,
    "duckdb": DUCKDB,
    "sqlite": SQLITE,
    "mysql": MYSQL,
    "delta": DELTA,
    "datafusion": DATAFUSION,
}

OWN = "postgres"
"""The dialect of SQL that flowc's own engine runs, in pipelines and streams, unless its author names another."""


def as_read(text: str, engine: str) -> str:
    """SQL that its author wrote for an engine, as flowc's sessions of it read it."""
    return DIALECTS[engine].literals.author(text) if engine in DIALECTS else text
