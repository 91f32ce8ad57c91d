"""Where loads go on: their watermarks shown, moved and forgotten, and what a run may read whatever they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flowc.catalog import Column
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Pipeline
from flowc.compiler.loads.cursor import TO, canonical
from flowc.compiler.loads.load import Reread, find_column
from flowc.compiler.loads.reads import read_of
from flowc.compiler.loads.watermark import forget_watermark, place_of_watermarks, set_watermark
from flowc.compiler.passes.writers import TableWriter
from flowc.errors import FlowcError, UsageError
from flowc.loadplan import PROJECT
from flowc.runtime.contracts.database import Database, TableStore
from flowc.runtime.loads.load import describe
from flowc.service.access.sessions import Sessions
from flowc.service.loads.watermarks import Watermark, stored_watermark

FORGOTTEN = "earliest"
"""The place of a load that reads all from its `start` on, as it does first."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an incremental load of one target goes on: None before its first run. `error` says why it is not known."""

    pipeline: str
    target: str
    cursor: str
    value: str | None = None
    error: FlowcError | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A watermark that is to become another one; `after` is None where it is to be forgotten."""

    apply: Apply
    before: Watermark
    after: str | None

    @property
    def target(self) -> str:
        """The target's name with its connection."""
        return f"{self.apply.target.connection}.{self.apply.target.name}"


def standings(pipelines: Sequence[Pipeline], sessions: Sessions) -> tuple[Standing, ...]:
    """Where the incremental loads of pipelines go on."""
    return tuple(
        _standing(apply, sessions) for pipeline in pipelines for apply in pipeline.applies if apply.incremental
    )


def _standing(apply: Apply, sessions: Sessions) -> Standing:
    cursor = apply.incremental.column if apply.incremental else ""
    at = Standing(apply.pipeline, f"{apply.target.connection}.{apply.target.name}", cursor)
    try:
        found = stored_watermark(apply, sessions.target(apply.target.connection))
    except FlowcError as error:
        return replace(at, error=sessions.redacted(error))
    return replace(at, value=found.value if found else None)


def plan_moves(pipeline: Pipeline, sessions: Sessions, to: str) -> tuple[Move, ...]:
    """What moving a load to a place would do; `to` is a value of its cursor, or `FORGOTTEN`.

    Raises UsageError for a load that is not incremental, whose watermark would lie with a table that is not there, or
    of whose cursor `to` is no value.
    """
    require_incremental(pipeline, f"`flowc run {pipeline.name} --full` loads it anew")
    return tuple(_move(apply, sessions, to) for apply in pipeline.applies)


def _move(apply: Apply, sessions: Sessions, to: str) -> Move:
    target = sessions.target(apply.target.connection)
    if target.table(apply.target.name) is None:
        raise UsageError(
            f"the watermark of `{apply.pipeline}` is of `{apply.target.name}`, and there is no such table yet",
            code="not-movable",
            help="make it with `flowc apply`; or say with `start` where the first run begins",
        )
    before = stored_watermark(apply, target)
    assert before is not None  # the load is incremental
    return Move(apply, before, None if to == FORGOTTEN else _value(apply, sessions, to))


def _value(apply: Apply, sessions: Sessions, to: str) -> str:
    columns = describe(read_of(apply.input), sessions.source, sessions.functions)
    return canonical(to, _cursor(apply, columns), apply.timezone, of=TO)


def _cursor(apply: Apply, columns: Sequence[Column]) -> Column:
    name = apply.incremental.column if apply.incremental else ""
    found = find_column(columns, name)
    if found is None:
        message = f"the source of `{apply.pipeline}` has no column `{name}` to read incrementally by"
        raise UsageError(message, code="unknown-incremental-column", help="select it in the SQL")
    return found


def make_moves(moves: Sequence[Move], sessions: Sessions) -> None:
    """Moves the watermarks, each under the lock of loads of its table.

    Raises UsageError where one is no longer what it was when the moves were planned.
    """
    for move in moves:
        target = sessions.target(move.apply.target.connection)
        if not isinstance(target, TableStore):
            for sql in place_of_watermarks(DIALECTS[move.apply.target.kind]):
                target.execute(sql)  # apart: where making a table is no part of a transaction, it would end one
            stored_watermark(move.apply, target, adopt=True)
        target.begin()
        try:
            target.lock(move.apply.target.name)
            _require_unmoved(move, target)
            _make_move(move, target)
            target.commit()
        except BaseException:
            target.rollback()
            raise


def _make_move(move: Move, target: Database) -> None:
    if not isinstance(target, TableStore):
        for sql in _statements(move):
            target.execute(sql)
    elif (move.before.value, move.after) != (None, None):
        target.set_watermarks(move.apply.target.name, [_row(move)])


def _row(move: Move) -> dict[str, object]:
    """The watermark as it lies with a table that is files with a log."""
    apply, now = move.apply, datetime.now(UTC)
    cursor = apply.incremental.column if apply.incremental is not None else ""
    return {
        PROJECT: apply.project, "pipeline_name": apply.pipeline, "target": move.before.kept,
        "column_name": cursor, "value": move.after, "loaded_at": now,
    }  # fmt: skip


def _require_unmoved(move: Move, target: Database) -> None:
    found = stored_watermark(move.apply, target)
    if found is None or found.value != move.before.value:
        message = f"a load of `{move.apply.pipeline}` moved the watermark meanwhile"
        raise UsageError(message, code="load-overtaken", help="nothing was moved; look again with `flowc status`")


def _statements(move: Move) -> Iterator[str]:
    dialect = DIALECTS[move.apply.target.kind]
    if move.after is None:
        if move.before.value is not None:
            yield forget_watermark(move.apply, move.before.kept, dialect)
    else:
        yield forget_watermark(move.apply, move.before.kept, dialect)
        yield set_watermark(move.apply, move.before.kept, move.after, datetime.now(UTC), dialect)


def require_incremental(pipeline: Pipeline, help: str) -> None:
    """Raises UsageError for a load that has no cursor."""
    if not all(apply.incremental for apply in pipeline.applies):
        message = f"`{pipeline.name}` is not incremental: each run reads everything"
        raise UsageError(message, code="not-incremental", help=help)


def check_reread(reread: Reread, pipelines: Sequence[Pipeline], shared: Sequence[Sequence[TableWriter]]) -> None:
    """Raises UsageError for a load that cannot read a part again, or whose table holds rows of others too.

    `shared` has the writers of each table that has several.
    """
    for pipeline in pipelines:
        if not reread.whole:
            require_incremental(pipeline, "leave out `--from` and `--to`")
        elif other := _other_writer(pipeline.name, shared):
            message = f"`--full` would replace the rows that {other} has appended to the table of `{pipeline.name}`"
            raise UsageError(message, code="shared-target", help="load a range with `--from` and `--to`")


def _other_writer(pipeline: str, shared: Sequence[Sequence[TableWriter]]) -> TableWriter | None:
    for writers in shared:
        mine = [writer for writer in writers if writer.name == pipeline and not writer.stream]
        if any(writer.mode == "append" for writer in mine):
            return next((writer for writer in writers if writer not in mine), None)
    return None
