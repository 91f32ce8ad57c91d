"""Texts changed as texts: bytes, words and lines of specs that are right."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fuzz.mutant import Chance, Mutant, spec

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = [*sorted((ROOT / "tests/fuzz/corpus").glob("embedded_*.yaml"))]
SPECS = [*sorted((ROOT / "tests/fuzz/corpus").glob("*.yaml")), *sorted((ROOT / "specs").rglob("*.yaml"))]
BYTES = [b"\x00", b"\xff", b"\xef\xbb\xbf", b"\t", b"\r", b"'", b'"', b"`", b"{{", b"}}", b"{%", b"%}", b"${", b"--", b";",
         b"*a", b"&a ", b"<<: ", b"!!str ", b"[", b"]", b"{", b"}", b": ", b"- ", b"#", b"|", b">", b"?", b"\xc2\x85", b"\xe2\x80\xa8",
         b"\xe2\x80\xae", b"\xc2\x9b", b"\x7f", b"\xed\xa0\x80"]  # fmt: skip
WORDS = ["null", "true", "-1", "1e400", "''", "[]", "{}", "[[]]", "9" * 30, "'\"'", "\"a'b\"", "select", "source", ".", "..",
         "a.b.c.d", "'%'", "\U0001f600", "5m", "scd2", "merge", "warehouse", "*", "'{{ var.nope }}'", "'{{ 1/0 }}'", "'SELECT 1; SELECT 2'",
         "'SELECT * FROM (SELECT'", "'WITH RECURSIVE a AS (SELECT * FROM a) SELECT * FROM a'", "varchar(0)", "'numeric(99,98)'",
         '"\\e[31m"', '"\\u202e"', '"\\x9b"', '"\\0"', '"\\n"', "'${FUZZ_SECRET}'", "append", "truncate", "bigint", "text[]", "json", "id", "name"]  # fmt: skip

Change = Callable[[bytes, Chance], bytes]


def flip(data: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def insert(data: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(BYTES) + data[at:]


def cut(data: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.randrange(1, 40) :]


def repeat(data: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(data) + 1)
    part = data[at : at + chance.randrange(1, 200)]
    return data[:at] + part * chance.randrange(2, 5) + data[at:]


def drop_line(data: bytes, chance: Chance) -> bytes:
    lines = data.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def swap_lines(data: bytes, chance: Chance) -> bytes:
    lines = data.split(b"\n")
    i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def indent_line(data: bytes, chance: Chance) -> bytes:
    lines = data.split(b"\n")
    i = chance.randrange(len(lines))
    lines[i] = chance.choice([b"  " + lines[i], lines[i][2:], b"\t" + lines[i], b"- " + lines[i]])
    return b"\n".join(lines)


def replace_word(data: bytes, chance: Chance) -> bytes:
    words = data.split(b" ")
    words[chance.randrange(len(words))] = chance.choice(WORDS).encode()
    return b" ".join(words)


def replace_value(data: bytes, chance: Chance) -> bytes:
    lines = data.split(b"\n")
    i = chance.randrange(len(lines))
    key, colon, _ = lines[i].partition(b": ")
    lines[i] = key + colon + chance.choice(WORDS).encode()
    return b"\n".join(lines)


CHANGES: tuple[Change, ...] = (
    flip, insert, cut, repeat, drop_line, swap_lines, indent_line, replace_word, replace_word, replace_value, replace_value,
)  # fmt: skip


def changed(data: bytes, chance: Chance) -> bytes:
    """The bytes with a few changes, mostly one."""
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        data = chance.choice(CHANGES)(data, chance)
    return data


def mutant(chance: Chance) -> Mutant:
    path = chance.choice((*SPECS, *EMBEDDED * 2))
    return spec(changed(path.read_bytes(), chance), plan=path in EMBEDDED)
