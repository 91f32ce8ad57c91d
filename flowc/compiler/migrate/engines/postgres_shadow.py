"""A change of type on a large PostgreSQL table, beside its readers and writers.

A second column is kept up to date by a trigger, filled piece by piece, and takes the first one's place in a moment.
"""

from __future__ import annotations

from hashlib import md5

from flowc.catalog import Column
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.migrate.compare import SHADOW, counts
from flowc.compiler.migrate.engines.postgres_require import EXCLUSIVE, require
from flowc.compiler.migrate.retype import retype
from flowc.compiler.migrate.words import alter
from flowc.compiler.quote import ident, table, text
from flowc.compiler.tables.ddl import column_definition
from flowc.migration import Statement

LARGE = 100_000
"""From so many rows on (by the planner's estimate), a table is not written anew under a lock."""
_PAGES = 1000
"""Pages that are filled between two commits: 8 MB."""


def wants_shadow(was: Column, situation: Situation) -> bool:
    """Whether the table is large, nothing but itself holds on to the column, and a second one finds a name."""
    live = situation.live
    held = was.name in live.primary_key or any(was.name in index.columns for index in live.indexes)
    tied = held or live.dependents or counts(was.default) or situation.dialect.too_long(was.name + SHADOW)
    return (live.rows or 0) >= LARGE and live.plain and not tied


def shadow(was: Column, now: Column, situation: Situation) -> tuple[Statement, ...]:
    """The statements; each may run again after a crash, and the last ones are one transaction."""
    new = now.name + SHADOW
    function, trigger = _names(now.name, situation)
    value = retype(was, Column(now.name, now.type), situation).value
    return (
        Statement(_add(now, new, situation), "a second column of the new type", lock=EXCLUSIVE),
        *_sync(function, trigger, new, was.name, value, situation),
        Statement(_fill(new, value, situation), "fill it piece by piece", transactional=False, lock="ROW EXCLUSIVE",
                  rewrites=True, scans=True),
        *(() if now.nullable else require(new, situation)),
        *_swap(function, trigger, now, new, situation),
    )  # fmt: skip


def _names(column: str, situation: Situation) -> tuple[str, str]:
    mark = md5(f"{situation.live.name}.{column}".encode(), usedforsecurity=False).hexdigest()[:12]
    schema = f"{ident(situation.live.name.schema)}." if situation.live.name.schema else ""
    return f"{schema}{ident(f'flowc_sync_{mark}')}", ident(f"flowc_sync_{mark}")


def _add(now: Column, new: str, situation: Situation) -> str:
    definition = column_definition(Column(new, now.type), situation.dialect)
    return alter(situation, f"ADD COLUMN IF NOT EXISTS {definition}")


def _sync(function: str, trigger: str, new: str, old: str, value: str, situation: Situation) -> tuple[Statement, ...]:
    live = table(situation.live.name)
    computed = f"(SELECT {value} FROM (SELECT NEW.{ident(old)} AS {ident(old)}) AS flowc)"
    body = f"BEGIN NEW.{ident(new)} := {computed}; RETURN NEW; END"
    words = text(body, situation.dialect)
    make = f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {words}"
    drop = f"DROP TRIGGER IF EXISTS {trigger} ON {live}"
    hang = f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {live} FOR EACH ROW EXECUTE FUNCTION {function}()"
    return (
        Statement(make, "what keeps it up to date"),
        Statement(drop, "clear away what an earlier attempt left", lock=EXCLUSIVE),
        Statement(hang, "keep it up to date", lock="SHARE ROW EXCLUSIVE"),
    )


def _fill(new: str, value: str, situation: Situation) -> str:
    live = table(situation.live.name)
    update = (
        f"UPDATE {live} SET {ident(new)} = {value} WHERE ctid >= format('(%s,0)', page)::tid "
        f"AND ctid < format('(%s,0)', page + {_PAGES})::tid"
    )
    size = f"pg_relation_size({text(live, situation.dialect)}::regclass) / current_setting('block_size')::bigint"
    body = (
        f"DECLARE page bigint := 0; pages bigint := {size}; BEGIN WHILE page <= pages LOOP {update}; COMMIT; "
        f"page := page + {_PAGES}; END LOOP; END"
    )
    return f"DO {text(body, situation.dialect)}"


def _swap(function: str, trigger: str, now: Column, new: str, situation: Situation) -> tuple[Statement, ...]:
    live = table(situation.live.name)
    steps = [
        (f"DROP TRIGGER {trigger} ON {live}", "stop keeping up"),
        (f"DROP FUNCTION {function}()", "clear away"),
        (alter(situation, f"DROP COLUMN {ident(now.name)}"), "the old column goes"),
        (alter(situation, f"RENAME COLUMN {ident(new)} TO {ident(now.name)}"), "the new one takes its place"),
    ]
    if now.default is not None:
        action = f"ALTER COLUMN {ident(now.name)} SET DEFAULT {now.default}"
        steps.append((alter(situation, action), "with its default"))
    return tuple(Statement(sql, purpose, lock=EXCLUSIVE) for sql, purpose in steps)
