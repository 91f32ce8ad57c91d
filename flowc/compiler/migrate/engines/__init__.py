"""How each engine changes tables, by kind of connection."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.migrate.statements import Engine
from flowc.compiler.systems.delta.changes import DELTA
from flowc.compiler.systems.duckdb.changes import DUCKDB
from flowc.compiler.systems.mysql.changes import MYSQL
from flowc.compiler.systems.postgres.changes import POSTGRES
from flowc.compiler.systems.sqlite.changes import SQLITE

ENGINES: Mapping[str, Engine] = {
    "postgres": POSTGRES,
    "duckdb": DUCKDB,
    "sqlite": SQLITE,
    "mysql": MYSQL,
    "delta": DELTA,
}
