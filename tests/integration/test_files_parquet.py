"""Odd Parquet: what a file holds arrives, or is told with the file and the column, and never a failure of flowc."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from tests.stores import Store
from tests.streams.filefolder import put

SPEC = """
project: shop
connections: {{ d: {{ kind: files, uri: in }}, w: {{ kind: {kind}, path: store.{kind} }} }}
pipelines:
  p: {{ from: {{ connection: d, path: a.parquet, READ }}, to: {{ connection: w, table: t }}, mode: append }}
streams:
  s:
    source: {{ connection: d, path: a.parquet, READ }}
    to: {{ connection: w, table: s, mode: append }}
    on_error: fail
"""


def tried(project, table: pa.Table | bytes, kind: str = "sqlite", read: str = "") -> tuple[str, str]:
    """What a load and a stream of a file say. Neither may fail of flowc's own fault."""
    if isinstance(table, pa.Table):
        (project.path / "in").mkdir(exist_ok=True)
        pq.write_table(table, project.path / "in/a.parquet")
        table = (project.path / "in/a.parquet").read_bytes()
    put(project.path / "in", "a.parquet", table)
    project.write("specs/p.yaml", SPEC.format(kind=kind).replace(", READ", f", {read}" if read else ""))
    load, stream = project.flowc("run", "p", "--once"), project.flowc("run", "s", "--once")
    return load.err, stream.err + stream.out


NAN = float("nan")
OF_NAN = {
    "SELECT id, n FROM source": {(1, "NaN"), (2, "0.1"), (3, "0.1")},
    "SELECT id, n FROM source WHERE n > 0.5": {(1, "NaN")},
    "SELECT max(id) AS id, max(n) AS n FROM source": {(3, "NaN")},
    "SELECT id, n FROM source WHERE n <= 0.1": {(2, "0.1"), (3, "0.1")},
    "SELECT id, n FROM source ORDER BY n DESC, id LIMIT 1": {(1, "NaN")},
    "SELECT s.id, o.n FROM source s JOIN source o ON s.n = o.n AND s.id = 1": {(1, "NaN")},
}
"""What a query gives; what a Parquet file tells of its least and greatest values says nothing of NaN."""


@pytest.mark.parametrize("declared", ["", ", columns: { id: bigint, n: double }"])
@pytest.mark.parametrize("sql", OF_NAN)
def test_nan_is_read_whatever_the_statistics_say(project, sql: str, declared: str):
    (project.path / "in").mkdir()
    pq.write_table(pa.table({"id": [1, 2, 3], "n": [NAN, 0.1, 0.1]}), project.path / "in/a.parquet")
    spec = f"""
connections: {{ d: {{ kind: files, uri: in }}, w: {{ kind: duckdb, path: w.duckdb }} }}
pipelines:
  p:
    from: {{ connection: d, path: a.parquet{declared} }}
    sql: {sql}
    to: {{ connection: w, table: t }}
    mode: append
"""
    project.write("specs/p.yaml", spec)
    assert project.flowc("run", "--once").code == 0
    with duckdb.connect(project.path / "w.duckdb") as session:
        found = session.execute("SELECT id, n FROM t").fetchall()
    assert {(id_, "NaN" if n != n else str(n)) for id_, n in found} == OF_NAN[sql]


NUMBERS = pa.array([Decimal("1.50"), Decimal("2.25")], pa.decimal128(10, 2))
DECIMALS = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), NUMBERS)
ODD = {
    "null": pa.nulls(1), "struct of null": pa.array([{"a": None}], pa.struct([("a", pa.null())])),
    "list of null": pa.array([[None]], pa.list_(pa.null())),
    "list of struct of null": pa.array([[{"a": None}]], pa.list_(pa.struct([("a", pa.null())]))),
    "map of null": pa.array([[("a", None)]], pa.map_(pa.string(), pa.null())),
    "nanoseconds": pa.array([1001], pa.time64("ns")),
    "list of nanoseconds": pa.array([[1001]], pa.list_(pa.time64("ns"))),
    "far": pa.array([2**62], pa.timestamp("ms")),
    "far in a struct": pa.array([{"a": 2**62}], pa.struct([("a", pa.timestamp("ms"))])),
    "far date in a struct": pa.array([{"a": 2**31 - 2}], pa.struct([("a", pa.date32())])),
    "far in a list": pa.array([[2**62]], pa.list_(pa.timestamp("us"))),
    "duration": pa.array([5], pa.duration("s")), "short duration": pa.array([5], pa.duration("ns")),
    "long duration": pa.array([2**62], pa.duration("s")),
    "list of durations": pa.array([[5]], pa.list_(pa.duration("us"))),
    "decimals": DECIMALS, "decimals in a struct": pa.StructArray.from_arrays([DECIMALS], ["a"]),
    "half": pa.array([1.5], pa.float16()), "no text": pa.array([b"\xff"]).view(pa.string()),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "map of maps": pa.array([[("a", [(1, 2)])]], pa.map_(pa.string(), pa.map_(pa.int64(), pa.int64()))),
    "large list": pa.array([["a"]], pa.large_list(pa.large_string())),
    "before a day": pa.array([0, -1], pa.int64()).view(pa.time64("us")),
    "after a day": pa.array([0, 86_400_001 * 5], pa.int32()).view(pa.time32("ms")),
    "fixed list": pa.array([[1, 2]], pa.list_(pa.int64(), 2)),
}  # fmt: skip


@pytest.mark.covering
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("odd", list(ODD))
def test_odd_types_arrive_or_are_told(project, odd, kind):
    told = tried(project, pa.table({"id": range(len(ODD[odd])), "v": ODD[odd]}), kind)
    for words in told:
        assert "error[query-refused]" not in words
        assert "error" not in words or "`v`" in words


@pytest.mark.parametrize(("odd", "words"), [
    ("nanoseconds", "column `v`: `00:00:00.000001001` (time) does not fit `time`, in row 1 of `"),
    ("before a day", "(time) does not fit `time`: it is no time of a day, in row 2 of `"),
    ("after a day", "(time) does not fit `time`: it is no time of a day, in row 2 of `"),
    ("decimals", "in/a.parquet` cannot be read: its column `v` is a dictionary of `numeric(10,2)`"),
    ("decimals in a struct", "in/a.parquet` cannot be read: its column `v` is a dictionary of `numeric(10,2)`"),
    ("no text", "in/a.parquet` cannot be read: column `v`: "),
    ("far in a struct", "column `v`: a `timestamp[ms]` in a value with parts is too far from today for a text"),
])  # fmt: skip
def test_what_cannot_be_read_is_told_with_file_and_column(project, odd, words):
    assert words in tried(project, pa.table({"id": range(len(ODD[odd])), "v": ODD[odd]}))[0]


NAMES = {
    ("a", "A"): "output columns `a` and `A` of `a.parquet` differ only in case",
    ("a", ""): "output column 2 of `a.parquet` has no name",
    ("a", "a"): "it has several columns `a`",
}


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("names", NAMES)
def test_names_that_no_table_has_are_told_with_the_file(project, names, kind):
    for said in tried(project, pa.table([[1], [2]], names=list(names)), kind):
        assert NAMES[names] in said
    if names != ("a", "a"):
        assert tried(project, pa.table([[1], [2]], names=list(names)), kind, "columns: { a: bigint }")[0] == ""


def test_values_of_odd_types_are_kept(project):
    names = ["duration", "map", "large list", "half"]
    assert "error" not in "".join(tried(project, pa.table({name: ODD[name] for name in names}), "duckdb"))
    store = Store("duckdb", project.path)
    rows = store.rows('SELECT "duration"::VARCHAR, "map"::VARCHAR, "large list"::VARCHAR, half FROM t')
    assert rows == [("00:00:05", '{"a":1}', "[a]", 1.5)]


def test_columns_are_bounded_with_those_within_others(project):
    """In loads and streams, and before any of them is read."""
    inner = pa.struct([(f"f{place}", pa.int64()) for place in range(8)])
    table = pa.table({"id": [1], "v": pa.array([{}], inner)})
    for words in tried(project, table, read="read: { max_columns: 8 }"):
        assert "it has 9 columns, counted with those within others, and `max_columns` is 8" in words
    load, stream = tried(project, table, read="read: { max_columns: 9 }")
    assert "error" not in load
    assert "max_columns" not in stream
    for words in tried(project, table, read="read: { infer_rows: 8 }"):
        assert "Parquet has no option `infer_rows`" in words


@pytest.mark.parametrize("table", [
    {"id": [1], "a\0b": [2]}, {"id": [1], "v": pa.array([{"a\0b": 2}])}, {"id": [1], "a": [3], "a\0b": [2]},
])  # fmt: skip
def test_a_name_with_a_nul_is_told(project, table):
    """The engine knows it only as far as the NUL, where its values are NULL."""
    for read in ("", "columns: { id: bigint, v: json }" if "v" in table else ""):
        for words in tried(project, pa.table(table), read=read):
            assert 'a\\u0000b" holds a NUL' in words
    if "v" not in table:
        words = "".join(tried(project, pa.table(table), read="columns: { id: bigint, a: bigint }"))
        assert ("has no column `a`" in words) is ("a" not in table)
    wanted = ", ".join(f"{name}: bigint" for name in table if name in ("id", "a"))
    for words in tried(project, pa.table({**table, "id": [7]}), read=f"columns: {{ {wanted} }}"):
        assert "error" not in words
    assert Store("sqlite", project.path).rows("SELECT * FROM t")[-1] == ((7, 3) if "a" in table else (7,))


@pytest.mark.parametrize("where", ["file", "field", "within"])
def test_metadata_of_other_bytes_is_told_by_its_file(project, where):
    """The engine takes none of a file that holds such."""
    bytes_, field = {"kind": b"\xff\0"}, pa.field("v", pa.int64())
    odd = field.with_metadata(bytes_) if where != "file" else field
    schema = pa.schema([pa.field("s", pa.struct([odd])) if where == "within" else odd])
    schema = schema.with_metadata(bytes_) if where == "file" else schema
    words = tried(project, pa.table([[{"v": 5}] if where == "within" else [5]], schema=schema))[0]
    assert "in/a.parquet` cannot be read: what it holds beside its columns is not UTF-8" in words


class Keys(encryption.KmsClient):
    """Keeps keys as they are."""

    def __init__(self, _config) -> None:
        encryption.KmsClient.__init__(self)

    def wrap_key(self, key_bytes, _name):
        return key_bytes.hex()

    def unwrap_key(self, wrapped_key, _name):
        return bytes.fromhex(wrapped_key)


def encrypted(path, *, plain_footer: bool) -> None:
    """Writes a file of which a column is encrypted."""
    made = encryption.EncryptionConfiguration(footer_key="f", column_keys={"c": ["v"]}, plaintext_footer=plain_footer)
    table = pa.table({"id": [1], "v": ["a"]})
    properties = encryption.CryptoFactory(Keys).file_encryption_properties(encryption.KmsConnectionConfig(), made)
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "footer", "page", "encrypted", "a column encrypted"])
def test_a_damaged_file_is_told_by_its_name(project, tmp_path, damage):
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"id": range(1000), "v": [f"text {n}" for n in range(1000)]}), whole, compression="none")
    if "encrypted" in damage:
        encrypted(whole, plain_footer=damage != "encrypted")
    data = whole.read_bytes()
    made = {
        "empty": b"", "text": b"id,v\n" * 100, "cut": data[:-100], "footer": data[:-200] + b"\x99" * 192 + data[-8:],
        "page": data[:4] + b"\xff" * 3000 + data[3004:],
    }.get(damage, data)  # fmt: skip
    for words in tried(project, made):
        assert "a.parquet` cannot be read: " in words, words


@pytest.mark.parametrize(("nanoseconds", "shown"), [
    (2**63 - 1, "2262-04-11 23:47:16.854775807"), (1234, "1970-01-01 00:00:00.000001234"),
    (-1, "1969-12-31 23:59:59.999999999"),
])  # fmt: skip
def test_an_instant_that_is_finer_than_the_table_holds_is_refused(project, nanoseconds: int, shown: str):
    """DuckDB rounds it, and takes the last one that there is for its `infinity`."""
    for said in tried(project, pa.table({"t": pa.array([1000, nanoseconds], pa.timestamp("ns", "UTC"))}), "duckdb"):
        assert "error[value-does-not-fit]" in said
        assert f"column `t`: `{shown}" in said
        assert "has digits below the microsecond" in said


@pytest.mark.parametrize("zone", ["UTC", None])
def test_times_in_lists_that_are_finer_than_the_table_holds_are_refused_or_kept(project, zone: str | None):
    kind = pa.list_(pa.timestamp("ns", zone))
    for said in tried(project, pa.table({"t": pa.array([[1000], None, [2000, 1234]], kind)}), "duckdb"):
        assert ("error[value-does-not-fit]" in said and "has digits below the microsecond" in said) == (
            zone == "UTC"
        ), said
    if zone is None:
        with duckdb.connect(project.path / "store.duckdb") as session:
            assert session.execute("SELECT epoch_ns(list_last(t)) FROM t WHERE len(t) = 2").fetchall() == [(1234,)]


def test_instants_of_whole_microseconds_are_kept_whatever_their_unit(project):
    whole = (2**63 - 1) // 1000 * 1000
    load, stream = tried(project, pa.table({"t": pa.array([whole, 0], pa.timestamp("ns", "UTC"))}), "duckdb")
    assert "error" not in load + stream
    with duckdb.connect(project.path / "store.duckdb") as session:
        for table in "ts":
            assert session.execute(f"SELECT max(epoch_us(t)), min(epoch_us(t)) FROM {table}").fetchone() == (
                whole // 1000,
                0,
            )
