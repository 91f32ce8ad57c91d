"""What of an epoch's rows its targets cannot take, found before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.loadplan import Ingest
from flowc.nodes import Changelog
from flowc.runtime.arrow import plain
from flowc.runtime.badrows import MISSING, BadRow, Findings, GoodRows, first_indices, fit_rows
from flowc.runtime.contracts.changes import parted
from flowc.runtime.fit import CODE, fit, shorten, shown_value
from flowc.runtime.systems import limits_of
from flowc.runtime.systems.files.hive import unnameable
from flowc.runtime.systems.shared.limits import Limits
from flowc.runtime.text.jsonvalues import NO_NUMBER, no_numbers
from flowc.stream import FilesTarget, TableTarget, TargetPlan, TopicTarget
from flowc.types import Kind


@dataclass(frozen=True, slots=True)
class Taken:
    """The columns that a table takes, in the order of the rows, and what its engine cannot hold in them."""

    columns: tuple[Column, ...]
    limits: Limits
    timezone: str | None = None
    folders: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = None
    """Of rows that are changes, all that is asked of one that removes another."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """How files and topics spell rows: the numbers of `json` JSON has to have, and `folders` name folders."""

    json: tuple[str, ...]
    folders: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = None
    """As in `Taken`."""


def taken(targets: Sequence[TargetPlan]) -> tuple[Taken | Spelled, ...]:
    """What each of the targets takes."""
    return tuple(_taken(target) if isinstance(target, TableTarget) else _spelled(target) for target in targets)


def _spelled(target: FilesTarget | TopicTarget) -> Spelled:
    names = tuple(column.name for column in target.columns)
    lists = tuple(column.name for column in target.columns if column.type.kind is Kind.ARRAY)
    if isinstance(target, TopicTarget):
        return Spelled(names, keys=None if target.changes is Changelog.INSERT_ONLY else target.key)
    inside = {"jsonl": names, "csv": lists}.get(target.format, ())
    return Spelled(tuple(name for name in inside if name not in target.partition_by), target.partition_by)


def _taken(target: TableTarget) -> Taken:
    step = next((step for step in target.load.steps if isinstance(step, Ingest)), None)
    columns = (step.columns if step is not None else target.columns)[: len(target.columns)]
    lenient = target.changes is Changelog.PARTIAL  # the table may hold the value that a row does not bring
    keyed = tuple(replace(c, nullable=(c.nullable or lenient) and c.name not in target.keys) for c in columns)
    keys = None if target.changes is Changelog.INSERT_ONLY else target.keys
    return Taken(keyed, limits_of(target.kind), step.timezone if step is not None else None, target.folders, keys)


def misfits(rows: pa.RecordBatch, takes: Sequence[Taken | Spelled]) -> tuple[BadRow, ...]:
    """The rows that one of the targets does not take, with what is wrong with them in the first."""
    found = Findings(rows.num_rows)
    for each in takes:
        for bad in _wrong(rows, each) if each.keys is None else _wrong_changes(rows, each, each.keys):
            found.add(bad.index, bad.code, bad.message)
    return found.bad()


def _wrong(rows: pa.RecordBatch, takes: Taken | Spelled) -> Iterator[BadRow]:
    return _unspellable(rows, takes) if isinstance(takes, Spelled) else _untaken(rows, takes)


def _wrong_changes(rows: pa.RecordBatch, takes: Taken | Spelled, keys: Sequence[str]) -> Iterator[BadRow]:
    """Of rows that remove others, those whose keys are wrong; nothing else of them is written."""
    own = [place for place, name in enumerate(rows.schema.names) if name in keys]
    for removing, part, at in parted(rows):
        asked = (part.select(own), _of_keys(takes, own, keys)) if removing else (part, takes)
        yield from (replace(bad, index=at[bad.index].as_py()) for bad in _wrong(*asked))
    if isinstance(takes, Spelled) and len(keys) == 1:
        yield from _keyless(rows.column(keys[0]), keys[0])


def _of_keys(takes: Taken | Spelled, places: Sequence[int], keys: Sequence[str]) -> Taken | Spelled:
    if isinstance(takes, Spelled):
        return replace(takes, json=tuple(name for name in takes.json if name in keys))
    return replace(takes, columns=tuple(takes.columns[place] for place in places))


def _keyless(array: pa.Array, name: str) -> Iterator[BadRow]:
    """Changes whose message would have no key: nothing tells which row they change."""
    message = f"column `{name}` is the key of the message, and the row has no value for it"
    yield from (BadRow(at, MISSING, message) for at in _marked(array.is_null()))


def _untaken(rows: pa.RecordBatch, takes: Taken) -> Iterator[BadRow]:
    fitted = _fitted(rows, takes)
    yield from (*fitted.bad, *_beyond(fitted, takes))
    yield from _unnameable(rows, takes.folders)


def _unnameable(rows: pa.RecordBatch, folders: Sequence[str]) -> Iterator[BadRow]:
    """Values that cannot name a folder; columns that the rows lack are NULL."""
    for name in (name for name in folders if name in rows.schema.names):
        for marks, reason, _ in unnameable(rows.column(name), name):
            yield from (BadRow(at, CODE, f"column `{name}`: {reason}") for at in _marked(marks))


def _unspellable(rows: pa.RecordBatch, takes: Spelled) -> Iterator[BadRow]:
    yield from _unnameable(rows, takes.folders)
    for name in takes.json:
        yield from _no_numbers(plain(rows.column(name)), name)


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


def _fitted(rows: pa.RecordBatch, takes: Taken) -> GoodRows:
    try:
        return GoodRows(fit(rows, takes.columns, takes.timezone), first_indices(rows.num_rows), ())
    except DataError:
        return fit_rows(rows, takes.columns, takes.timezone)


def _beyond(fitted: GoodRows, takes: Taken) -> Iterator[BadRow]:
    """Rows with values that fit their columns and that the engine cannot hold."""
    for array, column in zip(fitted.batch.columns, takes.columns, strict=True):
        for marks, reason in takes.limits(array, column):
            for at in _marked(marks):
                shown = shorten(shown_value(array, at))
                yield BadRow(fitted.rows[at].as_py(), CODE, f"column `{column.name}`: {shown} {reason}")
