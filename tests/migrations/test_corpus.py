"""The corpus: flowc finds what is expected, and where it and squawk differ is reviewed."""

from __future__ import annotations

import sys

import psycopg
import pytest
from psycopg import sql as pg

from flowc.compiler.migrationlint.rules import RULES
from flowc.compiler.migrationlint.statements import read_migration
from tests.migrations.corpus import (
    Migration,
    by_flowc,
    corpus,
    disagreements,
    expected,
    reviewed,
    squawk_names,
    squawk_says,
)
from tests.migrations.scores import score, summary, table

# The only file that is meant to be no SQL.
NO_SQL = "084_syntax_error"


def test_flowc_finds_what_is_expected_and_nothing_else(capsys: pytest.CaptureFixture[str]):
    with capsys.disabled():
        sys.stdout.write(f"\n\n{table()}\n{summary()}\n")
    found, wanted = set(by_flowc()), expected()
    assert sorted(wanted - found) == [], "expected and not found"
    assert sorted(found - wanted) == [], "found and not expected"
    result = score(found, wanted)
    assert (result.precision, result.recall) == (1.0, 1.0)


def test_every_disagreement_with_squawk_has_a_reason():
    known, seen = reviewed(), disagreements()
    assert sorted(seen - known.keys()) == [], "not in disagreements.md"
    assert sorted(known.keys() - seen) == [], "listed and gone"
    assert all(len(reason) > 20 for reason in known.values())


# prefer-timestamptz is the documented name of prefer-timestamp-tz; squawk advises REPACK from PostgreSQL 19 only.
NOT_SEEN = {"prefer-timestamptz", "prefer-repack"}


def test_both_find_the_same_by_the_names_that_stand_side_by_side():
    """Each pair of names in the reference is seen at one statement at least."""
    ours = by_flowc(alone=True)
    seen = {
        (code, name)
        for file, number, name in squawk_says()
        for code in squawk_names().get(name, ())
        if (file, number, code) in ours
    }
    pairs = {(rule.code, name) for rule in RULES for name in rule.squawk if name not in NOT_SEEN}
    assert sorted(pairs - seen) == []


def test_the_corpus_is_large_and_touches_every_rule_of_postgresql():
    assert len(corpus()) >= 60
    rules = {rule.code for rule in RULES if "postgres" in rule.dialects}
    assert sorted(rules - {code for _, _, code in expected()}) == []


@pytest.mark.parametrize("migration", corpus(), ids=lambda migration: migration.name)
def test_postgresql_reads_every_statement(migration: Migration, postgres_module: str):
    """Objects are missing, so most fail; but none because it is no SQL."""
    with psycopg.connect(postgres_module, autocommit=True) as session:
        for statement in read_migration(migration.source, "postgres").statements:
            state = _refusal(session, statement.sql)
            if migration.name == NO_SQL and "CHEKC" in statement.sql:
                assert state == "42601"
            else:
                assert state != "42601", statement.sql


def _refusal(session: psycopg.Connection, statement: str) -> str | None:
    """The SQLSTATE with which a statement fails in a transaction that is rolled back."""
    try:
        session.execute("BEGIN")
        session.execute(pg.SQL(statement))
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        session.execute("ROLLBACK")
    return None
