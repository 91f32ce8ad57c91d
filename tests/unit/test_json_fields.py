"""Fields are cut out of JSON alike, whatever they are called."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.text.jsonfields import Cutter
from flowc.types import parse_type
from tests.commands import Inside

NAMES = ("plain", 'a"b', "a\\b", "a\x1bb", "a\tb", "ä\n")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("exact", [False, True])
def test_an_object_is_cut_as_one_with_a_plain_name_is(name: str, exact: bool) -> None:
    cutter = Cutter((name, "list"), frozenset({"list"}), exact=exact)
    rows = cutter.lines(f'{{"list": [1, {{}}], {json.dumps(name)}: 1.50}}\n{{}}\n{{"list": null}}'.encode())
    assert cutter.texts(rows, 0) == [b"1.50", b"null", b"null"]
    lists = list(map(cutter.column(1), rows))
    assert [one and list(map(bytes, one)) for one in lists] == [[b"1", b"{}"], None, None]
    again = msgspec.json.Encoder().encode(cutter.one(f"{{{json.dumps(name)}: [1]}}".encode()))
    assert json.loads(again)[name] == [1]
    with pytest.raises(msgspec.DecodeError):
        cutter.one(b'{"list": 1}')
    if exact:
        with pytest.raises(msgspec.ValidationError, match="unknown field `strange`"):
            cutter.one(b'{"strange": 1}')


@pytest.mark.parametrize("name", NAMES)
def test_messages_that_are_all_bad_are_told_apart(name: str) -> None:
    columns = (Column("t", parse_type("text")), Column(name, parse_type("json")))
    texts = [json.dumps({"t": 1, name: {}}), json.dumps({"t": 2})]
    decoded = JsonDecoder(columns).decode(pa.array([text.encode() for text in texts], pa.binary()))
    assert [(row.index, row.code) for row in decoded.bad] == [(0, "value-does-not-fit"), (1, "value-does-not-fit")]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_json_lines_is_loaded(name: str, tmp_path: Path) -> None:
    folder = Inside(tmp_path)
    spec = {
        "connections": {"in": {"kind": "files", "uri": "."}, "out": {"kind": "sqlite", "path": "out.db"}},
        "tables": {"t": {"connection": "out", "columns": {"id": "bigint", name: "json", f"{name}2": "numeric(38,2)"}}},
        "pipelines": {"p": {"from": {"connection": "in", "path": "a.jsonl"}, "to": "t"}},
    }
    folder.write("specs/s.yaml", json.dumps(spec))
    row = f'{{"id": 1, {json.dumps(name)}: {{"x":  1}}, {json.dumps(name + "2")}: 12345678901234567890.25}}\n'
    folder.write("a.jsonl", row)
    assert folder.flowc("run", "--once").code == 0
    with closing(sqlite3.connect(tmp_path / "out.db")) as out:
        assert out.execute("SELECT * FROM t").fetchall() == [(1, '{"x":  1}', "12345678901234567890.25")]
