"""Lines and headers of files have limits: what is over one is bad or an error, told by its size, and never held."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import cache

import pyarrow as pa
import pyarrow.json as arrow_json
import pytest

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.loadplan import FilesRead
from flowc.runtime.formats import rows_of
from flowc.runtime.formats.json.discover import discover
from flowc.runtime.formats.json.kinds import schema_of
from flowc.runtime.formats.json.rows import JsonRows
from flowc.runtime.formats.pieces import CELLS
from flowc.runtime.stores.files import Files
from flowc.types import BIGINT, TEXT
from tests.extended import with_extended
from tests.streams.filefolder import put

SPEC = """
project: shop
connections:
  d: { kind: files, uri: in }
  w: { kind: sqlite, path: w.db }
tables:
  t: { connection: w, columns: { id: bigint, name: text } }
pipelines:
  kept:
    from: { connection: d, path: "PATH", SOURCE }
    sql: SELECT id, name FROM source
    to: t
    mode: truncate
    on_bad_row: quarantine
    quarantine: { path: bad }
  strict:
    from: { connection: d, path: "PATH", SOURCE }
    sql: SELECT id, name FROM source
    to: t
    mode: truncate
streams:
  follow:
    source: { connection: d, path: "PATH", SOURCE }
    sql: SELECT id, name FROM source
    to: { connection: w, table: s, mode: append }
    on_error: dlq
"""
DECLARED = "columns: { id: bigint, name: text }"
FORMS = ["csv", "csv.gz", "csv.zst", "jsonl", "jsonl.bz2", "json"]


def write(project, path, read, more=DECLARED):
    source = ", ".join(filter(None, (f"read: {{ {read} }}" if read else "", more)))
    project.write("specs/p.yaml", SPEC.replace("PATH", path).replace("SOURCE", source))


def row(form: str, number: int, size: int, blank: str = "") -> str:
    """A row of so many bytes."""
    begin, end = (f'{{"id": {number}, "name": "', '"}') if form.startswith("json") else (f"{number},{blank}", blank)
    return begin + "x" * (size - len(begin) - len(end)) + end


def text(form: str, sizes: list[int], blank: str = "") -> str:
    rows = [row(form, number, size, blank) for number, size in enumerate(sizes, 1)]
    if form == "json":
        return "[" + ",\n".join(rows) + "]"
    return ("" if form.startswith("json") else "id,name\n") + "\n".join(rows) + "\n"


def ids(project, table="t"):
    with closing(sqlite3.connect(project.path / "w.db")) as database:
        return [found for (found,) in database.execute(f"SELECT id FROM {table} ORDER BY id")]


def bad_rows(project, path):
    kept = (project.path / f"in/bad/kept/{path}.bad.jsonl").read_text().splitlines()
    return [(found["line"], found["error_code"], found["error"], found["row_text"]) for found in map(json.loads, kept)]


@pytest.mark.parametrize(("form", "read", "most"), with_extended([
    *((form, "max_line: 100B", 100) for form in FORMS), (FORMS[1], "", 16 << 20),
], [
    *((form, "max_line: 8MiB", 8 << 20) for form in FORMS[::3]), *((form, "", 16 << 20) for form in FORMS[5::4]),
]))  # fmt: skip
def test_a_line_over_the_limit_is_a_bad_row(project, form, read, most):
    """Just under, at and just over it; between good rows, and at the end."""
    before = int(form == "json")  # the line end before an element belongs to it
    sizes = [50, most - before, most + 1 - before, most - 1 - before, 50, most + 9 - before]
    put(project.path / "in", f"a.{form}", text(form, sizes))
    first, shown = 1 if form.startswith("json") else 2, read.removeprefix("max_line: ") or "16MiB"
    words = [f"it has {most + more} bytes, and `max_line` is {shown}" for more in (1, 9)]
    write(project, f"a.{form}", read)
    done = project.flowc("run", "kept", "--once", "--json")
    assert done.code == 0, done.err
    assert ids(project) == [1, 2, 4, 5]
    of_array = [f"element {at}: " if form == "json" else "" for at in (3, 6)]
    assert bad_rows(project, f"a.{form}") == [
        (first + 2, "unreadable-file", of_array[0] + words[0], ""),
        (first + 5, "unreadable-file", of_array[1] + words[1], ""),
    ]
    done = project.flowc("run", "strict", "--once")
    assert done.code == 1
    assert f"line {first + 2}{', element 3' if form == 'json' else ''}: {words[0]}" in done.err
    done = project.flowc("run", "follow", "--once", "--json")
    assert (done.json[0]["status"], done.json[0]["bad_rows"]) == ("ok", 2), done.out
    assert ids(project, "s") == [1, 2, 4, 5]


@pytest.mark.covering
@pytest.mark.parametrize("form", FORMS[:-1])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("blank", ["", '"'])
def test_the_end_of_a_line_does_not_count(project, form, end, blank):
    """Not the carriage return before a line feed either, nor one that the file ends with."""
    for name, last in (("a", ""), ("b", end), ("c", "\r")):
        made = text(form, [1024, 1025, 50, 1024], blank).removesuffix("\n").replace("\n", end) + last
        put(project.path / "in", f"{name}.{form}", made)
    write(project, f"*.{form}", "max_line: 1KiB")
    line = 2 if form.startswith("json") else 3
    done = project.flowc("run", "kept", "--once", "--json")
    assert (done.code, ids(project)) == (0, [1, 1, 1, 3, 3, 3, 4, 4, 4]), done.err
    for name in "abc":
        assert bad_rows(project, f"{name}.{form}") == [
            (line, "unreadable-file", "it has 1025 bytes, and `max_line` is 1KiB", "")
        ]
    done = project.flowc("run", "follow", "--once", "--json")
    assert done.json[0]["bad_rows"] == 3, done.out
    assert ids(project, "s") == [1, 1, 1, 3, 3, 3, 4, 4, 4]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_end_of_a_header_or_of_a_long_row_does_not_count(project, end):
    lines = ["id,name," + "x" * 92, '1,"a', "b" * (94 - len(end)) + '",', "2,a,"]
    assert len(lines[0]) == len(end.join(lines[1:3])) == 100
    put(project.path / "in", "a.csv", end.join(lines))
    write(project, "a.csv", "max_line: 100B")
    done = project.flowc("run", "strict", "--once")
    assert (done.code, ids(project)) == (0, [1, 2]), done.err


LIMITED = """
import sys
from flowc.cli.main import run
for name in sys.argv[1:]:
    run(["run", name, "--once"])
status = dict(line.split(":") for line in open("/proc/self/status"))
peak, mapped = (int(status[name].split()[0]) for name in ("VmHWM", "RssFile"))
print("peak", peak - mapped >> 10, file=sys.stderr)
"""
"""`getrusage` would tell the memory of the process that starts this one, where that has more. Libraries are left out:
how much of them is there hangs on how the kernel reads files.
"""


def peak(project, *names: str) -> tuple[int, str]:
    """The memory in MiB that runs take, one after the other in a process of their own, and what they say."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *names], cwd=project.path, capture_output=True, text=True, check=False
    )
    said, _, found = done.stderr.rpartition("peak ")
    return int(found), said


@cache
def gigabytes(form: str) -> bytes:
    """A compressed file whose first row has an eighth of a gibibyte, and whose second one is good."""
    begin, end = text(form, [50, 60]).split("x" * 20)[0], row(form, 9, 50)
    after = {"csv": "\n", "jsonl": '"}\n', "json": '"},\n'}[form] + end + ("]" if form == "json" else "\n")
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(begin.encode())
        for _ in range(4):
            file.write(b"x" * (1 << 25))
        file.write(after.encode())
    return packed.getvalue()


@pytest.mark.parametrize("form", with_extended(["csv", "json"], ["jsonl"]))
def test_a_line_of_gigabytes_in_a_small_file_takes_no_memory(project, form):
    """Held as a whole, with its copies, it would take twice as much as may be taken."""
    path = project.path / "in" / f"a.{form}.gz"
    path.parent.mkdir()
    path.write_bytes(gigabytes(form))
    write(project, f"a.{form}.gz", "")
    most, said = peak(project, "kept", "follow", "strict")
    assert most < 250
    assert ids(project, "t") == ids(project, "s") == [9]
    ((_, _, words, _),) = bad_rows(project, f"a.{form}.gz")
    assert "and `max_line` is 16MiB" in words
    assert "`max_line` is 16MiB" in said


def test_a_value_over_several_lines_has_the_limit_too(project):
    rows = ['1,"a\n' + "b" * 95 + '"', '2,"a\n' + "b" * 94 + '"', "3,x"]
    put(project.path / "in", "a.csv", "id,name\n" + "\n".join(rows) + "\n")
    write(project, "a.csv", "max_line: 100B")
    done = project.flowc("run", "kept", "--once", "--json")
    assert done.code == 0, done.err
    assert ids(project) == [2, 3]
    done = project.flowc("run", "strict", "--once")
    assert "line 2: a quote opens a value that has more than 100B, its `max_line`" in done.err
    assert project.flowc("run", "follow", "--once", "--json").json[0]["status"] == "ok"
    assert ids(project, "s") == [2, 3]


@pytest.mark.parametrize(("size", "words"), [
    ("513MiB", "at most 512MiB"), ("1GiB", "at most 512MiB"), ("536870913B", "at most 512MiB"), ("0B", "at least 1B"),
])  # fmt: skip
def test_a_limit_that_no_reader_keeps_is_refused(project, size, words):
    """Where it is written: in pipelines, in streams and in connections."""
    put(project.path / "in", "a.csv", "id,name\n1,x\n")
    write(project, "a.csv", f"max_line: {size}")
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("uri: in", f"uri: in, read: {{ max_line: {size} }}"))
    told = project.flowc("lint", "--format", "concise").out
    assert told.count("read.max_line` of") == told.count(f" must be {words}, not `{size}`") == 4, told
    assert "may be 512MiB at most" not in project.flowc("run", "strict", "--once").err
    write(project, "a.csv", "max_line: 512MiB")
    assert project.flowc("lint").code == 0
    write(project, "a.csv", "max_line: 16")
    assert "a size" in project.flowc("lint").out + project.flowc("lint").err


@pytest.mark.parametrize(("form", "read", "most"), with_extended([
    *((form, "max_columns: 50", 50) for form in ("csv", "jsonl", "json")),
], [("csv", "", 10_000), ("json", "", 10_000)]))  # fmt: skip
def test_too_many_columns_are_an_error(project, form, read, most):
    """Of as many as may be, each is read."""

    def names(count: int) -> list[str]:
        return ["id", "name", *(f"c{number}" for number in range(count - 2))]

    def held(count: int) -> str:
        if form == "csv":
            return ",".join(names(count)) + "\n" + "1,a" + "," * (count - 2) + "\n"
        found = json.dumps(dict.fromkeys(names(count), 1) | {"name": "a"})
        return f"[{found}]" if form == "json" else found + "\n"

    write(project, f"a.{form}", read, more="")
    put(project.path / "in", f"a.{form}", held(most))
    assert project.flowc("run", "kept", "--once", "--json").code == 0
    assert ids(project) == [1]
    for count in (most + 1, *([100_000] if read else [])):
        put(project.path / "in", f"a.{form}", held(count))
        done = project.flowc("run", "strict", "--once")
        assert done.code == 1
        assert "error[unreadable-file]" in done.err
        assert f"`max_columns` is {most}" in done.err
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("on_error: dlq", "on_error: fail"))
    done = project.flowc("run", "follow", "--once")
    assert f"`max_columns` is {most}" in done.out + done.err


@pytest.mark.parametrize("form", with_extended(["jsonl"], ["csv"]))
def test_many_bad_rows_are_told_a_part_at_a_time(project, form):
    """Some megabytes of a file may be millions of them, and each takes a hundred times its bytes."""
    count = 70_000
    good = {"csv": ["id,name", "1,a", "2,b"], "jsonl": ["", '{"id": 1}', '{"id": 2}']}[form]
    put(project.path / "in", f"a.{form}", "\n".join([*good[:2], *["x"] * count, good[2]]) + "\n")
    write(project, f"a.{form}", "")
    assert peak(project, "kept")[0] < 240
    assert ids(project) == [1, 2]
    assert [line for line, *_ in bad_rows(project, f"a.{form}")] == list(range(3, count + 3))
    columns = (Column("id", BIGINT), Column("name", TEXT))
    read, files = FilesRead("d", f"a.{form}", form, {}, columns, skips=True), Files({"uri": "in"}, project.path)
    found = rows_of(read, files)
    pieces = list(found.pieces(found.paths[0]))
    assert sum(len(piece.bad) for piece in pieces) == count
    assert max(len(piece.bad) for piece in pieces) <= 65_536


def test_a_row_of_very_many_fields_takes_little_memory(project):
    """Whether bad rows are set aside or not: none of the fields becomes a column before they are counted."""
    many = "{" + ",".join(f'"{number:x}":1' for number in range(500_000)) + "}"
    put(project.path / "in", "a.jsonl.gz", '{"id": 1, "name": "x"}\n' + many + "\n{broken\n")
    write(project, "a.jsonl.gz", "", more="")
    most, said = peak(project, "kept", "strict", "follow")
    assert most < 400
    assert said.count("`max_columns` is 10000") == 3


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_a_stream_that_takes_no_bad_rows_stops_at_a_line_that_is_too_long(project, form):
    put(project.path / "in", f"a.{form}", text(form, [50, 60, 200, 50]))
    write(project, f"a.{form}", "max_line: 100B")
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("on_error: dlq", "on_error: fail"))
    done = project.flowc("run", "follow", "--once")
    assert done.code == 1
    assert f"line {3 if form != 'csv' else 4}: it has {201 if form == 'json' else 200} bytes" in done.out + done.err


def test_messages_with_too_many_fields_are_an_error():
    def messages(count: int) -> pa.BinaryArray:
        found = [{f"c{n}": 1} for n in range(20)] + [dict.fromkeys(map(str, range(count - 20)), 1)]
        return pa.array([json.dumps(message).encode() for message in found])

    assert len(discover(messages(10_000))) == 10_000
    with pytest.raises(DataError, match="more than 10000 fields"):
        discover(messages(10_001))


def test_fields_within_others_count_among_those_of_messages():
    def messages(count: int) -> pa.BinaryArray:
        listed = count // 2
        within = [{"o": {f"c{n}": 1}} for n in range(count - listed)] + [{"l": [{f"c{n}": 1}]} for n in range(listed)]
        return pa.array([json.dumps(message).encode() for message in within], pa.binary())

    assert [len(column.type.fields) for column in discover(messages(9_998))] == [4_999, 0]
    with pytest.raises(DataError, match="more than 10000 fields, counted with those within others"):
        discover(messages(9_999))


@pytest.mark.parametrize(("columns", "count", "together", "form", "declared"), [
    (*case, form, (number + ("jsonl", "json").index(form)) % 2 == 1)
    for number, case in enumerate([
        (1_000, CELLS // 1_000, 1), (1_000, CELLS // 1_000 + 1, 2), (8, 10_001, 1), (9_999, 1, 1),
    ]) for form in ("jsonl", "json")
])  # fmt: skip
def test_rows_that_lack_most_columns_are_few_at_a_time(tmp_path, form, declared, columns, count, together):
    """Each value that is not there takes memory and time as one that is; lines and elements keep their numbers."""
    rows = [json.dumps({f"c{number % columns}": number}) for number in range(max(count, columns))][-count:]
    rows[0] = json.dumps(dict.fromkeys((f"c{number}" for number in range(columns)), 1))
    put(tmp_path / "in", f"a.{form}", "[" + ",\n".join(rows) + "]" if form == "json" else "\n".join(rows) + "\n")
    given = tuple(Column(f"c{number}", BIGINT) for number in range(columns)) if declared else None
    found = JsonRows(FilesRead("d", f"a.{form}", form, {}, given), Files({"uri": "in"}, tmp_path))
    pieces = list(found.pieces(found.paths[0]))
    assert len(pieces) == together
    assert sum(piece.batch.num_rows for piece in pieces) == count
    assert [line for piece in pieces for line in piece.lines] == list(range(1, count + 1))
    last = pieces[-1].batch.slice(pieces[-1].batch.num_rows - 1).to_pylist()[0]
    assert {name: value for name, value in last.items() if value is not None} == json.loads(rows[-1])
    if form == "json":
        assert [number for piece in pieces for number in piece.elements] == list(range(1, count + 1))


@pytest.mark.parametrize(("columns", "epochs"), [(400, 1), (401, 2)])
def test_an_epoch_of_many_columns_has_fewer_rows(project, columns, epochs):
    put(project.path / "in", "a.jsonl", "{}\n" * (CELLS // 401 + 1))
    more = ", ".join(f"c{number}: bigint" for number in range(columns - 2))
    write(project, "a.jsonl", "", f"columns: {{ id: bigint, name: text, {more} }}")
    done = project.flowc("run", "follow", "--once", "--json")
    assert (done.json[0]["messages"], done.json[0]["epochs"]) == (CELLS // 401 + 1, epochs), done.err


def test_types_of_lines_that_lack_most_fields_are_those_of_all_together():
    """Found a few lines at a time; the fields stand in the order of the lines, and what disagrees does so far apart."""
    odd = [1, 1.5, None, "a", "2024-01-01 00:00:00", True, [], [1], [1.5], [None], {}, {"a": 1}, [{"a": [1]}]]
    lines = [{"id": number, f"c{number}": odd[number % len(odd)]} for number in range(5_000)]
    lines += [{"c0": 2.5}, {"c2": "b"}, {"c4": "no time"}, {"c6": ["a"]}, {"c9": [True]}, {"c10": {"b": 1}}]
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    options = arrow_json.ReadOptions(block_size=len(data) + 1)
    assert schema_of(data) == arrow_json.read_json(io.BytesIO(data), options).schema
    with pytest.raises(ValueError, match=r"Column\(/c1\) changed from number to string"):
        schema_of(data + b'{"c1": "a"}\n')


@pytest.mark.parametrize(
    ("form", "rows", "size"),
    with_extended([("jsonl", 200, 1 << 20)], [("csv.gz", 9_000, 20_000), ("json", 11_000, 20_000)]),
)
def test_batches_are_bounded_by_bytes(project, form, rows, size):
    """Rows of a mebibyte came together, all that are here; of smaller ones, 8192 took gigabytes of memory."""
    path = project.path / "in" / f"a.{form}"
    path.parent.mkdir()
    with gzip.open(path, "wb", 1) if form.endswith("gz") else path.open("wb") as file:
        file.write(b"id,name\n" if "csv" in form else b"[" if form == "json" else b"")
        for number in range(rows):
            last = form == "json" and number == rows - 1
            end = "]" if last else ",\n" if form == "json" else "\n"
            file.write((row(form, number, size) + end).encode())
    write(project, f"a.{form}", "")
    spec = (project.path / "specs/p.yaml").read_text().replace("SELECT id, name", "SELECT id, left(name, 3) AS name")
    project.write("specs/p.yaml", spec.replace("FROM source", "FROM source WHERE name <> 'a'"))
    assert peak(project, "strict")[0] < 440
    assert len(ids(project)) == rows
