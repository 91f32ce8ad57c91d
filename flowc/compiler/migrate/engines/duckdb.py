"""DuckDB: most of ALTER TABLE, but nothing that an index or a key depends on."""

from __future__ import annotations

from flowc.compiler.migrate import words
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.facts import Act
from flowc.compiler.migrate.rebuild import rebuild
from flowc.compiler.migrate.retype import retype
from flowc.compiler.migrate.words import Engine, Words, alter, is_constant, one
from flowc.compiler.quote import ident
from flowc.compiler.tables.ddl import spell
from flowc.migration import Statement


def _free(found: Words) -> Words:
    """Words that hold only while no index is on the table and the column is in no key."""

    def free(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
        was = alteration.was.name if alteration.was else None
        if situation.live.indexes or was in situation.live.primary_key:
            return None
        return found(alteration, situation)

    return free


def _add_column(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    column = alteration.column
    if column.nullable:
        return words.add_column(alteration, situation)
    # A NOT NULL column cannot join a table in place, whatever it holds, unless a constant fills it.
    filled = column.default is not None and is_constant(column.default)
    return _free(words.add_column)(alteration, situation) if filled else None


def _drop_column(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    """Indexes are made before columns go, and then hold on to the table."""
    return None if situation.wanted.indexes else _free(words.drop_column)(alteration, situation)


def _alter_type(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    assert alteration.was is not None
    was, now = alteration.was, alteration.column
    if was.default is not None:
        return None
    kind, value = spell(now.type, situation.dialect), retype(was, now, situation).value
    action = f"ALTER COLUMN {ident(was.name)} SET DATA TYPE {kind} USING {value}"
    return one(Act.ALTER_TYPE, situation, alter(situation, action), f"change the type of {was.name}")


def _loses(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[str, ...]:
    """Indexes by expression of columns that go by another name then."""
    renamed = [a.was.name for a in alterations if a.kind == "rename_column" and a.was]
    held = [index for index in situation.live.indexes if index.beyond and any(map(index.names, renamed))]
    return tuple(f"index {index.name}" for index in held)


DUCKDB = Engine(
    {
        "add_column": _add_column,
        "drop_column": _drop_column,
        "rename_column": _free(words.rename_column),
        "alter_type": _free(_alter_type),
        "set_default": words.set_default,
        "drop_default": words.drop_default,
        "set_not_null": _free(words.set_not_null),
        "drop_not_null": _free(words.drop_not_null),
        "create_index": words.make_index,
        "drop_index": words.drop_index,
        "comment_table": words.comment_table,
        "comment_column": words.comment_column,
    },
    rebuild=rebuild,
    loses=_loses,
)
