"""Whatever a migration's text holds, the linter answers: it never raises, nor keeps silent on what it cannot read."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.compiler.migrationlint.facts import Unread
from flowc.compiler.migrationlint.lint import lint_migration
from flowc.compiler.migrationlint.locks import effects
from flowc.compiler.migrationlint.statements import read_migration
from flowc.source import SourceFile

DIALECTS = ("postgres", "mysql", "mariadb", "sqlite", "duckdb")
CORPUS = sorted((Path(__file__).parents[1] / "migrations" / "corpus").glob("*.sql"))
WORDS = re.split(
    r"\s+(?=.)",
    """ALTER TABLE ONLY IF EXISTS NOT NULL t s.t "Q" `b` [c] ADD DROP COLUMN CONSTRAINT PRIMARY KEY UNIQUE CHECK FOREIGN
    REFERENCES ( ) ( ) , ; ; . :: = * - -- /* */ ' " $$ $a$ E'\\' 'x' 1 1.5 int text varchar(10) numeric(1,2) [] TYPE
    SET DEFAULT now() random() USING INDEX CONCURRENTLY CREATE RENAME TO UNIQUE
    ON WHERE VALIDATE ATTACH DETACH PARTITION FOR VALUES
    SCHEMA TRUNCATE CASCADE BEGIN COMMIT ROLLBACK END CASE VACUUM FULL CLUSTER REINDEX DOMAIN AS GENERATED
    ALWAYS IDENTITY STORED ENUM VALUE BEFORE MODIFY CHANGE FIRST AFTER LIKE INHERITS INSERT INTO SELECT UPDATE DELETE
    FROM WITH DO FUNCTION TRIGGER LOCK MODE \\ \\i DELIMITER $1 é \x00 flowc:ignore dropped-table""",
)


def check(sql: str, dialect: str) -> None:
    """Lints a text in every way; each statement is known, or said to be unread, or its open quote is reported."""
    source = SourceFile("m", sql)
    for around in (None, True, False):
        found = lint_migration(source, dialect, in_transaction=around)
        assert all(d.span is None or 0 <= d.span.start <= d.span.end <= len(sql) for d in found)
    migration = read_migration(source, dialect)
    reported = {d.code for d in found}
    for statement in migration.statements:
        effects(statement, dialect)
        assert statement.facts or migration.unclosed is not None
        unread = any(isinstance(fact.value, Unread) and not fact.value.block for fact in statement.facts)
        assert not unread or "unread-statement" in reported or "flowc:ignore" in sql
    assert migration.unclosed is None or "sql-syntax" in reported


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=300, deadline=None)
@given(tokens=st.lists(st.sampled_from(WORDS), max_size=40), glue=st.sampled_from((" ", "\n", "")))
def test_a_soup_of_words(tokens: list[str], glue: str, dialect: str):
    check(glue.join(tokens), dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text(text: str, dialect: str):
    check(text, dialect)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_cut_and_changed_statements(path: Path):
    text = path.read_text("utf-8")
    chance = random.Random(path.stem)
    for _ in range(12):
        check(text[: chance.randrange(len(text))], "postgres")
        words = text.split(" ")
        at = chance.randrange(len(words))
        words[at : at + 1] = chance.choice(([], [words[at]] * 2, [chance.choice(WORDS)]))
        check(" ".join(words), chance.choice(DIALECTS))


@pytest.mark.parametrize("opening", ["(", "[", "CASE ", "SELECT (", "CREATE TABLE t (a int CHECK ("])
def test_deep_nesting(opening: str):
    check(opening * 5000, "postgres")
    check("ALTER TABLE t ADD CHECK (" + "(" * 5000 + "a" + ")" * 5000 + ");", "postgres")


def test_a_large_file_takes_a_second_or_two():
    check("ALTER TABLE t ADD COLUMN a int;\n" * 3000, "postgres")
    check("x" * 500_000, "postgres")
    check("'" * 20_001, "postgres")
