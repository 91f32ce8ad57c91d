"""`flowc test` gives a stream what its kind of source gives it: the columns, their types and values, what is no row.

Every kind of source and each of its formats is read for real, with all columns beside the message's own; the same rows
are then given to a test, which has to hold what the run wrote.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from flowc.compiler.front.kinds import kinds
from flowc.compiler.front.streamkinds import source_kind
from flowc.stream import EXTRAS
from tests import topics
from tests.commands import Inside

READ = [(kind, form) for kind in kinds() for form in source_kind(kind).formats]
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
TYPES = {
    "id": "bigint not null", "amount": '"numeric(6,2)"', "big": "numeric", "name": "text", "doc": "json",
    "inner": '"row(a bigint, b text)"', "tags": '"text[]"', "day": "date", "at": "timestamptz", "ok": "boolean",
}  # fmt: skip
ROWS = [
    {"id": 1, "amount": 2.5, "big": 12.25, "name": "a;b", "doc": {"k": [1, None]}, "inner": {"a": 1, "b": "x"},
     "tags": ["a", "b"], "day": "2026-01-02", "at": "2026-01-02T03:04:05Z", "ok": True},
    {"name": "without a number"},
    {"id": 3, "inner": {"a": 2}, "tags": [], "doc": {}},
]  # fmt: skip
"""The second is none: its `id` takes no NULL."""
EXTRA = ", ".join(f"{name} AS x{name}" for name in EXTRAS)


def columns(form: str) -> dict[str, str]:
    kept = {n: t.strip('"') for n, t in TYPES.items()}
    if form == "csv":
        return {name: kept[name] for name in ("id", "amount", "big", "name", "day", "at", "ok")}
    return {"value": "text"} if form == "raw" else kept


def rows_of(form: str) -> list[dict[str, object]]:
    if form == "raw":
        return [{"value": "one"}, {"value": None}, {"value": ""}]
    return [{name: row.get(name) for name in columns(form) if name in row} for row in ROWS]


def written(form: str, rows: list[dict[str, object]], file: Path) -> None:
    if form == "csv":
        lines = [";".join(columns(form)), *(";".join(_field(row.get(name)) for name in columns(form)) for row in rows)]
        file.write_text("\n".join(lines) + "\n", "utf-8")
    elif form == "parquet":
        docs = [{**row, "doc": json.dumps(row["doc"]) if "doc" in row else None} for row in rows]
        pq.write_table(pa.Table.from_pylist(docs, schema=PARQUET), file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


PARQUET = pa.schema(
    [
        ("id", pa.int64()), ("amount", pa.float64()), ("big", pa.float64()), ("name", pa.string()),
        ("doc", pa.string()), ("inner", pa.struct([("a", pa.int64()), ("b", pa.string())])),
        ("tags", pa.list_(pa.string())), ("day", pa.string()), ("at", pa.string()), ("ok", pa.bool_()),
    ]
)  # fmt: skip


def _field(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return f'"{text}"' if ";" in text else text


@pytest.mark.parametrize(("kind", "form"), READ)
def test_a_test_gives_what_the_source_gives(kind: str, form: str, tmp_path: Path, request: pytest.FixtureRequest):
    made, source = Inside(tmp_path), {"connection": "in", "format": form}
    if form != "raw":
        source["columns"] = columns(form)
    given = MAKERS[kind](form, made, source, request)
    sql = f"SELECT *, {EXTRA} FROM source"
    stream = {"source": source, "sql": sql, "to": {"connection": "wh", "table": "kept"}, "on_error": "drop"}
    made.write("specs/p.yaml", yaml.safe_dump(CONNECTIONS[kind] | {"streams": {"s": stream}}))
    done = made.flowc("run", "--once", "s")
    assert done.code == 0, done.out + done.err
    with duckdb.connect(str(tmp_path / "wh.duckdb")) as found:
        kept = found.sql("SELECT * FROM kept").to_arrow_table().to_pylist()
    assert len(kept) == 2
    expect = [{name: _value(name, value) for name, value in row.items()} for row in kept]
    tests = {"t": {"stream": "s", "given": {"source": given}, "expect": expect}}
    made.write("specs/t.yaml", yaml.safe_dump({"tests": tests}))
    done = made.flowc("test")
    assert done.code == 0, done.out + done.err


def _in_files(form: str, made: Inside, source: dict[str, object], _: object) -> list[dict[str, object]]:
    folder, rows = made.path / "in", rows_of(form)
    folder.mkdir()
    source["path"] = f"*.{form}"
    source |= {"read": {"delimiter": ";"}} if form == "csv" else {}
    for number, part in enumerate((rows[:2], rows[2:])):
        file = folder / f"{number}.{form}"
        written(form, part, file)
        os.utime(file, ns=((round(WHEN.timestamp() * 1000) + 1000 * number) * 10**6,) * 2)
    beside = [
        {"_topic": f"{n // 2}.{form}", "_event_ts": WHEN.replace(second=5 + n // 2).isoformat()} for n in range(3)
    ]
    return [row | beside[n] for n, row in enumerate(rows)]


def _in_a_topic(
    form: str, made: Inside, source: dict[str, object], request: pytest.FixtureRequest
) -> list[dict[str, object]]:
    address, rows = request.getfixturevalue("kafka"), rows_of(form)
    made.env["BUS"] = address
    source["topic"] = topic = topics.fresh(address)
    moment = round(WHEN.timestamp() * 1000)
    texts = [row["value"] if form == "raw" else json.dumps(row) for row in rows]
    messages = [
        topics.Message(None if text is None else str(text).encode(), b"k", 0, [("h", b"v")], moment) for text in texts
    ]
    topics.produce(address, topic, messages)
    beside = {"_key": "k", "_headers": {"h": "v"}, "_event_ts": WHEN.isoformat()}
    return [row | beside for row in rows]


MAKERS = {"files": _in_files, "kafka": _in_a_topic}
"""What writes the rows for a run, by kind of source; gives them as a test gives them."""
WAREHOUSE = {"wh": {"kind": "duckdb", "path": "wh.duckdb"}}
CONNECTIONS = {
    "files": {"connections": {"in": {"kind": "files", "uri": "./in"}, **WAREHOUSE}},
    "kafka": {"connections": {"in": {"kind": "kafka", "bootstrap_servers": "${BUS}"}, **WAREHOUSE}},
}


def _value(name: str, value: object) -> object:
    if name in ("doc", "inner", "x_headers") and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) or hasattr(value, "isoformat") else value
