"""The net effect of an epoch's changes: for each key, the last of them.

An insert or an update-after puts a row in the place of its key, an update-before or a delete takes away what is there.
So whatever came before the last change of a key does not matter, and neither does where an epoch ends:

    insert, delete                        the key goes: there may have been a row before
    delete, insert                        the new row
    before, after of one key              the new row
    before of key 1, after of key 2       key 1 goes, and key 2 has the new row

To remove what is not there does nothing, and to update it puts it there.

A partial row takes the values that it does not bring from the last change of its key that brings them. What no change
of the epoch brings stays absent, and the target keeps it. Behind a deletion there is nothing to keep: it is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flowc.nodes import ABSENT, KIND, REMOVALS, Change, Changelog
from flowc.runtime.badrows import BadRow, first_indices
from flowc.stream import TableTarget

_NUMBER = "_flowc_number"


def removes(kinds: pa.Array) -> pa.BooleanArray:
    """Which changes take a row away."""
    return pc.is_in(kinds, pa.array([int(change) for change in REMOVALS], pa.int8()))


def with_kinds(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with what they do as a column behind their values, inserts where nothing says it."""
    if KIND in rows.schema.names:
        return rows
    kinds = pa.repeat(pa.scalar(int(Change.INSERT), pa.int8()), rows.num_rows)
    return rows.append_column(pa.field(KIND, pa.int8()), kinds)


def bare(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows without the columns of what they do and do not bring."""
    return rows.drop_columns([name for name in (KIND, ABSENT) if name in rows.schema.names])


def marked(rows: pa.RecordBatch, changelog: Changelog) -> pa.RecordBatch:
    """Rows with the hidden columns of a changelog, in their order."""
    if changelog is Changelog.INSERT_ONLY:
        return rows
    absent = rows.column(ABSENT) if ABSENT in rows.schema.names else pa.nulls(rows.num_rows, pa.string())
    kinds = with_kinds(rows).column(KIND)
    rows = bare(rows).append_column(pa.field(KIND, pa.int8()), kinds)
    return rows.append_column(pa.field(ABSENT, pa.string()), absent) if changelog is Changelog.PARTIAL else rows


def last_indices(keys: Sequence[pa.Array], count: int) -> pa.Array:
    """The indices of the last row of each key, in the order of the rows. NULL is equal to NULL."""
    names = [str(number) for number in range(len(keys))]
    numbered = pa.table([*keys, first_indices(count)], [*names, _NUMBER])
    last = numbered.group_by(names).aggregate([(_NUMBER, "max")]).column(f"{_NUMBER}_max")
    marks = np.zeros(count, np.bool_)  # to sort them takes longer than to mark all that there are
    marks[last.to_numpy()] = True
    return pa.array(np.flatnonzero(marks))


def last_of_each(rows: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """The last row of each key, in the order in which they came; all rows without keys."""
    if not keys or not rows.num_rows:
        return rows
    last = last_indices([rows.column(key) for key in keys], rows.num_rows)
    return rows.take(last) if len(last) < rows.num_rows else rows


def net(rows: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """The last change of each key, in order. Of what is removed the key alone is left: no more of it may be known."""
    rows = last_of_each(with_kinds(rows), keys)
    gone = removes(rows.column(KIND))
    if not pc.any(gone).as_py():
        return rows
    stays = pc.if_else(gone, None, first_indices(rows.num_rows))
    columns = [c if f.name in (*keys, KIND) else c.take(stays) for f, c in zip(rows.schema, rows.columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema([field.with_nullable(True) for field in rows.schema]))


def completed(rows: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """Rows with the values that partial ones do not bring and a row of their key before them does.

    Behind a removal there is nothing to take: what is absent there is NULL. A row that was partial keeps its mark, also
    where it brings all of its values now: a target that holds other keys equal to its own needs it.
    """
    if ABSENT not in rows.schema.names or rows.column(ABSENT).null_count == rows.num_rows:
        return rows
    places = [place for place, name in enumerate(rows.schema.names) if name not in (KIND, ABSENT, *keys)]
    order, begins = _by_key([rows.column(key) for key in keys], rows.num_rows)
    gone = removes(with_kinds(rows).column(KIND)).to_numpy(zero_copy_only=False)[order]
    absent = absence(rows.column(ABSENT), len(bare(rows).columns))[order]
    at, back, columns = np.arange(len(order)), np.argsort(order), rows.columns
    first = np.maximum.accumulate(np.where(begins, at, 0))
    least = np.maximum.accumulate(np.where(gone, at + 1, first))
    for place in places:
        source = np.maximum.accumulate(np.where(absent[:, place], -1, at))
        lacking = absent[:, place] & (source < least)
        columns[place] = columns[place].take(pa.array(order[source], mask=lacking).take(pa.array(back)))
        absent[:, place] = lacking & (least == first)
    return _with_absence(rows, columns, absent[back])


def absence(marks: pa.Array, count: int) -> npt.NDArray[np.bool_]:
    """Which of `count` values each row does not bring: a matrix of rows and columns."""
    texts = pc.fill_null(marks, "0" * count).cast(pa.binary()).cast(pa.binary(count))
    digits = np.frombuffer(texts.buffers()[1], np.uint8)[texts.offset * count :]
    absent: npt.NDArray[np.bool_] = digits.reshape(-1, count) == ord("1")
    return absent


def _with_absence(rows: pa.RecordBatch, columns: list[pa.Array], absent: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    digits = np.where(absent, b"1", b"0").view(f"S{absent.shape[1]}").ravel()
    texts = pa.array(digits, pa.binary(absent.shape[1])).cast(pa.binary()).cast(pa.string())
    place = rows.schema.get_field_index(ABSENT)
    columns[place] = pc.if_else(columns[place].is_valid(), texts, None)
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema([field.with_nullable(True) for field in rows.schema]))


def _by_key(keys: Sequence[pa.Array], count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The indices of rows, those of a key together and in their order; and which of them begin a key."""
    names = [str(number) for number in range(len(keys))]
    numbered = pa.table([*keys, first_indices(count)], [*names, _NUMBER])
    lists = numbered.group_by(names, use_threads=False).aggregate([(_NUMBER, "list")]).column(f"{_NUMBER}_list")
    grouped = lists.combine_chunks()
    begins = np.zeros(count, np.bool_)
    begins[grouped.offsets.to_numpy()[:-1] - grouped.offsets[0].as_py()] = True
    return grouped.flatten().to_numpy(), begins


def reduced(rows: pa.RecordBatch, target: TableTarget) -> pa.RecordBatch:
    """What is written of an epoch's rows into a table."""
    if target.changes is Changelog.INSERT_ONLY:
        return last_of_each(rows, target.keys)
    return net(marked(completed(rows, target.keys), target.changes), target.keys)


def apart(rows: pa.RecordBatch, target: TableTarget) -> Iterator[pa.RecordBatch]:
    """What is written of an epoch's rows in several loads: each partial row comes alone, behind what was before it.

    So a target may hold keys equal that the rows spell apart.
    """
    if ABSENT not in rows.schema.names:
        yield reduced(rows, target)
        return
    at = np.flatnonzero(rows.column(ABSENT).is_valid().to_numpy(zero_copy_only=False))
    cuts = [0, *np.unique(np.concatenate((at, at + 1))).tolist(), rows.num_rows]
    yield from (reduced(rows.slice(a, b - a), target) for a, b in pairwise(cuts) if a < b)


Refusing = Callable[[pa.RecordBatch], Generator[BadRow, None, None]]
"""The rows that a target refuses of some that it is to write, in order."""


def refused(rows: pa.RecordBatch, keys: Sequence[str], refusing: Refusing, most: int | None) -> list[BadRow]:
    """The first `most` changes that a target refuses, in order.

    They are tried as they are applied, removals first. Without a change that is refused the one before it counts, so
    it is tried too.
    """
    found, left = dict[int, BadRow](), first_indices(rows.num_rows)
    while most is None or len(found) < most:
        changes = completed(rows.take(left), keys)
        applied = _applied(changes, keys)
        with closing(refusing(changes.take(applied))) as bad:
            at = left.take(applied)
            new = {(i := at[each.index].as_py()): replace(each, index=i) for each in islice(bad, most)}
        if not new:
            break
        found |= new
        left = left.filter(pc.invert(pc.is_in(left, pa.array(new, pa.int64()))))
    return [found[at] for at in sorted(found)][:most]


def _applied(rows: pa.RecordBatch, keys: Sequence[str]) -> pa.Array:
    """The indices of the changes that count, as they are applied."""
    last = last_indices([rows.column(key) for key in keys], rows.num_rows)
    gone = removes(with_kinds(rows).column(KIND).take(last))
    return pa.concat_arrays([last.filter(gone), last.filter(pc.invert(gone))])


def put_there(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Those of the rows that put something there, without what they do."""
    rows = with_kinds(rows)
    return bare(rows.filter(pc.invert(removes(rows.column(KIND)))))


def parted(rows: pa.RecordBatch) -> Iterator[tuple[bool, pa.RecordBatch, pa.Array]]:
    """Those of the rows that put something there, and those that remove (True), with their indices; without kinds."""
    rows = with_kinds(rows)
    gone, rows = removes(rows.column(KIND)), bare(rows)
    for removing, marks in ((False, pc.invert(gone)), (True, gone)):
        at = pc.indices_nonzero(marks).cast(pa.int64())
        if len(at):
            yield removing, rows.take(at), at
