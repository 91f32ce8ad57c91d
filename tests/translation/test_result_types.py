"""Integers of PostgreSQL's SQL are known by their width: what is computed of them has to fit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flowc.compiler.sql.text.sqltext import parse_query
from flowc.compiler.sql.types.infer import infer
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile
from flowc.types import Kind
from tests.translation.engines import open_postgres_types
from tests.translation.outcomes import RELATIONS
from tests.translation.test_postgres import CHAPTERS, REFUSED, lines, query

NARROW = {"int2": Kind.INT16, "int4": Kind.INT32}
"""The types whose bounds the engine would pass over: it computes in 64 bits."""
INTEGERS = (Kind.INT16, Kind.INT32, Kind.INT64)
KINDS = {**NARROW, "int8": Kind.INT64}


@pytest.fixture(scope="module")
def types(postgres_module: str) -> Iterator[Callable[[str], list[str]]]:
    with open_postgres_types(postgres_module) as found:
        yield found


def inferred(sql: str) -> list[Kind] | None:
    """The kinds of a query's columns as the compiler knows them; None where it does not know the columns."""
    reporter = Reporter()
    tree = parse_query(MappedText.whole(SourceFile("case.sql", sql)), "postgres", reporter)
    assert tree is not None
    fields = infer(tree, "datafusion", RELATIONS.get, reporter).fields
    return None if fields is None else [field.type.kind for field in fields]


def mistaken(real: str, known: Kind) -> bool:
    """Whether a column is an integer that is not known, or one that it is not; sums of bigints stay bigints here."""
    other = known in INTEGERS and known is not KINDS.get(real)
    return (real in NARROW and known is not NARROW[real]) or (other and (real, known) != ("numeric", Kind.INT64))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_integers_have_the_width_that_they_have_in_postgresql(chapter: str, types: Callable[[str], list[str]]):
    found = {}
    for line in lines(chapter):
        if not line.startswith(REFUSED) and (kinds := inferred(query(line))) is not None:
            real = types(query(line))
            wrong = [(r, k) for r, k in zip(real, kinds, strict=True) if mistaken(r, k)]
            found.update({line: wrong} if wrong else {})
    assert found == {}
