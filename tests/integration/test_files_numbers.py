"""Numbers in files that no type holds: bad rows by their line, and never the end of the process."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from tests.commands import Folder
from tests.streams.filefolder import put

SPEC = """
project: shop
connections:
  d: { kind: files, uri: in }
  w: { kind: sqlite, path: w.db }
tables:
  t: { connection: w, columns: { id: bigint, n: "numeric(38,2)" } }
pipelines:
  load:
    from: { connection: d, path: "PATH", columns: { id: bigint, n: "TYPE" } }
    SQL
    to: t
    mode: append
    on_bad_row: quarantine
    quarantine: { path: bad }
  strict:
    from: { connection: d, path: "PATH", columns: { id: bigint, n: "TYPE" } }
    SQL
    to: t
    mode: append
streams:
  follow:
    source: { connection: d, path: "PATH", columns: { id: bigint, n: "TYPE" } }
    SQL
    to: { connection: w, table: s, mode: append }
    on_error: dlq
"""
GOOD = ["1.50", "15e-1", "1e1", "-0.25", "0e-10", f"{10**35}"]
BAD = ["1e-999999999", "0e-999999999", "1e-2147483648", "1E999999999", "1e36", "1e-3", f"0.{'0' * 90}1", "1e-77"]


def write(project: Folder, path: str, kind: str, sql: str = "") -> None:
    project.write("specs/p.yaml", SPEC.replace("PATH", path).replace("TYPE", kind).replace("SQL", sql))


def lines(form: str, numbers: list[str], quote: str = "") -> str:
    if form == "csv":
        return "id,n\n" + "".join(f"{row},{number}\n" for row, number in enumerate(numbers, 2))
    rows = [f'{{"id": {row}, "n": {quote}{number}{quote}}}' for row, number in enumerate(numbers, 1)]
    return "".join(f"{row}\n" for row in rows) if form == "jsonl" else "[" + ",\n".join(rows) + "]"


def loaded(project: Folder, table: str) -> list[tuple[int, Decimal]]:
    with closing(sqlite3.connect(project.path / "w.db")) as database:
        return [(row, Decimal(str(n))) for row, n in database.execute(f"SELECT id, n FROM {table} ORDER BY id")]


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "json"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_exponents_beyond_every_decimal_are_bad_rows(project, form, quote):
    """Arrow's cast reads memory that is not its own for them; the first of these ended the process."""
    numbers = GOOD[:3] + BAD + GOOD[3:]
    plain, first = form.partition(".")[0], 2 if "csv" in form else 1
    put(project.path / "in", f"a.{form}", lines(plain, numbers, quote))
    write(project, f"a.{form}", "numeric(38,2)")
    done = project.flowc("run", "load", "--once", "--json")
    assert done.code == 0, done.err
    rows = [(first + at, Decimal(n)) for at, n in enumerate(numbers) if n in GOOD]
    assert loaded(project, "t") == rows
    kept = (project.path / f"in/bad/load/a.{form}.bad.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in kept] == [first + 3 + at for at in range(len(BAD))]
    assert {json.loads(line)["error_code"] for line in kept} == {"value-does-not-fit"}
    done = project.flowc("run", "strict", "--once")
    assert done.code == 1
    assert "1e-999999999` does not fit its" in done.err
    assert f"line {first + 3}" in done.err
    if form != "json":
        done = project.flowc("run", "follow", "--once", "--json")
        assert (done.json[0]["status"], done.json[0]["bad_rows"]) == ("ok", len(BAD)), done.out
        assert loaded(project, "s") == rows


def test_a_decimal_that_is_spelled_with_escapes_cannot_hide_its_exponent(project):
    put(project.path / "in", "a.jsonl", '{"id": 1, "n": "\\u0031e-999999999"}\n{"id": 2, "n": "1\\u0065-999999999"}\n')
    write(project, "a.jsonl", "numeric(38,2)")
    assert "all 2 rows are bad" in project.flowc("run", "load", "--once").err
    done = project.flowc("run", "follow", "--once", "--json")
    assert done.json[0]["bad_rows"] == 2, done.out


WITHIN = {
    "numeric(38,2)[]": "[N]",
    "struct(v numeric(38,2))": '{"v": N}',
    "struct(v numeric(38,2)[])[]": '[{"v": [1, N]}]',
}


@pytest.mark.parametrize("kind", list(WITHIN))
def test_decimals_within_others_are_bounded_too(project, kind):
    values = [WITHIN[kind].replace("N", number) for number in ("1.5", "1e-999999999", "0e-999999999", "2.5")]
    put(project.path / "in", "a.jsonl", lines("jsonl", values))
    write(project, "a.jsonl", kind, "sql: SELECT id FROM source")
    for pipeline in ("load", "follow"):
        done = project.flowc("run", pipeline, "--once", "--json")
        assert done.code == 0, done.err
    assert done.json[0]["bad_rows"] == 2
    with closing(sqlite3.connect(project.path / "w.db")) as database:
        for table in ("t", "s"):
            assert database.execute(f"SELECT id FROM {table} ORDER BY id").fetchall() == [(1,), (4,)]
