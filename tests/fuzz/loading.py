"""Loads of files: the same rows in every format give the same table, and of bad rows each is counted and none lost."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.mutant import SPEC, Chance, Mutant
from tests.fuzz.records import COLUMNS, filled, good_ids, is_whole, placed, records
from tests.fuzz.rules import Observed
from tests.fuzz.tables import STORES, rows_of

UTC = dt.UTC
VALUES: dict[str, tuple[str, pa.DataType, tuple[Any, ...]]] = {
    "n": ("bigint", pa.int64(), (0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1)),
    "small": ("smallint", pa.int16(), (0, 32767, -32768)),
    "name": ("text", pa.string(), ("a", " a", "a ", "a,b", 'a"b', '"', "a\nb", "a\r\nb", "'", "\\", "\\N", "NULL", "null", "true", "1", "01", "1e5", "NaN", "é", "e\u0301", "\U0001f600", "\u2028", "\x85", "\u202e", "\x1b[31m", "{}", "a;b\tc|d", "a" * 5000)),
    "price": ("numeric(10,2)", pa.decimal128(10, 2), (Decimal("0.00"), Decimal("-0.01"), Decimal("99999999.99"), Decimal("1.50"))),
    "wide": ("numeric(38,10)", pa.decimal128(38, 10), (Decimal(10) ** 27, Decimal("0.0000000001"), Decimal("-1.5"))),
    "ratio": ("double", pa.float64(), (0.0, -0.0, 0.1, 1e308, -1e-308, 5e-324, 1 / 3, float(2**53))),
    "sold": ("date", pa.date32(), (dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1970, 1, 1), dt.date(2024, 2, 29), dt.date(1582, 10, 10))),
    "at": ("timestamp", pa.timestamp("us"), (dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.datetime(1969, 12, 31, 23, 59, 59, 1))),
    "seen": ("timestamptz", pa.timestamp("us", "UTC"), (dt.datetime(2020, 1, 1, tzinfo=UTC), dt.datetime(1900, 1, 1, 0, 0, 0, 5, tzinfo=UTC), dt.datetime(9999, 12, 31, tzinfo=UTC))),
    "ok": ("boolean", pa.bool_(), (True, False)),
}  # fmt: skip
"""Columns: their types, here and in Arrow, and values that every format can say."""


def mutant(chance: Chance) -> Mutant:
    """Three files of the same rows, or one with bad rows."""
    return _alike(chance) if chance.random() < 0.5 else _aside(chance)


def _alike(chance: Chance) -> Mutant:
    names = ["id", *chance.sample(sorted(VALUES), chance.choice([1, 3, len(VALUES)]))]
    odd = chance.choice([0.1, 0.5])
    rows = [
        {
            "id": number,
            **{name: None if chance.random() < odd / 3 else chance.choice(VALUES[name][2]) for name in names[1:]},
        }
        for number in range(chance.choice([1, 4, 30]))
    ]
    types = {"id": "bigint", **{name: VALUES[name][0] for name in names[1:]}}
    to = {"connection": "out", "mode": chance.choice(["append", "merge", "truncate", "scd2"]), "keys": ["id"]}
    pipelines = {
        form: {
            "from": {"connection": "drop", "path": f"a.{form}", "format": form, "columns": types},
            "to": {**to, "table": form},
        }
        for form in FORMS
    }
    files = {f"data/a.{form}": write(rows, names) for form, write in FORMS.items()}
    return _project(pipelines, chance, files, alike)


def _csv(rows: list[dict[str, Any]], names: list[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if value is None else _word(value) for value in row.values()] for row in rows)
    return text.getvalue().encode()


def _word(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, Decimal) else value


def _jsonl(rows: list[dict[str, Any]], names: list[str]) -> bytes:
    return b"".join(json.dumps(row, default=_word).encode() + b"\n" for row in rows)


def _parquet(rows: list[dict[str, Any]], names: list[str]) -> bytes:
    kinds = [pa.int64(), *(VALUES[name][1] for name in names[1:])]
    arrays = [pa.array([row[name] for row in rows], kind) for name, kind in zip(names, kinds, strict=True)]
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays, names), sink)
    return sink.getvalue()


FORMS = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}


def _project(pipelines: dict[str, Any], chance: Chance, files: dict[str, bytes], demands: Any) -> Mutant:
    connections = {"drop": {"kind": "files", "uri": "data"}, "out": STORES[chance.choice(["sqlite", "duckdb"])]}
    spec = json.dumps({"connections": connections, "pipelines": pipelines}).encode()
    return Mutant({SPEC: spec, **files}, demands=demands)


def alike(project: Observed, mutant: Mutant, chance: Chance) -> None:
    """All three loads succeed, with the same rows."""
    spec = json.loads(mutant.files[SPEC])
    done = project.observe("run", "--once", "--json")
    if done.code != 0:
        project.note("stops", ("run",), done.out + done.err)
        return
    kind, columns = spec["connections"]["out"]["kind"], [*spec["pipelines"]["csv"]["from"]["columns"]]
    of_csv, of_lines, of_parquet = (sorted(map(repr, rows_of(project.path, kind, form, columns))) for form in FORMS)
    for form, rows in (("jsonl", of_lines), ("parquet", of_parquet)):
        if rows != of_csv:
            project.note("unlike", ("run",), f"{form}: {sorted(set(rows) ^ set(of_csv))[:6]}")


def _aside(chance: Chance) -> Mutant:
    form = chance.choice(["jsonl", "jsonl", "csv", "csv", "json"])
    source = {"connection": "drop", "path": f"whole.{form}", "format": form, "columns": COLUMNS}
    pipeline = {
        "from": source,
        "to": {"connection": "out", "table": "t", "mode": chance.choice(["append", "truncate"])},
        "on_bad_row": chance.choice(["skip", "quarantine"]),
    }
    return _project({"p": pipeline}, chance, {f"data/whole.{form}": filled(records(chance, form), form, chance)}, aside)


def aside(project: Observed, mutant: Mutant, chance: Chance) -> None:
    """Each record is a row or a bad one, both are counted, and the right ones are rows."""
    spec = json.loads(mutant.files[SPEC])
    pipeline, kind = spec["pipelines"]["p"], spec["connections"]["out"]["kind"]
    name = next(name for name in mutant.files if name != SPEC)
    if not is_whole(name, mutant.files[name], pipeline["from"]["format"]):
        return
    given = dict(placed(Path(name).name, mutant.files[name], pipeline["from"]["format"]))
    good = good_ids(iter(given.values()), pipeline["from"]["format"])
    done = project.observe("run", "--once", "--json")
    (target,) = done.json["pipelines"][0]["targets"] if done.code == 0 else [None]
    if target is None:
        if good:
            project.note("stops", ("run",), done.out + done.err)
        return
    rows = rows_of(project.path, kind, "t", ["id"])
    kept = rows_of(project.path, kind, BAD[kind], ["line"]) if pipeline["on_bad_row"] == "quarantine" else None
    counts = target["counts"]
    if missing := good - {number for (number,) in rows}:
        project.note("good", ("run",), str(sorted(missing)))
    if kept is not None and len(kept) != counts.get("bad", 0):
        project.note("lost", ("run",), f"{counts} and {len(kept)} rows are kept")
    if len(rows) != counts["inserted"] or len(rows) + counts.get("bad", 0) != len(given):
        project.note("count", ("run",), f"{counts}, {len(rows)} rows of {len(given)}")


BAD = {"sqlite": "flowc_bad_rows", "duckdb": "flowc.bad_rows"}
"""Where bad rows are kept."""
