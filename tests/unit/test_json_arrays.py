"""Arrays of JSON as lines: what Python reads of the whole is what it reads of the lines, in any pieces."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import DataError
from flowc.runtime.formats.json.framing import Lines, json_lines
from flowc.runtime.stores import lines as lines_of_bytes

_TEXT = st.text(st.sampled_from('a"\\,[]{}\né'), max_size=5)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda held: st.lists(held, max_size=3) | st.dictionaries(_TEXT, held, max_size=3),
    max_leaves=6,
)


def texts_of(part: Lines) -> list[bytes]:
    return [str(part.long.size).encode()] if part.long else part.texts


def numbered(path: Path, most: int = 1 << 20) -> list[tuple[int, bytes]]:
    """Each line with its number; those that are too long as their size."""
    return [
        (number, line)
        for part in json_lines(path, most)
        for number, line in zip(
            part.numbers.tolist(), [str(part.long.size).encode()] if part.long else part.texts, strict=True
        )
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(_VALUE, max_size=6), st.sampled_from([None, 1]), st.sampled_from(["", "\n ", "\ufeff"]),
    st.sampled_from([1, 3, 1 << 22]),
)  # fmt: skip
def test_elements_are_lines(values: list[object], indent: int | None, before: str, block: int) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(lines_of_bytes, "BLOCK", block):
        path = Path(folder) / "a.json"
        path.write_text(before + json.dumps(values, indent=indent, ensure_ascii=False) + "\n", "utf-8")
        lines = numbered(path)
    assert [json.loads(line) for _, line in lines] == values
    if indent is None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(lines_of_bytes, "BLOCK", block):
            path = Path(folder) / "a.json"
            path.write_text(before + json.dumps(values, ensure_ascii=False) + "\n", "utf-8")
            bounded = [line for _, line in numbered(path, 7)]
        assert bounded == [str(len(line)).encode() if len(line) > 7 else line for _, line in lines]
    if indent:
        texts = (before + json.dumps(values, indent=indent, ensure_ascii=False)).split("\n")
        for (number, line), value in zip(lines, values, strict=True):
            first = json.dumps(value, indent=indent, ensure_ascii=False).split("\n")[0]
            if isinstance(value, dict | list | str):
                assert texts[number - 1].strip().startswith(first.removesuffix(",")), line


@pytest.mark.parametrize(("text", "lines"), [
    ("[1,,2]", [b" 1", b",", b"2"]), ("[1,]", [b" 1", b","]), ("[,1]", [b",", b"1"]), ("[]", []),
    ("[ \n ]", []), ('[{"a": no}, 2]', [b' {"a": no}', b" 2"]), ("1\n\n2", [b"1", b"", b"2"]), ("", []),
])  # fmt: skip
def test_what_is_no_element_is_a_line_of_its_own(tmp_path: Path, text: str, lines: list[bytes]) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    assert [line for _, line in numbered(path)] == lines


@pytest.mark.parametrize("text", ["[", "[1", "[1, 2", '["a', '[{"a": [1}, 2]', "[1] 2", "[1]]"])
def test_an_array_that_does_not_end_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match="the array"):
        numbered(path)
