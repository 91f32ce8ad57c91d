"""One frozen record per SQL dialect, by the kind of connection that speaks it."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects.datafusion import DATAFUSION
from flowc.compiler.dialects.duckdb import DUCKDB
from flowc.compiler.dialects.postgres import POSTGRES
from flowc.compiler.dialects.sqlite import SQLITE

DIALECTS: Mapping[str, Dialect] = {
    "postgres": POSTGRES,
    "duckdb": DUCKDB,
    "sqlite": SQLITE,
    "datafusion": DATAFUSION,
}
