"""`regex_replace` gives the same text on every engine for each pattern that it takes, and says why it refuses one."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import datafusion
import duckdb
import psycopg
import pytest

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.loads.replace import replaced
from flowc.compiler.quote import text
from flowc.errors import UsageError
from flowc.runtime.systems.sqlite.functions import regexp_replace
from tests.services.mysql import ask

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
"""Gives the rows of a query."""

ATOMS = (
    "a", "b", "A", "1", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\s", r"\W", r"\S", r"\D", "[0-9b]", r"[\w-]",
    "(a)", "(ab)", "(a|ab)", "(?:b)", "(b*)", "(b+)", "(?:ab|c)", "(b|[^b])", "(?:a(b))", "-", r"\.", "$", "^",
    "[[:digit:]]", "[[:alpha:]_]", r"[^\d]", " ", r"\n", "\n", "é", "[é-ü]", r"[\]a]", r"\$",
    "'", "/", "#", "&", "[&~|<>]",
)  # fmt: skip
QUANTIFIERS = ("", "", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?", "??", "+?", "{1,3}?")
TEXTS = (
    "", "a", "ab", "abab", "aab1b", "ba-A.", "A1 b", "a\nb", "b\n", "a]b", "ab ab", "11b", "a\u00a0b", "aaab", "abcab",
    "\u0663\uff11 \u2003é_ab", "a\x0bb\x0cc\r\nd", "éab",
    "a&b~|c", "$1 \\a \\1", "a'b/c#d", "\u2028ab\u0085", "😀ab😀", "aabbaabb",
)  # fmt: skip
REPLACEMENTS = ("", "", "<>", "-", r"[\1]", r"\1\1", r"\2\\", r"\12", "$1", "$0 ${1}", "&", r"\\n", "*/ '' #")
COUNT = 600


def made(seed: int, count: int) -> list[tuple[str, str]]:
    """Random patterns with replacements: those of the syntax that mean the same everywhere."""
    chance = random.Random(seed)

    def sequence() -> str:
        return "".join(chance.choice(ATOMS) + chance.choice(QUANTIFIERS) for _ in range(chance.randint(1, 4)))

    found: list[tuple[str, str]] = []
    tried = 0
    while len(found) < count:
        pattern = "|".join(sequence() for _ in range(chance.choice((1, 1, 1, 2, 3))))
        pair = (
            f"(?:{pattern}){chance.choice('+*')}" if chance.random() < 0.1 else pattern,
            chance.choice(REPLACEMENTS),
        )
        tried += 1
        found += [pair] if accepted(*pair) else []
    assert tried < 10 * count, "most patterns are refused"
    return found


def accepted(pattern: str, replacement: str) -> bool:
    try:
        replaced("x", pattern, replacement, DIALECTS["sqlite"])
    except UsageError:
        return False
    return True


@pytest.fixture(scope="module")
def cases() -> list[tuple[str, str]]:
    return made(11, COUNT)


@contextmanager
def duckdb_session(_: pytest.FixtureRequest) -> Iterator[Ask]:
    with duckdb.connect() as session:
        yield lambda sql: session.execute(sql).fetchall()


@contextmanager
def postgres_session(request: pytest.FixtureRequest) -> Iterator[Ask]:
    with psycopg.connect(request.getfixturevalue("postgres_module"), autocommit=True) as session:
        yield lambda sql: session.execute(sql.encode()).fetchall()


@contextmanager
def mysql_session(request: pytest.FixtureRequest) -> Iterator[Ask]:
    dsn = request.getfixturevalue("mysql_module")
    yield lambda sql: ask(dsn, sql)


@contextmanager
def datafusion_session(_: pytest.FixtureRequest) -> Iterator[Ask]:
    session = datafusion.SessionContext()
    yield lambda sql: list(zip(*session.sql(sql).to_pydict().values(), strict=True))


SESSIONS = {
    "duckdb": duckdb_session,
    "postgres": postgres_session,
    "mysql": mysql_session,
    "datafusion": datafusion_session,
}


def by_engine(ask: Ask, kind: str, cases: Sequence[tuple[str, str]]) -> Iterator[list[str]]:
    """What an engine makes of `TEXTS` by each pattern; some patterns in one query."""
    dialect = DIALECTS[kind]
    rows = " UNION ALL ".join(f"SELECT {n} AS n, {text(t, dialect)} AS x" for n, t in enumerate(TEXTS))
    for begin in range(0, len(cases), 60):
        some = cases[begin : begin + 60]
        made = ", ".join(f"{replaced('x', *case, dialect)} AS c{i}" for i, case in enumerate(some))
        found = sorted(ask(f"SELECT n, {made} FROM ({rows}) AS r"))
        yield from ([row[i + 1] for row in found] for i in range(len(some)))


@cache
def by_sqlite(pattern: str, replacement: str, texts: tuple[str, ...] = TEXTS) -> list[str]:
    sql = replaced("x", pattern, replacement, DIALECTS["sqlite"])
    said, new = (part.replace("''", "'") for part in re.findall(r"'((?:[^']|'')*)'", sql))
    return [str(regexp_replace(one, said, new)) for one in texts]


@pytest.mark.parametrize("kind", SESSIONS)
def test_patterns_replace_the_same(request: pytest.FixtureRequest, kind: str, cases: list[tuple[str, str]]):
    if kind == "datafusion":  # whose words for groups are others; no load runs there
        cases = [(pattern, new) for pattern, new in cases if not re.search(r"[$]|\\.\d|\\\\", new)]
    with SESSIONS[kind](request) as asked:
        everywhere = list(zip(cases, by_engine(asked, kind, cases), strict=True))
    wrong = [
        (*case, one, here, there)
        for case, found in everywhere
        for one, here, there in zip(TEXTS, by_sqlite(*case), found, strict=True)
        if here != there
    ]
    assert wrong == []


TAKEN = (
    (r" (INDUSTRIE|INC|AIRCRAFT CO|CORPORATION)$", "", "BOEING INC", "BOEING"),
    (r"^\s+|\s+$", "", "\t a b\r\n", "a b"),
    (r"<.*?>", "", "<b>x</b>", "x"),
    (r"(\d{3})(\d{4})", r"\1-\2", "5551234", "555-1234"),
    (r"((?:ab)+)c", r"<\1>", "ababc", "<abab>"),
    (r"(^|[^0-9A-Za-z_])inc", r"\1Inc.", "inc incs xinc", "Inc. Inc.s xinc"),
    (r"^(\+|00)49", "0", "004989", "089"),
    (r"[[:digit:]]+", "#", "a12b\u0663", "a#b\u0663"),
    (r"\w", "x", "aé_", "xéx"),
    (r".", "x", "a\nb", "x\nx"),
    (r"a$", "x", "a\n", "a\n"),
)


@pytest.mark.parametrize("kind", SESSIONS)
def test_what_people_write(request: pytest.FixtureRequest, kind: str):
    dialect = DIALECTS[kind]
    calls = [replaced(text(one, dialect), pattern, new, dialect) for pattern, new, one, _ in TAKEN]
    with SESSIONS[kind](request) as asked:
        [found] = asked("SELECT " + ", ".join(f"{call} AS c{i}" for i, call in enumerate(calls)))
    wanted = [wanted for *_, wanted in TAKEN]
    assert list(found) == [by_sqlite(pattern, new, (one,))[0] for pattern, new, one, _ in TAKEN] == wanted


REFUSED = {
    "(": "at its character 1",
    "ab)": "at its character 3",
    "a[b": "at its character 2",
    r"(?i)a": "character 1",
    r"a(?=b)": "character 2",
    r"(?<!a)b": "character 1",
    r"(?P<n>a)": "character 1",
    r"(a)\1": "character 4",
    r"\bword": "character 1",
    r"a\y": "character 2",
    r"a\Z": "character 2",
    "[[:space:]]": "character 2",
    "a++": "character 3",
    "a{,2}": "character 2",
    "a{999}": "character 2",
    "[z-a]": "character 1",
    "a*": "nothing",
    "(a*)*": "repeats what may be nothing",
    "a*b+?": "lazy",
    "(a|b).*?c": "lazy",
    "(a|ab)c?": "matches more",
    "^": "nothing",
    "ca?(ab)?": "matches more",
    "(?:a{200}){200}": "too large",
    "(" * 300 + "a" + ")" * 300: "more than 50 groups in each other at its character 51",
}


@pytest.mark.parametrize(("pattern", "words"), REFUSED.items())
def test_what_engines_read_differently_is_refused(pattern: str, words: str):
    with pytest.raises(UsageError) as raised:
        replaced("x", pattern, "-", DIALECTS["postgres"])
    assert words in raised.value.message
    assert raised.value.help


@pytest.mark.parametrize("pattern", ["(ab)+", "(?:(a)|b)+", "(a|ab)(c|bcd)(d*)", "(a|ab){2}(b*)"])
def test_groups_that_engines_remember_differently_are_not_named(pattern: str):
    assert accepted(pattern, "-")
    assert not accepted(pattern, r"\1")
