"""Rows that cannot go on: found one by one inside a batch, so that the others are never taken along."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.arrow import arrow_schema, data_type, plain
from flowc.runtime.convert import Misfit, convert
from flowc.runtime.fit import CODE, fit, fit_column, shorten, shown_value
from flowc.runtime.misfits import certain_misfits
from flowc.runtime.text.json import of_column
from flowc.types import DataType

MISSING = "missing-value"
_WORDS = 1000

Check = Callable[[pa.Array], object]
"""Raises ValueError when one of the values is not as it should be."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that was set aside: its index in the batch it came in, what is wrong, and words for people."""

    index: int
    code: str
    message: str


def brief(message: str) -> str:
    """Words as they are kept and shown: an engine puts a whole value among its own, and a NUL that no text can hold."""
    message = message.replace("\0", "\\0")
    return message if len(message) <= _WORDS else message[: _WORDS - 1] + "…"


@dataclass(frozen=True, slots=True)
class GoodRows:
    """What is left of a batch. `rows[i]` is the index, in the batch that came in, of row i of `batch`."""

    batch: pa.RecordBatch
    rows: pa.Int64Array
    bad: tuple[BadRow, ...]


def fit_rows(batch: pa.RecordBatch, columns: Sequence[Column], timezone: str | None = None) -> GoodRows:
    """As `fit`, but rows with a value that does not fit are set aside instead of failing the batch.

    Raises:
        EngineError: the numbers of columns differ.
    """
    if batch.num_columns != len(columns):
        return GoodRows(fit(batch, columns, timezone), first_indices(batch.num_rows), ())
    found = Findings(batch.num_rows)
    sources = [data_type(field) for field in batch.schema]
    arrays = [
        of_column(column.name, partial(plain, array)) for array, column in zip(batch.columns, columns, strict=True)
    ]
    for array, source, column in zip(arrays, sources, columns, strict=True):
        _find(found, array, source, column, timezone)
    rows = found.good()
    fitted = [
        fit_column(array.take(rows), source, column, timezone=timezone)
        for array, source, column in zip(arrays, sources, columns, strict=True)
    ]
    return GoodRows(pa.RecordBatch.from_arrays(fitted, schema=arrow_schema(columns)), rows, found.bad())


def _find(found: Findings, array: pa.Array, source: DataType, column: Column, zone: str | None) -> None:
    if not column.nullable:
        found.missing(array, column)
    misfits = isolate(
        lambda part: convert(part, source, column.type, zone),
        array,
        lambda part: certain_misfits(part, source, column.type),
    )
    found.misfits(misfits, array, column, source)


Mark = Callable[[pa.Array], "pa.Array | None"]


def _unknown(_array: pa.Array) -> None:
    return None


_STRETCH = 512


class Findings:
    """Collects the bad rows of a batch of `count` rows; of a row, the first thing found wrong is told."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._bad: dict[int, BadRow] = {}

    def add(self, index: int, code: str, message: str) -> None:
        """A bad row by its index."""
        self._bad.setdefault(index, BadRow(index, code, message))

    def missing(self, array: pa.Array, column: Column, rows: pa.Array | None = None) -> None:
        """Rows that are NULL where the column takes none; `rows` says which index each value has, unless its place."""
        if array.null_count:
            message = f"column `{column.name}` takes no NULL, and the row has no value for it"
            for at in pc.indices_nonzero(array.is_null()).to_pylist():
                self.add(at if rows is None else rows[at].as_py(), MISSING, message)

    def misfits(
        self,
        misfits: dict[int, ValueError | None],
        array: pa.Array,
        column: Column,
        source: DataType | None = None,
        rows: pa.Array | None = None,
    ) -> None:
        """Rows whose value does not fit the column, each with the reason where there is one."""
        of = f" ({source})" if source else ""
        for at, error in misfits.items():
            reason = error.reason if isinstance(error, Misfit) else ""
            shown = shorten(shown_value(array, at))
            message = f"column `{column.name}`: {shown}{of} does not fit `{column.type}`{reason}"
            self.add(at if rows is None else rows[at].as_py(), CODE, message)

    def good(self) -> pa.Int64Array:
        """The indices of the rows that nothing is wrong with, in order."""
        whole = first_indices(self._count)
        if not self._bad:
            return whole
        return whole.filter(pc.invert(pc.is_in(whole, pa.array(sorted(self._bad), pa.int64()))))

    def bad(self) -> tuple[BadRow, ...]:
        """The bad rows, in order."""
        return tuple(self._bad[index] for index in sorted(self._bad))


def first_indices(count: int) -> pa.Int64Array:
    """0, 1, … below `count`."""
    return pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), count)), 1)


def isolate(check: Check, array: pa.Array, mark: Mark = _unknown) -> dict[int, ValueError | None]:
    """The places of all values that `check` refuses, with its words where it was asked about them alone.

    `mark` marks values of an array that are known to be refused. It is asked only about stretches in which there are
    some; others among them are searched for, by bisection.
    """
    found: dict[int, ValueError | None] = {}
    for start in range(0, len(array), _STRETCH):
        part = array.slice(start, _STRETCH)
        try:
            check(part)
        except ValueError:
            found.update((start + at, error) for at, error in _isolate(check, part, mark(part)).items())
    return found


def _isolate(check: Check, array: pa.Array, marks: pa.Array | None) -> dict[int, ValueError | None]:
    rows, found = first_indices(len(array)), dict[int, ValueError | None]()
    if marks is not None and marks.true_count:
        marks = pc.fill_null(marks, False)
        found.update(dict.fromkeys(pc.indices_nonzero(marks).to_pylist()))
        rows = rows.filter(pc.invert(marks))
        array = array.take(rows)
    found.update({rows[at].as_py(): error for at, error in refused(check, array)})
    return found


def refused(check: Check, array: pa.Array) -> Iterator[tuple[int, ValueError]]:
    """Every value that `check` refuses and its words, in order, by bisection: cheap when they are few."""
    spans = [(0, len(array))]
    while spans:
        start, stop = spans.pop()
        try:
            check(array.slice(start, stop - start))
        except ValueError as error:
            middle = (start + stop) // 2
            if stop - start <= 1:
                yield start, error.with_traceback(None)  # which would keep what every call on the way held
            else:
                spans += [(middle, stop), (start, middle)]
