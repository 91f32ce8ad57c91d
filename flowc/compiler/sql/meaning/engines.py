"""The engines to which SQL is translated, by their names."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.sql.meaning import datafusion, duckdb, mysql, postgres, sqlite
from flowc.compiler.sql.meaning.core import Engine

ENGINES: Mapping[str, Engine] = {
    module.ENGINE.name: module.ENGINE for module in (datafusion, duckdb, mysql, postgres, sqlite)
}
