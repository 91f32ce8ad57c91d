"""The last step of a load: its target records of which run it is, with what it counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from flowc.catalog import TableName
from flowc.compiler.loads.cursor import now_literal
from flowc.compiler.loads.identity import (
    LOADS,
    Recorded,
    application,
    columns_of,
    key_of,
    number,
    of_key,
    of_singles,
)
from flowc.compiler.loads.lifetimes import TABLE_ID, identity
from flowc.compiler.loads.load import Load
from flowc.compiler.quote import ident, table, text
from flowc.controls import json_text
from flowc.loadplan import Counter, Execute, Expect, Record, Stamp, Verdict
from flowc.types import TIMESTAMPTZ

_PURPOSE = "record which run this is"
_VALUE = "\x01"
"""Where a value of the load stands in a text; JSON holds no such character."""
_FACTS = ("failed", "total", "passed")
_LONGEST = 12_000
"""Characters of verdicts that are recorded: MySQL's TEXT holds 65,535 bytes. Of more, none are."""
_KEPT = timedelta(days=90)
"""How long parts and named runs stay: as long as the run log, by default, knows of their runs."""


def record_tables(load: Load) -> tuple[TableName, ...]:
    """The table that the step writes."""
    return () if load.recorded is None or load.dialect.attached else (load.dialect.state_table(LOADS),)


def record(load: Load, checks: Sequence[Expect]) -> Iterator[Execute | Record]:
    """Records the load, which makes those quality checks."""
    if load.recorded is None:
        return
    detail = _detail(checks, load.recorded.plan)
    verdicts = [Verdict(i, fact) for i in range(len(checks)) for fact in _FACTS]
    values = (*Counter, *verdicts)[: detail.count(_VALUE)]
    if load.dialect.attached:
        own = load.recorded
        stamp = Stamp(
            application(load.apply, own.target, own.identity), number(own.identity.due_at), number(own.due_at)
        )
        yield Record(_PURPOSE, tuple(detail.split(_VALUE)), values, stamp)
        return
    head, tail = _statement(load, load.recorded)
    first, *others = text(detail, load.dialect).split(_VALUE)
    *middle, last = others
    yield Record(_PURPOSE, (head + first, *middle, last + tail), values)
    if load.recorded.identity.single:
        yield Execute("forget runs of long ago", _forget(load, load.recorded))


def _detail(checks: Sequence[Expect], plan: str | None) -> str:
    verdicts = ", ".join(map(_verdict, checks))
    if len(verdicts) > _LONGEST:
        verdicts = ""
    own = json_text({"plan": plan}, indent=None)
    return f'{{"counts": {{{_values(Counter)}}}, "expects": [{verdicts}], {own[1:]}'


def _verdict(check: Expect) -> str:
    fixed = json_text({"name": check.name, "error": check.error, "quarantine": check.quarantine}, indent=None)
    return f"{fixed[:-1]}, {_values(_FACTS)}}}"


def _values(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}": {_VALUE}' for name in names)


def _statement(load: Load, own: Recorded) -> tuple[str, str]:
    """Adds the row, or changes it where it is still as it was seen: what stands before its detail, and behind it."""
    dialect, key = load.dialect, key_of(load.apply, own.target, own.identity.lane)
    state, now = table(dialect.state_table(LOADS)), now_literal(load.now, TIMESTAMPTZ, dialect)
    due, table_id = text(own.identity.due, dialect), identity(load.table.name, dialect)
    if own.before is None:
        fixed = ", ".join(text(value, dialect) for value in key.values())
        names = ", ".join(ident(column.name) for column in columns_of(dialect))
        return (
            f"INSERT INTO {state} ({names}) VALUES ({fixed}, {due}, ",
            f", {now}{(table_id and f', {table_id}') or ''})",
        )
    at, seen = ident("due_at"), text(own.before, dialect)
    of_table = f"{ident(TABLE_ID.name)} = {table_id}, " if table_id else ""
    head = f"UPDATE {state} SET {at} = {due}, {ident('loaded_at')} = {now}, {of_table}{ident('detail')} = "
    return head, f" WHERE {of_key(key, dialect)} AND {at} = {seen}"


def _forget(load: Load, own: Recorded) -> str:
    dialect, key = load.dialect, dict(key_of(load.apply, own.target, ""))
    del key["lane"]
    old = now_literal(load.now - _KEPT, TIMESTAMPTZ, dialect)
    return (
        f"DELETE FROM {table(dialect.state_table(LOADS))} WHERE {of_key(key, dialect)} "
        f"AND {of_singles()} AND {ident('loaded_at')} < {old}"
    )
