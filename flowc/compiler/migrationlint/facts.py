"""What a statement of a migration does, as small facts: one for each action of an ALTER TABLE."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.catalog import TableName


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as it was written: the engine's first name for it in lower case, its arguments, whether an array."""

    name: str
    args: tuple[str, ...] = ()
    array: bool = False

    def __str__(self) -> str:
        inner = f"({','.join(self.args)})" if self.args else ""
        return f"{self.name}{inner}{'[]' if self.array else ''}"


@dataclass(frozen=True, slots=True)
class Default:
    """A DEFAULT: its text, the functions it calls (lower case), whether it is NULL and whether a plain literal."""

    text: str
    functions: tuple[str, ...] = ()
    null: bool = False
    literal: bool = False


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of a table or column.

    `kind` is `primary key`, `unique`, `check`, `foreign key`, `exclude` or `not null`. `not_null` names the columns
    that a CHECK keeps from being NULL.
    """

    kind: str
    name: str | None = None
    columns: tuple[str, ...] = ()
    not_valid: bool = False
    using_index: str | None = None
    references: TableName | None = None
    not_null: tuple[str, ...] = ()
    inline: bool = False


@dataclass(frozen=True, slots=True)
class ColumnDef:
    """A column as CREATE TABLE and ADD COLUMN define it; `generated` is `stored`, `virtual` or None."""

    name: str
    type: TypeName | None
    not_null: bool = False
    default: Default | None = None
    generated: str | None = None
    identity: bool = False
    constraints: tuple[Constraint, ...] = ()

    def has(self, kind: str) -> bool:
        """Whether a constraint of that kind stands in the definition."""
        return any(c.kind == kind for c in self.constraints)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a statement does. `table` is the table it does it to, where that is written."""


@dataclass(frozen=True, slots=True)
class OnTable(Fact):
    """A fact about one table."""

    table: TableName


@dataclass(frozen=True, slots=True)
class CreateTable(OnTable):
    """A new table; `reads` are the tables that it refers to otherwise than by foreign keys."""

    columns: tuple[ColumnDef, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    temporary: bool = False
    if_not_exists: bool = False
    partition_of: TableName | None = None
    inherits: tuple[TableName, ...] = ()
    partitioned: bool = False
    query: bool = False


@dataclass(frozen=True, slots=True)
class AddColumn(OnTable):
    """ADD COLUMN; `placed` when MySQL puts it FIRST or AFTER another."""

    column: ColumnDef
    if_not_exists: bool = False
    placed: bool = False


@dataclass(frozen=True, slots=True)
class DropColumn(OnTable):
    """DROP COLUMN."""

    column: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class AlterType(OnTable):
    """A column's new type; `definition` is the whole new one where MySQL's MODIFY and CHANGE say all of it."""

    column: str
    type: TypeName
    using: bool = False
    definition: ColumnDef | None = None
    placed: bool = False


@dataclass(frozen=True, slots=True)
class SetNotNull(OnTable):
    """ALTER COLUMN … SET NOT NULL."""

    column: str


@dataclass(frozen=True, slots=True)
class DropNotNull(OnTable):
    """ALTER COLUMN … DROP NOT NULL."""

    column: str


@dataclass(frozen=True, slots=True)
class SetDefault(OnTable):
    """ALTER COLUMN … SET DEFAULT, or DROP DEFAULT when `default` is None."""

    column: str
    default: Default | None


@dataclass(frozen=True, slots=True)
class AddConstraint(OnTable):
    """ADD CONSTRAINT; also ADD INDEX of MySQL has its own fact, `CreateIndex`."""

    constraint: Constraint


@dataclass(frozen=True, slots=True)
class ValidateConstraint(OnTable):
    """VALIDATE CONSTRAINT."""

    name: str


@dataclass(frozen=True, slots=True)
class DropConstraint(OnTable):
    """DROP CONSTRAINT; `kind` where the words say it (MySQL's DROP FOREIGN KEY and DROP PRIMARY KEY)."""

    name: str | None
    kind: str | None = None
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class RenameColumn(OnTable):
    """RENAME COLUMN, also by MySQL's CHANGE."""

    column: str
    to: str


@dataclass(frozen=True, slots=True)
class RenameTable(OnTable):
    """A table's new name."""

    to: TableName
    view: bool = False


@dataclass(frozen=True, slots=True)
class SetSchema(OnTable):
    """ALTER TABLE … SET SCHEMA."""

    schema: str


@dataclass(frozen=True, slots=True)
class AttachPartition(OnTable):
    """ATTACH PARTITION."""

    partition: TableName


@dataclass(frozen=True, slots=True)
class DetachPartition(OnTable):
    """DETACH PARTITION."""

    partition: TableName
    concurrently: bool = False
    finalize: bool = False


@dataclass(frozen=True, slots=True)
class TableOption(OnTable):
    """Any other action of ALTER TABLE, by the words that name it, for instance `set statistics`."""

    action: str
    column: str | None = None
    other: TableName | None = None


@dataclass(frozen=True, slots=True)
class CreateIndex(OnTable):
    """A new index."""

    name: str | None
    columns: tuple[str, ...] = ()
    unique: bool = False
    concurrently: bool = False
    if_not_exists: bool = False
    only: bool = False
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class DropIndex(Fact):
    """An index dropped; `table` where MySQL says it."""

    index: TableName
    concurrently: bool = False
    if_exists: bool = False
    cascade: bool = False
    table: TableName | None = None


@dataclass(frozen=True, slots=True)
class RenameIndex(Fact):
    """An index's new name."""

    index: TableName
    to: str


@dataclass(frozen=True, slots=True)
class Reindex(Fact):
    """REINDEX of an `index`, `table`, `schema`, `database` or `system`."""

    kind: str
    name: TableName | None
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class Drop(Fact):
    """DROP of a table, schema, database, view, type … (`kind`, lower case)."""

    kind: str
    name: TableName
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class Truncate(OnTable):
    """TRUNCATE."""

    cascade: bool = False


@dataclass(frozen=True, slots=True)
class Write(OnTable):
    """Rows written by INSERT, UPDATE, DELETE or MERGE (`verb`, lower case), and the tables that it reads."""

    verb: str
    columns: tuple[str, ...] = ()
    reads: tuple[TableName, ...] = ()
    filtered: bool = True


@dataclass(frozen=True, slots=True)
class Begin(Fact):
    """BEGIN or START TRANSACTION."""


@dataclass(frozen=True, slots=True)
class Commit(Fact):
    """COMMIT or END; `rollback` for ROLLBACK."""

    rollback: bool = False


@dataclass(frozen=True, slots=True)
class SetTimeout(Fact):
    """A limit set by SET lock_timeout and its like; `local` for SET LOCAL; `off` when the value means no limit."""

    name: str
    value: str
    local: bool = False
    off: bool = False


@dataclass(frozen=True, slots=True)
class AlterEnum(Fact):
    """ALTER TYPE … ADD VALUE."""

    type: TableName
    value: str
    placed: bool
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class RenameValue(Fact):
    """ALTER TYPE … RENAME VALUE."""

    type: TableName
    value: str
    to: str


@dataclass(frozen=True, slots=True)
class CreateDomain(Fact):
    """CREATE DOMAIN; `constrained` by a CHECK or NOT NULL."""

    name: TableName
    constrained: bool


@dataclass(frozen=True, slots=True)
class AlterDomain(Fact):
    """ALTER DOMAIN … ADD CONSTRAINT, SET NOT NULL, or VALIDATE CONSTRAINT (`validates`)."""

    name: TableName
    not_valid: bool = False
    validates: bool = False


@dataclass(frozen=True, slots=True)
class Maintain(Fact):
    """VACUUM, VACUUM FULL, CLUSTER, ANALYZE, REPACK (`action`, lower case) of a table, or of all."""

    action: str
    table: TableName | None
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class Refresh(OnTable):
    """REFRESH MATERIALIZED VIEW."""

    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class LockTable(OnTable):
    """LOCK TABLE, with the mode in its words."""

    mode: str


@dataclass(frozen=True, slots=True)
class Other(Fact):
    """A statement that is known and touches no table's rows, for instance `create function`.

    `table` is the table that the object belongs to, `name` that of a new view; `if_not_exists` says that a second run
    does no harm.
    """

    what: str
    table: TableName | None = None
    if_not_exists: bool = True
    name: TableName | None = None


@dataclass(frozen=True, slots=True)
class Unread(Fact):
    """A statement that could not be read, or a block that is not looked into (`block`); `near` is where it stopped."""

    near: str
    block: bool = False
