"""Files that begin strangely, or cannot be read: a stream goes on behind them, and loads read what streams read."""

from __future__ import annotations

import gzip
import io
import os
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.catalog import Column
from flowc.errors import DataError, FlowcError, UsageError
from flowc.loadplan import EngineRead, FilesRead
from flowc.runtime.engine.engine import Engine
from flowc.runtime.formats.csv.decode import CsvDecoder
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.stores.files import Files
from flowc.types import BIGINT, TEXT
from tests.streams.filefolder import Memory, aged, drain, put, source
from tests.streams.test_files_source_runs import _project, _report, _rows

COLUMNS = (Column("id", BIGINT), Column("name", TEXT))
BLANK = {
    "one": "\n", "several": "\n\n\n", "crlf": "\r\n\r\n", "mark": "\ufeff\n", "mark-crlf": "\ufeff\r\n",
    "comment": "\n# none\n\n",
}  # fmt: skip
PIECES = (
    "\n",
    "\r\n",
    "\r",
    "id",
    "name",
    ",",
    ",,",
    '"',
    '""',
    "1",
    "a",
    " ",
    "\0",
    "\ufeff",
    "#",
    "\u2028",
    "\x0b",
    "é",
)


def streamed(folder: Path, *, skips: bool = True, **options: object) -> list[dict[str, object]]:
    """The rows that a stream reads of a folder."""
    of = source(folder, Memory(), "*.csv*", COLUMNS, skips=skips, **options)
    table, _ = drain(of)
    decoder, found = CsvDecoder(COLUMNS, CsvOptions(**options), of.headers), list[dict[str, object]]()
    for batch in table.to_batches():
        if "_unread" not in batch.schema.names or not batch.column("_unread").is_valid().true_count:
            found += decoder.decode(batch).batch.to_pylist()
    return found


def loaded(folder: Path, **options: object) -> list[dict[str, object]]:
    """The rows that a load reads of a folder."""
    read = FilesRead("drop", "*.csv*", "csv", options, COLUMNS)
    with Engine(lambda _: Files({"uri": str(folder)})) as engine:
        _, batches = engine.read(EngineRead((("source", read),), None))
        return sorted((row for batch in batches for row in batch.to_pylist()), key=str)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("head", BLANK.values(), ids=BLANK)
def test_blank_lines_before_the_header_are_passed_over(tmp_path: Path, head: str, ending: str) -> None:
    put(tmp_path, f"a.csv{ending}", f"{head}id,name\n1,a\n\n2,b\n")
    options = {"comment": "#"} if "#" in head else {}
    assert streamed(tmp_path, **options) == loaded(tmp_path, **options) == [
        {"id": 1, "name": "a"}, {"id": 2, "name": "b"}
    ]  # fmt: skip
    put(tmp_path, f"a.csv{ending}", f"{head}1,a\n")
    assert streamed(tmp_path, header=False, **options) == [{"id": 1, "name": "a"}]


@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n", "\ufeff", "\ufeff\n"])
def test_a_file_of_blank_lines_has_no_rows(tmp_path: Path, text: str) -> None:
    put(tmp_path, "a.csv", text)
    assert streamed(tmp_path, skips=False) == loaded(tmp_path) == []


def test_a_header_behind_many_blank_lines_is_no_row(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "\n" * (5 << 20) + "id,name\n1,a\n")
    assert streamed(tmp_path) == [{"id": 1, "name": "a"}]


def test_a_first_row_may_be_long(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", f'1,"{"x" * (2 << 20)}"\n')
    assert len(str(streamed(tmp_path, skips=False, header=False)[0]["name"])) == 2 << 20


def test_lines_that_end_in_carriage_returns_alone_are_not_lost(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "id,name\r1,a\r2,b\r")
    with pytest.raises(FlowcError, match="carriage return"):
        streamed(tmp_path, skips=False)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_no_head_of_a_file_keeps_the_next_one_waiting(tmp_path: Path, ending: str) -> None:
    """Whatever stands there, it is rows, or one fault; and both ways to read it never tell of other rows."""
    chance, good = random.Random(8), "id,name\n7,z\n"
    for number in range(30):
        folder = tmp_path / f"f{number}"
        text = "".join(chance.choices(PIECES, k=chance.randrange(9))) + chance.choice(("", good, "\n" + good))
        put(folder, f"a.csv{ending}", text)
        put(folder, "b.csv", "id,name\n8,y\n", age=1)
        header = chance.random() < 0.8
        rows = streamed(folder, header=header)
        assert rows[-1] == {"id": 8, "name": "y"}, text
        (folder / f"a.csv{ending}").unlink()
        (folder / "b.csv").unlink()
        put(folder, f"a.csv{ending}", text)
        _same(folder, text, header=header)


def _same(folder: Path, text: str, *, header: bool) -> None:
    try:
        rows = loaded(folder, header=header)
        found = streamed(folder, skips=False, header=header)
    except FlowcError:
        return
    assert sorted(found, key=str) == rows, repr(text)


def _parquet(*columns: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table([[5]] * len(columns), list(columns)), sink)
    return sink.getvalue()


GZ = gzip.compress(b'{"id":1,"name":"a"}\n' * 5000)
BROKEN = {
    "csv": {
        "1.csv": b"id,other\n1,a\n", "2.csv": b"id,name,id\n1,a,1\n", "3.csv": b"id,name\r1,a\r", "4.csv": b'"id\n',
    },
    "jsonl.gz": {
        "1.jsonl.gz": b"none", "2.jsonl.gz": GZ[:30], "3.jsonl.gz": GZ[:12] + b"\xff" * 40, "4.jsonl.gz": b"\x1f\x8b",
    },
    "parquet": {
        "1.parquet": _parquet("id", "id"), "2.parquet": b"", "3.parquet": _parquet("id")[:40],
        "4.parquet": _parquet("other"),
    },
}  # fmt: skip
WHOLE = {
    "csv": b"id,name\n5,e\n",
    "jsonl.gz": gzip.compress(b'{"id":5,"name":"e"}\n'),
    "parquet": _parquet("id"),
}


@pytest.mark.parametrize("form", BROKEN)
def test_a_file_that_cannot_be_read_does_what_on_error_says(tmp_path: Path, form: str) -> None:
    (tmp_path / "drop").mkdir()
    for name, data in {**BROKEN[form], f"5.{form}": WHOLE[form]}.items():
        (tmp_path / "drop" / name).write_bytes(data)
        aged(tmp_path / "drop" / name)
    made = _project(tmp_path, form.removesuffix(".gz"), "dlq")
    made.write("specs/s.yaml", (tmp_path / "specs/s.yaml").read_text().replace(".jsonl", ".jsonl.gz"))
    if form == "parquet":
        spec = (tmp_path / "specs/s.yaml").read_text()
        made.write("specs/s.yaml", spec.replace(", name: text", "").replace("upper(name)", "'E'"))
    assert _report(made)["rows"] == 1
    assert _rows(tmp_path) == [(5, "E", f"5.{form}")]
    letters = made.flowc("dlq", "show", "clean", "--json").json
    assert {(each["topic"], each["code"], each["message"]) for each in letters} == {
        (name, "unreadable-file", None) for name in BROKEN[form]
    }
    assert "left out" in made.flowc("dlq", "show", "clean").out
    again = made.flowc("dlq", "replay", "clean", "--json")
    if form == "parquet":
        assert "rows of Parquet" in again.err
    else:
        assert (again.json["replayed"], again.json["failed"]) == (0, 4)
    assert len(made.flowc("dlq", "show", "clean", "--json").json) == 4
    assert _report(made)["messages"] == 0


def test_a_file_that_cannot_be_read_stops_a_stream_that_is_to_fail(tmp_path: Path) -> None:
    made = _project(tmp_path, "csv", "fail")
    put(tmp_path / "drop", "a.csv", "id,other\n1,a\n")
    (report,) = made.flowc("run", "clean", "--once", "--json").json
    assert report["error"]["code"] == "unreadable-file"


def test_columns_are_found_behind_files_that_cannot_be_read(tmp_path: Path) -> None:
    made = _project(tmp_path, "csv", "drop")
    spec = (tmp_path / "specs/s.yaml").read_text()
    made.write("specs/s.yaml", spec.replace(", columns: { id: bigint, name: text }", ""))
    put(tmp_path / "drop", "a.csv", "id,id\n1,a\n")
    for number in range(10):
        put(tmp_path / "drop", f"b{number}.csv", "\n", age=1)
    put(tmp_path / "drop", "c.csv", "\nid,name\n5,e\n", age=2)
    assert _report(made)["rows"] == 1
    assert _rows(tmp_path) == [(5, "E", "c.csv")]


@pytest.mark.parametrize("target", ["later/z.csv", "z.csv"])
@pytest.mark.parametrize("path", ["*.csv", "**/*.csv"])
def test_links_that_lead_nowhere_are_told_by_loads_and_streams_wait_for_what_they_lead_to(
    tmp_path: Path, target: str, path: str
) -> None:
    made = _project(tmp_path, "csv", "fail")
    put(tmp_path / "drop", "a.csv", "id,name\n5,e\n")
    (tmp_path / "drop/z.csv").symlink_to(target)
    made.write("specs/s.yaml", (tmp_path / "specs/s.yaml").read_text().replace("*.csv", path))
    assert _report(made)["rows"] == 1
    with pytest.raises(DataError, match="it is a link that leads nowhere"):
        Files({"uri": str(tmp_path / "drop")}).find(path)
    if target != "z.csv" and path == "*.csv":
        put(tmp_path / "drop", target, "id,name\n6,f\n")
        assert _report(made)["rows"] == 1


def test_a_file_whose_name_is_not_utf_8_is_read(tmp_path: Path) -> None:
    made = _project(tmp_path, "csv", "dlq")
    for name, data in ((b"a\xff.csv", b"id,name\nx,a\n2,b\n"), (b"b\xfe.csv", b"id,nme\n")):
        path = os.path.join(os.fsencode(tmp_path / "drop"), name)
        Path(os.fsdecode(path)).write_bytes(data)
    assert _report(made)["rows"] == 1
    assert _rows(tmp_path) == [(2, "B", "a\ufffd.csv")]
    assert {each["topic"] for each in made.flowc("dlq", "show", "clean", "--json").json} == {
        "a\ufffd.csv",
        "b\ufffd.csv",
    }


WRONG = {
    "wide delimiter": {"delimiter": "§"}, "wide quote": {"quote": "§"}, "wide escape": {"escape": "§"},
    "line end": {"quote": "\n"}, "return": {"delimiter": "\r"}, "twice": {"delimiter": '"'},
    "pattern": {"null_regex": "("},
}  # fmt: skip


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_options_that_nobody_can_read_by_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        source(tmp_path, Memory(), "*.csv", COLUMNS, **options)
    put(tmp_path, "a.csv", "id,name\n1,a\n")
    with pytest.raises(UsageError):
        loaded(tmp_path, **options)
