"""Files whose rows are all good are read the same, whether bad ones would be set aside or not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.loadplan import EngineRead, FilesRead
from flowc.runtime.engine.engine import Engine
from flowc.runtime.formats.aside import Aside
from flowc.runtime.stores.files import Files
from flowc.types import parse_type

TYPES = {
    "smallint": ["1", "-32768"], "bigint": ["9223372036854775807", "-1"], "double": ["1.1", "-2e10", "NaN"],
    "real": ["1.5"], "boolean": ["true", "FALSE"], "numeric(30,4)": ["12345678901234567890.1234", "-0.5"],
    "date": ["2024-02-29"], "timestamp": ["2024-02-29 23:59:59.123456", "2024-02-29T00:00:00"], "time": ["23:59:59.5"],
    "timestamptz": ["2024-02-29T23:59:59+02:00", "2024-02-29 00:00:00Z"], "text": ['"a, ""b"""', "é", '"x\ny"'],
    "varchar(3)": ["abc"], "uuid": ["00000000-0000-0000-0000-00000000000a"], "json": ['"{""a"": 1.50}"'],
}  # fmt: skip
OPTIONS = [{}, {"null_regex": "^(NA|)$"}, {"ragged": True}, {"comment": "#"}, {"header": False}]


def read(
    folder: Path, name: str, form: str, columns: tuple[Column, ...] | None, options: dict[str, object], *, skips: bool
) -> tuple[pa.Schema, list[dict[str, object]]]:
    aside = Aside()
    of = FilesRead("d", name, form, options, columns, skips=skips)
    with Engine(lambda _: Files({"uri": str(folder)}), aside=aside) as engine:
        described = engine.describe(EngineRead((("source", of),), None))
    with Engine(lambda _: Files({"uri": str(folder)}), aside=aside) as engine:
        _, batches = engine.read(EngineRead((("source", of),), None))
        rows = [row for batch in batches for row in batch.to_pylist()]
    assert aside.bad == 0
    return described, rows


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_csv(tmp_path: Path, options: dict[str, object], *, declared: bool) -> None:
    columns = tuple(Column(f"column_{i + 1}", parse_type(kind)) for i, kind in enumerate(TYPES))
    longest = max(map(len, TYPES.values()))
    lines = [",".join(values[i] if i < len(values) else "" for values in TYPES.values()) for i in range(longest + 1)]
    head = [] if options.get("header") is False else [",".join(column.name for column in columns)]
    comment = ['# a "comment'] if "comment" in options else []
    (tmp_path / "a.csv").write_text("\r\n".join([*head, *comment, *lines, ""]), newline="")
    given = columns if declared else None
    fast, slow = (repr(read(tmp_path, "a.csv", "csv", given, options, skips=skips)) for skips in (False, True))
    assert slow == fast


@pytest.mark.parametrize("kind", ["bigint", "smallint", "double", "real", "boolean"])
@pytest.mark.parametrize("text", [" 1", "2 ", "+3", "0x10", "0X1", "1", "0", "+-1", " + 1", "\t4", " true", "T", "1_0"])
def test_odd_spellings(tmp_path: Path, kind: str, text: str) -> None:
    (tmp_path / "a.csv").write_text(f"a,b\n,x\n{text},x\n")
    columns = (Column("a", parse_type(kind)), Column("b", parse_type("text")))

    def told(*, skips: bool) -> str:
        try:
            return repr(read(tmp_path, "a.csv", "csv", columns, {}, skips=skips))
        except (AssertionError, DataError):
            return "refused"

    assert told(skips=True) == told(skips=False)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("text", ['[null, {"a": 1}]', '[{"a": 1}, null]', 'null\n{"a": 1}\n', '{"a": 1}\n null\n'])
def test_null_is_no_object(tmp_path: Path, text: str, *, declared: bool) -> None:
    (tmp_path / "a.json").write_text(text)
    columns = (Column("a", parse_type("bigint")),) if declared else None
    with pytest.raises(DataError, match=r"line [12](, element [12])?: it is not a JSON object"):
        read(tmp_path, "a.json", "json", columns, {}, skips=False)
    with pytest.raises(AssertionError, match="assert 1 == 0"):
        read(tmp_path, "a.json", "json", columns, {}, skips=True)


@pytest.mark.parametrize("text", ["a,b\n", "a,b\n1,\n2,\n", "a,b\n\n1,x\n\n", "\ufeffa,b\n1,x"])
def test_empty_columns_and_lines(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text, "utf-8")
    fast, slow = (repr(read(tmp_path, "a.csv", "csv", None, {}, skips=skips)) for skips in (False, True))
    assert slow == fast


@pytest.mark.parametrize("declared", [True, False])
def test_json(tmp_path: Path, *, declared: bool) -> None:
    columns = (
        Column("id", parse_type("bigint"), nullable=False), Column("amount", parse_type("numeric(20,3)")),
        Column("held", parse_type("json")), Column("at", parse_type("timestamptz")),
        Column("many", parse_type("text[]")),
    )  # fmt: skip
    held = '"held": {"b": 1.50, "a": []}, "at": "2024-01-01T00:00:00Z", "many": ["x"]'
    line = f'{{"id": %d, "amount": 12345678901234567.125, {held}}}'
    (tmp_path / "a.jsonl").write_text("\n\n".join(line % n for n in range(50)) + '\n{"id": 7}\n')
    given = columns if declared else None
    fast, slow = (repr(read(tmp_path, "a.jsonl", "jsonl", given, {}, skips=skips)) for skips in (False, True))
    assert slow == fast
