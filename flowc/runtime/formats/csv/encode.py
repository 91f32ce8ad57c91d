"""Rows as lines of CSV, column by column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.formats.encoding import Encoding, TextEncoding, TextRows
from flowc.runtime.text.jsonvalues import plain_text


def encoding(columns: Sequence[Column], write: Mapping[str, object], compression: str) -> Encoding:
    """How files of CSV hold rows that are fitted to the columns."""
    words = CsvWords.of(write)
    return TextEncoding(words.rows(columns), compression, words.first_line(columns))


@dataclass(frozen=True, slots=True)
class CsvWords:
    """How CSV is written."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    null_value: str = ""
    header: bool = True

    @classmethod
    def of(cls, write: Mapping[str, object]) -> CsvWords:
        """From the write options of a target."""
        known = {name: value for name, value in write.items() if name in cls.__dataclass_fields__}
        return cls(**known)  # type: ignore[arg-type]

    def first_line(self, columns: Sequence[Column]) -> bytes:
        """The names of the columns."""
        names = pa.array([column.name for column in columns], pa.string())
        return (self.delimiter.join(self._guarded(names).to_pylist()) + "\n").encode() if self.header else b""

    def rows(self, columns: Sequence[Column]) -> TextRows:
        """A function that returns one line for each row that is fitted to the columns."""
        # Many readers pass over blank lines, and in a file of one column that would be a row.
        null = self.null_value or (self.quote * 2 if len(columns) == 1 else "")
        return lambda rows: pc.binary_join_element_wise(
            *(self._field(*pair, null) for pair in zip(rows.columns, columns, strict=True)), self.delimiter
        )

    def _field(self, array: pa.Array, column: Column, null: str) -> pa.StringArray:
        return pc.fill_null(self._guarded(plain_text(array, column)), null)

    def _guarded(self, text: pa.StringArray) -> pa.StringArray:
        """Values in quotes where they would be read as something else."""
        special = f"[{re.escape(self.delimiter + self.quote + (self.escape or ''))}\r\n]"
        asks = pc.or_(pc.match_substring_regex(text, special), pc.equal(text, self.null_value))
        asks = pc.or_(asks, pc.equal(text, ""))
        if not pc.any(asks).as_py():
            return text
        inner = text
        for char in dict.fromkeys((self.escape or self.quote, self.quote)):
            inner = pc.replace_substring(inner, char, (self.escape or self.quote) + char)
        return pc.if_else(asks, pc.binary_join_element_wise(self.quote, inner, self.quote, ""), text)
