"""Records of files: right ones that can be told by their bytes, among those that nobody should send."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

from tests.fuzz import trees
from tests.fuzz.datafiles import VALUES
from tests.fuzz.mutant import Chance
from tests.fuzz.texts import changed

COLUMNS = {
    "id": "bigint",
    "name": "text",
    "price": "numeric(10,2)",
    "sold": "date",
    "seen": "timestamptz",
    "data": "json",
}
HEADER = b",".join(name.encode() for name in COLUMNS)
FIRST = 700_000_001
"""The least `id` of a right record: no hostile one comes to it by chance."""
_GOOD = re.compile(rb"\bgood(\d+)\b")
LINES = (
    b" ", b"\t", b"\r", b"null", b"[]", b"{}", b"0", b'""', b"{", b"}", b'{"id": 1} {"id": 2}', b'{"id": 1}{"id": 2}', b'{"id": 1},', b'{"id": 1, "id": "x"}', b'{"ID": 1}', b'{"id ": 1}',
    b'{"id": 1e400}', b'{"id": 9223372036854775808}', b'{"id": -0.0}', b'{"id": 1.0}', b'{"id": 01}', b'{"id": NaN}', b'{"name": "\\ud800"}', b'{"name": "\\u0000"}', b'{"name": "\xff"}', b'{"\xff": 1}',
    b"\xef\xbb\xbf{}", b"{'id': 1}", b"// a", b"# a", b'{"data": ' + b"[" * 600 + b"]" * 600 + b"}", b'{"data": ' + b'{"a":' * 600 + b"1" + b"}" * 600 + b"}", b'{"price": 1e999999999}',
    b'{"price": ' + b"9" * 6000 + b"}", b'{"seen": "9999-12-31T23:59:60Z"}', b'{"sold": "2020-02-30"}', b"1,2", b",,,,,", b",,,,,,", b"1;2;3;4;5;6", b"\x00", b"-1,a\x00b,1,2020-01-01,,", b"-1,\xff,,,,",
)  # fmt: skip
"""Lines that stand for a kind of their own."""


BLANKS = b" \t\r"
"""What may be around a record, and is no part of it."""


def bare(line: bytes) -> bytes:
    """A record without what may be around it, and without a byte order mark, which the first one of a file loses."""
    return line.strip(BLANKS).removeprefix(b"\xef\xbb\xbf").strip(BLANKS)


def good(number: int) -> dict[str, Any]:
    """A right record."""
    return {
        "id": number,
        "name": f"good{number}",
        "price": 1.5,
        "sold": "2020-01-01",
        "seen": "2020-01-01T00:00:00Z",
        "data": {},
    }


def line_of(row: dict[str, Any], form: str) -> bytes:
    """A record as a line, without quotes in CSV, so that each line there is one record."""
    if form != "csv":
        return json.dumps(row).encode()
    words = ["" if value is None else value if isinstance(value, str) else json.dumps(value) for value in row.values()]
    return ",".join(re.sub(r'["\n\r]', " ", word) for word in words).encode("utf-8", "replace")


def good_ids(lines: Iterator[bytes], form: str) -> set[int]:
    """The `id`s of the right records among lines."""
    found = ((int(match[1]), line) for line in lines if (match := _GOOD.search(line)))
    return {number for number, line in found if line.rstrip(b",\r") == line_of(good(number), form)}


def hostile(chance: Chance, form: str) -> bytes:
    """A line that may be a record."""
    row, change = good(-chance.randrange(1, 20)), chance.random()
    if change < 0.2:
        line = chance.choice(LINES)
    elif change < 0.5:
        for name in chance.sample(sorted(row), chance.choice([1, 1, 2])):
            row[name] = chance.choice(VALUES)
        line = line_of(row, form)
    elif change < 0.65:
        line = _enveloped(row, chance)
    elif change < 0.75:
        row.pop(chance.choice(sorted(row)))
        line = line_of(row, form)
    else:
        line = changed(line_of(row, form), chance)
    line = line.replace(b"\n", b" ")
    return line.replace(b'"', b"") if form == "csv" else line


def _enveloped(row: dict[str, Any], chance: Chance) -> bytes:
    """What a connector of changes would send, with a broken part."""
    source = {"connector": "postgresql", "table": "t", "lsn": 1, "snapshot": "false"}
    payload = {"before": None, "after": row, "source": source, "op": chance.choice("cudrt?"), "ts_ms": 1}
    envelope = {"schema": {"type": "struct", "fields": []}, "payload": payload} if chance.random() < 0.5 else payload
    for _ in range(chance.choice([0, 1, 2])):
        chance.choice([trees.drop, trees.odd])(envelope or {"a": 1}, chance)
    return json.dumps(envelope, default=str).encode("utf-8", "replace")


def records(chance: Chance, form: str) -> list[bytes]:
    """Lines, most of them right."""
    share = chance.choice([0.0, 0.1, 0.4, 1.0])
    lines = [
        hostile(chance, form) if chance.random() < share else line_of(good(FIRST + number), form)
        for number in range(chance.choice([1, 3, 12, 40]))
    ]
    return [line for line in lines if _is_json(line)] if form == "json" else lines


def _is_json(line: bytes) -> bool:
    """Where elements of an array end is clear as long as each is a value."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def filled(lines: list[bytes], form: str, chance: Chance) -> bytes:
    """A file of these lines: lines of JSON, an array of one element in each line, or CSV with a header."""
    if form == "json":
        return b"[\n" + b",\n".join(lines) + b"\n]"
    end = chance.choice([b"\n", b"\n", b"\r\n"])
    blanks = [line + end * chance.choice([1] * 9 + [2]) for line in lines]
    return (HEADER + end if form == "csv" else b"") + b"".join(blanks)


def is_whole(name: str, data: bytes, form: str) -> bool:
    """Whether it is told where records end: a file that begins with a bracket is an array, and has to end as one."""
    try:
        plain = _plain(name, data)
    except (OSError, EOFError, zlib.error):  # an archive that was made smaller
        return False
    is_array = plain.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    return not is_array if form == "jsonl" else form != "json" or (is_array and plain.endswith(b"\n]"))


def _plain(name: str, data: bytes) -> bytes:
    return gzip.decompress(data) if name.endswith(".gz") else data


def placed(name: str, data: bytes, form: str) -> Iterator[tuple[tuple[str, int], bytes]]:
    """The records of a whole file, each with the name of the file and the number of its line or element."""
    lines = _plain(name, data).split(b"\n")
    if form == "json":
        yield from (((name, number), line.removesuffix(b",")) for number, line in enumerate(filter(None, lines[1:-1])))
        return
    for number, line in enumerate(lines):
        blank = line.removesuffix(b"\r") if form == "csv" else line.strip(BLANKS)
        if blank and not (form == "csv" and number == 0):
            yield (name, number), line.removesuffix(b"\r")
