"""Compares rows of a target with what a test expects: in any order, and only the columns that it names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from flowc.catalog import Column
from flowc.compiler.front.streamspec import RowsSpec
from flowc.service.testing.rows import Row, arrow_rows, python_rows
from flowc.source import Span
from flowc.types import Kind

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Missing:
    """A row that is expected and is not there, and the row that comes closest to it, with what differs in it.

    `step` is the number of another step of its test by which the target got it.
    """

    row: Row
    span: Span
    nearest: Values | None
    differing: tuple[str, ...]
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What is expected and missing, and what is there and not expected."""

    missing: tuple[Missing, ...]
    unexpected: tuple[Values, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected)


def compare(expected: RowsSpec, columns: Sequence[Column], found: pa.Table) -> Difference:
    """What differs between the rows of a target and those under `expect`.

    Raises Misplaced for columns that the target has not, and values that its columns cannot hold.
    """
    rows = [row.values for row in expected.rows]
    asked = {name for row in rows for name in row}
    held = [replace(c, nullable=True) for c in columns if c.name in asked or c.type.kind is not Kind.INTERVAL]
    typed = arrow_rows(expected, held).to_pylist()
    texts = frozenset(column.name for column in columns if column.type.kind is Kind.JSON)
    named = ({name: values[name] for name in row} for row, values in zip(rows, typed, strict=True))
    wanted, there = [_parsed(row, texts) for row in named], [_parsed(row, texts) for row in python_rows(found)]
    pairs = _paired(wanted, there)
    left = [number for number in range(len(there)) if number not in pairs.values()]
    missing = [number for number in range(len(rows)) if number not in pairs]
    shown = [name for name in found.column_names if any(name in row for row in rows)] or found.column_names
    spare = list(left)
    told = [
        _missing(rows[number], expected.rows[number].span, wanted[number], there=there, spare=spare, shown=shown)
        for number in missing
    ]
    return Difference(tuple(told), tuple(_shown(there[number], shown) for number in spare))


def _missing(
    row: Row, span: Span, wanted: Values, *, there: Sequence[Values], spare: list[int], shown: Sequence[str]
) -> Missing:
    """Takes the closest of the spare rows out of them, where it has anything in common."""
    nearest = min(spare, key=lambda at: len(_differing(wanted, there[at])), default=None)
    if nearest is None or len(_differing(wanted, there[nearest])) == len(wanted) > 1:
        return Missing(row, span, None, ())
    spare.remove(nearest)
    return Missing(row, span, _shown(there[nearest], shown), _differing(wanted, there[nearest]))


def _shown(row: Values, names: Sequence[str]) -> Values:
    return {name: row[name] for name in names}


def _differing(wanted: Values, row: Values) -> tuple[str, ...]:
    return tuple(name for name, value in wanted.items() if not _same(value, row[name]))


def _paired(wanted: Sequence[Values], there: Sequence[Values]) -> dict[int, int]:
    """As many expected rows as can be, each with a row of its own that it fits."""
    fits = [[at for at, row in enumerate(there) if not _differing(want, row)] for want in wanted]
    holder: dict[int, int] = {}

    def place(number: int, tried: set[int]) -> bool:
        for at in fits[number]:
            if at not in tried:
                tried.add(at)
                if at not in holder or place(holder[at], tried):
                    holder[at] = number
                    return True
        return False

    for number in range(len(wanted)):
        place(number, set())
    return {number: at for at, number in holder.items()}


def _same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return left == right


def _parsed(row: Values, texts: frozenset[str]) -> Values:
    """The row with its JSON as values: how JSON is spelled says nothing."""
    return {name: json.loads(v) if name in texts and isinstance(v, str) else v for name, v in row.items()}
