"""Files as others write them: in other encodings, with lines before the header, as one JSON array; columns not null."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from tests.integration.test_files_odd import packed
from tests.streams.filefolder import put

SPEC = """
connections:
  d: { kind: files, uri: . }
  w: { kind: sqlite, path: w.db }
tables:
  t: { connection: w, columns: { id: bigint, name: text not null, price: "numeric(8,2)" } }
pipelines:
  load: { from: { connection: d, path: "PATH", read: { READ }, MORE }, to: t, mode: truncate }
streams:
  follow:
    source: { connection: d, path: "PATH", read: { READ }, MORE }
    to: { connection: w, table: s, mode: append }
"""
COLUMNS = 'columns: { id: bigint, name: text not null, price: "numeric(8,2)" }'
TEXT = 'id,name,price\n1,"Grüße\nmehr",1.50\n2,"日本, é",\n'
WEST = TEXT.replace("日本, é", "naïve")
ROWS = [(1, "Grüße\nmehr", 1.5), (2, "日本, é", None)]
CASES = {
    "utf-16": (TEXT.encode("utf-16"), "encoding: utf-16", ROWS),
    "utf-16-le": (("\ufeff" + TEXT).encode("utf-16-le"), "encoding: utf-16-le", ROWS),
    "latin-1": (WEST.encode("latin-1"), "encoding: latin-1", [ROWS[0], (2, "naïve", None)]),
    "skipped": (b"made by\n\nsome tool\n" + TEXT.encode(), "skip_rows: 3", ROWS),
    "both": (b"\xfc\n" + WEST.encode("cp1252"), "skip_rows: 1, encoding: cp1252", [ROWS[0], (2, "naïve", None)]),
    "shift_jis": ("id,name,price\n1,日本,\n".encode("shift_jis"), "encoding: shift_jis", [(1, "日本", None)]),
}  # fmt: skip


def write(project, path, read="", more=COLUMNS):
    project.write("specs/p.yaml", SPEC.replace("PATH", path).replace("READ", read).replace("MORE", more))


def rows(project, table="t"):
    with closing(sqlite3.connect(project.path / "w.db")) as database:
        found = database.execute(f"SELECT id, name, price FROM {table} ORDER BY id").fetchall()
    return [(number, name, price and float(price)) for number, name, price in found]


@pytest.mark.parametrize("case", list(CASES))
def test_other_encodings_and_lines_before_the_header(project, case):
    data, read, expected = CASES[case]
    ending = ".gz" if case == "utf-16" else ""
    put(project.path, f"a.csv{ending}", data)
    write(project, f"a.csv{ending}", read)
    done = project.flowc("run", "load", "--once")
    assert done.code == 0, done.err
    assert rows(project) == expected
    done = project.flowc("run", "follow", "--once")
    assert done.code == 0, done.err
    assert rows(project, "s") == expected


@pytest.mark.parametrize(("data", "read", "words"), [
    ("id,name,price\n1,ü,1\n2,x\n".encode("utf-16"), "encoding: utf-16", "line 3: it has 2 fields where 3 are"),
    (b"x\ny\nid,name,price\n1,a,\n2,\"b,2\n", "skip_rows: 2", "line 5: a quote in it is not closed"),
    (b"id,name,price\n1,\x81,1\n", "encoding: cp1252", "line 2: column `name`: the text is not"),
    (b"x\nid,name,price\n1,,1\n", "skip_rows: 1", "column `name` takes no NULL"),
    (b"id,name,price\n1,a,1\n", "encoding: klingon", "there is no encoding `klingon`"),
    (b"id,name,price\n1,a,1\n", "encoding: punycode", "there is no encoding `punycode`"),
])  # fmt: skip
def test_what_is_wrong_in_them_is_named_by_line(project, data, read, words):
    packed(project.path / "a.csv", data)
    write(project, "a.csv", read)
    done = project.flowc("run", "load", "--once")
    assert done.code != 0
    assert words in done.err


def test_types_are_inferred_in_other_encodings(project):
    packed(project.path / "a.csv", "by hand\nid;name;price\n1;é;1.5\n".encode("utf-16-le"))
    write(project, "a.csv", 'skip_rows: 1, delimiter: ";", encoding: utf-16-le', "format: csv")
    done = project.flowc("run", "load", "--once")
    assert done.code == 0, done.err
    assert rows(project) == [(1, "é", 1.5)]


ITEMS = [{"id": n, "name": f'n{n} ]}}[{{," \\', "price": n / 4, "more": {"a": [1, {"b": n}]}} for n in range(300)]


@pytest.mark.covering
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("more", [COLUMNS, "format: json"])
@pytest.mark.parametrize("ending", ["", ".zst"])
def test_an_array_is_read_as_lines_are(project, indent, more, ending, monkeypatch):
    monkeypatch.setattr("flowc.runtime.stores.lines.BLOCK", 997)
    keep = ITEMS if more == COLUMNS else [{k: v for k, v in item.items() if k != "more"} for item in ITEMS]
    put(project.path, f"a.json{ending}", "\ufeff \n" + json.dumps(keep, indent=indent) + "\n")
    write(project, f"a.json{ending}", "", more)
    done = project.flowc("run", "load", "--once")
    assert done.code == 0, done.err
    assert rows(project) == [(item["id"], item["name"], item["price"]) for item in ITEMS]


@pytest.mark.parametrize(("data", "words"), [
    (b'[\n{"id": 1, "name": "a"},\n\n{"id": "x"}]',
     'line 4, element 2: column `id`: `"x"` does not fit its type `bigint`'),
    (b'[\n{"id": 1,\n "name": null}]', "line 2, element 1: column `name` takes no NULL"),
    (b'[{"id": 1, "name": "a"},\n, {"id": 2, "name": "a"}]', "line 2, element 2: it is no JSON"),
    (b'[{"id": 1, "name": "a"},\n{"id": 2, "name": "a"}',
     "the array does not end: element 2, on line 2, is not closed"),
    (b'[{"id": 1, "name": "a"}]\n{"id": 2}', "something follows the array"),
    (b'[{"id": 1, "name": "a"},\n{"id": 2, "name": "a"},\n{"id": 3, "name": "a", "price": 1.005}]',
     "line 3, element 3"),
])  # fmt: skip
def test_what_is_wrong_in_an_array_is_named_by_line(project, data, words):
    packed(project.path / "a.json", data)
    write(project, "a.json")
    done = project.flowc("run", "load", "--once")
    assert done.code == 1
    assert words in done.err


def test_a_stream_reads_an_array_element_by_element(project):
    put(project.path, "a.json", json.dumps(ITEMS[:10], indent=1))
    write(project, "a.json")
    done = project.flowc("run", "follow", "--once")
    assert done.code == 0, done.err
    assert [row[0] for row in rows(project, "s")] == list(range(10))


def test_lint_knows_which_columns_of_files_have_no_null(project):
    write(project, "a.csv", more="columns: { id: bigint, name: text, price: double }")
    assert "nullable-into-not-null" in vars(project.flowc("lint"))["out"] + project.flowc("lint").err
    for name in ("text not null", "{ type: text, nullable: false }"):
        write(project, "a.csv", more=f'columns: {{ id: bigint, name: {name}, price: "numeric(8,2)" }}')
        done = project.flowc("lint")
        assert "nullable-into-not-null" not in done.out + done.err
    write(project, "a.csv", more="columns: { id: bigint primary key }")
    done = project.flowc("lint")
    assert (done.out + done.err).count("a column of a source cannot say `primary key`") == 2


@pytest.mark.parametrize(("column", "line"), [("id", ",a,1"), ("name", "2,,1"), ("price", "2,a,")])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_null_in_a_column_that_has_none_is_named_by_line(project, column, line, form):
    columns = 'columns: { id: bigint not null, name: text not null, price: "numeric(8,2) not null" }'
    names = ("id", "name", "price")
    values = dict(zip(names, (int(line[0]) if line[0] != "," else None, line.split(",")[1] or None, None), strict=True))
    values["price"] = 1 if line.endswith("1") else None
    text = (
        f"id,name,price\n1,a,1\n{line}\n"
        if form == "csv"
        else f'{{"id": 1, "name": "a", "price": 1}}\n\n{json.dumps(values)}\n'
    )
    put(project.path, f"a.{form}", text)
    write(project, f"a.{form}", more=columns)
    done = project.flowc("run", "load", "--once")
    assert done.code == 1
    assert f"column `{column}` takes no NULL" in done.err
    assert "line 3" in done.err
    done = project.flowc("run", "follow", "--once")
    assert done.code == 1
    assert f"column `{column}` takes no NULL" in done.err
