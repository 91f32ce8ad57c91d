"""How each engine changes tables, by kind of connection."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.migrate.engines.delta import DELTA
from flowc.compiler.migrate.engines.duckdb import DUCKDB
from flowc.compiler.migrate.engines.mysql import MYSQL
from flowc.compiler.migrate.engines.postgres import POSTGRES
from flowc.compiler.migrate.engines.sqlite import SQLITE
from flowc.compiler.migrate.statements import Engine

ENGINES: Mapping[str, Engine] = {
    "postgres": POSTGRES,
    "duckdb": DUCKDB,
    "sqlite": SQLITE,
    "mysql": MYSQL,
    "delta": DELTA,
}
