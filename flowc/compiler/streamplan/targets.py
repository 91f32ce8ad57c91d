"""The targets of a stream: how an epoch's rows are written, beside what says how far the stream is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import cast

from flowc.catalog import Column, Table
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Output, Stream, Target
from flowc.compiler.loads.attach import table_to_be
from flowc.compiler.loads.changes import CODE, Refusal, takes
from flowc.compiler.loads.lifetimes import column_types
from flowc.compiler.loads.load import finder
from flowc.compiler.loads.shape import target_table
from flowc.compiler.loads.sqlplan import plan_load
from flowc.compiler.streamplan.positions import position_sql
from flowc.compiler.tables.ddl import create_schema, create_table
from flowc.compiler.tables.letters import letters_place
from flowc.errors import UsageError
from flowc.loadplan import LoadPlan
from flowc.nodes import ABSENT, KIND, Changelog
from flowc.stream import DEAD_LETTER, TableTarget, TargetPlan
from flowc.systems import module_of
from flowc.types import UNKNOWN

LiveTableOf = Callable[[Target], Table | None]
"""The table of a target as it is now, None where there is none, or where nobody has looked."""
PlanTarget = Callable[[Output, tuple[Column, ...], str, Changelog], TargetPlan]
"""Plans an output for rows of some columns, of a stream by its name. Raises UsageError for what cannot be written."""
PlanLetters = Callable[[Output], TargetPlan]
"""Plans an output that takes dead letters."""
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Nothing that a stream's load writes depends on the time of the load."""


def unseen(_: Target) -> Table | None:
    """Nobody has looked: tables are taken to be as the stream would make them."""
    return None


def stream_targets(
    stream: Stream,
    columns: tuple[Column, ...],
    *,
    letters: bool,
    live: LiveTableOf = unseen,
    changes: Changelog = Changelog.INSERT_ONLY,
    key: tuple[str, ...] = (),
    follows: tuple[str, ...] = (),
    alike: tuple[str, ...] = (),
) -> tuple[tuple[TargetPlan, ...], TargetPlan | None]:
    """What a stream writes with the rows of `columns`, and where its dead letters go besides, with `letters`.

    `changes` are what the rows are, and `key` tells them apart where they replace each other, as `alike` and `follows`
    may too; see `flowc.compiler.loads.changes.takes`.

    Raises UsageError for a target that cannot be written.
    """
    wanted = _letters(stream) if letters else None
    if changes is not Changelog.INSERT_ONLY:
        _demand_changes(stream, columns, partial(takes, changelog=changes, key=key, follows=follows, alike=alike))
    tables = [table_target(apply, columns, stream, live(apply.target), changes) for apply in stream.applies]
    others = [_other(output, columns, stream, changes) for output in stream.outputs]
    targets: list[TargetPlan] = [*tables, *others]
    _demand_different(targets, stream.name)
    if wanted is None:
        return tuple(targets), None
    alone = _letters_alone(wanted, stream, live)
    for number, target in enumerate(targets):
        if (joined := target.with_letters(alone)) is not None:
            targets[number] = joined
            return tuple(targets), None
    return tuple(targets), alone


def _demand_changes(
    stream: Stream, columns: tuple[Column, ...], taking: Callable[[Apply | Output], Refusal | None]
) -> None:
    held = (column for apply in stream.applies if apply.target.table for column in apply.target.table.columns)
    hidden = next((c.name for c in (*columns, *held) if c.name.lower() in (KIND, ABSENT)), None)
    if hidden is not None:
        message = f"stream `{stream.name}` changes rows, and says in `{hidden.lower()}` how: no column can be called so"
        raise UsageError(message, code=CODE, help="give the column another name")
    for target in (*stream.applies, *stream.outputs):
        refusal = taking(target)
        if refusal is not None:
            raise UsageError(f"stream `{stream.name}`: {refusal.message}", code=CODE, help=refusal.help)


def _demand_different(targets: list[TargetPlan], stream: str) -> None:
    names = [target.name for target in targets]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        message = f"`{twice}` is a target of stream `{stream}` twice"
        raise UsageError(message, code="duplicate-target", help="remove one")


def letters_apply(stream: Stream) -> Apply | None:
    """How dead letters are written where they go into a table, None where they go elsewhere."""
    wanted = _letters(stream)
    return _letters_apply(wanted, stream) if isinstance(wanted, Target) else None


def _letters(stream: Stream) -> Target | Output:
    """Where dead letters go."""
    place = letters_place(stream)
    if place is not None:
        return place
    message = f"stream `{stream.name}` has no table in a database that dead letters could go beside"
    raise UsageError(message, code="missing-key", help="say where they go: `dead_letter: {topic: …}`")


def _letters_alone(wanted: Target | Output, stream: Stream, live: LiveTableOf) -> TargetPlan:
    if isinstance(wanted, Target):
        made = table_target(_letters_apply(wanted, stream), DEAD_LETTER, stream, live(wanted))
        return replace(made, letters=True)
    plan_letters: PlanLetters | None = getattr(_room(wanted, stream), "plan_letters", None)
    if plan_letters is None:
        raise _not_yet(wanted, stream)
    return plan_letters(wanted)


def _letters_apply(target: Target, stream: Stream) -> Apply:
    assert stream.input is not None
    return Apply(
        pipeline=stream.name, input=stream.input, target=target, mode="append", keys=(), compare=None, event_time=None,
        ttl=None, deletes="ignore", soft_delete_column=None, allow_empty=False, dedupe=None, incremental=None,
        normalize=(), derived=(), before=(), after=(), expect=(), timezone=None, span=stream.span,
        project=stream.project,
    )  # fmt: skip


def _other(output: Output, columns: tuple[Column, ...], stream: Stream, changes: Changelog) -> TargetPlan:
    return cast(PlanTarget, _room(output, stream).plan_target)(output, columns, stream.name, changes)


def _room(output: Output, stream: Stream) -> ModuleType:
    """The module that plans outputs of a kind. Raises UsageError where there is none."""
    module = module_of(output.kind, "compiler", "target")
    if module is None or not output.address:
        raise _not_yet(output, stream)
    return import_module(module)


def _not_yet(output: Output, stream: Stream) -> UsageError:
    message = f"stream `{stream.name}` cannot run yet: it writes `{output.kind}`"
    return UsageError(message, code="not-runnable-yet", help="streams write tables, Delta tables, files and topics")


def table_target(
    apply: Apply,
    columns: tuple[Column, ...],
    stream: Stream,
    live: Table | None = None,
    changes: Changelog = Changelog.INSERT_ONLY,
) -> TableTarget:
    """One table that a stream writes, with the rows of `columns`. `live` is the table as it is, where it is known.

    `changes` are what the rows are, which the table takes (`loads.changes.takes`).

    Raises UsageError where a type is not known.
    """
    unknown = [column.name for column in columns if column.type == UNKNOWN]
    if unknown and apply.target.table is None:
        message = f"the type of `{unknown[0]}` in the output of stream `{stream.name}` is not known"
        raise UsageError(
            message, code="unknown-source-columns", help="CAST it in the SQL, or declare the target's table"
        )
    dialect = DIALECTS[apply.target.kind]
    wanted = made_table(apply, columns)
    if dialect.attached:
        return _attached(apply, columns, wanted, live, changes)
    load = _load(apply, columns, live or wanted, changes)
    sources = [source.name for source in stream.sources]
    positions = position_sql(stream.project, stream.name, wanted.name, sources, dialect)
    create = tuple(_create(wanted, dialect))
    return TableTarget(
        apply.target.connection, apply.target.kind, table=wanted.name, columns=columns, load=load, positions=positions,
        create=create, keys=keys_of(apply, columns), savepoints=dialect.transactions.savepoints, changes=changes,
        lock=load.lock and bool(apply.keys) and not dialect.transactions.row_waits,
        types=column_types(wanted.name, dialect),
    )  # fmt: skip


def keys_of(apply: Apply, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The keys as the rows spell them, which may differ from the spec in case."""
    found = map(finder(columns), apply.keys)
    return tuple(column.name if column is not None else key for key, column in zip(apply.keys, found, strict=True))


def made_table(apply: Apply, columns: tuple[Column, ...]) -> Table:
    """The table as the stream makes it where there is none, for rows of `columns`.

    Raises UsageError for one that cannot be made.
    """
    dialect = DIALECTS[apply.target.kind]
    wanted = target_table(apply, columns, dialect)
    return table_to_be(wanted) if dialect.attached else wanted


def undeclared(stream: Stream, *, letters: bool) -> Iterator[tuple[Apply, tuple[Column, ...] | None]]:
    """What writes the tables that users name and no spec declares, each with the columns of its rows, where known.

    With `letters`, the table of dead letters is one of them.
    """
    columns = stream.input.columns if stream.input is not None else None
    yield from ((apply, columns) for apply in stream.applies if apply.target.table is None)
    if letters and stream.input is not None and isinstance(stream.dead_letter, Target):
        yield _letters_apply(stream.dead_letter, stream), DEAD_LETTER


def _attached(
    apply: Apply, columns: tuple[Column, ...], wanted: Table, live: Table | None, changes: Changelog
) -> TableTarget:
    """A table that is made and written by commits of its own."""
    load = _load(apply, columns, live or wanted, changes)
    first = None if live else _load(apply, columns, None, changes)
    return TableTarget(
        apply.target.connection, apply.target.kind, table=wanted.name, columns=columns, load=load, positions=None,
        create=(), keys=keys_of(apply, columns), first=first, folders=(live or wanted).partition_by, changes=changes,
    )  # fmt: skip


def _load(apply: Apply, columns: tuple[Column, ...], live: Table | None, changes: Changelog) -> LoadPlan:
    return plan_load(
        apply, columns=columns, live=live, watermark=None, now=_ANY_TIME, same_database=False, last_wins=True,
        changes=changes,
    )  # fmt: skip


def _create(wanted: Table, dialect: Dialect) -> Iterator[str]:
    schema = wanted.name.schema
    if schema and dialect.names.schemas:
        yield create_schema(schema, dialect)
    yield from create_table(wanted, dialect)
