"""`python -m benchmarks.applies.dying POINT LARGE ARGUMENTS…`: flowc, ended by SIGKILL at a point of an apply.

POINT counts what it does to its database, from the record of its beginning on; 0 lets it live. Tables of PostgreSQL
with LARGE rows and more are changed beside their readers and writers.
"""

from __future__ import annotations

import sys

from flowc.cli.main import run
from flowc.compiler.migrate.engines import postgres_shadow
from tests.migrate.killing import connector, die_at

if __name__ == "__main__":
    point, postgres_shadow.LARGE = int(sys.argv[1]), int(sys.argv[2])
    if point:
        for kind in ("sqlite", "duckdb", "postgres", "mysql"):
            die_at(connector(kind), point)
    sys.exit(run(sys.argv[3:]))
