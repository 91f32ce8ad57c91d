"""What a migration has done so far: which tables are new, which limits are set, what is known of columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flowc.catalog import TableName
from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import Known, plain

Column = tuple[TableName, str]


@dataclass
class History:
    """The state between two statements of one text; `after` moves it on.

    `around` says whether whoever runs the text puts it into a transaction: None where that is not known. `later` are
    the facts of the whole text, for rules that look ahead.
    """

    dialect: str
    around: bool | None = False
    created: set[TableName] = field(default_factory=set)
    later: tuple[f.Fact, ...] = ()
    steps: int = 0
    """How many statements the whole text has, without those that set limits or mark transactions."""
    block: bool = False
    handed_back: bool = False
    """The text has ended the transaction that was around it; one that it begins may be for whoever runs it to end."""
    limits: set[str] = field(default_factory=set)
    local_limits: set[str] = field(default_factory=set)
    reported: set[str] = field(default_factory=set)
    """The codes that are reported once for a text and were."""
    types: dict[Column, f.TypeName] = field(default_factory=dict)
    not_null: set[Column] = field(default_factory=set)
    defaults: set[Column] = field(default_factory=set)
    added: set[Column] = field(default_factory=set)
    written: set[Column] = field(default_factory=set)
    constraints: dict[tuple[TableName, str], f.Constraint] = field(default_factory=dict)
    unvalidated: set[tuple[TableName, str]] = field(default_factory=set)
    """Constraints that were added NOT VALID in the transaction that is open."""
    validated: set[TableName] = field(default_factory=set)
    """Tables of which a constraint was validated that an earlier migration must have added."""
    proved: set[TableName] = field(default_factory=set)
    """Tables with a CHECK that holds for all rows."""
    indexes: dict[str, tuple[TableName, tuple[str, ...]]] = field(default_factory=dict)
    temporary: set[TableName] = field(default_factory=set)
    partitioned: set[TableName] = field(default_factory=set)
    enums: set[TableName] = field(default_factory=set)
    """Types that this migration made."""
    domains: set[str] = field(default_factory=set)
    copied: set[TableName] = field(default_factory=set)
    """Tables whose rows were copied into a new one."""

    @property
    def transaction(self) -> bool | None:
        """Whether a transaction is open; None where that depends on who runs the text."""
        return True if self.block else self.around

    def is_new(self, table: TableName | None) -> bool:
        """Whether a table was created by this migration, so that nobody uses it yet."""
        return table is not None and plain(table) in self.created

    def is_limited(self, name: str) -> bool:
        """Whether a time limit is set."""
        return name in self.limits or name in self.local_limits

    def known(self) -> Known:
        """What `effects` may know."""
        return Known(self.types, self.not_null, self.indexes, self.domains)

    def index_table(self, name: str) -> TableName | None:
        """The table of an index that this migration made."""
        return self.indexes[name][0] if name in self.indexes else None

    def after(self, fact: f.Fact) -> None:
        """Takes in what a fact did."""
        step = _STEPS.get(type(fact))
        if step is not None:
            step(self, fact)


def _create_table(history: History, fact: f.CreateTable) -> None:
    table = plain(fact.table)
    history.created.add(table)
    if fact.temporary:
        history.temporary.add(table)
    if fact.partitioned:
        history.partitioned.add(table)
    for column in fact.columns:
        _column(history, table, column)
    for constraint in fact.constraints:
        _constraint(history, table, constraint)


def _column(history: History, table: TableName, column: f.ColumnDef) -> None:
    key = (table, column.name)
    if column.type is not None:
        history.types[key] = column.type
    required = column.not_null or column.identity
    (history.not_null.add if required else history.not_null.discard)(key)
    if column.default is not None and not column.default.null:
        history.defaults.add(key)


def _constraint(history: History, table: TableName, constraint: f.Constraint) -> None:
    if constraint.name is not None:
        history.constraints[table, constraint.name] = constraint
        if constraint.not_valid:
            history.unvalidated.add((table, constraint.name))
    if not constraint.not_valid:
        _holds(history, table, constraint)


def _holds(history: History, table: TableName, constraint: f.Constraint) -> None:
    """What follows from a constraint that all rows satisfy."""
    if constraint.kind == "check":
        history.proved.add(table)
        history.not_null.update((table, column) for column in constraint.not_null)
    elif constraint.kind in ("primary key", "not null"):
        history.not_null.update((table, column) for column in constraint.columns)


def _add_column(history: History, fact: f.AddColumn) -> None:
    table = plain(fact.table)
    _column(history, table, fact.column)
    history.added.add((table, fact.column.name))


def _drop_column(history: History, fact: f.DropColumn) -> None:
    key = (plain(fact.table), fact.column)
    history.types.pop(key, None)
    for keys in (history.not_null, history.defaults, history.added):
        keys.discard(key)


def _alter_type(history: History, fact: f.AlterType) -> None:
    key = (plain(fact.table), fact.column)
    history.types[key] = fact.type
    if fact.definition is not None:
        (history.not_null.add if fact.definition.not_null else history.not_null.discard)(key)


def _set_not_null(history: History, fact: f.SetNotNull) -> None:
    history.not_null.add((plain(fact.table), fact.column))


def _drop_not_null(history: History, fact: f.DropNotNull) -> None:
    history.not_null.discard((plain(fact.table), fact.column))


def _set_default(history: History, fact: f.SetDefault) -> None:
    key = (plain(fact.table), fact.column)
    (history.defaults.discard if fact.default is None else history.defaults.add)(key)


def _add_constraint(history: History, fact: f.AddConstraint) -> None:
    _constraint(history, plain(fact.table), fact.constraint)


def _validate(history: History, fact: f.ValidateConstraint) -> None:
    key = (plain(fact.table), fact.name)
    history.unvalidated.discard(key)
    if key in history.constraints:
        _holds(history, key[0], history.constraints[key])
    else:
        history.validated.add(key[0])


def _drop_constraint(history: History, fact: f.DropConstraint) -> None:
    if fact.name is None:
        return
    dropped = history.constraints.pop((plain(fact.table), fact.name), None)
    if dropped is not None and dropped.kind == "check":
        history.not_null.difference_update((plain(fact.table), column) for column in dropped.not_null)


def _rename_table(history: History, fact: f.RenameTable) -> None:
    old, new = plain(fact.table), plain(fact.to)
    new = new if new.schema or fact.to.schema else TableName(old.schema, new.name)
    if old in history.created:
        history.created.add(new)
    for key in [key for key in history.types if key[0] == old]:
        history.types[new, key[1]] = history.types.pop(key)
    for columns in (history.not_null, history.defaults, history.added):
        columns.update([(new, name) for table, name in columns if table == old])


def _rename_column(history: History, fact: f.RenameColumn) -> None:
    old, new = (plain(fact.table), fact.column), (plain(fact.table), fact.to)
    if old in history.types:
        history.types[new] = history.types.pop(old)
    for columns in (history.not_null, history.defaults, history.added):
        if old in columns:
            columns.add(new)
            columns.discard(old)


def _create_index(history: History, fact: f.CreateIndex) -> None:
    if fact.name is not None:
        history.indexes[fact.name] = (plain(fact.table), fact.columns)


def _drop(history: History, fact: f.Drop) -> None:
    history.created.discard(plain(fact.name))


def _write(history: History, fact: f.Write) -> None:
    table = plain(fact.table)
    if fact.verb == "update":
        history.written.update((table, column) for column in fact.columns)
    elif fact.verb == "insert" and history.is_new(table):
        history.copied.update(plain(read) for read in fact.reads)


def _begin(history: History, fact: f.Begin) -> None:
    history.block = True


def _commit(history: History, fact: f.Commit) -> None:
    if history.around and not history.block:
        history.around, history.handed_back = False, True
    history.block = False
    history.local_limits.clear()
    history.unvalidated.clear()


def _limit(history: History, fact: f.SetTimeout) -> None:
    limits = history.local_limits if fact.local else history.limits
    (limits.discard if fact.off else limits.add)(fact.name)


def _domain(history: History, fact: f.CreateDomain) -> None:
    if fact.constrained:
        history.domains.add(fact.name.name)


def _other(history: History, fact: f.Other) -> None:
    if fact.name is None:
        return
    if fact.what == "create type":
        history.enums.add(fact.name)
    elif fact.what.startswith("create ") and not fact.if_not_exists:
        history.created.add(plain(fact.name))


_STEPS: dict[type[f.Fact], Callable[[History, Any], None]] = {
    f.CreateTable: _create_table,
    f.AddColumn: _add_column,
    f.DropColumn: _drop_column,
    f.AlterType: _alter_type,
    f.SetNotNull: _set_not_null,
    f.DropNotNull: _drop_not_null,
    f.SetDefault: _set_default,
    f.AddConstraint: _add_constraint,
    f.ValidateConstraint: _validate,
    f.DropConstraint: _drop_constraint,
    f.RenameTable: _rename_table,
    f.RenameColumn: _rename_column,
    f.CreateIndex: _create_index,
    f.Drop: _drop,
    f.Write: _write,
    f.Begin: _begin,
    f.Commit: _commit,
    f.SetTimeout: _limit,
    f.CreateDomain: _domain,
    f.Other: _other,
}


def ended(history: History, around: bool | None) -> History:
    """The history with which the next file of a folder begins: what is known stays, nothing is new any more."""
    kept = History(history.dialect, around)
    kept.types, kept.not_null, kept.defaults = history.types, history.not_null, history.defaults
    kept.constraints, kept.proved, kept.indexes = history.constraints, history.proved, history.indexes
    kept.partitioned, kept.domains = history.partitioned, history.domains
    return kept
