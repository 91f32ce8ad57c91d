"""PostgreSQL: in place, and so that readers and writers wait as little as can be.

What would lock a table while it is read through or written anew is expanded first (a constraint that is validated
apart, an index that is built concurrently, a shadow column) and contracted in a moment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from flowc.catalog import Column, Leftover, Table, counts
from flowc.compiler.dialect import Dialect
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate import statements
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.facts import Act, Facts, statement
from flowc.compiler.migrate.retype import retype
from flowc.compiler.migrate.statements import Engine, alter, one
from flowc.compiler.quote import ident, table, text
from flowc.compiler.systems.postgres.indexes import add_key, drop_index, drop_key, make_index, tells_of_index
from flowc.compiler.systems.postgres.refusals import has_heirs, keeps, refuses
from flowc.compiler.systems.postgres.require import require
from flowc.compiler.systems.postgres.shadow import borne, is_large, shadow, wants_shadow
from flowc.compiler.tables.ddl import column_definition, spell
from flowc.compiler.tables.made import expression, is_stored, way
from flowc.migration import Rows, Statement
from flowc.types import TEMPORAL, DataType, Kind

_EXCLUSIVE = "ACCESS EXCLUSIVE"
_WAITING = {
    "ACCESS SHARE": "other changes of the table",
    "ROW EXCLUSIVE": "other changes of the table",
    "SHARE UPDATE EXCLUSIVE": "other changes of the table",
    "SHARE": "writers",
    "SHARE ROW EXCLUSIVE": "writers",
    _EXCLUSIVE: "readers and writers",
}
"""Who waits for the locks."""


def _locked(lock: str, rows: Rows = Rows.LEFT, *, apart: bool = False) -> Facts:
    return Facts(lock, rows, apart, _WAITING[lock])


_BRIEF = _locked(_EXCLUSIVE)
FACTS: Mapping[Act, Facts] = {
    Act.MAKE_SCHEMA: Facts(),
    Act.MAKE_TABLE: Facts(),
    Act.MAKE_SEQUENCE: Facts(),
    Act.DROP_TABLE: _BRIEF,
    Act.LOCK_TABLE: _BRIEF,
    Act.ADD_COLUMN: _BRIEF,
    Act.ADD_COLUMN_FILLED: _locked(_EXCLUSIVE, Rows.WRITTEN),
    Act.DROP_COLUMN: _BRIEF,
    Act.RENAME_COLUMN: _BRIEF,
    Act.ALTER_TYPE: _locked(_EXCLUSIVE, Rows.WRITTEN),
    Act.ALTER_TYPE_KEEPING_BYTES: _BRIEF,
    Act.SET_STORAGE: _BRIEF,
    Act.SET_DEFAULT: _BRIEF,
    Act.DROP_DEFAULT: _BRIEF,
    Act.SET_NOT_NULL: _locked(_EXCLUSIVE, Rows.READ),
    Act.SET_NOT_NULL_PROVEN: _BRIEF,
    Act.DROP_NOT_NULL: _BRIEF,
    Act.ALTER_GENERATION: _BRIEF,
    Act.COMPUTE_ANEW: _locked(_EXCLUSIVE, Rows.WRITTEN),
    Act.COUNT_ON: _locked("ACCESS SHARE", Rows.READ),
    Act.WIDEN_COUNTER: Facts(),
    Act.ADD_KEY: _locked(_EXCLUSIVE, Rows.READ),
    Act.ADD_KEY_BY_INDEX: _BRIEF,
    Act.DROP_KEY: _BRIEF,
    Act.CREATE_INDEX: _locked("SHARE", Rows.READ),
    Act.CREATE_INDEX_CONCURRENTLY: _locked("SHARE UPDATE EXCLUSIVE", Rows.READ, apart=True),
    Act.DROP_INDEX: _BRIEF,
    Act.DROP_INDEX_CONCURRENTLY: _locked("SHARE UPDATE EXCLUSIVE", apart=True),
    Act.RENAME_INDEX: Facts(),
    Act.SET_REPLICA_IDENTITY: _BRIEF,
    Act.SET_CLUSTER: _locked("SHARE UPDATE EXCLUSIVE"),
    Act.ADD_CHECK: _BRIEF,
    Act.COMMENT_CHECK: _locked("ACCESS SHARE"),
    Act.VALIDATE_CHECK: _locked("SHARE UPDATE EXCLUSIVE", Rows.READ, apart=True),
    Act.DROP_CONSTRAINT: _BRIEF,
    Act.COMMENT: _locked("SHARE UPDATE EXCLUSIVE"),
    Act.MAKE_FUNCTION: Facts(),
    Act.DROP_FUNCTION: Facts(),
    Act.CREATE_TRIGGER: _locked("SHARE ROW EXCLUSIVE"),
    Act.ENABLE_TRIGGER: _locked("SHARE ROW EXCLUSIVE"),
    Act.DROP_TRIGGER: _BRIEF,
    Act.FILL_COLUMN: _locked("ROW EXCLUSIVE", Rows.WRITTEN, apart=True),
    Act.COMPARE_COLUMNS: _locked("ACCESS SHARE", Rows.READ),
}


def _add_column(alteration: kinds.AddColumn, situation: Situation) -> tuple[Statement, ...]:
    filled = _fills(alteration.now.default, situation.dialect)
    return statements.add_column(alteration, situation, Act.ADD_COLUMN_FILLED if filled else Act.ADD_COLUMN)


def _fills(default: str | None, dialect: Dialect) -> bool:
    """Whether the rows that are there get a value each, so that they are written. Of no function is that denied."""
    if counts(default):
        return way(default) != "computed" or is_stored(default)
    try:
        tree = sqlglot.parse_one(default or "NULL", read=dialect.sqlglot)
    except SqlglotError:
        return True
    return any(not isinstance(call, _ONCE) for call in tree.find_all(exp.Func))


_ONCE = (
    exp.Cast, exp.Array, exp.Case, exp.If, exp.Coalesce, exp.And, exp.Or,
    exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Localtimestamp, exp.CurrentUser,
)  # fmt: skip
"""What is the same for all rows of a statement."""


def _alter_type(alteration: kinds.AlterType, situation: Situation) -> tuple[Statement, ...]:
    """Under the column's old name: it is renamed afterwards."""
    was, now = alteration.was, replace(alteration.now, name=alteration.was.name)
    if keeps_bytes(was.type, now.type):
        return _retyped(was, now, "", situation)
    if wants_shadow(was, situation):
        return shadow(was, now, situation)
    found = retype(was, now, situation)
    changed = _retyped(was, now, f" USING {found.value}", situation)
    return (_alone_with(situation), *changed) if found.misfit else changed


def _retyped(was: Column, now: Column, using: str, situation: Situation) -> tuple[Statement, ...]:
    """A default is an expression of the old type, which may have no cast to the new one: it is off meanwhile.

    A counter stays on: it is no wish of the specs, and its numbers fit every type that the column may get.
    """
    name, kind, typed = ident(now.name), spell(now.type, situation.dialect), f"change the type of {now.name}"
    carried = was.carried if now.type.kind in _CARRYING else ()
    collation = "".join(f" {words}" for words in carried if words.startswith("COLLATE") and now.type.kind is Kind.TEXT)
    act = Act.ALTER_TYPE if using else Act.ALTER_TYPE_KEEPING_BYTES
    steps = [(act, f"TYPE {kind}{collation}{using}", typed)]
    kept = [words for words in carried if not words.startswith("COLLATE")]
    steps += [(Act.SET_STORAGE, f"SET {words}", "as it was kept before") for words in kept]
    if was.default is not None and not counts(was.default):
        steps.insert(0, (Act.DROP_DEFAULT, "DROP DEFAULT", "take the default off"))
        put = (Act.SET_DEFAULT, f"SET DEFAULT {now.default}", "put the default on")
        steps += [put] if now.default is not None else []
    actions = [(act, alter(situation, f"ALTER COLUMN {name} {action}"), purpose) for act, action, purpose in steps]
    if counter := _too_short_counter(was, now):
        widened = f"ALTER SEQUENCE {counter} AS {kind}"
        actions.append((Act.WIDEN_COUNTER, widened, f"let the counter of {now.name} count as far"))
    return tuple(statement(*action, situation.dialect) for action in actions)


def _too_short_counter(was: Column, now: Column) -> str | None:
    """The sequence that was made with the column and ends where its old type does; others may be anybody's."""
    found = _COUNTER.fullmatch(was.default or "")
    name = found[1].replace("''", "'") if found else ""
    kinds = was.type.kind, now.type.kind
    widens = all(kind in _COUNTED for kind in kinds) and _COUNTED.index(kinds[0]) < _COUNTED.index(kinds[1])
    return name if widens and f"sequence {name}" in was.beyond else None


_CARRYING = (Kind.TEXT, Kind.BINARY, Kind.JSON, Kind.ARRAY)
"""Types of any length, for which a way to store them can be chosen; texts have a collation too."""
_COUNTER = re.compile(r"nextval\('(.+)'::regclass\)")
_COUNTED = (Kind.INT16, Kind.INT32, Kind.INT64)
"""Types that a sequence has too, in the order of their width."""


def _alone_with(situation: Situation) -> Statement:
    lock = f"LOCK TABLE {table(situation.live.name)} IN ACCESS EXCLUSIVE MODE"
    purpose = "let nobody write while the values are looked at"
    return replace(statement(Act.LOCK_TABLE, lock, purpose, situation.dialect), recheck=True)


def keeps_bytes(old: DataType, new: DataType) -> bool:
    """Whether PostgreSQL changes the type without writing the table anew: the stored bytes mean the same."""
    if old.kind is Kind.TEXT and new.kind is Kind.TEXT:
        return new.length is None or (old.length is not None and new.length >= old.length)
    if old.kind is Kind.DECIMAL and new.kind is Kind.DECIMAL:
        same = old.precision is not None and new.precision is not None and (old.scale or 0) == (new.scale or 0)
        return new.precision is None or (same and (new.precision or 0) >= (old.precision or 0))
    return old.kind is new.kind and old.kind in TEMPORAL and new.places >= old.places


def _alter_generation(alteration: kinds.AlterGeneration, situation: Situation) -> tuple[Statement, ...]:
    """A computed column is made anew by versions that cannot give it another expression; a counter counts on."""
    was, now, name = alteration.was.default, alteration.now.default, alteration.name
    if way(was) == way(now) == "computed":
        return _computed_anew(alteration.was, alteration.now, situation)
    if now is None:
        action = "DROP EXPRESSION" if way(was) == "computed" else "DROP IDENTITY"
    else:
        action = f"SET {now.upper().partition(' AS IDENTITY')[0]}" if was else f"ADD {now}"
    sql = alter(situation, f"ALTER COLUMN {ident(name)} {action}")
    altered = one(Act.ALTER_GENERATION, situation, sql, f"alter {name}")
    return altered if was else (*altered, *_counted_on(alteration.now, situation))


def _computed_anew(was: Column, now: Column, situation: Situation) -> tuple[Statement, ...]:
    purpose = f"compute {now.name} anew"
    if situation.live.recomputes and is_stored(was.default) == is_stored(now.default):
        action = f"ALTER COLUMN {ident(now.name)} SET EXPRESSION AS ({expression(now.default)})"
        return one(Act.COMPUTE_ANEW, situation, alter(situation, action), purpose)
    added = column_definition(replace(now, own=was.own, nullable=True), situation.dialect)
    action = f"DROP COLUMN {ident(now.name)}, ADD COLUMN {added}"
    made = one(Act.COMPUTE_ANEW, situation, alter(situation, action), purpose)
    comment = was.comment if now.comment is None else None
    kept = kinds.CommentColumn(was, now, comment)
    return (*made, *(statements.comment_column(kept, situation) if comment else ()))


def _counted_on(column: Column, situation: Situation) -> tuple[Statement, ...]:
    """The numbers that are there are taken."""
    name, held = text(column.name, situation.dialect), ident(column.name)
    found = table(situation.live.name)
    last = f"SELECT greatest(max({held}), 0) + 1 FROM {found}"
    counter = f"pg_get_serial_sequence({text(found, situation.dialect)}, {name})"
    return one(Act.COUNT_ON, situation, f"SELECT setval({counter}, ({last}), false)", f"count on in {column.name}")


def _tells(alteration: Alteration, situation: Situation) -> tuple[str, ...]:
    """What goes with a column, what changes with it, and what a change of type costs others on a large table."""
    heirs = has_heirs(situation.live) and isinstance(alteration, kinds.ColumnAlteration)
    return (*((_WITH_HEIRS,) if heirs else ()), *_tells_of_part(alteration, situation))


_WITH_HEIRS = "tables that inherit from it change with it: declare them so too, once this is applied"


def _tells_of_part(alteration: Alteration, situation: Situation) -> tuple[str, ...]:
    match alteration:
        case kinds.DropIndex():
            return tells_of_index(alteration)
        case kinds.DropColumn(was) if was.beyond:
            return (f"what hangs on it goes too, or keeps it from going: {', '.join(was.beyond)}",)
        case kinds.AlterType(was, now):
            return _tells_of_type(was, now, situation)
    return ()


def _tells_of_type(was: Column, now: Column, situation: Situation) -> tuple[str, ...]:
    if not is_large(situation) or keeps_bytes(was.type, now.type):
        return ()
    if found := borne(was, situation):
        why = f"a second column, filled beside them, would not do: {', '.join(found)}"
        return (f"readers and writers wait while the table is written anew; {why}",)
    return (
        "readers and writers wait while all rows are read and compared once more",
        f"`{now.name}` becomes the last column: name columns in INSERT and COPY, while the change runs too",
    )


def _drop_table(live: Table, dialect: Dialect) -> tuple[Statement, ...]:
    """A function that an apply left does not go with the table whose trigger it was."""
    left = (f"DROP FUNCTION {entry.name}" for entry in live.leftovers if entry.kind == "function")
    cleared = (statement(Act.DROP_FUNCTION, sql, "clear away what an apply left", dialect) for sql in left)
    return (*statements.drop_table(live, dialect), *cleared)


def _statements(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    if isinstance(alteration, kinds.ColumnAlteration):
        return _of_column(alteration, situation)
    match alteration:
        case kinds.AddKey(key):
            return add_key(key, situation)
        case kinds.DropKey():
            return drop_key(situation)
        case kinds.CreateIndex(index, temporary):
            return (make_index(replace(index, name=temporary or index.name), situation),)
        case kinds.DropIndex():
            return drop_index(alteration, situation)
        case kinds.RenameIndex():
            return statements.rename_index(alteration, situation)
        case kinds.CommentTable():
            return statements.comment_table(alteration, situation)
        case kinds.DropLeftovers():
            return drop_leftovers(situation)
        case kinds.AlterPartitions():
            raise AssertionError(alteration)
    assert_never(alteration)


def _of_column(alteration: kinds.ColumnAlteration, situation: Situation) -> tuple[Statement, ...]:
    match alteration:
        case kinds.AddColumn():
            return _add_column(alteration, situation)
        case kinds.DropColumn():
            return statements.drop_column(alteration, situation)
        case kinds.RenameColumn():
            return statements.rename_column(alteration, situation)
        case kinds.AlterType():
            return _alter_type(alteration, situation)
        case kinds.SetDefault():
            return statements.set_default(alteration, situation)
        case kinds.DropDefault():
            return statements.drop_default(alteration, situation)
        case kinds.SetNotNull():
            return require(alteration.name, situation)
        case kinds.DropNotNull():
            return statements.drop_not_null(alteration, situation)
        case kinds.AlterGeneration():
            return _alter_generation(alteration, situation)
        case kinds.CommentColumn():
            return statements.comment_column(alteration, situation)
    assert_never(alteration)


ENGINE = Engine(
    _statements,
    drop=_drop_table,
    refuses=refuses,
    keeps=keeps,
    tells=_tells,
    limits=(
        "SET lock_timeout = {lock_ms}",
        "SET statement_timeout = {statement_ms}",
        # What is counted under a lock must see all that was written before it, and no policy may hide a row.
        "SET default_transaction_isolation = 'read committed'",
        "SET row_security = off",
    ),
)


_ACTS = {
    "trigger": Act.DROP_TRIGGER,
    "function": Act.DROP_FUNCTION,
    "constraint": Act.DROP_CONSTRAINT,
    "column": Act.DROP_COLUMN,
}
"""By kind of what is left, in the order in which it goes: each may hang on the ones after it."""


def drop_leftovers(situation: Situation) -> tuple[Statement, ...]:
    """Drops what an apply that did not end has left in a table, whatever the specs say by now."""
    left = sorted(situation.live.leftovers, key=lambda entry: list(_ACTS).index(entry.kind))
    return tuple(statement(_ACTS[e.kind], _sql(e, situation), f"drop {e.name}", situation.dialect) for e in left)


def _sql(entry: Leftover, situation: Situation) -> str:
    if entry.kind == "function":
        return f"DROP FUNCTION {entry.name}"
    if entry.kind == "trigger":
        return f"DROP TRIGGER {ident(entry.name)} ON {table(situation.live.name)}"
    return alter(situation, f"DROP {entry.kind.upper()} {ident(entry.name)}")
