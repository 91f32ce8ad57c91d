"""MySQL and MariaDB: one ALTER TABLE for all that changes in a table, so that a crash finds it whole, before or after.

Every statement of DDL commits by itself. What changes a column's type, nullability or comment writes its whole
definition anew; what flowc's definition would not say (ON UPDATE, an enum's values) keeps it from being changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from flowc.catalog import Column, counts
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.facts import Act, Facts
from flowc.compiler.migrate.retype import retype
from flowc.compiler.migrate.statements import Engine, alter, is_constant
from flowc.compiler.migrate.zones import needs_zone
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.systems.mysql.refusals import held, keeps
from flowc.compiler.tables.ddl import column_definition, index_clause
from flowc.compiler.tables.difference import known_default
from flowc.compiler.tables.made import way
from flowc.migration import Rows, Statement
from flowc.types import DataType, Kind

_MOMENT = "readers and writers wait for a moment (metadata lock)"
_COPY = "writers wait (ALGORITHM=COPY), readers for a moment (metadata lock)"
_TABLES = "readers and writers wait (LOCK TABLES … WRITE)"
_STRENGTH = (None, _MOMENT, _COPY, _TABLES)
"""Locks, the weakest first. Most changes of a type copy the table, which only readers outlive."""
_ALTERED = Facts(_MOMENT, apart=True)
_COPIED = Facts(_MOMENT, Rows.WRITTEN, apart=True)
FACTS: Mapping[Act, Facts] = {
    Act.MAKE_SCHEMA: Facts(apart=True),
    Act.MAKE_TABLE: Facts(apart=True),
    Act.DROP_TABLE: _ALTERED,
    Act.LOCK_TABLE: Facts(_TABLES, apart=True),
    Act.ADD_COLUMN: _ALTERED,
    Act.DROP_COLUMN: _ALTERED,
    Act.RENAME_COLUMN: _ALTERED,
    Act.ALTER_TYPE: Facts(_COPY, Rows.WRITTEN, apart=True),
    Act.SET_DEFAULT: _ALTERED,
    Act.DROP_DEFAULT: _ALTERED,
    Act.SET_NOT_NULL: _COPIED,
    Act.DROP_NOT_NULL: _COPIED,
    Act.ALTER_GENERATION: Facts(_COPY, Rows.WRITTEN, apart=True),
    Act.ADD_KEY: _COPIED,
    Act.DROP_KEY: _COPIED,
    Act.CREATE_INDEX: Facts(_MOMENT, Rows.READ, apart=True),
    Act.DROP_INDEX: _ALTERED,
    Act.COMMENT: _ALTERED,
}


def _combined(acts: Collection[Act], sql: str, purpose: str) -> Statement:
    """One statement that does several acts. It takes the strongest of their locks."""
    facts = [FACTS[act] for act in acts]
    lock = max((fact.lock for fact in facts), key=_STRENGTH.index)
    return Statement(sql, purpose, False, lock, max((fact.rows for fact in facts), key=list(Rows).index))


_ANEW = (kinds.AlterType, kinds.SetNotNull, kinds.DropNotNull, kinds.AlterGeneration, kinds.CommentColumn)
"""What writes a column's definition anew."""
_COUNTER = "AUTO_INCREMENT"


def _combine(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[Statement, ...]:
    clauses = [*_columns(situation, alterations), *_others(situation, alterations)]
    guarded = any(_silent(alteration, situation) for alteration in alterations)
    acts = {_act(alteration) for alteration in alterations} | ({Act.LOCK_TABLE} if guarded else set())
    sql, name = alter(situation, ",\n  ".join(clauses)), table(situation.live.name)
    made = _combined(acts, sql, f"alter {situation.live.name}")
    guard = (f"LOCK TABLES {name} WRITE", "UNLOCK TABLES") if guarded else None
    return (replace(made, guard=guard, session=_session(situation, alterations)),)


def _session(situation: Situation, alterations: Sequence[Alteration]) -> tuple[str, str] | None:
    """The engine converts between DATETIME and TIMESTAMP in the time zone of the session."""
    changes = (a for a in alterations if isinstance(a, kinds.AlterType))
    zone = next(filter(None, (retype(a.was, a.now, situation).zone for a in changes)), "UTC")
    if zone == "UTC":
        return None
    there, back = (text(situation.dialect.literals.zone(name), situation.dialect) for name in (zone, "UTC"))
    return f"SET time_zone = {there}", f"SET time_zone = {back}"


def _act(alteration: Alteration) -> Act:
    """All others are called what their acts are."""
    match alteration:
        case kinds.CommentColumn() | kinds.CommentTable():
            return Act.COMMENT
        case kinds.RenameIndex() | kinds.AlterPartitions() | kinds.DropLeftovers():
            raise AssertionError(alteration)
    return Act[alteration.kind.upper()]


def _silent(alteration: Alteration, situation: Situation) -> bool:
    """Whether the engine would change or make up values without a word, were rows to come after the precheck."""
    match alteration:
        case kinds.AlterType(was, now):
            return retype(was, now, situation).misfit is not None
        case kinds.AlterGeneration(_, now):
            return way(now.default) == "numbered"
        case kinds.AddColumn(now):
            return not now.nullable and now.default is None
    return False


def _columns(situation: Situation, alterations: Sequence[Alteration]) -> Iterator[str]:
    """The clauses of the columns that stay, each column once."""
    changed: dict[str, set[type]] = {}
    for alteration in alterations:
        if isinstance(alteration, kinds.ColumnChange | kinds.CommentColumn) and alteration.was is not None:
            changed.setdefault(alteration.was.name, set()).add(type(alteration))
    for name, found in changed.items():
        was, now = situation.live.column(name), situation.wanted.column(situation.new_name(name))
        assert was is not None, name
        assert now is not None, name
        yield from _column(was, now, found, situation)


def _column(was: Column, now: Column, changed: set[type], situation: Situation) -> Iterator[str]:
    if changed.intersection(_ANEW):
        verb = f"CHANGE COLUMN {ident(was.name)}" if was.name != now.name else "MODIFY COLUMN"
        yield f"{verb} {_definition(was, now, changed, situation)}"
        return
    if kinds.RenameColumn in changed:
        yield f"RENAME COLUMN {ident(was.name)} TO {ident(now.name)}"
    # A clause names the column as it is before the statement.
    if kinds.SetDefault in changed:
        yield f"ALTER COLUMN {ident(was.name)} SET DEFAULT ({situation.dialect.literals.author(now.default or '')})"
    if kinds.DropDefault in changed:
        yield f"ALTER COLUMN {ident(was.name)} DROP DEFAULT"


def _definition(was: Column, now: Column, changed: set[type], situation: Situation) -> str:
    """The column as it will be: what no alteration is about stays as it is."""
    nullable = kinds.DropNotNull in changed or (was.nullable and kinds.SetNotNull not in changed)
    filled = bool(changed.intersection((kinds.SetDefault, kinds.DropDefault, kinds.AlterGeneration)))
    # A default of the old type may be another text in the new one: 0.00 for 0.
    filled |= kinds.AlterType in changed and now.default is not None and not counts(was.default)
    default = now.default if filled else was.default
    comment = now.comment if now.comment is not None else was.comment
    counter = (default or "").upper() == _COUNTER
    spelled = None if kinds.AlterType in changed else was.spelled
    made = Column(now.name, now.type, nullable, None if counter else default, comment, spelled=spelled)
    key = now.name in situation.wanted.primary_key
    written = column_definition(replace(made, nullable=False) if key else made, situation.dialect)
    return f"{written} {_COUNTER}" if counter else written


def _others(situation: Situation, alterations: Sequence[Alteration]) -> Iterator[str]:
    """The clauses of everything else."""
    dialect = situation.dialect
    for alteration in alterations:
        match alteration:
            case kinds.AddColumn(now):
                required = replace(now, nullable=False) if now.name in situation.wanted.primary_key else now
                yield f"ADD COLUMN {column_definition(required, dialect)}"
            case kinds.DropColumn(was):
                yield f"DROP COLUMN {ident(was.name)}"
            case kinds.AddKey(key):
                yield f"ADD PRIMARY KEY ({idents(key)})"
            case kinds.DropKey():
                yield "DROP PRIMARY KEY"
            case kinds.CreateIndex(index):
                yield f"ADD {index_clause(situation.wanted, index, dialect)}"
            case kinds.DropIndex(index):
                yield f"DROP INDEX {ident(index.name or '')}"
            case kinds.CommentTable(comment):
                yield f"COMMENT = {text(comment, dialect)}"
            case kinds.ColumnChange() | kinds.CommentColumn():
                pass
            case kinds.RenameIndex() | kinds.AlterPartitions() | kinds.DropLeftovers():
                raise AssertionError(alteration)
            case _:
                assert_never(alteration)


def _refuses(alteration: Alteration, situation: Situation) -> str | None:
    """A definition that is written anew must say all that the old one said."""
    if words_of := held(alteration, situation):
        return words_of
    if not isinstance(alteration, _ANEW) or alteration.was is None:
        return None
    was, now = alteration.was, alteration.now
    if isinstance(alteration, kinds.AlterType) and (words_of := _converted_otherwise(was, now)):
        return words_of
    if isinstance(alteration, kinds.AlterType) and (words_of := _unlike_zones(alteration, situation)):
        return words_of
    computed = way(was.default) == "computed" and not isinstance(alteration, kinds.AlterGeneration)
    generated = ("a generated value",) if computed else ()
    lost = (*was.beyond, *generated)
    return f"the column's definition would lose {', '.join(lost)}: change it by hand" if lost else None


def _converted_otherwise(was: Column, now: Column) -> str | None:
    """Why the engine's own conversion, which is all that its ALTER TABLE does, would not do."""
    kinds_of = was.type.kind, now.type.kind
    mend = "add a column, fill it, and drop the old one"
    if kinds_of == (Kind.BOOL, Kind.TEXT):
        return f"the engine would write 1 and 0 for true and false: {mend}"
    if (was.own or "").startswith("float(") and now.type.kind is Kind.TEXT:
        return f"the engine would write six digits of the numbers: {mend}"
    if kinds_of == (Kind.TEXT, Kind.TIMESTAMPTZ):
        return f"the engine would not read the offset from UTC in a text: {mend}"
    return None


def _unlike_zones(alteration: kinds.AlterType, situation: Situation) -> str | None:
    """What the one statement would read in the time zone of the change, though it is of another."""
    zone = retype(alteration.was, alteration.now, situation).zone
    if zone is None or zone == "UTC":
        return None
    wanted = [(situation.live.column(situation.old_name(now.name)), now) for now in situation.wanted.columns]
    others = {retype(was, now, situation).zone for was, now in wanted if was and _reads_clock(was.type, now.type)}
    if others != {zone}:
        return "the engine converts in one time zone at a time: change the columns one after the other"
    columns = (*situation.live.columns, *situation.wanted.columns)
    affected = [c.name for c in columns if way(c.default) == "computed" or _is_instant(c, situation)]
    affected += [now.name for was, now in wanted if was is None and not is_constant(now.default or "NULL")]
    words = f"the engine would read {', '.join(dict.fromkeys(affected))} in {zone}, too: take away what is computed"
    return (
        f"{words}, and defaults that are instants or clocks, or add a column, fill it, and drop the old one"
        if affected
        else None
    )


def _reads_clock(old: DataType, new: DataType) -> bool:
    """Whether the engine converts the instants of a column by the time zone of the session: to texts too."""
    same = old.kind is new.kind and old.places == new.places
    return needs_zone(old, new) or (Kind.TIMESTAMPTZ in (old.kind, new.kind) and not same)


def _is_instant(column: Column, situation: Situation) -> bool:
    """Whether the default is a written instant."""
    form = known_default(column.default, column, situation.dialect) or ""
    return column.type.kind is Kind.TIMESTAMPTZ and form.startswith("literal ")


ENGINE = Engine(
    combine=_combine,
    refuses=_refuses,
    keeps=keeps,
    limits=(
        "SET SESSION lock_wait_timeout = {lock_s}, innodb_lock_wait_timeout = {lock_s}"
        "/*M! , max_statement_time = {statement_s} */",
        # A table may hold dates such as 0000-00-00; a statement that writes it anew must leave them as they are.
        "SET SESSION sql_mode = replace(replace(@@sql_mode, 'NO_ZERO_IN_DATE', ''), 'NO_ZERO_DATE', '')",
    ),
)
