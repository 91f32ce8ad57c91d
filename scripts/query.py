"""Prints the result of a query on a DuckDB file: `python scripts/query.py FILE SQL`."""

from __future__ import annotations

import sys

import duckdb


def main() -> None:
    """Opens the file read-only and shows the rows."""
    path, sql = sys.argv[1:]
    with duckdb.connect(path, read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.sql(sql).show(max_width=200)


if __name__ == "__main__":
    main()
