"""Valid specs, mutated: lint always answers with diagnostics, never raises, never hangs.

`FLOWC_FUZZ=5000` runs that many mutations per spec instead of the short version, `FLOWC_FUZZ_SEED=7` others.
"""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import faulthandler
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter

ROUNDS = int(os.environ.get("FLOWC_FUZZ", "40"))
SEED = os.environ.get("FLOWC_FUZZ_SEED", "1")
SLOWEST, STUCK = 10.0, 600.0
"""Seconds of computing that one small spec may take, and seconds after which it does not answer at all."""

HERE = Path(__file__).parent
SPECS = [*sorted(HERE.glob("corpus/*.yaml")), *sorted((HERE.parent.parent / "specs").rglob("*.yaml"))]
BYTES = [b"\x00", b"\xff", b"\xef\xbb\xbf", b"\t", b"\r", b"'", b'"', b"`", b"{{", b"}}", b"{%", b"%}", b"${", b"--", b";",
         b"*a", b"&a ", b"<<: ", b"!!str ", b"[", b"]", b"{", b"}", b": ", b"- ", b"#", b"|", b">", b"?", b"\xc2\x85", b"\xe2\x80\xa8"]  # fmt: skip
WORDS = ["null", "true", "-1", "1e400", "''", "[]", "{}", "[[]]", "9" * 30, "'\"'", "\"a'b\"", "select", "source", ".", "..",
         "a.b.c.d", "'%'", "\U0001f600", "5m", "scd2", "merge", "warehouse", "*", "'{{ var.nope }}'", "'{{ 1/0 }}'", "'SELECT 1; SELECT 2'",
         "'SELECT * FROM (SELECT'", "'WITH RECURSIVE a AS (SELECT * FROM a) SELECT * FROM a'", "varchar(0)", "'numeric(99,98)'"]  # fmt: skip


def flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(BYTES) + data[at:]


def cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.randrange(1, 40) :]


def repeat(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    part = data[at : at + chance.randrange(1, 200)]
    return data[:at] + part * chance.randrange(2, 5) + data[at:]


def drop_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def swap_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def indent_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    i = chance.randrange(len(lines))
    lines[i] = chance.choice([b"  " + lines[i], lines[i][2:], b"\t" + lines[i], b"- " + lines[i]])
    return b"\n".join(lines)


def replace_word(data: bytes, chance: random.Random) -> bytes:
    words = data.split(b" ")
    words[chance.randrange(len(words))] = chance.choice(WORDS).encode()
    return b" ".join(words)


def replace_value(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    i = chance.randrange(len(lines))
    key, colon, _ = lines[i].partition(b": ")
    lines[i] = key + colon + chance.choice(WORDS).encode()
    return b"\n".join(lines)


MUTATORS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip, insert, cut, repeat, drop_line, swap_lines, indent_line, replace_word, replace_word, replace_value, replace_value,
)  # fmt: skip


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_lint_always_answers(path: Path, tmp_path: Path) -> None:
    chance, original = random.Random(f"{SEED}{path.stem}"), path.read_bytes()
    (tmp_path / "specs").mkdir()
    spec, faults = tmp_path / "specs" / "mutated.yaml", 0
    for _ in range(ROUNDS):
        data = original
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            data = chance.choice(MUTATORS)(data, chance)
        spec.write_bytes(data)
        faults += lint(spec, tmp_path)
    assert faults > ROUNDS // 3, "the mutations break nothing"


def lint(spec: Path, folder: Path) -> bool:
    """Lints one mutated spec, which stays in the folder when it fails; whether anything was found."""
    reporter = Reporter()
    faulthandler.dump_traceback_later(STUCK, exit=True)
    started = time.thread_time()
    try:
        stages.lint([spec], reporter, env={})
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert time.thread_time() - started < SLOWEST, f"too slow: {spec}"
    for diagnostic in reporter.sorted():
        assert diagnostic.message, diagnostic
        if diagnostic.span:
            text = diagnostic.span.file.text
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text), diagnostic
    return bool(reporter.found)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_corpus_is_right(path: Path) -> None:
    reporter = Reporter()
    stages.lint([path.parent if "specs" in path.parts else path], reporter, env={})
    assert [d for d in reporter.sorted() if d.code != "secret-literal"] == []
