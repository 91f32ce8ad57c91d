"""What a file holds is never passed over in silence, and means the same whether bad rows are set aside or not."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing

import pytest

from tests.integration.test_files_bounded import DECLARED, bad_rows, ids, write
from tests.integration.test_files_odd import packed
from tests.streams.filefolder import aged, put


def outcomes(project, *names: str) -> list[str]:
    """What each run says."""
    done = [project.flowc("run", name, "--once") for name in names or ("kept", "strict", "follow")]
    return [found.out + found.err for found in done]


@pytest.mark.parametrize("text", ["id,name\r1,a\r2,b\r", "\r\rid,name\r1,a\r", '"id","name"\r1,a\r2,b'])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_lines_that_end_in_carriage_returns_are_told(project, text, ending):
    put(project.path / "in", f"a.csv{ending}", text)
    write(project, f"a.csv{ending}", "")
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("on_error: dlq", "on_error: fail"))
    for said in outcomes(project):
        assert "its first line ends in a carriage return alone, and lines end in line feeds" in said


OWN = "holds a carriage return of its own, and lines end in line feeds"


LEFT_OUT = [
    ("skip_rows: 1", "x\rid,name\r1,a\r2,b\r", f"line 1, which is skipped, {OWN}"),
    ("skip_rows: 1", "id,name\r", f"line 1, which is skipped, {OWN}"),
    ("skip_rows: 2", "x\r\ny\rid,name\n1,a\n", f"line 2, which is skipped, {OWN}"),
    ("skip_rows: 1", "x" * (1 << 22) + "\rid,name\r1,a", f"line 1, which is skipped, {OWN}"),
    ("skip_rows: 1, header: false", "x\r1,a\r2,b", f"line 1, which is skipped, {OWN}"),
    ('comment: "#"', "# x\rid,name\r1,a\r", f"a comment before its first row {OWN}"),
    ('comment: "#", header: false', "# x\r1,a\r\n# y\r#2,b", f"a comment before its first row {OWN}"),
    ('comment: "#", skip_rows: 1', "x\n\n# x\rid,name\r1,a", f"a comment before its first row {OWN}"),
]  # fmt: skip
ENCODINGS = ["", "utf-16", "cp1252"]


@pytest.mark.parametrize(("read", "text", "words", "ending", "encoding"), [
    (*case, ending, ENCODINGS[(number + turn) % 3])
    for number, case in enumerate(LEFT_OUT) for turn, ending in enumerate(["", ".gz", ".zst"])
])  # fmt: skip
def test_lines_that_end_in_carriage_returns_are_told_behind_what_is_left_out(
    project, read, text, words, ending, encoding
):
    path = project.path / "in" / f"a.csv{ending}"
    path.parent.mkdir()
    packed(path, text.encode(encoding or "utf-8"))
    aged(path)
    write(project, path.name, f"{read}, encoding: {encoding}" if encoding else read)
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("on_error: dlq", "on_error: fail"))
    for said in outcomes(project):
        assert words in said


@pytest.mark.parametrize(("name", "read", "text", "words"), [
    ("a.csv", "skip_rows: 3", "id,name\n1,a\n", "it has 2 lines, and `skip_rows` leaves out 3"),
    ("a.csv.gz", "skip_rows: 9, header: false, encoding: utf-16", "1,a", "it has 1 line, and `skip_rows` leaves out 9"),
    ("a.csv", "skip_rows: 2", "x\ny\n", ""),
    ("a.csv", "skip_rows: 2", "", ""),
])  # fmt: skip
def test_a_file_that_ends_before_its_rows_begin_is_told(project, name, read, text, words):
    (project.path / "in").mkdir()
    packed(project.path / "in" / name, text.encode("utf-16" if "utf-16" in read else "utf-8"))
    aged(project.path / "in" / name)
    write(project, name, read)
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("on_error: dlq", "on_error: fail"))
    for said in outcomes(project, "strict", "follow"):
        assert words in said
        assert ("cannot be read" in said) == bool(words), said


def test_rows_behind_a_carriage_return_in_a_comment_are_no_comment(project):
    put(project.path / "in", "a.csv", "id,name\n1,a\n# x\r2,b\n# é,\r\n#\r3,c\r4,d\n# y,z\r5,e\r\n6,f\n")
    write(project, "a.csv", 'comment: "#"')
    outcomes(project)
    assert ids(project) == ids(project, "s") == [1, 6]
    assert [found[0] for found in bad_rows(project, "a.csv")] == [3, 5, 6]


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85"])
def test_lines_that_end_in_separators_of_unicode_are_told(project, sign):
    """All of the file is its header to every reader of CSV, so it would have no rows."""
    put(project.path / "in", "a.csv", sign.join(["id,name,more", "1,a,x", "2,b,y"]))
    write(project, "a.csv", "")
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("on_error: dlq", "on_error: fail"))
    for said in outcomes(project):
        assert f"its header holds U+{ord(sign):04X}, a line separator, and lines end in line feeds" in said


@pytest.mark.parametrize(("form", "text", "more"), [
    ("csv", "id,name,name\0more\n1,a,x\n", DECLARED), ("csv", "id,name,name\0more\n1,a,x\n", ""),
    ("jsonl", '{"id": 1, "name": "a", "name\\u0000more": "x"}\n', ""),
    ("json", '[{"id": 1, "name": "a", "name\\u0000more": "x"}]', ""),
])  # fmt: skip
def test_a_column_with_a_nul_in_its_name_is_told(project, form, text, more):
    """The engine knows it only as far as the NUL, where its values are NULL, or another column's."""
    put(project.path / "in", f"a.{form}", text)
    write(project, f"a.{form}", "", more)
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("on_error: dlq", "on_error: fail"))
    for said in outcomes(project, "strict", "follow"):
        assert 'name\\u0000more" holds a NUL' in said


def test_a_carriage_return_of_its_own_in_a_row_is_bad_everywhere(project):
    put(project.path / "in", "a.csv", 'id,name\r\n1,a\r\n2,b\r3,c\r\n4,"d\re"\r\n')
    write(project, "a.csv", "")
    _, strict, _ = outcomes(project)
    assert ids(project) == ids(project, "s") == [1, 4]
    assert [found[0] for found in bad_rows(project, "a.csv")] == [3]
    assert "line 3: it is not one row: it holds a carriage return of its own" in strict


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_two_objects_on_one_line_are_a_bad_row_everywhere(project, form):
    lines = ['{"id": 1, "name": "a"}', '{"id": 2, "name": "b"} {"id": 3, "name": "c"}', '{"id": 4,', '"name": "d"}']
    lines = [*lines[:2], '{"id": 5, "name": "e"}'] if form == "json" else [*lines, '{"id": 5, "name": "e"}']
    put(project.path / "in", f"a.{form}", "[" + ",\n".join(lines) + "]" if form == "json" else "\n".join(lines))
    write(project, f"a.{form}", "")
    _, strict, _ = outcomes(project)
    assert ids(project) == ids(project, "s") == [1, 5]
    assert [found[0] for found in bad_rows(project, f"a.{form}")] == ([2] if form == "json" else [2, 3, 4])
    assert f"line 2{', element 2' if form == 'json' else ''}: it is no JSON: Extra data" in strict


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_signs_that_other_programs_take_for_ends_of_lines_are_text_in_values(project, sign):
    put(project.path / "in", "a.csv", f"id,name,odd\n1,a{sign}b,x\n")
    write(project, "a.csv", "", "columns: { id: bigint, name: text }")
    assert "error" not in "".join(outcomes(project, "kept", "follow"))
    for table in ("t", "s"):
        with closing(sqlite3.connect(project.path / "w.db")) as database:
            assert database.execute(f"SELECT id, name FROM {table}").fetchall() == [(1, f"a{sign}b")]


@pytest.mark.parametrize("moment", [-1, -86_400 * 365, 0])
def test_a_stream_reads_files_that_are_older_than_1970(project, moment):
    path = put(project.path / "in", "a.csv", "id,name\n1,a\n")
    os.utime(path, (moment, moment))
    write(project, "a.csv", "")
    (said,) = outcomes(project, "follow")
    assert ids(project, "s") == [1], said


@pytest.mark.parametrize(("line", "words"), [
    ('{"id": 2, "name": "\\ud800"}', "it holds `\\ud800`, which is half of a character"),
    ('{"id": 2, "name": "\\udc00\\ud800"}', "it holds `\\udc00`, which is half of a character"),
    ('{"id": 2, "name": "a", "id": 3}', "the field `id` stands in it twice"),
    ('{"name": "a", "name": "b", "id": 2}', "the field `name` stands in it twice"),
])  # fmt: skip
def test_what_is_odd_in_json_is_told_as_it_is(project, line, words):
    put(project.path / "in", "a.jsonl", '{"id": 1, "name": "\\ud83d\\ude00"}\n' + line + "\n")
    write(project, "a.jsonl", "")
    _, strict, _ = outcomes(project)
    assert ids(project) == ids(project, "s") == [1]
    assert [(found[0], found[2]) for found in bad_rows(project, "a.jsonl")] == [(2, words)]
    assert f"line 2: {words}" in strict


def test_a_document_that_stands_twice_in_a_line_is_told(project):
    put(project.path / "in", "a.jsonl", '{"id": 1, "o": {"o": 1, "x": {"o": 2}}}\n{"id": 2, "o": 1, "o": {"o": 2}}\n')
    write(project, "a.jsonl", "", "columns: { id: bigint, o: json }")
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("SELECT id, name", "SELECT id, 'x' AS name"))
    _, strict, _ = outcomes(project)
    assert ids(project) == ids(project, "s") == [1]
    assert "line 2: the field `o` stands in it twice" in strict


@pytest.mark.covering
@pytest.mark.parametrize("kind", ["double", "real"])
@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400])
def test_a_number_beyond_all_doubles_is_a_bad_row(project, kind, number):
    columns = DECLARED.replace("name: text", f"name: {kind}")
    put(project.path / "in", "a.csv", f"id,name\n1,inf\n2,1.5\n3,{number}\n4,-Infinity\n")
    write(project, "a.csv", "", columns)
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("name: text } }\npipelines", f"name: {kind} }} }}\npipelines"))
    _, strict, _ = outcomes(project)
    assert ids(project) == ids(project, "s") == [1, 2, 4]
    assert "does not fit" in strict
    assert "line 4" in strict
    put(project.path / "in", "a.csv", "id,name\n1,inf\n2,1.5\n4,-Infinity\n")
    (strict,) = outcomes(project, "strict")
    assert "error" not in strict
    assert ids(project) == [1, 2, 4]


@pytest.mark.parametrize(("ending", "form", "more"), [
    (ending, form, [DECLARED, ""][(number + place) % 2])
    for number, ending in enumerate([".gz", ".zst", ".bz2", ".xz"])
    for place, form in enumerate(["csv", "jsonl", "json"])
])  # fmt: skip
def test_compressed_bytes_that_are_cut_off_name_their_file(project, form, ending, more):
    rows = [f'{{"id": {n}, "name": "n{n * 7919 % 10007}"}}' for n in range(20_000)]
    made = "[" + ",\n".join(rows) + "]" if form == "json" else "\n".join(rows) + "\n"
    if form == "csv":
        made = "id,name\n" + "".join(f"{n},n{n * 7919 % 10007}\n" for n in range(20_000))
    path = project.path / "in" / f"a.{form}{ending}"
    path.parent.mkdir()
    packed(path, made.encode())
    path.write_bytes(path.read_bytes()[:-200])
    write(project, path.name, "", more)
    kept, strict = outcomes(project, "kept", "strict")
    for said in (kept, strict):
        assert "error[unreadable-file]" in said
        assert f"{path.name}` cannot be read" in said


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_declared_structs_are_read_of_lines_and_of_arrays(project, form):
    rows = ['{"id": 1, "o": {"a": 5, "b": [{"c": "x"}]}}', '{"id": 2, "o": null}', '{"id": 3, "o": {"a": "no"}}']
    put(project.path / "in", f"a.{form}", "[" + ",\n".join(rows) + "]" if form == "json" else "\n".join(rows))
    write(project, f"a.{form}", "", 'columns: { id: bigint, o: "struct(a bigint, b struct(c text)[])" }')
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("SELECT id, name", "SELECT id, CAST(source.o.a AS text) AS name"))
    said = outcomes(project, "kept", "follow")
    for table in ("t", "s"):
        with closing(sqlite3.connect(project.path / "w.db")) as database:
            found = database.execute(f"SELECT id, name FROM {table} ORDER BY id").fetchall()
            assert found == [(1, "5"), (2, None)], said


UNDECLARED = """
project: shop
connections: { d: { kind: files, uri: in }, w: { kind: sqlite, path: w.db } }
pipelines:
  p: { from: { connection: d, path: "*.PATTERN" }, to: { connection: w, table: t }, mode: append, MORE }
"""


DISAGREEING = [
    ({"x": "1"}, {"x": 1}, "its field `x` holds a number, where lines before it hold a text"),
    ({"x": [1]}, {"x": True}, "its field `x` holds true or false, where lines before it hold a list"),
    ({"x/y": 1}, {"x": 1, "x/y": {}}, "its field `x/y` holds an object, where lines before it hold a number"),
]


@pytest.mark.parametrize(("form", "more", "first", "second", "words"), [
    (form, ["", "on_bad_row: skip"][(number + turn) % 2], *case)
    for number, case in enumerate(DISAGREEING) for turn, form in enumerate(["jsonl", "json"])
])  # fmt: skip
def test_lines_that_disagree_about_a_field_are_told_by_file_line_and_field(project, form, more, first, second, words):
    """With the same line behind good ones, in the same file and in the next."""
    project.write("specs/p.yaml", UNDECLARED.replace("PATTERN", form).replace("MORE", more))
    good, bad = [json.dumps({**first, "n": n}) for n in range(3)], json.dumps(second)
    name = next(iter(second if len(second) == 1 else ["x/y"]))
    for files, file, line in (([[*good, bad]], "0", 4), ([good, [good[0], bad, good[1]]], "1", 2)):
        for number, rows in enumerate(files):
            text = "\n".join(rows) if form == "jsonl" else "[" + ",\n".join(rows) + "]"
            put(project.path / "in", f"{number}.{form}", text)
        told = project.flowc("run", "p", "--once").err
        place = f"line {line}, element {line}" if form == "json" else f"line {line}"
        assert f"{file}.{form}` cannot be read: {place}: {words}" in told
        assert f"columns: {{ {name}: json, … }}" in told


def test_a_line_that_is_none_stands_before_lines_that_disagree(project):
    put(project.path / "in", "a.jsonl", '{"x": 1}\n{"x"\n{"x": "a"}\n')
    project.write("specs/p.yaml", UNDECLARED.replace("PATTERN", "jsonl").replace("MORE", ""))
    assert "line 2: it is no JSON" in project.flowc("run", "p", "--once").err
    project.write("specs/p.yaml", UNDECLARED.replace("PATTERN", "jsonl").replace("MORE", "on_bad_row: skip"))
    assert "line 3: its field `x` holds a text" in project.flowc("run", "p", "--once").err


STOPPING = [
    ("csv", b"x,b", "column `id`: `x` does not fit", False),
    ("csv", b"3", "has 1 fields where 2 are expected", True),
    ("csv", b"3,b,c", "has 3 fields where 2 are expected", True),
    ("csv", b"3,\xff", "column `name`: the text is not UTF-8", False),
    ("csv", b'3,"b', "a quote opens a value that never ends", False),
    ("jsonl", b'{"id": "x"}', 'column `id`: `"x"` does not fit', False),
    ("jsonl", b'{"id": "3"}', 'column `id`: `"3"` does not fit', False),
    ("jsonl", b'\xef\xbb\xbf{"id": 3}', "it is no JSON: a byte order mark (EF BB BF) stands before it", True),
    ("jsonl", b'{"id": 3', "it is no JSON", True),
    ("jsonl", b"[3]", "it is not a JSON object", True),
]
READ_AS = {"csv": ["", "skip_rows: 0, encoding: utf-8-sig"], "jsonl": [""]}


@pytest.mark.parametrize(("form", "row", "words", "shown", "option"), [
    (*case, option) for case in STOPPING for option in READ_AS[case[0]]
])  # fmt: skip
def test_a_bad_row_that_stops_a_load_is_named_with_its_line_what_is_wrong_and_the_mend(
    project, form, row, words, shown, option
):
    good = [b"1,a", b"2,b"] if form == "csv" else [b'{"id": 1}', b'{"id": 2}']
    put(project.path / "in", f"a.{form}", b"\n".join([b"id,name"] * (form == "csv") + good + [row]) + b"\n")
    write(project, f"a.{form}", option)
    told = project.flowc("run", "strict", "--once").err
    assert words in told
    assert f"line {3 + (form == 'csv')}" in told
    assert ("the row is `" in told) == shown
    assert "set bad rows aside: `on_bad_row: skip`, or `quarantine` to keep them" in told


def test_how_many_bad_rows_are_not_shown_is_told(project):
    put(project.path / "in", "a.csv", "id,name\n1,a\n" + "x,b\n" * 5)
    write(project, "a.csv", "")
    assert "not shown" not in project.flowc("run", "kept", "--once").out
    put(project.path / "in", "a.csv", "id,name\n1,a\n" + "x,b\n" * 7)
    told = project.flowc("run", "kept", "--once").out
    assert told.count("bad row: line") == 5
    assert "bad row: 2 more that are not shown" in told


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_number_that_no_double_holds_is_the_text_of_a_json_column_and_nothing_to_others(project, kind):
    rows = ["1e999999999", '{"a":[1e999, 1.50]}', '"x"'] if kind == "json" else ['"x"', '"y"', '"z"']
    lines = [f'{{"id": {number}, "name": {row}, "more": -1e4000}}' for number, row in enumerate(rows, 1)]
    put(project.path / "in", "a.jsonl", "\n".join(lines))
    write(project, "a.jsonl", "", f"columns: {{ id: bigint, name: {kind} }}")
    said = outcomes(project)
    wanted = list(enumerate(rows if kind == "json" else ["x", "y", "z"], 1))
    for table in ("t", "s"):
        with closing(sqlite3.connect(project.path / "w.db")) as database:
            assert database.execute(f"SELECT id, name FROM {table} ORDER BY id").fetchall() == wanted, said


@pytest.mark.parametrize("kind", ["json", "text"])
@pytest.mark.parametrize("more", ["1", "1e999"])
def test_a_field_that_stands_twice_is_a_bad_row_whatever_stands_beside_it(project, kind, more):
    lines = ['{"id": 1, "id": 2, "name": "a"}', f'{{"id": 3, "id": 4, "name": "a", "more": {more}}}', '{"id": 5}']
    put(project.path / "in", "a.jsonl", "\n".join(lines))
    write(project, "a.jsonl", "", f"columns: {{ id: bigint, name: {kind} }}")
    outcomes(project)
    assert ids(project) == ids(project, "s") == [5]
    assert [found[0] for found in bad_rows(project, "a.jsonl")] == [1, 2]


ALONE = """
connections:
  d: { kind: files, uri: in }
  w: { kind: sqlite, path: w.db }
tables:
  strict: { connection: w, columns: { b: text } }
  kept: { connection: w, columns: { b: text } }
pipelines:
  strict: { from: SOURCE, sql: SELECT NAME AS b FROM source, to: strict, mode: append }
  kept: { from: SOURCE, sql: SELECT NAME AS b FROM source, to: kept, mode: append, on_bad_row: skip }
streams:
  follow: { source: SOURCE, sql: SELECT NAME AS b FROM source, to: { connection: w, table: follow, mode: append } }
"""


BLANKS = [
    ("b\nx\n\n\"\"\n\n", "", ["x", None, None, None]),
    ("b\nx\n\ny", "", ["x", None, "y"]),
    ("\n\nb\r\n\r\n\"x\"\r\n\r\n", "", [None, "x", None]),
    ("b\n\n\n", "", [None, None]),
    ("b\n", "", []),
    ("\nx\n", "header: false", [None, "x"]),
    ("\n\n", "header: false", [None, None]),
    ("#\n\n# a\nb\n# a\n\nx\n", 'comment: "#"', [None, "x"]),
    ("#\nb\nx\n\n", "skip_rows: 1", ["x", None]),
    ("b\n\n\"\"\nNA\n", "null_regex: ^NA$", ["", "", None]),
    ("b,c\nx,\n\n,\n", "", ["x", None]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "read", "found", "ending", "columns"), [
    (*case, ending, (number + turn) % 2 == 0)
    for number, case in enumerate(BLANKS) for turn, ending in enumerate(["", ".gz"])
])  # fmt: skip
def test_a_blank_line_is_a_row_of_a_file_of_one_column(project, text, read, found, ending, columns):
    """Which DuckDB and PostgreSQL take it for, also at the end; of several columns, it is none."""
    path = project.path / "in" / f"a.csv{ending}"
    path.parent.mkdir()
    packed(path, text.encode())
    aged(path)
    name = "b" if columns or "header" not in read else "column_1"
    source = (
        f"{{ connection: d, path: a.csv{ending}, read: {{ {read} }}, {'columns: { b: text }' if columns else ''} }}"
    )
    if name != "b" and not text.strip():
        return  # without a name or a value, it has no column
    project.write("specs/p.yaml", ALONE.replace("SOURCE", source).replace("NAME", name))
    done = [project.flowc("run", name, "--once") for name in ("strict", "kept", "follow")]
    assert [each.code for each in done] == [0, 0, 0], done
    with closing(sqlite3.connect(project.path / "w.db")) as database:
        for table in ("strict", "kept", "follow"):
            assert [b for (b,) in database.execute(f"SELECT b FROM {table} ORDER BY rowid")] == found
