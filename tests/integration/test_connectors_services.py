"""The servers of the tests themselves: each test gets an empty database of its own."""

from __future__ import annotations

import psycopg


def test_a_test_gets_an_empty_database(postgres):
    with psycopg.connect(postgres) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        encoding = connection.execute("SHOW server_encoding").fetchone()
    assert tables == (0,)
    assert encoding == ("UTF8",)
