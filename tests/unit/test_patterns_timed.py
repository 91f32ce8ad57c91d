"""Patterns on SQLite that match in many ways: they mean the same in the engine that heeds a time, and end."""

from __future__ import annotations

import random
import re
import sqlite3
import time
from pathlib import Path

import pytest

from flowc.compiler.sql.rewrite.core import Untranslatable
from flowc.compiler.sql.rewrite.patterns import SYNTAXES, python_pattern
from flowc.runtime.systems.sqlite import failures as sqlite_failures
from flowc.runtime.systems.sqlite import patterns as sqlite_patterns
from flowc.runtime.systems.sqlite.functions import register
from flowc.runtime.systems.sqlite.patterns import timed
from tests.commands import Inside
from tests.unit.test_regex_replace import ATOMS, QUANTIFIERS, TEXTS

MORE = ("k", "[^k]", "[a-z]", "[^a-z]", r"\b", "[k-s]", r"[\]k]", "[)k]", "\\)", "K")
STRANGE = (*TEXTS, "\u212a \u017f k s K S", "AB Ab aB", "é)É", "kk]K)")


def _patterns(count: int) -> list[str]:
    chance, found = random.Random(7), []
    while len(found) < count:
        parts = (chance.choice((*ATOMS, *MORE)) + chance.choice(QUANTIFIERS) for _ in range(chance.randint(1, 4)))
        source = chance.choice(sorted(SYNTAXES))
        try:
            pattern = python_pattern("".join(parts), source, any_case=chance.random() < 0.5).text
        except Untranslatable:
            continue
        if not re.search(r"\(\?ai:\[[^)]*\\w", pattern):  # of Unicode in the one, of ASCII in the other
            found.append(pattern)
    return found


def test_they_mean_the_same() -> None:
    for pattern in _patterns(1500):
        own, other = re.compile(pattern), timed(pattern)
        for text in STRANGE:
            assert own.sub("<>", text) == other.sub("<>", text), (pattern, text)
            assert [m.span() for m in own.finditer(text)] == [m.span() for m in other.finditer(text)], (pattern, text)


@pytest.mark.parametrize(
    ("sql", "pattern", "text"),
    [
        ("flowc_regexp_replace(?, ?, 'x')", "(a+)+b", "a" * 5000),
        ("flowc_regexp_replace_first(?, ?, 'x')", "(a|aa)+$", "a" * 200 + "!"),
        ("flowc_regexp_like(?, ?)", "(x+x+)+y", "x" * 4000),
        ("flowc_regexp_extract(?, ?, 0, 1)", "a*a*a*a*a*b", "a" * 2000),
        ("flowc_regexp_like(?, ?)", "a?" * 40 + "a" * 40 + "b", "a" * 40),
        ("flowc_regexp_replace(?, ?, '')", r"\s+$", " " * 120_000 + "x"),
        ("flowc_regexp_replace(?, ?, '')", r"\s{1,100000}$", " " * 120_000 + "x"),
        ("flowc_regexp_like(?, ?)", "a?" * 8 + "a*b", "a" * 9000),
        ("flowc_regexp_like(?, ?)", "(?:a|aa)" * 34 + "b", "a" * 60),
        ("flowc_regexp_like(?, ?)", "(?:a|aa|a|aa)" * 16 + "b", "a" * 40),
        ("flowc_regexp_like(?, ?)", r"\s+$", " " * 3100 + "x"),
    ],
)
def test_they_end(monkeypatch: pytest.MonkeyPatch, sql: str, pattern: str, text: str) -> None:
    """After a fifth of a second; that it is two for a load is tested with one of them."""
    monkeypatch.setattr(sqlite_patterns, "_SECONDS", 0.2)
    connection = sqlite3.connect(":memory:")
    register(connection)
    began = time.process_time()
    try:
        assert connection.execute(f"SELECT {sql}", [text, pattern]).fetchone()[0] in (None, 0, text)
    except sqlite3.OperationalError:
        assert "takes more than 0.2 seconds of computing for one text" in str(sqlite_failures.words())
    assert time.process_time() - began < 3


def test_a_load_fails_with_words(tmp_path: Path) -> None:
    made = Inside(tmp_path)
    made.write("drop/a.csv", "id,name\n1," + "a" * 5000 + "\n")
    made.write(
        "specs/s.yaml",
        """
connections:
  drop: { kind: files, uri: ./drop }
  wh: { kind: sqlite, path: wh.db }
tables:
  t:
    connection: wh
    columns:
      id: bigint primary key
      name: { type: text, normalize: [{ regex_replace: { pattern: "(a|aa)+$|(a+)+b", replacement: "" } }] }
pipelines:
  p:
    from: { connection: drop, path: a.csv }
    to: t
    mode: append
""".replace("(a|aa)+$|", ""),
    )
    done = made.flowc("run", "p", "--once")
    assert done.code == 1
    assert "error[value-refused]" in done.err
    assert "takes more than 2 seconds of computing for one text" in done.err
