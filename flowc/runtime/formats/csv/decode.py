"""Rows of CSV files as messages: texts first, then the columns' values, exactly as loads read them.

A row with too few or too many fields, or with a value that does not fit its column, is a bad row and no other is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from flowc.catalog import Column
from flowc.runtime.badrows import Findings, first_indices, isolate
from flowc.runtime.contracts.decoder import UNDECODABLE, Decoded, DecoderContext, Decoding
from flowc.runtime.convert import parse, parse_inferred
from flowc.runtime.formats.csv.options import CsvOptions, csv_record
from flowc.runtime.formats.csv.quotes import Quoting
from flowc.runtime.formats.shapes import decoded_schema
from flowc.runtime.formats.values import without
from flowc.runtime.misfits import certain_misfits
from flowc.runtime.stores.files import MARK, SHIFT
from flowc.types import TEXT, Kind

Fields = tuple[pa.Int64Array, list[pa.Array]]
"""The indices of the rows that could be split into fields, and the bytes of each field by column."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """Rows of one file: their indices among the messages, their bytes, the columns of the file, and the wanted ones."""

    rows: pa.Int64Array
    values: pa.BinaryArray
    names: tuple[str, ...]
    wanted: tuple[str, ...]

    def slice(self, start: int, count: int | None = None) -> _Lines:
        """Some of them."""
        return replace(self, rows=self.rows.slice(start, count), values=self.values.slice(start, count))


_ASCII = bytes(range(128)) + b"?" * 128
"""Other letters for those that neither end a row nor a field."""


def decoding(context: DecoderContext) -> Decoding:
    """How the rows of files become the rows of a source.

    Raises:
        UsageError: an option that CSV has not, or a column of a type that no file can hold.
    """
    decoder = CsvDecoder(context.columns, csv_record(context.options), context.headers, context.inferred)
    return Decoding(decoder.schema, decoder.decode)


@dataclass
class CsvDecoder:
    """Decodes rows of CSV files to `columns`. `headers` tells the names of a file's columns by its number.

    With `inferred`, the types of the columns are those that were found, and a number that they would change is bad.
    """

    columns: tuple[Column, ...]
    options: CsvOptions
    headers: Mapping[int, tuple[str, ...]]
    inferred: bool = False
    schema: pa.Schema = field(init=False)
    _quoting: Quoting = field(init=False)

    def __post_init__(self) -> None:
        self.schema = decoded_schema(self.columns)
        self._quoting = Quoting(self.options)

    def decode(self, messages: pa.RecordBatch) -> Decoded:
        """The rows of messages, which may be of several files."""
        found = Findings(messages.num_rows)
        parts = [self._file(*part, found) for part in _by_file(messages)]
        rows = pa.concat_arrays([part for part, _ in parts]) if parts else first_indices(0)
        arrays = [
            pa.concat_arrays([made[i] for _, made in parts]) if parts else pa.array([], self.schema.field(i).type)
            for i in range(len(self.columns))
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        bad = found.bad()
        if bad:
            good = pc.is_in(rows, found.good())
            batch, rows = batch.filter(good), rows.filter(good)
        return Decoded(batch, rows, bad, first_indices(0))

    def _file(self, number: int, first: int, values: pa.BinaryArray, found: Findings) -> Fields:
        """The rows of one file; the first is the message of index `first`."""
        names = self.headers[number]
        rows = pc.add(first_indices(len(values)), first)
        if self._quoting.quoted(values):
            rows, values = _closed(rows, values, self._quoting.whole(values), found)
        there = frozenset(names)
        wanted = tuple(column.name for column in self.columns if column.name in there)
        rows, fields = self._split(_Lines(rows, values, names, wanted), found)
        texts = dict(zip(wanted, fields, strict=True))
        return rows, [self._column(texts.get(c.name), c, rows, found) for c in self.columns]

    def _split(self, lines: _Lines, found: Findings) -> Fields:
        odd: list[Any] = []
        rows, values, wanted = lines.rows, lines.values, lines.wanted
        table = self._parsed(lines, odd) if len(values) else None
        if table is None:
            return rows, [pa.array([], pa.binary()) for _ in wanted]
        if table.num_rows + len(odd) != len(values):
            return self._by_halves(lines, found)
        columns = [table.column(name).combine_chunks() for name in wanted]
        if not odd:
            return rows, columns
        at = pa.array([row.number - 1 for row in odd], pa.int64())
        kept = rows.filter(pc.invert(pc.is_in(first_indices(len(rows)), at)))
        short = list[Any]()
        for row in odd:
            if self.options.ragged and row.actual_columns < row.expected_columns:
                short.append(row)
            else:
                _miscounted(rows[row.number - 1].as_py(), row.actual_columns, row.expected_columns, found)
        return self._filled((kept, columns), lines, short, found) if short else (kept, columns)

    def _filled(self, made: Fields, lines: _Lines, short: list[Any], found: Findings) -> Fields:
        """The rows together with those that lack their last fields, which are NULL."""
        comma, at = self.options.delimiter.encode(), pa.array([row.number - 1 for row in short], pa.int64())
        texts = [
            given.removesuffix(b"\r") + comma * (row.expected_columns - row.actual_columns)
            for row, given in zip(short, lines.values.take(at).to_pylist(), strict=True)
        ]
        ended = replace(lines, rows=lines.rows.take(at), values=pa.array(texts, pa.binary()))
        more, fields = self._split(ended, found)
        together = pa.concat_arrays([made[0], more])
        order = pc.sort_indices(together)
        return together.take(order), [pa.concat_arrays(pair).take(order) for pair in zip(made[1], fields, strict=True)]

    def _by_halves(self, lines: _Lines, found: Findings) -> Fields:
        """The search for a row that is more than one, or none, to the parser."""
        if len(lines.values) == 1:
            found.add(lines.rows[0].as_py(), UNDECODABLE, "it is not one row: it holds a carriage return of its own")
            return lines.rows.slice(0, 0), [pa.array([], pa.binary()) for _ in lines.wanted]
        half = len(lines.values) // 2
        one = self._split(lines.slice(0, half), found)
        other = self._split(lines.slice(half), found)
        return pa.concat_arrays([one[0], other[0]]), [
            pa.concat_arrays(pair) for pair in zip(one[1], other[1], strict=True)
        ]

    def _parsed(self, lines: _Lines, odd: list[Any]) -> pa.Table:
        """The fields of the rows that have as many as there are names; `odd` is told of the others."""
        values, names, wanted = lines.values, lines.names, lines.wanted
        if not _is_utf8(values):  # Arrow can tell of no row that is not: its call fails before it comes to us
            shown = self._read(_joined(values).to_pybytes().translate(_ASCII), names, wanted, odd)
            if shown.num_rows + len(odd) != len(values):
                return shown
            at = pa.array([row.number - 1 for row in odd], pa.int64())
            values = values.filter(pc.invert(pc.is_in(first_indices(len(values)), at)))
        return self._read(_joined(values), names, wanted, odd)

    def _read(
        self, lines: pa.Buffer | bytes, names: tuple[str, ...], wanted: tuple[str, ...], odd: list[Any]
    ) -> pa.Table:
        def skip(row: Any) -> str:
            odd.append(row)
            return "skip"

        # Of one column, a row may be a blank line, which needs its end.
        alone = len(names) == 1
        lines = pa.py_buffer(bytes(lines) + b"\n" if alone else lines or b"\n")
        read = arrow_csv.ReadOptions(use_threads=False, block_size=lines.size + 1, column_names=names)
        rules = arrow_csv.ParseOptions(
            delimiter=self.options.delimiter, quote_char=self.options.quote,
            escape_char=self.options.escape or False, newlines_in_values=True, invalid_row_handler=skip,
            ignore_empty_lines=not alone,
        )  # fmt: skip
        texts = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=True, null_values=[""],
            quoted_strings_can_be_null=True, include_columns=list(wanted),
        )  # fmt: skip
        # Arrow drops a mark from all that it reads, that of a first value too.
        if lines.slice(0, min(len(MARK), lines.size)).to_pybytes() == MARK:
            lines = pa.py_buffer(MARK + lines.to_pybytes())
            read.block_size += len(MARK)
        return arrow_csv.read_csv(pa.BufferReader(lines), read, rules, texts)

    def _column(self, fields: pa.Array | None, column: Column, rows: pa.Array, found: Findings) -> pa.Array:
        kind = self.schema.field(column.name).type
        if fields is None:
            return pa.nulls(len(rows), kind)
        texts = self._given(_texts(fields, column, rows, found), column)
        if not column.nullable:
            found.missing(texts, column, rows)
        read = parse_inferred if self.inferred else parse
        try:
            return read(texts, column.type).cast(kind)
        except ValueError:
            misfits = isolate(
                lambda part: read(part, column.type), texts, lambda part: certain_misfits(part, TEXT, column.type)
            )
        found.misfits(misfits, texts, column, rows=rows)
        return read(without(texts, misfits), column.type).cast(kind)

    def _given(self, texts: pa.StringArray, column: Column) -> pa.StringArray:
        """The texts, NULL where the options say so."""
        if not self.options.null_regex:
            return texts
        if column.type.kind is Kind.TEXT and not self.options.ragged:
            texts = pc.fill_null(texts, "")
        null = pc.match_substring_regex(texts, self.options.null_regex)
        return pc.if_else(pc.fill_null(null, False), None, texts)


def _by_file(messages: pa.RecordBatch) -> Iterator[tuple[int, int, pa.BinaryArray]]:
    """The number of each file, the index of its first message, and its messages' bytes."""
    values = messages.column("_value")
    runs = pc.run_end_encode(pc.shift_right(messages.column("_offset"), SHIFT))
    first = 0
    for number, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield number, first, values.slice(first, end - first)
        first = end


def _joined(values: pa.BinaryArray) -> pa.Buffer:
    return pc.binary_join(pa.ListArray.from_arrays([0, len(values)], values), b"\n")[0].as_buffer()


def _is_utf8(values: pa.BinaryArray) -> bool:
    try:
        values.cast(pa.string())
    except ValueError:
        return False
    return True


def _closed(rows: pa.Array, values: pa.Array, whole: pa.Array, found: Findings) -> tuple[pa.Array, pa.Array]:
    """The rows in which every quote is closed; the others are findings."""
    for at in pc.indices_nonzero(pc.invert(whole)).to_pylist():
        found.add(rows[at].as_py(), UNDECODABLE, "a quote in it is not closed, or closed before the end of its field")
    return rows.filter(whole), values.filter(whole)


def _miscounted(index: int, given: int, wanted: int, found: Findings) -> None:
    found.add(index, UNDECODABLE, f"it has {given} fields where {wanted} are expected")


def _texts(fields: pa.BinaryArray, column: Column, rows: pa.Array, found: Findings) -> pa.StringArray:
    try:
        return fields.cast(pa.string())
    except ValueError:
        broken: dict[int, ValueError | None] = isolate(lambda part: part.cast(pa.string()), fields)
    for at in broken:
        found.add(rows[at].as_py(), UNDECODABLE, f"column `{column.name}`: the text is not UTF-8")
    return without(fields, broken).cast(pa.string())
