"""The net effect of an epoch's changes: for each key, the last of them.

An insert or an update-after puts a row in the place of its key, an update-before or a delete takes away what is there.
So whatever came before the last change of a key does not matter, and neither does where an epoch ends:

    insert, delete                        the key goes: there may have been a row before
    delete, insert                        the new row
    before, after of one key              the new row
    before of key 1, after of key 2       key 1 goes, and key 2 has the new row

To remove what is not there does nothing, and to update it puts it there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.nodes import KIND, REMOVALS, Change, Changelog
from flowc.runtime.badrows import BadRow, first_indices
from flowc.stream import TableTarget

_NUMBER = "_flowc_number"


def removes(kinds: pa.Array) -> pa.BooleanArray:
    """Which changes take a row away."""
    return pc.is_in(kinds, pa.array([int(change) for change in REMOVALS], pa.int8()))


def with_kinds(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with what they do as their last column, inserts where nothing says it."""
    if KIND in rows.schema.names:
        kinds, rows = rows.column(KIND), rows.drop_columns([KIND])
    else:
        kinds = pa.repeat(pa.scalar(int(Change.INSERT), pa.int8()), rows.num_rows)
    return rows.append_column(pa.field(KIND, pa.int8()), kinds)


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
    bare = pc.if_else(gone, None, first_indices(rows.num_rows))
    columns = [c if f.name in (*keys, KIND) else c.take(bare) for f, c in zip(rows.schema, rows.columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema([field.with_nullable(True) for field in rows.schema]))


def reduced(rows: pa.RecordBatch, target: TableTarget) -> pa.RecordBatch:
    """What is written of an epoch's rows into a table."""
    return last_of_each(rows, target.keys) if target.changes is Changelog.INSERT_ONLY else net(rows, target.keys)


Refusing = Callable[[pa.RecordBatch], Generator[BadRow, None, None]]
"""The rows that a target refuses of some that it is to write, in order."""


def refused(rows: pa.RecordBatch, keys: Sequence[str], refusing: Refusing, most: int | None) -> list[BadRow]:
    """The first `most` changes that a target refuses, in order.

    They are tried as they are applied, removals first. Without a change that is refused the one before it counts, so
    it is tried too.
    """
    found, left = dict[int, BadRow](), first_indices(rows.num_rows)
    while most is None or len(found) < most:
        order = left.take(_applied(rows.take(left), keys))
        with closing(refusing(rows.take(order))) as bad:
            new = {(at := order[each.index].as_py()): replace(each, index=at) for each in islice(bad, most)}
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
    return rows.filter(pc.invert(removes(rows.column(KIND)))).drop_columns([KIND])


def parted(rows: pa.RecordBatch) -> Iterator[tuple[bool, pa.RecordBatch, pa.Array]]:
    """Those of the rows that put something there, and those that remove (True), with their indices; without kinds."""
    rows = with_kinds(rows)
    gone, rows = removes(rows.column(KIND)), rows.drop_columns([KIND])
    for removing, marks in ((False, pc.invert(gone)), (True, gone)):
        at = pc.indices_nonzero(marks).cast(pa.int64())
        if len(at):
            yield removing, rows.take(at), at
