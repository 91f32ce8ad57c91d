"""What PostgreSQL makes of its own words, flowc's engine makes of them too, or refuses them when they are compiled.

Each line of `postgres/<chapter>.txt` is an expression or a query. Both engines run it over the corpus' tables. A line
that begins with `! ` is one that is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path

import pytest

from flowc.compiler.sql.text.sqltext import parse_query
from flowc.compiler.sql.translate import translate
from flowc.compiler.sql.types.infer import infer
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile
from tests.translation.compare import same
from tests.translation.engines import Document, Failed, Rows, Run, open_datafusion, open_postgres
from tests.translation.outcomes import RELATIONS

FOLDER = Path(__file__).with_name("postgres")
CHAPTERS = sorted(path.stem for path in FOLDER.glob("*.txt"))
REFUSED = "! "


@pytest.fixture(scope="module")
def postgres(postgres_module: str) -> Iterator[Run]:
    with open_postgres(postgres_module) as run:
        yield run


@pytest.fixture(scope="module")
def datafusion() -> Iterator[Run]:
    with open_datafusion() as run:
        yield run


def lines(chapter: str) -> list[str]:
    return (FOLDER / f"{chapter}.txt").read_text("utf-8").splitlines()


def query(line: str) -> str:
    text = line.removeprefix(REFUSED)
    return text if text.startswith(("SELECT", "WITH", "VALUES")) else f"SELECT {text}"


def translated(sql: str) -> tuple[str | None, str]:
    """The query for DataFusion; None and why there is none."""
    reporter = Reporter()
    tree = parse_query(MappedText.whole(SourceFile("case.sql", sql)), "postgres", reporter)
    if tree is None:
        return None, reporter.found[0].message
    infer(tree, "datafusion", RELATIONS.get, reporter)
    text = None if reporter.has_errors else translate(tree, "datafusion", reporter)
    return text, "; ".join(d.message for d in reporter.found)


def difference(line: str, postgres: Run, datafusion: Run) -> str | None:
    """What is wrong with a line; None where both engines say the same, or it is refused as it says."""
    sql = query(line)
    expected = postgres(sql)
    text, why = translated(sql)
    if line.startswith(REFUSED) or text is None:
        return None if line.startswith(REFUSED) and text is None and why else f"refused: {why}" if why else "translated"
    try:
        found = datafusion(text)
    except Failed as failure:
        return f"{failure} of {text}"
    return None if agree(expected, found, ordered="ORDER BY" in sql) else f"{expected} is {found} of {text}"


def agree(expected: Rows, found: Rows, *, ordered: bool) -> bool:
    if not ordered:
        expected, found = sorted(expected, key=_place), sorted(found, key=_place)
    return len(expected) == len(found) and all(map(_same_row, expected, found))


def _place(row: Sequence[object]) -> str:
    """Where a row stands among others, whatever the form of its documents."""
    return " ".join(str.__repr__(value) if isinstance(value, str) else repr(value) for value in map(_formed, row))


def _formed(value: object) -> object:
    """A document with its keys in order; anything else as it is."""
    try:
        formed = isinstance(value, str) and value[:1] in ("{", "[")
        return json.dumps(json.loads(str(value)), sort_keys=True) if formed else value
    except ValueError:
        return value


def _same_row(expected: Sequence[object], found: Sequence[object]) -> bool:
    return len(expected) == len(found) and all(map(_same_value, expected, found))


def _same_value(expected: object, found: object) -> bool:
    if isinstance(expected, float) and not isfinite(expected):
        return repr(expected) == repr(found)
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        expected = Decimal(repr(expected))
    if isinstance(expected, Document) and isinstance(found, str):
        return _document(expected) == _document(found)
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(_same_value, expected, found))
    return expected == found if isinstance(expected, bytes | time | timedelta) else same(expected, found)


def _document(text: str) -> object:
    return json.loads(text, parse_float=Decimal)


def test_the_chapters_are_wide():
    assert sum(len(lines(chapter)) for chapter in CHAPTERS) >= 1000
    assert sum(line.startswith(REFUSED) for chapter in CHAPTERS for line in lines(chapter)) <= 380


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_flowcs_engine_means_what_postgresql_means(chapter: str, postgres: Run, datafusion: Run):
    found = {line: difference(line, postgres, datafusion) for line in lines(chapter)}
    assert {line: wrong for line, wrong in found.items() if wrong is not None} == {}
