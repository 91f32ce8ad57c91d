"""A quote that opens and does not close takes no other rows along: a load stops, a stream sets one row aside."""

from __future__ import annotations

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
  t: { connection: w, columns: { id: bigint primary key, name: text } }
pipelines:
  load:
    from: { connection: d, path: "a.csv*", format: csv, columns: { id: bigint, name: text } }
    to: t
    mode: merge
    deletes: hard
streams:
  follow:
    source: { connection: d, path: "a.csv*", format: csv, columns: { id: bigint, name: text } }
    to: { connection: w, table: s, mode: append }
    on_error: ON_ERROR
"""
ENDINGS = ("", ".gz", ".zst", ".bz2")
STRAY = {
    # what is wrong on line 501, and in which words
    'x"oops': None,
    '"oops': "never ends",
    '"oops""': "never ends",
}


def text(odd: str, rows: int = 5000, other: str = "x") -> str:
    return "id,name\n" + "".join(f"{n},{odd if n == 500 else other}\n" for n in range(1, rows + 1))


def count(project, table):
    with closing(sqlite3.connect(project.path / "w.db")) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_load_stops_and_keeps_what_it_has(project, ending):
    project.write("specs/p.yaml", SPEC.replace("ON_ERROR", "fail"))
    file = project.path / f"a.csv{ending}"
    packed(file, text("x").encode())
    assert project.flowc("run", "load", "--once").code == 0
    for odd, words in STRAY.items():
        packed(file, text(odd).encode())
        done = project.flowc("run", "load", "--once")
        assert done.code == (1 if words else 0)
        assert words is None or f"`{file.resolve()}` cannot be read: line 501: a quote opens a value that {words}" in (
            done.err.replace(str(file), str(file.resolve()))
        )
        assert count(project, "t") == 5000
    packed(file, text('"oops', other='"fine"').encode())
    done = project.flowc("run", "load", "--once")
    assert "line 501: a quote opens a value that ends amid text, 1 lines below" in done.err
    assert count(project, "t") == 5000


def test_a_load_that_infers_names_it_too(project):
    spec = SPEC.replace("ON_ERROR", "fail").replace(", columns: { id: bigint, name: text } }", " }", 1)
    project.write("specs/p.yaml", spec)
    packed(project.path / "a.csv", text('"oops').encode())
    done = project.flowc("run", "load", "--once")
    assert "line 501: a quote opens a value that never ends" in done.err


WIDE = """
connections:
  d: {{ kind: files, uri: . }}
  w: {{ kind: sqlite, path: w.db }}
pipelines:
  load:
    from: {{ connection: d, path: a.csv, format: csv{more} }}
    to: {{ connection: w, table: t }}
    mode: truncate
"""
FAULTS = [
    ('sku,"title,price\n', "1,x,2\n", "line 1"),
    ('\r\n\r\n"sku,title,price\r\n', "1,x,2\n", "line 3"),
    ("sku,title,price\n", '1,x,2\n2,"x,2\n', "line 3"),
    ("sku,title,price\n", '1,"x\ny",2\n2,"x,2\n', "line 4"),
]


@pytest.mark.parametrize(("header", "rows", "line"), FAULTS)
@pytest.mark.parametrize("more", ["", ", columns: { sku: bigint, title: text, price: bigint }"])
def test_a_quote_that_takes_delimiters_along_is_told_with_its_line(project, header, rows, line, more):
    project.write("specs/p.yaml", WIDE.format(more=more))
    (project.path / "a.csv").write_bytes((header + rows + "7,y,8\n" * 600).encode())
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert f"{line}: a quote opens a value that never ends" in done.err


@pytest.mark.parametrize("more", ["", ", columns: { sku: bigint, title: text, price: bigint }"])
def test_of_a_row_with_too_few_fields_no_quote_is_told_that_is_closed(project, more):
    project.write("specs/p.yaml", WIDE.format(more=more))
    project.write("a.csv", 'sku,title,price\n1,"x\ny"\n7,"y",8\n')
    assert "line 2 has 2 fields where 3 are expected" in project.flowc("run", "--once").err


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("other", ["x", '"x"'])
def test_a_stream_sets_that_row_aside_alone(project, ending, other):
    project.write("specs/p.yaml", SPEC.replace("ON_ERROR", "drop"))
    put(project.path, f"a.csv{ending}", text('"oops', other=other))
    done = project.flowc("run", "follow", "--once", "--json")
    assert done.code == 0, done.err
    assert count(project, "s") == 4999


def test_a_stream_that_fails_names_file_and_line(project):
    project.write("specs/p.yaml", SPEC.replace("ON_ERROR", "fail"))
    put(project.path, "a.csv", text('"oops'))
    done = project.flowc("run", "follow", "--once")
    assert done.code == 1
    assert "`a.csv`, line 501: a quote in it is not closed" in done.err
    assert count(project, "s") == 0
