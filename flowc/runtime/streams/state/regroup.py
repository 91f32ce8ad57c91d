"""Makes segments of what the version before kept: each key group as a whole, in a table of its own.

All streams of a database go at once, and then that table does: workers of the version before fail from then on, and
what they would begin with is that of another operator to them (`state-changed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowc.errors import FlowcError
from flowc.loadplan import PROJECT
from flowc.runtime.connector import Database
from flowc.runtime.names import literal
from flowc.runtime.renewal import is_old, renewed
from flowc.runtime.streams.keyed.segments import of_groups
from flowc.runtime.streams.state.contract import Segment
from flowc.runtime.streams.state.encoding import decoded, marked
from flowc.runtime.streams.state.segmentrows import write_segments
from flowc.stream import StateSql


def regroup(database: Database, sql: StateSql) -> None:
    """Does so where there is such a table."""
    there = database.table(sql.groups)
    if there is None:
        return
    if is_old(there):
        renewed(database, sql.renewals)
    database.begin()
    try:
        database.execute(sql.regroup["hold"])
        if database.table(sql.groups) is not None:  # else another worker was first
            for row in database.query(sql.regroup["streams"]).to_pylist():
                _regroup(database, sql, row)
            database.execute(sql.regroup["empty"])
        database.commit()
        database.execute(sql.regroup["drop"])
    except FlowcError:
        database.rollback()
        raise


def _regroup(database: Database, sql: StateSql, row: dict[str, Any]) -> None:
    """That of one stream, whose checkpoint the row is."""
    names = {name: literal(str(row[name]), database.kind) for name in (PROJECT, "stream_name")}
    whose = sql.regroup["whose"].format(**names)
    body, prints = marked(str(row["body"]))
    if not prints or database.query(sql.regroup["kept"].format(whose=whose)).to_pylist()[0]["n"]:
        return  # a worker of the version before that ran on has kept a part of it: its checkpoint is no state of ours
    found = database.query(sql.regroup["groups"].format(whose=whose)).to_pylist()
    segments = list(_segments(found, prints, int(row["epoch"])))
    pairs = ((segment, segment.sequence) for segment in segments)
    write_segments(database, sql, str(row["stream_name"]), pairs, str(row[PROJECT]))
    database.execute(sql.regroup["body"].format(body=body, whose=whose))


def _segments(rows: list[dict[str, Any]], prints: dict[str, str], epoch: int) -> Iterator[Segment]:
    for node, fingerprint in prints.items():
        parts = [bytes(row["data"]) for row in rows if decoded(row["operator"]) == node]
        for group, piece in of_groups(parts, node):
            yield Segment(node, fingerprint, group, epoch, piece.data(), len(piece))
