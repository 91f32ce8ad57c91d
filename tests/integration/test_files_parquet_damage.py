"""Parquet files whose bytes are damaged: none of their rows is lost in silence, and what is told names the file."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.errors import DataError
from flowc.runtime.engine.parquetdamage import demand_sizes
from tests.integration.test_files_parquet import put, tried

ROWS, TOGETHER = 60, 25
DAMAGED = "error[unreadable-file]"


def written(dictionary: bool = False, *, struct: bool = False) -> bytes:
    names = [f"n{n}" for n in range(ROWS)]
    last = {"s": [{"x": name} for name in names]} if struct else {"name": names}
    table = pa.table({"id": pa.array(range(ROWS), pa.int64()), **last})
    sink = io.BytesIO()
    pq.write_table(
        table, sink, row_group_size=TOGETHER, compression="none", use_dictionary=["name"] if dictionary else False,
        store_schema=False, write_statistics=False,
    )  # fmt: skip
    return sink.getvalue()


def changed(data: bytes, at: int, was: int, now: int) -> bytes:
    assert data[at] == was
    return data[:at] + bytes([now]) + data[at + 1 :]


def page(data: bytes, group: int, column: int) -> int:
    return int(pq.read_metadata(io.BytesIO(data)).row_group(group).column(column).data_page_offset)


def zigzag(number: int) -> int:
    return 2 * number


def other_page(data: bytes) -> bytes:
    """The second column's second page as one of an index."""
    return changed(data, page(data, 1, 1) + 1, 0, 2)


def no_values(data: bytes) -> bytes:
    """The footer says that the last chunk of all has no values."""
    rows = ROWS % TOGETHER
    for at in range(page(data, 2, 1), len(data) - 1):
        if data[at : at + 2] == bytes([0x16, zigzag(rows)]):
            made = changed(data, at + 1, zigzag(rows), 0)
            if pq.read_metadata(io.BytesIO(made)).row_group(2).column(1).num_values == 0:
                return made
    raise AssertionError


def letters(project) -> list[dict[str, object]]:
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("on_error: fail", "on_error: dlq"))
    project.flowc("run", "s", "--once")
    found: list[dict[str, object]] = project.flowc("dlq", "show", "s", "--json").json
    return found


def count(project) -> int:
    with closing(sqlite3.connect(project.path / "store.sqlite")) as database:
        (found,) = database.execute("SELECT count(*) FROM s").fetchone()
        return int(found)


@pytest.mark.parametrize("read", ["", "columns: { id: bigint, name: text }"])
@pytest.mark.parametrize(("damage", "words", "before"), [
    (other_page, "row group 2 has 25 rows, and 0 can be read", TOGETHER),
    (no_values, "row group 3 has 10 rows, and 0 can be read", 2 * TOGETHER),
])  # fmt: skip
def test_a_column_that_ends_before_its_rows_is_damage_in_a_stream(project, damage, words, before, read):
    _, stream = tried(project, damage(written()), read=read)
    assert DAMAGED in stream
    assert f"a.parquet` cannot be read: {words}" in stream
    (letter,) = letters(project)
    assert (letter["code"], letter["topic"]) == ("unreadable-file", "a.parquet")
    assert count(project) == before


def test_a_footer_that_contradicts_itself_is_damage(project):
    data = written()
    at = data.index(bytes([0x16, zigzag(ROWS)]), page(data, 2, 1))
    for said in tried(project, changed(data, at + 1, zigzag(ROWS), 0)):
        assert DAMAGED in said
        assert "a.parquet` cannot be read: it says that it has 0 rows, and its row groups 60" in said


@pytest.mark.parametrize("column", [pa.array([], pa.int64()), pa.array([[1], [2, 3], None])])
def test_a_whole_file_is_no_damage(project, column):
    load, stream = tried(project, pa.table({"id": column}))
    assert "error" not in load + stream


BYTES = pa.array([b"ok", b"\xff\xfe", b"also"], pa.binary())
EACH = pa.array([0, 1, 2, 3], pa.int32())
WORDS = BYTES.view(pa.string())
LISTS = pa.ListArray.from_arrays(EACH, WORDS)
STRUCTS = pa.StructArray.from_arrays([WORDS], names=["x"])
NO_UTF8 = {
    "text": WORDS, "list": LISTS, "struct": STRUCTS,
    "large text": BYTES.cast(pa.large_binary()).view(pa.large_string()),
    "large list": pa.LargeListArray.from_arrays(EACH.cast(pa.int64()), WORDS),
    "list of fixed size": pa.FixedSizeListArray.from_arrays(WORDS, 1),
    "lists in a list": pa.ListArray.from_arrays(EACH, LISTS),
    "structs in a list": pa.ListArray.from_arrays(EACH, STRUCTS),
    "lists in a struct": pa.StructArray.from_arrays([LISTS], names=["x"]),
    "map": pa.MapArray.from_arrays(EACH, ["a", "b", "c"], WORDS),
    "keys of a map": pa.MapArray.from_arrays(EACH, WORDS, pa.array([1, 2, 3])),
    "dictionary": pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), WORDS),
    "list of a dictionary": pa.ListArray.from_arrays(
        EACH, pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), WORDS)
    ),
}  # fmt: skip
"""Columns of which the second value holds what is no UTF-8."""


@pytest.mark.parametrize("column", NO_UTF8.values(), ids=NO_UTF8)
def test_a_value_that_is_not_utf8_is_a_bad_row_at_any_depth(project, column):
    load, _ = tried(project, pa.table({"id": [1, 2, 3], "c": column}))
    assert DAMAGED in load
    assert "a.parquet" in load
    (letter,) = letters(project)
    assert (letter["code"], letter["offset"]) == ("value-does-not-fit", 1)
    assert count(project) == 2


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_structs_of_files_come_into_tables_that_are_made_for_them(project, kind):
    load, stream = tried(project, pa.table({"id": [1], "c": [{"x": "a", "y": [1]}], "d": [[{"z": 1.5}]]}), kind)
    assert "error" not in load + stream


@pytest.mark.parametrize(("at", "was", "now"), [(12, 6, 8), (19, 2, 16), (1, 0, 2)])
def test_a_file_that_the_engine_breaks_down_over_is_told_as_damaged(project, at, was, now):
    data = written(dictionary=True)
    for said in tried(project, changed(data, page(data, 1, 1) + at, was, now)):
        assert DAMAGED in said
        assert "a.parquet` cannot be read: " in said
        assert "panic" not in said


def page_of_no_type(data: bytes) -> bytes:
    return changed(data, page(data, 1, 1) + 1, 0, 1)


def one_value_less(data: bytes) -> bytes:
    """A page of the last group says so; behind its type and the two sizes are its values."""
    at = data.index(bytes([0x15, zigzag(ROWS % TOGETHER), 0x15]), page(data, 2, 1))
    return changed(data, at + 1, zigzag(ROWS % TOGETHER), zigzag(ROWS % TOGETHER - 1))


def other_elements(data: bytes) -> bytes:
    """The footer lists encodings of a chunk, which are of another type."""
    at = data.index(b"\x19\x25", page(data, 2, 1) + 20)
    return changed(data, at + 1, 0x25, 0x23)


@pytest.mark.parametrize("damage", [page_of_no_type, one_value_less, other_elements])
def test_what_the_engine_alone_refuses_names_the_file(project, damage):
    load, _ = tried(project, damage(written()))
    assert DAMAGED in load
    assert "a.parquet` cannot be read: " in load


@pytest.mark.parametrize("damage", [one_value_less, other_page])
def test_a_column_that_is_all_of_a_load_does_not_end_before_its_rows(project, damage):
    """The engine compares columns with each other alone."""
    load, _ = tried(project, damage(written()), read="columns: { name: text }")
    assert DAMAGED in load
    assert "a.parquet` cannot be read: " in load


def test_a_name_of_a_column_that_is_not_utf8_is_told(project):
    data = written()
    at = data.index(b"name", page(data, 2, 1) + 20)
    for said in tried(project, changed(data, at + 3, ord("e"), 0xE3)):
        assert DAMAGED in said
        assert "a.parquet` cannot be read: the name of a column is not UTF-8" in said


ALONE = """
connections: {{ d: {{ kind: files, uri: in }}, w: {{ kind: sqlite, path: w.sqlite }} }}
pipelines:
  p: {{ from: {{ connection: d, path: "*.parquet" }}, sql: {sql}, to: {{ connection: w, table: t }}, mode: append }}
"""


@pytest.mark.parametrize("damage", [one_value_less, other_page])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM source",
        "SELECT max(name) AS name FROM source",
        "SELECT a.id FROM source a WHERE EXISTS (SELECT 1 FROM source b WHERE b.name = 'n' || a.id)",
        "SELECT source.s.x AS name FROM source",
    ],
)
def test_a_column_that_is_all_that_a_query_reads_does_not_end_before_its_rows(project, sql, damage):
    data = damage(written(struct="s.x" in sql))
    put(project.path / "in", "a.parquet", data)
    project.write("specs/p.yaml", ALONE.format(sql=json.dumps(sql)))
    said = project.flowc("run", "p", "--once").err
    assert DAMAGED in said
    assert "a.parquet` cannot be read: column `" in said


def varint(number: int) -> bytes:
    number, made = zigzag(number), b""
    while number > 127:
        made, number = made + bytes([number & 127 | 128]), number >> 7
    return made + bytes([number])


def of_so_many_bytes(size: int) -> bytes:
    """The footer says that the last chunk of all has so many."""
    data = written()
    chunk = pq.read_metadata(io.BytesIO(data)).row_group(2).column(1)
    was = b"\x16" + varint(chunk.total_uncompressed_size) + b"\x16" + varint(chunk.total_compressed_size)
    at = data.rindex(was)
    made = data[:at] + was[: was.rindex(b"\x16")] + b"\x16" + varint(size) + data[at + len(was) :]
    length = int.from_bytes(data[-8:-4], "little") + len(made) - len(data)
    return made[:-8] + length.to_bytes(4, "little") + data[-4:]


@pytest.mark.parametrize("size", [1 << 34, 1 << 40, 1 << 55, (1 << 62) - 1])
def test_a_column_of_more_bytes_than_the_file_is_damage(project, size):
    """The engine takes memory for them, and ends the process where there is not so much."""
    load, _ = tried(project, of_so_many_bytes(size))
    assert DAMAGED in load
    assert f"a.parquet` cannot be read: column `name` has {size} bytes in row group 3, more than the file" in load


def test_a_file_that_is_refused_for_its_sizes_is_told_by_its_own_name_alone(tmp_path):
    data, path = of_so_many_bytes(1 << 40), tmp_path / "a.parquet"
    path.write_bytes(data[:-8] + (1 << 30).to_bytes(4, "little") + data[-4:])
    with pytest.raises(DataError, match=r"in file 'a\.parquet'"):
        demand_sizes([path], tmp_path)


@pytest.mark.parametrize("name", ["b*c[1].parquet", "a.parquet"])
def test_numbers_below_zero_are_no_damage(project, name):
    """Their least and greatest values look like large numbers in the footer."""
    (project.path / "in").mkdir()
    pq.write_table(pa.table({"id": [-1, -2], "größe 东西": ["东西", "x"]}), project.path / "in" / name)
    sql = json.dumps("SELECT sum(id) AS id FROM source")
    project.write("specs/p.yaml", ALONE.format(sql=sql))
    assert "error" not in project.flowc("run", "p", "--once").err
