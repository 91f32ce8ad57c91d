"""The corpus: files of cases, one file for each family of functions.

A case is a block of lines:

    -- postgres: what it shows
    SELECT split_part('a,b,c', ',', 2)
    --> 'b'

The first line names the author's dialect, each `-->` a row that is expected, its values separated by ` | `; an empty
`-->` says that no row comes. Rows are compared in order when the query has an ORDER BY. Values are written `NULL`,
`true`, numbers, `'text'` (`e'…'` with escapes), `2024-02-29`, `2024-02-29 10:00:00`, the same with `Z` for an instant,
`[1, 2]` for an array and `json {…}` for JSON text. `--! sqlite: reason` says that the case is known to fail there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")
DIALECTS = ("spark", "duckdb", "postgres", "mysql", "bigquery", "snowflake")

_HEAD = re.compile(r"-- (\w+): (.+)")
_KNOWN = re.compile(r"--! (\w+): (.+)")
_TEXT = re.compile(r"'(?:[^']|'')*'")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Json:
    """An expected value that is JSON."""

    value: object


@dataclass(frozen=True, eq=False)
class Case:
    """One query and what it means in its author's dialect."""

    family: str
    dialect: str
    title: str
    sql: str
    rows: tuple[tuple[object, ...], ...]
    known: tuple[tuple[str, str], ...] = ()
    """Engines on which it fails, with reasons."""

    @property
    def id(self) -> str:
        """Its name in reports."""
        return f"{self.family}: {self.dialect}: {self.title}"


@cache
def cases() -> tuple[Case, ...]:
    """All cases, family by family."""
    return tuple(case for path in sorted(FOLDER.glob("*.sql")) for case in _read(path))


def _read(path: Path) -> Iterator[Case]:
    for block in path.read_text("utf-8").strip().split("\n\n"):
        lines = block.strip().split("\n")
        head = _HEAD.fullmatch(lines[0])
        assert head is not None, f"{path.name}: no heading: {lines[0]}"
        assert head[1] in DIALECTS, f"{path.name}: {lines[0]}: unknown dialect"
        known = tuple((m[1], m[2]) for line in lines if (m := _KNOWN.fullmatch(line)))
        rows = [line.removeprefix("-->").strip() for line in lines if line.startswith("-->")]
        sql = "\n".join(line for line in lines[1:] if not line.startswith("--"))
        assert sql, f"{path.name}: {lines[0]}: no query"
        assert rows, f"{path.name}: {lines[0]}: no rows"
        yield Case(path.stem, head[1], head[2], sql, tuple(_row(row) for row in rows if row), known)


def _row(text: str) -> tuple[object, ...]:
    return tuple(_value(part) for part in _split(text))


def _split(text: str) -> Iterator[str]:
    part = ""
    for piece in re.split(r"('(?:[^']|'')*'| \| )", text):
        if piece == " | ":
            yield part.strip()
            part = ""
        else:
            part += piece
    yield part.strip()


def _value(text: str) -> object:
    words = {"NULL": None, "true": True, "false": False}
    if text in words:
        return words[text]
    if text.startswith("json "):
        return Json(json.loads(text[5:]))
    if text.startswith("["):
        return [_value(item.strip()) for item in text[1:-1].split(", ")] if text != "[]" else []
    if text.startswith("e'"):
        return _value(text[1:].replace("\\n", "\n").replace("\\t", "\t"))
    if _TEXT.fullmatch(text):
        return text[1:-1].replace("''", "'")
    if _DATE.fullmatch(text):
        return date.fromisoformat(text)
    if _DATE.match(text):
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC if text.endswith("Z") else None)
    assert _NUMBER.fullmatch(text), f"cannot read the value {text!r}"
    return Decimal(text)
