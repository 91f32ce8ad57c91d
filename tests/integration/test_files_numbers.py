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


@pytest.mark.covering
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


SMALL = ["1e-400", "-1E-5000", f"0.{'0' * 400}1", f"0.{'0' * 300}25e-99"]
KEPT = ["0", "-0.0", "0e-400", "0.000E-9999", "1.5"]
WITHIN_FLOATS = {"N": "{}", "[0, N]": "{}[]", '{"v": N}': "struct(v {})", '[{"v": [N, null]}]': "struct(v {}[])[]"}
FLOATS = [(form, kind, held) for form in ("csv", "csv.gz", "jsonl", "json") for kind in ("double", "real")
          for held in WITHIN_FLOATS if held == "N" or "csv" not in form]  # fmt: skip


@pytest.mark.parametrize(("form", "kind", "held"), FLOATS)
def test_a_number_that_no_float_is_as_small_as_is_a_bad_row(project, form, kind, held):
    """PostgreSQL calls it out of range; it became zero. A zero of any spelling is one."""
    plain, first = form.partition(".")[0], 2 if "csv" in form else 1
    small = SMALL + (["1e-50", f"0.{'0' * 60}1"] if kind == "real" else [])
    kept = KEPT if kind == "real" else [*KEPT, "4.9e-324", "1e-300"]
    put(project.path / "in", f"a.{form}", lines(plain, [held.replace("N", n) for n in ["1.5", *small, *kept]]))
    write(project, f"a.{form}", WITHIN_FLOATS[held].format(kind), "" if held == "N" else "sql: SELECT id FROM source")
    table = f"id: bigint, n: {kind}" if held == "N" else "id: bigint"
    spec = (project.path / "specs/p.yaml").read_text()
    project.write(
        "specs/p.yaml", spec.replace('id: bigint, n: "numeric(38,2)" } }\npipelines', f"{table} }} }}\npipelines")
    )
    done = project.flowc("run", "load", "--once", "--json")
    assert done.code == 0, done.err
    bad = [json.loads(line) for line in (project.path / f"in/bad/load/a.{form}.bad.jsonl").read_text().splitlines()]
    assert [row["line"] for row in bad] == [first + 1 + at for at in range(len(small))]
    assert {row["error_code"] for row in bad} == {"value-does-not-fit"}
    done = project.flowc("run", "strict", "--once")
    assert done.code == 1
    assert "1e-400" in done.err
    assert f"line {first + 1}" in done.err
    if form != "json":
        done = project.flowc("run", "follow", "--once", "--json")
        assert (done.json[0]["status"], done.json[0]["bad_rows"]) == ("ok", len(small)), done.out
    put(project.path / "in", f"a.{form}", lines(plain, [held.replace("N", n) for n in kept]))
    done = project.flowc("run", "strict", "--once")
    assert done.code == 0, done.err


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_what_is_no_number_of_json_is_a_bad_row_in_a_field_that_no_column_names_too(project, form):
    """Arrow reads it, and a row was good or not as the fields were that somebody asked for."""
    bad = ["NaN", "Infinity", "-Infinity", "[1, NaN]", '{"a": -Infinity}']
    good = ['"NaN"', '"a \\" NaN"', '{"Infinity": "-Infinity"}', '["Inf"]', "null"]
    values = [good[0], *bad, *good[1:]]
    rows = [f'{{"id": {at}, "n": 1, "more": {value}}}' for at, value in enumerate(values, 1)]
    text = "".join(f"{row}\n" for row in rows) if form == "jsonl" else "[" + ",\n".join(rows) + "]"
    put(project.path / "in", f"a.{form}", text)
    write(project, f"a.{form}", "numeric(38,2)")
    done = project.flowc("run", "load", "--once", "--json")
    assert done.code == 0, done.err
    kept = (project.path / f"in/bad/load/a.{form}.bad.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in kept] == [2, 3, 4, 5, 6]
    place = "element 2: " if form == "json" else ""
    assert json.loads(kept[0])["error"] == f"{place}it holds `NaN`, which no JSON has"
    assert [at for at, _ in loaded(project, "t")] == [1, 7, 8, 9, 10]
    done = project.flowc("run", "strict", "--once")
    words = f"line 2{', element 2' if form == 'json' else ''}: it holds `NaN`, which no JSON has"
    assert words in done.err
    spec, columns = (project.path / "specs/p.yaml").read_text(), ', columns: { id: bigint, n: "numeric(38,2)" }'
    table, _, pipelines = spec.partition("pipelines")
    project.write("specs/p.yaml", f"{table}pipelines{pipelines.replace(columns, '')}")
    assert words in project.flowc("run", "strict", "--once").err
    write(project, f"a.{form}", "numeric(38,2)")
    done = project.flowc("run", "follow", "--once", "--json")
    assert (done.json[0]["status"], done.json[0]["bad_rows"]) == ("ok", len(bad)), done.out
    assert [at for at, _ in loaded(project, "s")] == [1, 7, 8, 9, 10]
