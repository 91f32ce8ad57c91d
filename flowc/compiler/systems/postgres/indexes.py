"""PostgreSQL's indexes and primary keys: built concurrently, and in place before what they replace goes.

The roles of an index (the replica identity, CLUSTER) move to its successor before it is dropped: a published table
without a replica identity refuses every UPDATE and DELETE.
"""

from __future__ import annotations

from dataclasses import replace

from flowc.catalog import CLUSTER, REPLICA_IDENTITY, Index
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate import statements
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.migrate.facts import Act, statement
from flowc.compiler.migrate.indexes import key_index
from flowc.compiler.migrate.refusals import retyped
from flowc.compiler.migrate.statements import alter, index_in_schema, one
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.systems.postgres.require import require
from flowc.compiler.tables.ddl import create_index, index_name, made_name
from flowc.migration import Statement


def make_index(index: Index, situation: Situation) -> Statement:
    """Builds an index beside writers, where the table lets it."""
    sql = create_index(situation.live.name, index, situation.dialect)
    purpose = f"index {', '.join(index.columns)}"
    if not situation.live.plain:
        # Indexes of partitioned tables cannot be built concurrently.
        return statement(Act.CREATE_INDEX, sql, purpose, situation.dialect)
    concurrently = sql.replace("INDEX ", "INDEX CONCURRENTLY ", 1)
    made = statement(Act.CREATE_INDEX_CONCURRENTLY, concurrently, purpose, situation.dialect)
    return replace(made, undo=_unfinished(index, situation))


def _unfinished(index: Index, situation: Situation) -> tuple[str, str]:
    """Whether an attempt left the index invalid, and what drops it then."""
    live, dialect = situation.live.name, situation.dialect
    name = table(replace(live, name=index.name or index_name(live, index.columns)))
    there = (
        f"SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass({text(name, dialect)}) "
        f"AND indrelid = {text(table(live), dialect)}::regclass AND NOT indisvalid"
    )
    return there, f"DROP INDEX CONCURRENTLY {name}"


def drop_index(alteration: kinds.DropIndex, situation: Situation) -> tuple[Statement, ...]:
    """Gives the roles of an index to its successor, and drops it."""
    index, successor = alteration.index, alteration.successor
    moved = _moved(index.marks, successor.name or "", situation) if successor is not None else ()
    if index.constraint:
        drop = alter(situation, f"DROP CONSTRAINT {ident(index.name or '')}")
        return *moved, *one(Act.DROP_CONSTRAINT, situation, drop, f"drop the constraint {index.name}")
    if not situation.live.plain:
        return *moved, *(statements.drop_index(alteration, situation) or ())
    sql = f"DROP INDEX CONCURRENTLY {index_in_schema(index, situation)}"
    return *moved, *one(Act.DROP_INDEX_CONCURRENTLY, situation, sql, f"drop index {index.name}")


def _moved(marks: tuple[str, ...], name: str, situation: Situation) -> tuple[Statement, ...]:
    actions = {
        REPLICA_IDENTITY: (Act.SET_REPLICA_IDENTITY, f"REPLICA IDENTITY USING INDEX {ident(name)}"),
        CLUSTER: (Act.SET_CLUSTER, f"CLUSTER ON {ident(name)}"),
    }
    return tuple(
        statement(act, alter(situation, action), f"{mark} is the role of {name} from now on", situation.dialect)
        for mark, (act, action) in actions.items()
        if mark in marks
    )


def tells_of_index(alteration: kinds.DropIndex) -> tuple[str, ...]:
    """What changes for others with an index that goes."""
    index, successor = alteration.index, alteration.successor
    found: tuple[str, ...] = ()
    if successor is not None and REPLICA_IDENTITY in index.marks:
        found += (f"replication identifies rows by ({', '.join(successor.columns)}) from then on",)
    if successor is None and CLUSTER in index.marks:
        found += ("CLUSTER has no index for this table from then on: name one with ALTER TABLE … CLUSTER ON",)
    if index.constraint:
        found += (f"it is the constraint `{index.name}`, which ON CONFLICT ON CONSTRAINT cannot name from then on",)
    return found


def add_key(key: tuple[str, ...], situation: Situation) -> tuple[Statement, ...]:
    """Makes the columns the primary key; the statement that does so drops the old key, where it stays until then."""
    live, name = situation.live, ident(key_name(situation))
    old = f"DROP CONSTRAINT {ident(live.key_name or key_name(situation))}, " if _replaces_key(situation) else ""
    if not live.plain:
        return one(
            Act.ADD_KEY, situation, alter(situation, f"{old}ADD PRIMARY KEY ({idents(key)})"), "add the primary key"
        )
    index = Index(key, unique=True, name=key_index(live.name))
    built = [i for i in (replace(index, name=key_name(situation)), index) if i in situation.renamed_live.indexes]
    build = () if built else (make_index(index, situation),)
    used = ident((built or [index])[0].name or "")
    use = alter(situation, f"{old}ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {used}")
    return (
        *(required for column in key if _may_be_null(column, situation) for required in require(column, situation)),
        *build,
        *one(Act.ADD_KEY_BY_INDEX, situation, use, "make it the primary key"),
        *(_moved(live.key_marks, key_name(situation), situation) if old else ()),
    )


def key_name(situation: Situation) -> str:
    """The name of the primary key that flowc adds to a table that is there."""
    return made_name(situation.live.name.name, "_pkey")


def _may_be_null(column: str, situation: Situation) -> bool:
    live = situation.renamed_live.column(column)
    return live is not None and live.nullable


def _replaces_key(situation: Situation) -> bool:
    """Whether one statement drops the old primary key and adds the new one."""
    key = situation.live.primary_key
    return bool(key and situation.wanted.primary_key) and not retyped(key, situation)


def drop_key(situation: Situation) -> tuple[Statement, ...]:
    """Drops the primary key, unless the statement that adds the new one does."""
    if _replaces_key(situation):
        return ()
    name = situation.live.key_name or key_name(situation)
    return one(Act.DROP_KEY, situation, alter(situation, f"DROP CONSTRAINT {ident(name)}"), "drop the primary key")
