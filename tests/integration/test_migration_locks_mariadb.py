"""What flowc says of algorithms is what MariaDB accepts: the cheapest `ALGORITHM=` that it does not refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest

from flowc.compiler.migrationlint.effects import Algorithm
from flowc.compiler.migrationlint.locks import effects
from flowc.compiler.migrationlint.statements import read_statement
from tests.migrations.statements_mariadb import KNOWN, SETUP, statements


@pytest.fixture(scope="module")
def server(mysql_module: str) -> Iterator[Any]:
    url = urlsplit(mysql_module)
    session = pymysql.connect(
        host=url.hostname, port=url.port or 3306, user=url.username, password=url.password or "",
        database=url.path.strip("/"), autocommit=True,
    )  # fmt: skip
    with session.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
        cursor.execute("SELECT version()")
        if "MariaDB" not in cursor.fetchone()[0]:
            pytest.skip("the server is no MariaDB")
        yield cursor
    session.close()


def fresh(cursor: Any) -> None:
    cursor.execute("DROP TABLE IF EXISTS t, t2, keyless, u")
    for statement in SETUP:
        cursor.execute(statement)


def accepted(cursor: Any, statement: str, clause: str) -> bool:
    fresh(cursor)
    try:
        cursor.execute(f"{statement}, {clause}")
    except pymysql.err.OperationalError as error:
        if error.args[0] in (1845, 1846):  # not supported for this operation
            return False
        raise
    return True


def cheapest(cursor: Any, statement: str) -> Algorithm:
    return next(a for a in Algorithm if accepted(cursor, statement, f"ALGORITHM={a.name}"))


@pytest.mark.parametrize("statement", statements())
def test_the_cheapest_algorithm_is_the_one_that_mariadb_accepts(server: Any, statement: str):
    said = effects(read_statement(statement, "mariadb"), "mariadb", (10, 11), KNOWN)
    assert not said.transactional
    assert said.algorithm is not None
    assert cheapest(server, statement).name == said.algorithm.name
    if said.algorithm in (Algorithm.NOCOPY, Algorithm.INPLACE):
        clause = f"ALGORITHM={said.algorithm.name}, LOCK=NONE"
        assert accepted(server, statement, clause) == said.concurrent_writes
