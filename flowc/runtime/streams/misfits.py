"""What of an epoch's rows its targets cannot take, found before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.arrow import plain
from flowc.runtime.badrows import MISSING, BadRow, Findings, GoodRows, first_indices, fit_rows
from flowc.runtime.contracts.changes import parted
from flowc.runtime.fit import CODE, fit, shorten, shown_value
from flowc.runtime.systems import limits_of
from flowc.runtime.systems.files.hive import unnameable
from flowc.runtime.text.jsonvalues import NO_NUMBER, no_numbers
from flowc.stream import RowRules


def misfits(rows: pa.RecordBatch, rules: Sequence[RowRules]) -> tuple[BadRow, ...]:
    """The rows that break the rules of a target, with what is wrong with them in the first."""
    found = Findings(rows.num_rows)
    for rule in rules:
        for bad in _wrong(rows, rule) if rule.keys is None else _wrong_changes(rows, rule, rule.keys):
            found.add(bad.index, bad.code, bad.message)
    return found.bad()


def _wrong(rows: pa.RecordBatch, rules: RowRules) -> Iterator[BadRow]:
    if rules.columns:
        fitted = _fitted(rows, rules)
        yield from (*fitted.bad, *_beyond(fitted, rules))
    yield from _unnameable(rows, rules.folders)
    for name in rules.json:
        yield from _no_numbers(plain(rows.column(name)), name)


def _wrong_changes(rows: pa.RecordBatch, rules: RowRules, keys: Sequence[str]) -> Iterator[BadRow]:
    """Of rows that remove others, those whose keys are wrong; nothing else of them is written."""
    own = [place for place, name in enumerate(rows.schema.names) if name in keys]
    for removing, part, at in parted(rows):
        asked = (part.select(own), _of_keys(rules, own, keys)) if removing else (part, rules)
        yield from (replace(bad, index=at[bad.index].as_py()) for bad in _wrong(*asked))
    if rules.message_key and len(keys) == 1:
        yield from _keyless(rows.column(keys[0]), keys[0])


def _of_keys(rules: RowRules, places: Sequence[int], keys: Sequence[str]) -> RowRules:
    columns = tuple(rules.columns[place] for place in places) if rules.columns else ()
    return replace(rules, columns=columns, json=tuple(name for name in rules.json if name in keys))


def _keyless(array: pa.Array, name: str) -> Iterator[BadRow]:
    """Changes whose message would have no key: nothing tells which row they change."""
    message = f"column `{name}` is the key of the message, and the row has no value for it"
    yield from (BadRow(at, MISSING, message) for at in _marked(array.is_null()))


def _unnameable(rows: pa.RecordBatch, folders: Sequence[str]) -> Iterator[BadRow]:
    """Values that cannot name a folder; columns that the rows lack are NULL."""
    for name in (name for name in folders if name in rows.schema.names):
        for marks, reason, _ in unnameable(rows.column(name), name):
            yield from (BadRow(at, CODE, f"column `{name}`: {reason}") for at in _marked(marks))


def _no_numbers(array: pa.Array, name: str) -> Iterator[BadRow]:
    """Numbers that JSON has not, also inside of lists."""
    places = first_indices(len(array))
    while pa.types.is_list(array.type):
        array, places = pc.list_flatten(array), places.take(pc.list_parent_indices(array))
    marks = no_numbers(array) if pa.types.is_floating(array.type) else None
    for at in _marked(marks) if marks is not None else ():
        shown = shorten(shown_value(array, at))
        yield BadRow(places[at].as_py(), CODE, f"column `{name}`: {shown} {NO_NUMBER}")


def _marked(marks: pa.Array) -> list[int]:
    found: list[int] = pc.indices_nonzero(pc.fill_null(marks, False)).to_pylist() if pc.any(marks).as_py() else []
    return found


def _fitted(rows: pa.RecordBatch, rules: RowRules) -> GoodRows:
    try:
        return GoodRows(fit(rows, rules.columns, rules.timezone), first_indices(rows.num_rows), ())
    except DataError:
        return fit_rows(rows, rules.columns, rules.timezone)


def _beyond(fitted: GoodRows, rules: RowRules) -> Iterator[BadRow]:
    """Rows with values that fit their columns and that the engine cannot hold."""
    beyond = limits_of(rules.engine)
    for array, column in zip(fitted.batch.columns, rules.columns, strict=True):
        for marks, reason in beyond(array, column):
            for at in _marked(marks):
                shown = shorten(shown_value(array, at))
                yield BadRow(fitted.rows[at].as_py(), CODE, f"column `{column.name}`: {shown} {reason}")
