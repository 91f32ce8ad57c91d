"""The engines to which SQL is translated, by their names."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.sql.rewrite.core import Engine
from flowc.compiler.systems.datafusion.rewrite import rules as datafusion
from flowc.compiler.systems.duckdb import rewrite as duckdb
from flowc.compiler.systems.mysql import rewrite as mysql
from flowc.compiler.systems.postgres import rewrite as postgres
from flowc.compiler.systems.sqlite import rewrite as sqlite

ENGINES: Mapping[str, Engine] = {
    module.ENGINE.name: module.ENGINE for module in (datafusion, duckdb, mysql, postgres, sqlite)
}
