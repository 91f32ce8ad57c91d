"""Patterns in Python's syntax match what the dialects' own engines match, or are refused."""

from __future__ import annotations

import random

import duckdb
import psycopg
import pytest

from flowc.compiler.sql.rewrite.core import Untranslatable
from flowc.compiler.sql.rewrite.patterns import Pattern, python_pattern, python_replacement
from flowc.runtime.systems.sqlite.functions import regexp_replace
from flowc.runtime.systems.sqlite.patterns import regexp_extract, regexp_like, regexp_replace_first

ATOMS = (
    "a", "b", "A", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\s", r"\W", "[0-9b]", r"[\w-]", "(a)", "(ab)",
    "(a|ab)", "(?:b)", "(b*)", "-", r"\.", "$", "^", "[[:digit:]]", r"[^\d]", " ", r"\n", "é", r"[\]a]",
)  # fmt: skip
QUANTIFIERS = ("", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?", "??")
TEXTS = ("", "a", "ab", "abab", "aab1b", "ba-A.", "A1 b", "a\nb", "b\n", "a]b", "ab ab", "11b", "a\u00a0b", "aaab")


def patterns(seed: int, count: int) -> list[str]:
    """Random patterns, some with alternatives."""
    chance = random.Random(seed)

    def sequence() -> str:
        return "".join(chance.choice(ATOMS) + chance.choice(QUANTIFIERS) for _ in range(chance.randint(1, 4)))

    return ["|".join(sequence() for _ in range(chance.choice((1, 1, 1, 2)))) for _ in range(count)]


def translated(source: str, count: int) -> dict[str, Pattern]:
    """Those of the patterns that can be said."""
    found = {}
    for pattern in patterns(7, count):
        try:
            found[pattern] = python_pattern(pattern, source)
        except Untranslatable:
            continue
    assert len(found) > count / 3
    return found


def test_patterns_match_as_in_duckdb():
    for own, pattern in translated("duckdb", 1500).items():
        rows = duckdb.execute(
            "SELECT t, regexp_matches(t, ?), regexp_extract(t, ?), regexp_replace(t, ?, '<>', 'g')"
            " FROM (SELECT unnest(?) AS t)", [own, own, own, [*TEXTS, "é_ab"]],
        ).fetchall()  # fmt: skip
        for text, matches, match, replaced in rows:
            assert regexp_like(text, pattern.text) == matches, (own, pattern, text)
            assert (regexp_extract(text, pattern.text, 0, 1) or "") == match, (own, pattern, text)
            if pattern.shortest:
                assert regexp_replace(text, pattern.text, "<>") == replaced, (own, pattern, text)


def test_patterns_match_as_in_postgres(postgres: str):
    with psycopg.connect(postgres) as session:
        for own, pattern in translated("postgres", 1500).items():
            rows = session.execute(
                "SELECT t, t ~ %(p)s, regexp_substr(t, %(p)s), regexp_replace(t, %(p)s, '<>')"
                " FROM unnest(%(texts)s::text[]) AS _(t)", {"p": own, "texts": list(TEXTS)},
            ).fetchall()  # fmt: skip
            for text, matches, match, replaced in rows:
                assert regexp_like(text, pattern.text) == matches, (own, pattern, text)
                if pattern.first:
                    assert regexp_extract(text, pattern.text, 0, 1) == match, (own, pattern, text)
                if pattern.first and pattern.shortest:
                    assert regexp_replace_first(text, pattern.text, "<>") == replaced, (own, pattern, text)


def test_groups_are_those_of_postgres(postgres: str):
    with psycopg.connect(postgres) as session:
        for own, pattern in translated("postgres", 1500).items():
            if pattern.groups and pattern.plain and pattern.first:
                rows = session.execute(
                    "SELECT t, regexp_substr(t, %(p)s, 1, 1, '', 1) FROM unnest(%(texts)s::text[]) AS _(t)",
                    {"p": own, "texts": list(TEXTS)},
                ).fetchall()  # fmt: skip
                found = [(text, regexp_extract(text, pattern.text, 1, 1)) for text, _ in rows]
                assert found == rows, (own, pattern)


REFUSED = {
    "duckdb": ("(?i)a", r"a\p{L}", "a{,2}", "a**", "(a", "a)", "[a", "*", "a++", "[b-a]", "\\"),
    "postgres": (r"\bword", r"(a)\1", "[]a]", "[[:alpha:]]"),
    "spark": ("[a&&[b]]", r"\bx", "(?=a)"),
    "mysql": (r"\Qa.b\E", "[[:digit:]]"),
    "sqlite": ("a",),
}


@pytest.mark.parametrize(("source", "pattern"), [(source, one) for source, all_ in REFUSED.items() for one in all_])
def test_what_is_read_differently_is_refused(source: str, pattern: str):
    with pytest.raises(Untranslatable):
        python_pattern(pattern, source)


REPLACEMENTS = (
    ("postgres", r"\2 \1\\", "b a\\"),
    ("postgres", r"<\&>", "<ab>"),
    ("bigquery", r"<\0>", "<ab>"),
    ("duckdb", "$1", "$1"),
)


@pytest.mark.parametrize(("source", "text", "expected"), REPLACEMENTS)
def test_replacements_name_groups(source: str, text: str, expected: str):
    pattern = python_pattern("(a)(b)", source)
    assert regexp_replace_first("ab", pattern.text, python_replacement(text, source, pattern.groups)) == expected


UNSAID = (("mysql", "$1"), ("postgres", r"\3"), ("postgres", r"\0"), ("duckdb", r"\&"), ("duckdb", "a\\"))


@pytest.mark.parametrize(("source", "text"), UNSAID)
def test_replacements_that_mean_something_else_are_refused(source: str, text: str):
    with pytest.raises(Untranslatable):
        python_replacement(text, source, 2)


def test_any_case_is_that_of_ascii():
    pattern = python_pattern("k[a-b]", "postgres", any_case=True)
    assert [regexp_like(text, pattern.text) for text in ("KB", "ka", "\u212aa")] == [1, 1, 0]


def test_the_nth_match_is_counted_from_one():
    found = [regexp_extract("a1b22", "[0-9]+", 0, nth) for nth in (1, 2, 3)]
    assert found == ["1", "22", None]
