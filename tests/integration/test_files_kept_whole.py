"""Values of files that a reader would change are kept as they are, or are bad rows: alone, and in loads and streams."""

from __future__ import annotations

import gzip
import os
import sqlite3
from contextlib import closing

import pytest

from flowc.runtime.systems import open_database
from tests.integration.test_files_bounded import bad_rows, ids, write
from tests.integration.test_files_silence import outcomes
from tests.streams.filefolder import put

GREAT = {
    "real": "1e39", "double": "1" * 310, "double[]": f"[1.5, {'1' * 310}]", "real[][]": "[[1, -1e39], null]",
    "struct(v real)": '{"v": 1e39}', "struct(v double)[]": '[{"v": 1e400}]',
}  # fmt: skip


@pytest.mark.covering
@pytest.mark.parametrize("form", ["jsonl", "json"])
@pytest.mark.parametrize("kind", list(GREAT))
def test_a_number_of_json_that_no_float_holds_is_a_bad_row(project, form, kind):
    rows = [f'{{"id": {row}, "v": {value}}}' for row, value in enumerate((GREAT[kind], "null", "null"), 1)]
    put(project.path / "in", f"a.{form}", "[" + ",\n".join(rows) + "]" if form == "json" else "\n".join(rows))
    write(project, f"a.{form}", "", f'columns: {{ id: bigint, v: "{kind}" }}')
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("SELECT id, name", "SELECT id, 'x' AS name"))
    _, strict, _ = outcomes(project)
    assert ids(project) == ids(project, "s") == [2, 3]
    assert f"line 1{', element 1' if form == 'json' else ''}: column `v`" in strict


DUCK = """
project: shop
connections: {{ d: {{ kind: files, uri: in }}, w: {{ kind: duckdb, path: w.duckdb }} }}
tables: {{ t: {{ connection: w, columns: {{ id: bigint, v: {kind} }} }} }}
pipelines:
  p: {{ from: {{ connection: d, path: "a.jsonl", columns: {{ id: bigint, v: {kind} }} }}, to: t, mode: append }}
"""


@pytest.mark.parametrize(("kind", "great", "greatest"), [
    ("real", "1e39", "3.4028234663852886e38"), ("double", "1" * 310, "-1.7976931348623157e308"),
])  # fmt: skip
def test_duckdb_gets_no_infinity_for_a_number(project, kind, great, greatest):
    project.write("specs/p.yaml", DUCK.format(kind=kind))
    put(project.path / "in", "a.jsonl", f'{{"id": 1, "v": {great}}}\n')
    done = project.flowc("run", "p", "--once")
    assert done.code == 1
    assert f"column `v`: `{great[:30]}" in done.err
    put(project.path / "in", "a.jsonl", f'{{"id": 1, "v": {greatest}}}\n')
    assert project.flowc("run", "p", "--once").code == 0
    with closing(open_database("duckdb", {"path": str(project.path / "w.duckdb")})) as database:
        assert database.query("SELECT v FROM t").to_pylist() == [{"v": float(greatest)}]


@pytest.mark.parametrize("kind", ["text", "json"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\t"])
def test_a_raw_line_end_in_a_text_of_an_array_is_a_bad_row(project, kind, end):
    put(project.path / "in", "a.json", f'[{{"id": 1,{end}"name": "x"}},\n{{"id": 2, "name": "a{end}b"}}]')
    write(project, "a.json", "", f"columns: {{ id: bigint, name: {kind} }}")
    _, strict, _ = outcomes(project)
    assert ids(project) == ids(project, "s") == [1]
    assert "Invalid control character" in strict


ROWS = b'[{"id": 1, "name": "a"},\nnull]'
MARK = b"\xef\xbb\xbf"


@pytest.mark.covering
@pytest.mark.parametrize(("parts", "line"), [
    ([b"\n", ROWS], 3), ([MARK + b" " * 9000 + ROWS], 2), ([MARK[:1], MARK[1:], ROWS], 2), ([b"", b" ", b"", ROWS], 2),
    ([b"\n" * 9000, ROWS], 9002), ([MARK[:1], MARK[1:] + b"\n", b" ", ROWS], 3),
])  # fmt: skip
@pytest.mark.parametrize("packed", [True, False])
def test_an_array_is_one_however_its_first_bytes_come(project, parts, line, packed):
    name = "a.json.gz" if packed else "a.json"
    path = put(project.path / "in", name, b"")
    moment = os.stat(path).st_mtime
    path.write_bytes(b"".join(map(gzip.compress, parts)) if packed else b"".join(parts))
    os.utime(path, (moment, moment))
    write(project, name, "")
    _, strict, _ = outcomes(project)
    assert ids(project) == ids(project, "s") == [1]
    assert [found[0] for found in bad_rows(project, name)] == [line]
    assert f"line {line}, element 2: it is not a JSON object" in strict


def test_a_mark_in_parts_is_no_part_of_a_header(project):
    path = put(project.path / "in", "a.csv.gz", b"")
    path.write_bytes(b"".join(map(gzip.compress, (MARK[:2], MARK[2:] + b'id,name\n1,"a\nb"\n'))))
    write(project, "a.csv.gz", "")
    outcomes(project)
    assert ids(project) == ids(project, "s") == [1]


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_null_in_place_of_an_object_is_a_bad_row_everywhere(project, form):
    rows = ['{"id": 1, "name": "a"}', " null", '{"id": 3, "name": "c"}', "null\t"]
    put(project.path / "in", f"a.{form}", "[" + ",\n".join(rows) + "]" if form == "json" else "\n".join(rows))
    write(project, f"a.{form}", "")
    _, strict, follow = outcomes(project)
    assert ids(project) == ids(project, "s") == [1, 3]
    assert [found[0] for found in bad_rows(project, f"a.{form}")] == [2, 4]
    element, of_stream = (", element 2", " or element") if form == "json" else ("", "")
    assert f"line 2{element}: it is not a JSON object" in strict
    assert f"line{of_stream} 4: `null` is not a JSON object" in follow


@pytest.mark.parametrize("rows", [["\ufeffx,1", "y,2"], ["\ufeff,1", "\ufeff\ufeffz,2"], ["\ufeffx,1", "y,no", "y"]])
def test_a_mark_that_a_value_begins_with_is_kept(project, rows):
    put(project.path / "in", "a.csv", "\n".join(["name,id", *rows]) + "\n")
    write(project, "a.csv", "")
    outcomes(project)
    expected = [tuple(row.split(",")) for row in rows if row[-1].isdigit()]
    for table in ("t", "s"):
        with closing(sqlite3.connect(project.path / "w.db")) as database:
            found = database.execute(f"SELECT name, CAST(id AS text) FROM {table} ORDER BY id").fetchall()
            assert found == expected


def test_what_no_float_is_as_great_as_is_told_in_words(project):
    put(project.path / "in", "a.csv", "id,name\n1,1e39\n2,1.5\n")
    write(project, "a.csv", "", "columns: { id: bigint, name: real }")
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("SELECT id, name", "SELECT id, CAST(name AS text) AS name"))
    (follow,) = outcomes(project, "follow")
    assert "`1e39` does not fit `real`: no float is as great, or as small" in follow
