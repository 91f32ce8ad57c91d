"""`flowc test` of streams from CSV: rows are given as a file has them, and read by the options of the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside

PROJECT = """
connections:
  drop: {{ kind: files, uri: "${{NOWHERE}}", read: {{ delimiter: ";" }} }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  clean:
    source: {{ connection: drop, path: "*.csv", format: {form}, columns: {columns}{read} }}
    sql: SELECT *, _topic AS file FROM source
    to: {{ connection: wh, table: clean, mode: append }}
    on_error: {on_error}
tests:
  files:
    stream: clean
    given: {{ source: {given} }}
    {expect}
"""
COLUMNS = '{ id: bigint, amount: "numeric(5,2)", name: text, day: date, at: timestamp, on: boolean }'
CASES = {
    "text is converted as in a file": (
        '[{ id: "1", amount: "2.50", name: "a;b", day: 2026-01-02, on: "true" }]',
        '[{ id: 1, amount: 2.5, name: "a;b", day: 2026-01-02, on: true, file: "*.csv" }]', "",
    ),
    "an empty text is NULL": ('[{ id: 1, name: "" }]', "[{ id: 1, name: null }]", ""),
    "quotes and line ends": ("""[{ name: 'a "b"', _topic: x.csv }, { name: "a\\nb" }]""",
                             """[{ name: 'a "b"', file: x.csv }, { name: "a\\nb" }]""", ""),
    "what stands for NULL": ('[{ id: "-", name: "-" }]', "[{ id: null, name: null }]", ', read: { null_regex: "^-$" }'),
    "no header": ("[{ id: 3 }]", "[{ id: 3 }]", ", read: { header: false }"),
    "what does not fit is bad": ("[{ id: x }, { id: 2 }]", "[{ id: 2 }]", ""),
    "nested values are text": ("[{ id: 1, name: { b: [1, 2.5] } }]", """[{ name: '{"b": [1, 2.5]}' }]""", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_rows_are_given_as_a_file_has_them(tmp_path: Path, case: tuple[str, str, str]) -> None:
    given, expect, read = case
    made = Inside(tmp_path)
    text = PROJECT.format(
        form="csv", columns=COLUMNS, read=read, on_error="drop", given=given, expect=f"expect: {expect}"
    )
    made.write("specs/s.yaml", text)
    done = made.flowc("test")
    assert done.code == 0, done.out + done.err


@pytest.mark.parametrize(("form", "passes"), [("csv", True), ("jsonl", False), ("parquet", False)])
def test_a_number_in_quotes_is_one_in_csv_alone(tmp_path: Path, form: str, passes: bool) -> None:
    made = Inside(tmp_path)
    text = PROJECT.format(
        form=form,
        columns="{ id: bigint }",
        read="",
        on_error="fail",
        given='[{ id: "1" }]',
        expect="expect: [{ id: 1 }]",
    ).replace('read: { delimiter: ";" }', "format: csv")
    made.write("specs/s.yaml", text)
    assert (made.flowc("test").code == 0) is passes
