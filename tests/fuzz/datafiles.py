"""Data files of every format: right ones, then damaged, cut, wide, deep, or of another format than their name says."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.mutant import SPEC, Chance, Mutant
from tests.fuzz.names import NAMES
from tests.fuzz.texts import changed

VALUES: tuple[Any, ...] = (
    None, "", " ", 0, 1, -1, 1.5, 2**31, 2**63, 10**40, -0.0, 1e308, True, False, "true", "NaN", "inf", "0x1", "1,5", "1_0", "00", "+1", "1e5", "é", "\U0001f600",
    "a\nb", "a\r\nb", 'a"b', "a,b", "'", "\\", "\\N", "NULL", "null", "\x00", "\x1b[31m", "\u202e", "\x85", "\u2028", "2020-01-01", "2020-02-30", "0000-00-00",
    "9999-12-31T23:59:59.999999999Z", "-0001-01-01", "10000-01-01", "24:00", "2020-01-01T00:00:00+99:00", [], {}, [1, [2, [3]]], {"a": {"b": {"c": None}}}, [{}], "[" * 500,
    "a" * 5000,
)  # fmt: skip
COLUMNS = ("id", "name", "price", "sold", "seen", "data")
TYPES = ("bigint", "integer", "smallint", "text", "varchar(3)", "numeric(10,2)", "numeric(38,0)", "double", "real", "boolean", "date", "timestamp", "timestamptz",
         "time", "json", "uuid", "bytea", "text[]", "bigint[]")  # fmt: skip


def rows(chance: Chance) -> list[dict[str, Any]]:
    """Rows that mostly fit together."""
    names = list(
        chance.choice([COLUMNS, COLUMNS, COLUMNS[:2], [*COLUMNS, chance.choice(NAMES)], [f"c{i}" for i in range(300)]])
    )
    odd, found = chance.choice([0.0, 0.02, 0.3]), []
    for number in range(chance.choice([0, 1, 3, 20])):
        row = {
            name: number
            if name in ("id", "price")
            else f"2020-01-0{number % 9 + 1}"
            if name in ("sold", "seen")
            else f"v{number}"
            for name in names
        }
        for name in names:
            if chance.random() < odd:
                row[name] = chance.choice(VALUES)
            if chance.random() < odd / 10:
                row.pop(name, None)
        found.append(row)
    return found


def as_csv(found: list[dict[str, Any]], chance: Chance) -> bytes:
    text = io.StringIO()
    delimiter, quoting = chance.choice([",", ",", ";", "\t", "|"]), chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=chance.choice(["\n", "\r\n", "\r"]))
    writer.writerow(found[0] if found else COLUMNS)
    writer.writerows(row.values() for row in found)
    return text.getvalue().encode(chance.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]), "replace")


def as_lines(found: list[dict[str, Any]], chance: Chance) -> bytes:
    return (
        chance.choice(["\n", "\n", "\r\n", "", "\n\n", ","])
        .join(_json(row, chance) for row in found)
        .encode("utf-8", "surrogatepass")
    )


def as_array(found: list[dict[str, Any]], chance: Chance) -> bytes:
    return ("[" + ",".join(_json(row, chance) for row in found) + "]").encode("utf-8", "surrogatepass")


def _json(row: dict[str, Any], chance: Chance) -> str:
    text = json.dumps(row, ensure_ascii=chance.random() < 0.5)
    return text.replace("1", "1" * 5000, 1) if chance.random() < 0.01 else text


def as_parquet(found: list[dict[str, Any]], chance: Chance) -> bytes:
    shared = list(dict.fromkeys(name.encode("utf-8", "replace").decode() for row in found for name in row)) or ["id"]
    arrays = [_array([row.get(name) for row in found]) for name in shared]
    buffer = io.BytesIO()
    pq.write_table(pa.table(arrays, shared), buffer, compression=chance.choice(["none", "snappy", "zstd", "gzip"]))
    return buffer.getvalue()


def _array(values: list[Any]) -> pa.Array:
    try:
        array = pa.array(values)
        pq.write_table(pa.table([array], ["a"]), io.BytesIO())
        return array
    except (pa.ArrowException, OverflowError, UnicodeError):
        return pa.array([None if value is None else repr(value) for value in values])


FORMS: dict[str, Callable[[list[dict[str, Any]], Chance], bytes]] = {
    "csv": as_csv, "jsonl": as_lines, "json": as_array, "parquet": as_parquet
}  # fmt: skip


@cache
def deep() -> tuple[bytes, ...]:
    """Contents that are small and large at once."""
    nested = b'{"id": 1, "data": ' + b"[" * 3000 + b"]" * 3000 + b"}"
    wide = b",".join(b"c%d" % i for i in range(20_000)) + b"\n"
    keys = json.dumps({f"k{i}": i for i in range(5000)}).encode()
    bomb = gzip.compress(b"id,name\n" + b"1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * 200_000)
    return (
        nested,
        wide,
        keys,
        bomb,
        b'"' * 50_000,
        b"\x00" * 50_000,
        b"PAR1" + b"\xff" * 100 + b"PAR1",
        b"\x1f\x8b",
        b"",
    )


def damaged(data: bytes, chance: Chance) -> bytes:
    """What a file may have become."""
    change = chance.random()
    if change < 0.4:
        return data
    if change < 0.75:
        return changed(data, chance)
    if change < 0.9:
        return data[: chance.randrange(len(data) + 1)]
    return chance.choice(deep()) if change < 0.97 else data[::-1]


def mutant(chance: Chance) -> Mutant:
    """A pipeline that reads a file into an embedded database."""
    said = chance.choice([*FORMS])
    written = said if chance.random() < 0.95 else chance.choice([*FORMS])
    data = FORMS[written](rows(chance), chance)
    packed = chance.random() < 0.2 and said != "parquet"
    data = damaged(gzip.compress(damaged(data, chance)), chance) if packed else damaged(data, chance)
    name = f"in.{said}" + (".gz" if packed else "")
    source: dict[str, Any] = {"connection": "drop", "path": name, "format": said}
    if chance.random() < 0.5:
        declared = chance.sample(COLUMNS, chance.choice([1, 2, 3]))
        source["columns"] = {column: chance.choice(TYPES) for column in declared}
    if said == "csv" and chance.random() < 0.3:
        source["read"] = chance.choice(
            [{"header": False}, {"delimiter": ";"}, {"quote": "'"}, {"null_values": ["", "v1"]}, {"encoding": "latin1"}]
        )
    pipeline: dict[str, Any] = {
        "from": source,
        "to": {"connection": "db", "table": "out", "mode": chance.choice(["append", "merge", "scd2", "truncate"])},
    }
    pipeline["to"]["keys"] = ["id"]
    if chance.random() < 0.3:
        pipeline["sql"] = chance.choice(
            [
                "SELECT * FROM source",
                "SELECT id, name FROM source",
                "SELECT count(*) AS id FROM source",
                "SELECT id, lower(name) AS n FROM source",
            ]
        )
    kind = chance.choice(["duckdb", "sqlite"])
    project = {
        "connections": {"drop": {"kind": "files", "uri": "data"}, "db": {"kind": kind, "path": "fuzz.db"}},
        "pipelines": {"p": pipeline},
    }
    return Mutant({SPEC: json.dumps(project).encode(), f"data/{name}": data}, run=True)
