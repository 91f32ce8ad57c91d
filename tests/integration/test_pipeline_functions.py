"""Python functions in the SQL of pipelines: over every kind of source, in several threads, and when they fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.commands import Folder, Inside
from tests.lakes import write
from tests.stores import KINDS, Store, address

MODULE = """
import flowc
import pyarrow as pa
import pyarrow.compute as pc


@flowc.udf(args=["text"], returns="text")
def masked(emails):
    assert emails.type == pa.string(), emails.type
    return pc.replace_substring_regex(emails, r"^[^@]*", "***")


def twice(numbers):
    if pc.any(pc.equal(numbers, 13)).as_py():
        raise ValueError("thirteen is not for me")
    return pc.multiply(numbers, 2)


@flowc.udaf(args=["bigint"], state=["bigint", "bigint"], returns="bigint")
class Spread:
    def __init__(self):
        self.low = self.high = None

    def update(self, numbers):
        self.merge(numbers, numbers)

    def merge(self, lows, highs):
        known = [n for n in (self.low, self.high, pc.min(lows).as_py(), pc.max(highs).as_py()) if n is not None]
        self.low, self.high = (min(known), max(known)) if known else (None, None)

    def state(self):
        return [self.low, self.high]

    def evaluate(self):
        return None if self.low is None else self.high - self.low


class Lacks:
    update = state = evaluate = print
"""
SPECS = """
connections:
  drop: {{ kind: files, uri: ./inbox }}
  lake: {{ kind: delta, uri: ./lake }}
  db: {db}
  wh: {{ kind: sqlite, path: wh.sqlite }}
functions:
  masked: {{ python: "own_functions:masked" }}
  twice: {{ python: "own_functions:twice", args: [bigint], returns: bigint }}
  spread: {{ python: "own_functions:Spread" }}
  ends: {{ python: "ends:ends", args: [bigint], returns: bigint }}
  value: {{ python: "own_functions:MODULE", args: [bigint], returns: bigint }}
  module_gone: {{ python: "no_such_module:f", args: [bigint], returns: bigint }}
  lacks: {{ python: "own_functions:Lacks", kind: aggregate, args: [bigint], state: [bigint], returns: bigint }}
pipelines:
  out:
    from: {source}
    sql: {sql}
    to: {{ connection: wh, table: out, mode: truncate }}
"""
CSV = "{ connection: drop, path: people.csv }"
PEOPLE = {"id": [1, 2, 3], "email": ["ada@example.org", None, "grace@example.com"]}
MASKED = [(2, "***@example.org"), (4, None), (6, "***@example.com")]


class Project:
    """A project with the functions and one pipeline."""

    def __init__(self, folder: Path, sql: str, source: str = CSV, db: str = "{ kind: duckdb, path: none.db }") -> None:
        self.folder, self.wh = Folder(folder), Store("sqlite", folder, file="wh")
        self.folder.write("specs/s.yaml", SPECS.format(source=source, sql=sql, db=db))
        self.folder.write("own_functions.py", MODULE + "\nMODULE = 1\n")
        self.folder.write("ends.py", "raise SystemExit(3)\n")
        self.folder.write("inbox/people.csv", "id,email\n1,ada@example.org\n2,\n3,grace@example.com\n")

    def rows(self) -> list[tuple[object, ...]]:
        """What the pipeline loads."""
        done = self.folder.flowc("run", "--once", "--json")
        assert done.json["status"] == "ok", done.json
        return self.wh.rows("SELECT * FROM out")

    def failure(self, *command: str) -> tuple[str, str]:
        """How a command fails: code and message."""
        done = self.folder.flowc(*command, "--json")
        assert done.code != 0
        (pipeline,) = done.json["pipelines"]
        error = pipeline["targets"][0]["error"]
        return error["code"], error["message"]


QUERY = "SELECT twice(id) AS id, masked(email) AS email FROM source"


def _jsonl(folder: Path) -> str:
    lines = ['{"id":1,"email":"ada@example.org"}', '{"id":2,"email":null}', '{"id":3,"email":"grace@example.com"}']
    Folder(folder).write("inbox/people.jsonl", "\n".join(lines))
    return "{ connection: drop, path: people.jsonl, format: jsonl }"


def _parquet(folder: Path) -> str:
    (folder / "inbox").mkdir(exist_ok=True)
    kinds = pa.schema([("id", pa.int32()), ("email", pa.dictionary(pa.int32(), pa.string()))])
    pq.write_table(pa.table(PEOPLE).cast(kinds), folder / "inbox/people.parquet")
    return "{ connection: drop, path: people.parquet }"


def _delta(folder: Path) -> str:
    (folder / "lake").mkdir()
    write(folder / "lake/people", PEOPLE)
    return "{ connection: lake, table: people }"


@pytest.mark.parametrize("source", [lambda _: CSV, _jsonl, _parquet, _delta])
def test_files_and_tables_of_files(tmp_path: Path, source: Callable[[Path], str]) -> None:
    assert Project(tmp_path, QUERY, source(tmp_path)).rows() == MASKED


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_databases(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    db = Store(kind, tmp_path, address(request, kind))
    db.run(
        "CREATE TABLE people (id BIGINT, email VARCHAR(99))",
        "INSERT INTO people VALUES (1, 'ada@example.org'), (2, NULL), (3, 'grace@example.com')",
    )
    made = Project(tmp_path, QUERY, "{ source: { connection: db, table: people } }", db.connection)
    assert made.rows() == MASKED


TYPED = """
import flowc

def typed(*kinds):
    def check(*arrays):
        assert [str(array.type) for array in arrays] == list(kinds), [str(array.type) for array in arrays]
        return arrays[0]
    return check

masked = twice = typed("int64")

@flowc.udf(args=["numeric", "numeric(10,2)", "timestamp", "timestamptz", "text[]", "binary", "date"], returns="numeric")
def every(*arrays):
    kinds = ("decimal128(38, 10)", "decimal128(10, 2)", "timestamp[us]", "timestamp[us, tz=UTC]",
             "list<item: string>", "binary", "date32[day]")
    return typed(*kinds)(*arrays)
"""


def test_types_of_a_database(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    db = Store("postgres", tmp_path, address(request, "postgres"))
    db.run(
        "CREATE TABLE t (n numeric, p numeric(10,4), at timestamp, z timestamptz, l text[], b bytea, d date)",
        "INSERT INTO t VALUES (1.25, 2.5, '2024-01-01', '2024-01-01 12:00+02', '{a,NULL}', 'x', '2024-01-01')",
        "INSERT INTO t DEFAULT VALUES",
    )
    sql = "SELECT every(n, p, at, z, l, b, d) AS n FROM source WHERE every(n, p, at, z, l, b, d) IS NULL OR p = 2.5"
    made = Project(tmp_path, f'"{sql}"', "{ source: { connection: db, table: t } }", db.connection)
    made.folder.write("own_functions.py", TYPED)
    spec = tmp_path / "specs/s.yaml"
    every = 'functions:\n  every: { python: "own_functions:every" }\n'
    spec.write_text(spec.read_text().replace("functions:\n", every, 1))
    assert [row[0] is None or float(str(row[0])) for row in made.rows()] == [1.25, True]


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "duckdb"])
def test_other_dialects(tmp_path: Path, dialect: str) -> None:
    made = Project(tmp_path, f'"{QUERY} WHERE twice(twice(id)) > 4"\n    dialect: {dialect}')
    assert made.rows() == MASKED[1:]


def test_parts_of_a_group_are_merged(tmp_path: Path) -> None:
    """Above some size the engine computes in as many threads as there are cores, whose states are merged."""
    made = Project(tmp_path, "SELECT id % 3 AS id, spread(id) AS s FROM source GROUP BY id % 3", _many(tmp_path))
    assert made.rows() == [(0, 299_997), (1, 299_997), (2, 299_997)]


def _many(folder: Path) -> str:
    (folder / "inbox").mkdir(exist_ok=True)
    pq.write_table(pa.table({"id": range(300_000)}), folder / "inbox/many.parquet", row_group_size=10_000)
    return "{ connection: drop, path: many.parquet }"


def test_calls_of_equal_text_are_one_group(tmp_path: Path) -> None:
    made = Project(tmp_path, "SELECT masked(email) AS email, count(*) AS n FROM source GROUP BY masked(email)")
    assert made.rows() == [("***@example.com", 1), ("***@example.org", 1), (None, 1)]


def test_a_failure_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    made = Project(tmp_path, QUERY)
    before = made.rows()
    made.folder.write("inbox/people.csv", "id,email\n13,a@b.c\n")
    failure = ("function-failed", "function `twice` failed: ValueError: thirteen is not for me")
    assert made.failure("run", "--once") == failure
    assert made.failure("preview", "out") == failure
    assert made.wh.rows("SELECT * FROM out") == before


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("ends(id)", "`ends` cannot be loaded from `ends:ends`: SystemExit: 3"),
        ("value(id)", "`value` cannot be loaded from `own_functions:MODULE`: TypeError: it is int, which cannot"),
        ("module_gone(id)", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("lacks(id)", "TypeError: an aggregate is a class, and this one has no `merge`"),
    ],
)  # fmt: skip
def test_what_is_no_function_is_found_before_a_row_is_read(tmp_path: Path, call: str, words: str) -> None:
    made = Project(tmp_path, f"SELECT {call} AS id FROM source")
    made.folder.write("inbox/people.csv", "id\n13\n")
    for command in (("run", "--once"), ("preview", "out")):
        code, message = made.failure(*command)
        assert code == "function-not-loaded"
        assert words in message
    done = made.folder.flowc("validate")
    assert done.code == 1
    assert words in done.out + done.err


@pytest.mark.parametrize("call", ["twice(email)", "twice(id / 2.5)", "twice(id, id)"])
def test_types_that_only_the_files_tell_are_checked_before_a_row_is_read(tmp_path: Path, call: str) -> None:
    made = Project(tmp_path, f"SELECT {call} AS id FROM source")
    code = made.folder.flowc("run", "--once")
    assert "wrong-arguments" in code.out + code.err
    assert "flowc_fn" not in code.out + code.err


def test_lint_imports_nothing_of_the_user(tmp_path: Path) -> None:
    made = Project(tmp_path, QUERY)
    made.folder.write("own_functions.py", "raise SystemExit(3)\n" + MODULE)
    assert Inside(tmp_path).flowc("lint").code == 0
