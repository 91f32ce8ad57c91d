"""Odd files through `flowc run`: what is wrong is named by file, line and column, and normalisers work as elsewhere."""

import bz2
import csv
import datetime as dt
import gzip
import io
import json
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stores import Store, address

HEAD = "id,day,price,name,ok\n"
GOOD = "1,2024-01-01,1.50,abc,y\n"
BAD_CSV = {
    # what stands after a header and a good row, and what is said of it after the name of the file
    "x,2024-01-01,1.50,abc,y\n": "line 3: column `id`: `x` does not fit its type `bigint`",
    GOOD * 9000 + "x,2024-01-01,1.50,abc,y\n": "line 9003: column `id`: `x` does not fit its type `bigint`",
    '2,2024-01-01,1.50,"a\nb",y\n\nx,2024-01-01,1.50,abc,y\n': "line 6: column `id`: `x` does not fit",
    "2,2024-13-01,1.50,abc,y\n": ("column `day`: `2024-13-01` does not fit its declared type `date`", "line 3"),
    GOOD * 9000 + "2,2024-01-01,1.505,abc,y\n": ("column `price`: `1.505` does not fit its declared", "line 9003"),
    '2,2024-01-01,1.50,"a\nb",y\n\n2,,1.505,abc,y\n': ("column `price`: `1.505` does not fit", "line 6"),
    "2,2024-01-01,1.5\n": "line 3 has 3 fields where 5 are expected",
    "2,2024-01-01,1.50,abc,y,z\n": "line 3 has 6 fields where 5 are expected",
    '2,2024-01-01,1.50,"a\nb",y\n\n2,3\n': "line 6 has 2 fields where 5 are expected",
    GOOD * 9000 + "2,3\n": "line 9003 has 2 fields where 5 are expected",
    GOOD + "2,2024-01-01,1.50,abc,\n": ("column `ok` takes no NULL", "line 4"),
    GOOD * 9000 + "2,,,abcdef,y\n": ("column `name`: `abcdef` (text) does not fit `varchar(5)`", "line 9003"),
}  # fmt: skip
LINE = '{"id": 1, "day": "2024-01-01", "price": 1.50, "name": "abc", "ok": "y"}\n'
BAD_JSON = {
    LINE.replace("1,", '"x",', 1): 'line 2: column `id`: `"x"` does not fit its type `bigint`',
    LINE.replace("-01-01", "-13-01"): "line 2: column `day`: `2024-13-01` does not fit its type `date`",
    LINE + "\n" + LINE.replace("1.50", "1.505"): "line 4: column `price`: `1.505` does not fit its type `numeric(8,2)`",
    LINE.replace('"abc"', "7"): "line 2: column `name`: `7` does not fit its type `text`",
    LINE + '{"id": 2, "day"\n': "line 3: it is no JSON: Expecting ':' delimiter, at character 16",
    "[1]\n": "line 2: it is not a JSON object",
    LINE + "\n" + LINE.replace('"y"', "null"): ("column `ok` takes no NULL", "line 4"),
    '{"id": 2}\n': ("column `ok` takes no NULL", "line 2"),
    LINE * 9000 + LINE.replace("abc", "abcdef"): ("column `name`: `abcdef` (text) does not fit", "line 9002"),
}  # fmt: skip
TABLE = {"id": [1, 2, 3], "day": [dt.date(2024, 1, 1)] * 3, "price": [1.5] * 3, "name": ["abc"] * 3, "ok": ["y"] * 3}
BAD_PARQUET = {
    ("id", ("1", "x", "3")): "its column `id` is `text`, and `bigint` in the files before it",
    ("id", (1.0, 2.5, 3.0)): ("column `id`: `2.5` does not fit its declared type `bigint`", "row 2"),
    ("price", (1.5, 1.5, 1.505)): ("column `price`: `1.505` does not fit its declared type", "row 3"),
    ("ok", (None, "y", None)): ("column `ok` takes no NULL", "row 1"),
    ("name", ("a", "b", "abcdef")): ("column `name`: `abcdef` (text) does not fit `varchar(5)`", "row 3"),
}
ODD = {
    # a file, and the ids that it holds
    ("csv", ""): [], ("csv", HEAD): [], ("csv", HEAD[:-1]): [], ("csv", HEAD + GOOD[:-1]): [1],
    ("csv", "\ufeff" + HEAD + GOOD): [1], ("csv", "\ufeff"): [], ("csv", "\n\n"): [],
    ("csv", (HEAD + GOOD + GOOD).replace("\n", "\r\n")): [1, 1], ("csv", HEAD + "\n" + GOOD + "\n"): [1],
    ("jsonl", ""): [], ("jsonl", LINE[:-1]): [1], ("jsonl", "\ufeff" + LINE): [1], ("jsonl", "\n\n" + LINE): [1],
    ("jsonl", (LINE + LINE).replace("\n", "\r\n")): [1, 1],
}  # fmt: skip
DECLARED = 'columns: { id: bigint, day: date, price: "numeric(8,2)", name: text, ok: text }'
TYPED = '{ id: bigint, day: date, price: "numeric(8,2)", name: "varchar(5)", ok: "text not null" }'
ENDINGS = ("", ".gz", ".zst", ".bz2")
NORMALISED = {
    # type and chain, then values as they are in the file and the table; NULL in neither form of CSV
    ("text", "[lower]"): ["ABC", "ÄÉ", "İ"],
    ("text", "[upper]"): ["abc", "äé", "ﬁ"],
    ("text", "[trim]"): ["\t a ", "\u00a0a", "'"],
    ("text", "[empty_to_null]"): ["", " ", None],
    ("timestamp", '[{ parse_timestamp: "%d.%m.%Y %H:%M" }]'): ["29.02.2024 23:59", "1.2.2024 00:00"],
    ("bigint", "[parse_int]"): [" 12 ", "+5", "007", "-9223372036854775808"],
    ("numeric(12,2)", "[parse_numeric]"): ["1.50", "1e5", "9999999999.99"],
    ("text", '[{ regex_replace: { pattern: "[^0-9]+", replacement: "-" } }]'): ["a1b22c", "日本1"],
    ("text", "[{ default: none }]"): [None, "x"],
    ("text", '[{ derive: "upper(c)" }]'): ["aé", None],
    ("integer", '[{ sql: "length({value})" }]'): ["日本", "abc"],
}


def packed(path, data):
    """Writes bytes, compressed as the name says."""
    if path.suffix == ".zst":
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(data)
        return
    path.write_bytes({".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)(data))


def csv_text(rows):
    """CSV in which an empty text is not NULL."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["n", "c"])
    writer.writerows((n, "NULL" if c is None else c) for n, c in rows)
    return out.getvalue().encode()


def json_text(rows):
    return "\n".join(json.dumps({"n": n, "c": c}, ensure_ascii=False) for n, c in rows).encode()


ORIGINS = {
    "database": "{{ connection: db, table: t{i} }}",
    "csv": "{{ connection: d, path: t{i}.csv.gz, format: csv, read: {{ null_regex: ^NULL$ }}, {columns} }}",
    "jsonl": "{{ connection: d, path: t{i}.jsonl.zst, format: jsonl, {columns} }}",
}


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgres"])
def test_normalisers_give_what_they_give_for_a_database(project, kind, request, tmp_path):
    store = Store(kind, tmp_path, address(request, kind))
    spec = ["connections:", "  db: { kind: sqlite, path: origin.sqlite }", "  d: { kind: files, uri: . }"]
    spec += [f"  b: {store.connection}", "tables:"]
    loads = ["pipelines:"]
    with closing(sqlite3.connect(tmp_path / "origin.sqlite", isolation_level=None)) as database:
        for i, ((typed, chain), values) in enumerate(NORMALISED.items()):
            rows = list(enumerate(values))
            database.execute(f"CREATE TABLE t{i} (n INTEGER, c TEXT)")
            database.executemany(f"INSERT INTO t{i} VALUES (?, ?)", rows)
            packed(tmp_path / f"t{i}.csv.gz", csv_text(rows))
            packed(tmp_path / f"t{i}.jsonl.zst", json_text(rows))
            for name, origin in ORIGINS.items():
                column = f'{{ type: "{typed}", normalize: {chain} }}'
                spec.append(f"  {name}_{i}: {{ connection: b, columns: {{ n: integer, c: {column} }} }}")
                source = origin.format(i=i, columns="columns: { n: integer, c: text }")
                loads.append(f"  {name}_{i}: {{ from: {source}, to: {name}_{i}, mode: append }}")
    project.write("specs/p.yaml", "\n".join(spec + loads))
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    for i, chain in enumerate(NORMALISED):
        found = {name: store.rows(f"SELECT n, c FROM {name}_{i}") for name in ORIGINS}
        assert found["csv"] == found["jsonl"] == found["database"], chain
        assert len(found["csv"]) == len(NORMALISED[chain])


def load_each(project, patterns):
    """Loads the files of each pattern into a table of its own in DuckDB; what the run says of each."""
    spec = ["connections: { d: { kind: files, uri: . }, w: { kind: duckdb, path: store.duckdb } }", "tables:"]
    spec += [f"  t{i}: {{ connection: w, columns: {TYPED} }}" for i in range(len(patterns))]
    spec.append("pipelines:")
    for i, pattern in enumerate(patterns):
        source = f'{{ connection: d, path: "{pattern}", format: {pattern.split(".")[1]}, {DECLARED} }}'
        spec.append(f"  t{i}: {{ from: {source}, to: t{i}, mode: append }}")
    project.write("specs/p.yaml", "\n".join(spec))
    done = project.flowc("run", "--once", "--json")
    runs = {run["name"]: run["targets"][0] for run in done.json["pipelines"]}
    return [runs[f"t{i}"] for i in range(len(patterns))]


def bad_files(folder):
    """Writes a good file and a bad one for each case; their pattern, the bad one's path, and what is said of it."""
    texts = [(form, *case) for form, cases in (("csv", BAD_CSV), ("jsonl", BAD_JSON)) for case in cases.items()]
    for i, (form, bad, words) in enumerate(texts):
        for ending in ("", ENDINGS[1 + i % 3]):
            (folder / f"c{i}{ending[1:]}").mkdir()
            for name in "abc":
                first = HEAD + GOOD if form == "csv" else LINE
                packed(folder / f"c{i}{ending[1:]}" / f"{name}.{form}{ending}", (first + bad * (name == "b")).encode())
            yield f"c{i}{ending[1:]}/*.{form}{ending}", f"c{i}{ending[1:]}/b.{form}{ending}", words
    for i, ((column, values), words) in enumerate(BAD_PARQUET.items()):
        (folder / f"p{i}").mkdir()
        for name in "abc":
            table = pa.table(TABLE | ({column: list(values)} if name == "b" else {}))
            pq.write_table(table, folder / f"p{i}" / f"{name}.parquet")
        yield f"p{i}/*.parquet", f"p{i}/b.parquet", words


def test_what_is_wrong_is_named_and_nothing_is_loaded(project, tmp_path):
    cases = list(bad_files(tmp_path))
    targets = load_each(project, [pattern for pattern, _, _ in cases])
    for (_, path, words), target in zip(cases, targets, strict=True):
        said = (target["error"] or {}).get("message", "nothing")
        if isinstance(words, tuple):
            assert words[0] in said
            assert f"{words[1]} of `{path}`" in said.replace(f"`{tmp_path}/", "`")
        else:
            assert f"`{path}` cannot be read: {words}" in said.replace(f"`{tmp_path}/", "`")
    made = Store("duckdb", tmp_path).rows("SELECT * FROM information_schema.tables WHERE table_name LIKE 't%'")
    assert made == []


def test_a_value_of_an_inferred_type_below_an_absolute_path_is_named(project, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "n": 12}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 2, "n": 1.5}\n\n{"id": 3, "n": 1.25}\n')
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ d: {{ kind: files, uri: ., format: jsonl }}, w: {{ kind: sqlite, path: store.sqlite }} }}
tables: {{ t: {{ connection: w, columns: {{ id: bigint, n: "numeric(4,1)" }} }} }}
pipelines: {{ p: {{ from: {{ connection: d, path: "{tmp_path}/?.jsonl" }}, to: t, mode: append }} }}
""",
    )
    done = project.flowc("run", "--once", "--json")
    said = done.json["pipelines"][0]["targets"][0]["error"]["message"]
    assert said.startswith("column `n`: `1.25` (double) does not fit")
    assert f"line 3 of `{tmp_path}/b.jsonl`" in said


def test_odd_files_are_whole(project, tmp_path):
    for i, (form, text) in enumerate(ODD):
        packed(tmp_path / f"f{i}.{form}{ENDINGS[i % 4]}", text.encode())
    targets = load_each(project, [f"f{i}.{form}{ENDINGS[i % 4]}" for i, (form, _) in enumerate(ODD)])
    assert [target["error"] for target in targets] == [None] * len(ODD)
    store = Store("duckdb", tmp_path)
    found = [[row[0] for row in store.rows(f"SELECT id FROM t{i} WHERE ok = 'y'")] for i in range(len(ODD))]
    assert found == list(ODD.values())


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("2,3\n", "`{}/b.csv` cannot be read: line 3 has 2 fields where 5 are expected"),
        ('2,2024-01-01,1.50,"a\nb",y\n\n2,3\n', "`{}/b.csv` cannot be read: line 6 has 2 fields where 5 are expected"),
        ("x,2024-01-01,1.50,abc,y\n", "`{}/b.csv` cannot be read: its column `id` is `text`, and `bigint` in the"),
    ],
)
def test_files_whose_types_cannot_be_inferred_are_named(project, tmp_path, bad, words):
    (tmp_path / "a.csv").write_text(HEAD + GOOD)
    (tmp_path / "b.csv").write_text(HEAD + GOOD + bad)
    project.write(
        "specs/p.yaml",
        """
connections: { d: { kind: files, uri: ., format: csv }, w: { kind: duckdb, path: store.duckdb } }
pipelines:
  p: { from: { connection: d, path: "*.csv" }, to: { connection: w, table: t }, mode: append }
""",
    )
    done = project.flowc("run", "--once", "--json")
    said = done.json["pipelines"][0]["targets"][0]["error"]["message"]
    assert words.format(tmp_path) in said
    assert "flowc-" not in said


def written_as(form):
    """A row as the bytes of a file."""
    if form == "parquet":
        pq.write_table(pa.table({"id": [1]}), out := io.BytesIO())
        return out.getvalue()
    return b'{"id": 1}\n' if form == "jsonl" else b"id\n1\n"


OTHERS = {
    # a name, its format, and what it is instead
    ("a.csv", "csv", written_as("parquet")): "this looks like Parquet",
    ("b.jsonl", "jsonl", written_as("parquet")): "this looks like Parquet",
    ("c.json", "json", written_as("parquet")): "this looks like Parquet",
    ("d.csv", "csv", gzip.compress(written_as("csv"))): "this looks like gzip, and its name does not say so",
    ("e.csv.gz", "csv", bz2.compress(written_as("csv"))): "this looks like bz2, and its name does not say so",
    ("f.csv.gz", "csv", written_as("csv")): "its name says gzip, and it is none",
    ("g.jsonl.zst", "jsonl", written_as("jsonl")): "its name says zstd, and it is none",
    ("h.csv.xz", "csv", written_as("csv")): "its name says xz, and it is none",
    ("i.csv", "csv", b"PK\x03\x04" + bytes(60)): "this looks like a zip archive",
    ("j.parquet", "parquet", written_as("csv")): "this is no Parquet, and looks like CSV",
    ("k.parquet", "parquet", written_as("jsonl")): "this is no Parquet, and looks like JSON",
    ("l.parquet", "parquet", gzip.compress(written_as("csv"))): "this is no Parquet, and looks like gzip",
    ("m.parquet", "parquet", b""): "this is no Parquet",
    ("n.csv", "csv", "id\n1\n".encode("utf-16")): "this looks like UTF-16, and is read as UTF-8",
    ("o.csv.gz", "csv", gzip.compress("id\n1\n".encode("utf-32"))): "this looks like UTF-32, and is read as UTF-8",
    ("p.jsonl", "jsonl", '{"id": 1}\n'.encode("utf-16")): "this looks like UTF-16, and is read as UTF-8",
    ("q.json.gz", "json", gzip.compress(b"\xfe\xff" + '[{"id": 1}]'.encode("utf-16-be"))): "this looks like UTF-16",
}
SPECS_OF_OTHERS = """
connections: {{ d: {{ kind: files, uri: . }}, w: {{ kind: sqlite, path: store.sqlite }} }}
pipelines: {{ {pipelines} }}
streams: {{ {streams} }}
"""


def test_files_of_another_format_than_is_said_are_told_by_their_first_bytes(project, tmp_path):
    pipelines, streams = [], []
    for i, (name, form, data) in enumerate(OTHERS):
        (tmp_path / name).write_bytes(data)
        source = f"connection: d, path: {name}, format: {form}"
        to = f"to: {{ connection: w, table: t{i} }}, mode: append"
        pipelines += [f"p{i}: {{ from: {{ {source} }}, {to} }}"]
        streams += [f"s{i}: {{ source: {{ {source}, columns: {{ id: bigint }} }}, {to} }}"]
    project.write("specs/p.yaml", SPECS_OF_OTHERS.format(pipelines=", ".join(pipelines), streams=", ".join(streams)))
    done = project.flowc("run", "--once", "--json").json
    loads = {each["name"]: each["targets"][0]["error"]["message"] for each in done["pipelines"]}
    running = {each["stream"]: each["error"]["message"] for each in done["streams"]}
    for i, ((name, _, _), words) in enumerate(OTHERS.items()):
        for said in (loads[f"p{i}"], running[f"s{i}"]):
            assert f"/{name}` cannot be read: {words}" in said, (name, said)


def test_a_file_of_a_header_alone_makes_no_table_and_says_what_would(project, tmp_path):
    (tmp_path / "a.csv").write_text("id,name\n")
    one = "{ from: { connection: d, path: a.csv, format: csv }, to: { connection: w, table: t }, mode: append }"
    project.write("specs/p.yaml", SPECS_OF_OTHERS.format(pipelines=f"p: {one}", streams=""))
    error = project.flowc("run", "--once", "--json").json["pipelines"][0]["targets"][0]["error"]
    assert error["message"] == "nothing tells the type of column `id`, and sqlite makes none without"
    assert "`columns: { id: bigint }`" in error["help"]
    assert "load once there are some" in error["help"]


def test_outputs_without_a_name_are_called_as_postgres_calls_them(project, tmp_path):
    (tmp_path / "a.csv").write_text("x,max,upper\n1,2,a\n3,4,b\n")
    queries = {
        "SELECT max(x) FROM source": ["max"],
        "SELECT count(*), upper(upper), CAST(max AS text), x + 1 FROM source GROUP BY upper, max, x ORDER BY upper": [
            "count", "upper", "max", "_c4",
        ],
        "SELECT max(x), max(max) FROM source": ["_c1", "_c2"],
        "SELECT max(max) FROM source GROUP BY upper HAVING max(max) > 0": ["max"],
    }  # fmt: skip
    source, to = "from: { connection: d, path: a.csv, format: csv }", "to: { connection: w, table: t%d }, mode: append"
    pipelines = [f'p{i}: {{ {source}, sql: "{sql}", {to % i} }}' for i, sql in enumerate(queries)]
    project.write("specs/p.yaml", SPECS_OF_OTHERS.format(pipelines=", ".join(pipelines), streams=""))
    assert project.flowc("run", "--once").code == 0
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
        made = [[column[1] for column in store.execute(f"PRAGMA table_info(t{i})")] for i in range(len(queries))]
    assert made == list(queries.values())
