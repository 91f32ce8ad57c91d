"""Numbers of files whose types are inferred: each arrives as it is spelled, or is refused with its place."""

from __future__ import annotations

import bz2
import gzip
from decimal import Decimal as D

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.catalog import Column, TableName
from flowc.errors import FlowcError
from flowc.loadplan import EngineRead, FilesRead, Ingest, LoadPlan
from flowc.runtime.formats.json import lines as jsonl
from flowc.runtime.loads.load import describe, run_load
from flowc.runtime.stores.files import Files
from flowc.runtime.systems import open_database
from flowc.types import parse_type

FORMS = ("csv", "jsonl")
wrong = jsonl.wrong_in


def written(form, values):
    """A file of one column `x`."""
    lines = ["i,x", *(f"{i},{v}" for i, v in enumerate(values))]
    return "\n".join(lines if form == "csv" else [f'{{"i": {i}, "x": {v}}}' for i, v in enumerate(values)]) + "\n"


@pytest.fixture
def loaded(tmp_path):
    """Loads files of the test's folder into a table of DuckDB, and returns what it holds."""

    def load(path, form, into, *, sql=None, columns=None, **options):
        source = FilesRead("drop", path, form, options, columns)
        read = source if sql is None else EngineRead((("source", source),), sql)
        files = lambda _: Files({"uri": str(tmp_path)})  # noqa: E731
        described = describe(read, files)
        wanted = tuple(Column(c.name, parse_type("bigint" if c.name == "i" else into)) for c in described)
        target = open_database("duckdb", {"path": ":memory:"})
        target.execute("CREATE TABLE t (" + ", ".join(f"{c.name} {c.type}" for c in wanted) + ")")
        step = Ingest("load", read, TableName(None, "t"), wanted, temporary=False)
        result = run_load(LoadPlan("p", "d", TableName(None, "t"), "append", (step,)), target, files)
        if result.error:
            raise result.error
        return str(described[-1].type), [row["x"] for row in target.query("SELECT x FROM t ORDER BY ALL").to_pylist()]

    load.folder = tmp_path
    return load


KEPT = [
    # values, the type inferred for them, and a type of the target that takes each as it is
    (("1.5", "2"), "double", "numeric(38,1)"),
    (("1.5", "9007199254740993"), "numeric(38,1)", "numeric(38,1)"),
    (("0.1234567890123456789", "1"), "numeric(38,19)", "numeric(38,19)"),
    (("0.5", "12345678901234567890"), "numeric(38,1)", "numeric(38,1)"),
    (("12345678901234567890", "1"), "numeric(38,0)", "numeric(38,0)"),
    (("1.152921504606847e18", "1"), "numeric(38,0)", "numeric(38,0)"),
    (("1.5", "-2.5e-3"), "double", "numeric(38,4)"),
]  # fmt: skip


@pytest.mark.covering
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("values", "kind", "into"), KEPT)
def test_a_number_arrives_as_it_is_spelled(loaded, form, values, kind, into):
    (loaded.folder / f"a.{form}").write_text(written(form, values))
    assert loaded(f"a.{form}", form, into) == (kind, sorted(map(D, values)))
    assert loaded(f"a.{form}", form, into, sql="SELECT i, x FROM source")[1] == sorted(map(D, values))


@pytest.mark.parametrize("form", FORMS)
def test_what_no_type_of_numbers_keeps_stays_as_it_is_written(loaded, form):
    values = ["1" * 40, "2"]
    (loaded.folder / f"a.{form}").write_text(written(form, values))
    assert loaded(f"a.{form}", form, "text") == ("text" if form == "csv" else "json", values)


@pytest.mark.parametrize("form", FORMS)
def test_great_doubles_are_doubles(loaded, form):
    (loaded.folder / f"a.{form}").write_text(written(form, ["1e300", "0.30000000000000004"]))
    assert loaded(f"a.{form}", form, "double") == ("double", [0.30000000000000004, 1e300])


@pytest.mark.covering(2)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("values", "late", "kind"),
    [
        (("1.5", "2.5"), "9007199254740993", "double"),
        (("1.5", "2.5"), "0.1234567890123456789", "double"),
        (("1", "2"), "12345678901234567890", "bigint"),
        (("1", "2"), "2.5", "bigint"),
        (("0.1234567890123456789", "2"), "1234567890123456789012", "numeric(38,19)"),
        (("0.1234567890123456789", "2"), "0.12345678901234567891", "numeric(38,19)"),
    ],
)
@pytest.mark.parametrize("sql", [None, "SELECT i, x FROM source", "SELECT max(i) AS i, max(x) AS x FROM source"])
def test_a_value_beyond_the_sample_that_the_type_would_change_is_refused(loaded, form, values, late, kind, sql):
    (loaded.folder / f"a.{form}").write_text(written(form, [*values, *values]))
    (loaded.folder / f"b.{form}").write_text(written(form, [*values, "3", late]))
    with pytest.raises(FlowcError) as caught:
        loaded(f"*.{form}", form, "numeric(38,19)", sql=sql, infer_rows=2)
    error, line = caught.value, 5 if form == "csv" else 4
    where = f", in line {line} of `{loaded.folder}/b.{form}`"
    assert error.message == f"column `x`: `{late}` does not fit the type inferred for it, `{kind}`{where}"
    assert error.code == "value-does-not-fit"
    assert error.help.startswith("declare the columns in the source")


@pytest.mark.covering
@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.open), (".bz2", bz2.open)])
@pytest.mark.parametrize("form", FORMS)
def test_in_compressed_files_too(loaded, form, ending, pack):
    for name, values in (("a", ["1.5"] * 10), ("b", ["1"] * 9000 + ["9007199254740993"])):
        with pack(loaded.folder / f"{name}.{form}{ending}", "wt") as stream:
            stream.write(written(form, values))
    found, _ = loaded(f"*.{form}{ending}", form, "numeric(38,1)")
    assert found == "numeric(38,1)"
    with pytest.raises(FlowcError) as caught:
        loaded(f"*.{form}{ending}", form, "numeric(38,1)", infer_rows=10)
    line = 9002 if form == "csv" else 9001
    assert f"`9007199254740993` does not fit the type inferred for it, `double`, in line {line}" in caught.value.message


def test_the_line_of_a_bad_value_is_looked_for_in_pieces(loaded, monkeypatch):
    looked = []
    monkeypatch.setattr(jsonl, "wrong_in", lambda line, shape: looked.append(line) or wrong(line, shape))
    (loaded.folder / "a.jsonl").write_text(written("jsonl", ["1"] * 20_500 + ["2.5"]))
    with pytest.raises(FlowcError, match=r"`2\.5` does not fit the type inferred for it, `bigint`, in line 20501 of"):
        loaded("a.jsonl", "jsonl", "bigint", infer_rows=10)
    assert len(looked) <= 2000, "a file of many lines is not read line by line"


def test_files_have_one_type_for_a_column_whatever_their_order_of_columns(loaded):
    (loaded.folder / "a.csv").write_text("i,x\n1,9007199254740993\n")
    (loaded.folder / "b.csv").write_text("x,i\n1.5,2\n")
    assert loaded("*.csv", "csv", "numeric(38,1)", sql="SELECT i, x FROM source") == (
        "numeric(38,1)",
        [D("1.5"), D("9007199254740993")],
    )


def test_lists_of_numbers(loaded):
    (loaded.folder / "a.jsonl").write_text('{"i": 1, "x": [1.5, null]}\n{"i": 2, "x": [9007199254740993]}\n')
    assert loaded("a.jsonl", "jsonl", "numeric(38,1)[]") == (
        "numeric(38,1)[]",
        [[D("1.5"), None], [D("9007199254740993")]],
    )
    with pytest.raises(FlowcError, match=r"column `x`: `\[9007199254740993\]` does not fit .*, in line 2 of"):
        loaded("a.jsonl", "jsonl", "numeric(38,1)[]", infer_rows=1)


def test_a_number_that_no_double_holds_is_named(loaded):
    (loaded.folder / "a.jsonl").write_text('{"i": 1, "x": 1.5}\n{"i": 2, "x": 1e400}\n')
    with pytest.raises(FlowcError, match=r"a\.jsonl` cannot be read: line 2: .*too big"):
        loaded("a.jsonl", "jsonl", "double")


@pytest.mark.parametrize("into", ["bigint", "numeric(8,2)", "date", "text", "boolean"])
def test_a_file_of_a_header_loads_no_rows_into_any_column(loaded, into):
    (loaded.folder / "a.csv").write_text("i,x\n")
    assert loaded("a.csv", "csv", into) == ("unknown", [])
    (loaded.folder / "b.csv").write_text("i,x\n1,\n")
    assert loaded("*.csv", "csv", into) == ("unknown", [None])


def test_a_file_of_a_header_beside_others(loaded):
    (loaded.folder / "a.csv").write_text("i,x\n")
    (loaded.folder / "b.csv").write_text("i,x\n1,1.5\n")
    assert loaded("*.csv", "csv", "double") == ("double", [1.5])


def test_a_column_that_was_empty_in_the_sample_is_text(loaded):
    (loaded.folder / "a.csv").write_text("i,x\n1,\n2,abc\n")
    assert loaded("a.csv", "csv", "text", infer_rows=1) == ("text", ["abc", None])


def test_parquet_files_of_differing_columns_name_the_row_of_the_file(loaded):
    for name, table in (("a", {"i": [1, 2]}), ("b", {"x": [1.5, 1.25], "i": [3, 4]})):
        pq.write_table(pa.table(table), loaded.folder / f"{name}.parquet")
    for columns in (None, (Column("i", parse_type("bigint")), Column("x", parse_type("double")))):
        with pytest.raises(FlowcError) as caught:
            loaded("*.parquet", "parquet", "numeric(8,1)", columns=columns)
        assert caught.value.message.endswith(f", in row 2 of `{loaded.folder}/b.parquet`")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", ["1234567890123456789012", "123456e20", "123456789012345678901234567890.5"])
def test_a_declared_decimal_never_wraps_around(loaded, form, value):
    (loaded.folder / f"a.{form}").write_text(written(form, ["1", value]))
    columns = (Column("i", parse_type("bigint")), Column("x", parse_type("numeric(38,19)")))
    with pytest.raises(FlowcError, match=rf"`{value}` does not fit its (declared )?type `numeric\(38,19\)`"):
        loaded(f"a.{form}", form, "numeric(38,19)", columns=columns)


@pytest.mark.parametrize("form", FORMS)
def test_a_declared_decimal_has_no_more_digits_than_its_precision(loaded, form):
    (loaded.folder / f"a.{form}").write_text(written(form, ["1", "99999999999"]))
    columns = (Column("i", parse_type("bigint")), Column("x", parse_type("numeric(12,2)")))
    with pytest.raises(FlowcError, match="`99999999999` does not fit"):
        loaded(f"a.{form}", form, "numeric(38,2)", columns=columns)


@pytest.mark.parametrize("form", FORMS)
def test_what_a_query_yields_is_told_without_a_row(loaded, form):
    (loaded.folder / f"a.{form}").write_text(written(form, ["1.5", "2.25"]))
    for sql, words in (
        ("SELECT i, x FROM source", "column `x`: `2.25` (double) does not fit `numeric(8,1)`"),
        ("SELECT i, x + 0.01 AS x FROM source WHERE i = 0", "column `x`: `1.51` (double) does not fit `numeric(8,1)`"),
    ):
        with pytest.raises(FlowcError) as caught:
            loaded(f"a.{form}", form, "numeric(8,1)", sql=sql)
        assert caught.value.message == words
