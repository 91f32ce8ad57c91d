"""MySQL and MariaDB: one ALTER TABLE for all that changes in a table, so that a crash finds it whole, before or after.

Every statement of DDL commits by itself. What changes a column's type, nullability or comment writes its whole
definition anew; what flowc's definition would not say (ON UPDATE, an enum's values) keeps it from being changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from flowc.catalog import Column
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.engines.mysql_refusals import held, keeps
from flowc.compiler.migrate.facts import Act, combined
from flowc.compiler.migrate.retype import retype
from flowc.compiler.migrate.words import Engine, alter
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import column_definition, index_clause
from flowc.compiler.tables.made import way
from flowc.migration import Statement
from flowc.types import Kind

_ANEW = ("alter_type", "set_not_null", "drop_not_null", "alter_generation", "comment_column")
"""What writes a column's definition anew."""
_COUNTER = "AUTO_INCREMENT"


def _combine(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[Statement, ...]:
    clauses = [*_columns(situation, alterations), *_others(situation, alterations)]
    guarded = any(_silent(alteration, situation) for alteration in alterations)
    acts = {_ACTS[alteration.kind] for alteration in alterations} | ({Act.LOCK_TABLE} if guarded else set())
    sql, name = alter(situation, ",\n  ".join(clauses)), table(situation.live.name)
    made = combined(acts, sql, f"alter {situation.live.name}", situation.dialect)
    return (replace(made, guard=(f"LOCK TABLES {name} WRITE", "UNLOCK TABLES") if guarded else None),)


_ACTS = {
    "add_column": Act.ADD_COLUMN,
    "drop_column": Act.DROP_COLUMN,
    "rename_column": Act.RENAME_COLUMN,
    "alter_type": Act.ALTER_TYPE,
    "set_default": Act.SET_DEFAULT,
    "drop_default": Act.DROP_DEFAULT,
    "set_not_null": Act.SET_NOT_NULL,
    "drop_not_null": Act.DROP_NOT_NULL,
    "alter_generation": Act.ALTER_GENERATION,
    "add_key": Act.ADD_KEY,
    "drop_key": Act.DROP_KEY,
    "create_index": Act.CREATE_INDEX,
    "drop_index": Act.DROP_INDEX,
    "comment_column": Act.COMMENT,
    "comment_table": Act.COMMENT,
}


def _silent(alteration: Alteration, situation: Situation) -> bool:
    """Whether the engine would change or make up values without a word, were rows to come after the precheck."""
    if alteration.kind == "alter_type":
        assert alteration.was is not None
        return retype(alteration.was, alteration.column, situation).misfit is not None
    if alteration.kind == "alter_generation":
        return way(alteration.column.default) == "numbered"
    column = alteration.now
    return alteration.kind == "add_column" and column is not None and not column.nullable and column.default is None


def _columns(situation: Situation, alterations: Sequence[Alteration]) -> Iterator[str]:
    """The clauses of the columns that stay, each column once."""
    kinds: dict[str, set[str]] = {}
    for alteration in alterations:
        if alteration.was is not None and alteration.now is not None:
            kinds.setdefault(alteration.was.name, set()).add(alteration.kind)
    for name, found in kinds.items():
        was, now = situation.live.column(name), situation.wanted.column(situation.new_name(name))
        assert was is not None, name
        assert now is not None, name
        yield from _column(was, now, found, situation)


def _column(was: Column, now: Column, kinds: set[str], situation: Situation) -> Iterator[str]:
    if kinds.intersection(_ANEW):
        verb = f"CHANGE COLUMN {ident(was.name)}" if was.name != now.name else "MODIFY COLUMN"
        yield f"{verb} {_definition(was, now, kinds, situation)}"
        return
    if "rename_column" in kinds:
        yield f"RENAME COLUMN {ident(was.name)} TO {ident(now.name)}"
    # A clause names the column as it is before the statement.
    if "set_default" in kinds:
        yield f"ALTER COLUMN {ident(was.name)} SET DEFAULT ({situation.dialect.author(now.default or '')})"
    if "drop_default" in kinds:
        yield f"ALTER COLUMN {ident(was.name)} DROP DEFAULT"


def _definition(was: Column, now: Column, kinds: set[str], situation: Situation) -> str:
    """The column as it will be: what no alteration is about stays as it is."""
    nullable = "drop_not_null" in kinds or (was.nullable and "set_not_null" not in kinds)
    changed = bool(kinds.intersection(("set_default", "drop_default", "alter_generation")))
    default = now.default if changed else was.default
    comment = now.comment if now.comment is not None else was.comment
    counter = (default or "").upper() == _COUNTER
    spelled = None if "alter_type" in kinds else was.spelled
    made = Column(now.name, now.type, nullable, None if counter else default, comment, spelled=spelled)
    key = now.name in situation.wanted.primary_key
    written = column_definition(replace(made, nullable=False) if key else made, situation.dialect)
    return f"{written} {_COUNTER}" if counter else written


def _others(situation: Situation, alterations: Sequence[Alteration]) -> Iterator[str]:
    for alteration in alterations:
        if alteration.kind in _CLAUSES:
            yield _CLAUSES[alteration.kind](alteration, situation)


def _add_column(alteration: Alteration, situation: Situation) -> str:
    column = alteration.column
    required = replace(column, nullable=False) if column.name in situation.wanted.primary_key else column
    return f"ADD COLUMN {column_definition(required, situation.dialect)}"


def _add_index(alteration: Alteration, situation: Situation) -> str:
    assert alteration.index is not None
    return f"ADD {index_clause(situation.wanted, alteration.index, situation.dialect)}"


def _drop_index(alteration: Alteration, _: Situation) -> str:
    assert alteration.index is not None
    return f"DROP INDEX {ident(alteration.index.name or '')}"


_CLAUSES: Mapping[str, Callable[[Alteration, Situation], str]] = {
    "add_column": _add_column,
    "drop_column": lambda alteration, _: f"DROP COLUMN {ident(alteration.column.name)}",
    "add_key": lambda alteration, _: f"ADD PRIMARY KEY ({idents(alteration.key)})",
    "drop_key": lambda _, __: "DROP PRIMARY KEY",
    "create_index": _add_index,
    "drop_index": _drop_index,
    "comment_table": lambda a, situation: f"COMMENT = {text(a.comment or '', situation.dialect)}",
}


def _refuses(alteration: Alteration, situation: Situation) -> str | None:
    """A definition that is written anew must say all that the old one said."""
    was = alteration.was
    if words_of := held(alteration, situation):
        return words_of
    if alteration.kind not in _ANEW or was is None:
        return None
    if alteration.kind == "alter_type" and was.type.kind is Kind.BOOL and alteration.column.type.kind is Kind.TEXT:
        return "the engine would write 1 and 0 for true and false: add a column, fill it, and drop the old one"
    computed = way(was.default) == "computed" and alteration.kind != "alter_generation"
    generated = ("a generated value",) if computed else ()
    lost = (*was.beyond, *generated)
    return f"the column's definition would lose {', '.join(lost)}: change it by hand" if lost else None


MYSQL = Engine(
    {},
    combine=_combine,
    refuses=_refuses,
    keeps=keeps,
    limits=(
        "SET SESSION lock_wait_timeout = {lock_s}, innodb_lock_wait_timeout = {lock_s}"
        "/*M! , max_statement_time = {statement_s} */",
    ),
)
