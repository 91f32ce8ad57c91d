"""Rules about constraints that read every row, or build an index, under a lock; and about domains."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import plain
from flowc.compiler.migrationlint.rules.rule import INFO, MYSQL, POSTGRES, WARNING, Context, Finding, Rule, found

_KEYS = {"primary key": "PRIMARY KEY", "unique": "UNIQUE"}


def _added(fact: f.AddConstraint | f.AddColumn, kind: str) -> f.Constraint | None:
    """The constraint of that kind that a fact adds."""
    if isinstance(fact, f.AddConstraint):
        return fact.constraint if fact.constraint.kind == kind else None
    return next((c for c in fact.column.constraints if c.kind == kind), None)


def _key(fact: f.AddConstraint | f.AddColumn, context: Context, kind: str) -> Finding | None:
    constraint = _added(fact, kind)
    if constraint is None or constraint.using_index is not None or context.is_new(fact.table):
        return None
    columns = ", ".join(constraint.columns) if isinstance(fact, f.AddConstraint) else fact.column.name
    name = constraint.name or f"{fact.table.name}_{'pkey' if kind == 'primary key' else 'key'}"
    return found(
        f"nobody can read or write `{fact.table}` while the index of this {_KEYS[kind]} is built",
        f"first, outside a transaction: `CREATE UNIQUE INDEX CONCURRENTLY {name} ON {fact.table} ({columns})`\n"
        f"then: `ALTER TABLE {fact.table} ADD CONSTRAINT {name} {_KEYS[kind]} USING INDEX {name}`",
    )


def _primary_key(fact: f.AddConstraint | f.AddColumn, context: Context) -> Finding | None:
    return _key(fact, context, "primary key")


def _unique(fact: f.AddConstraint | f.AddColumn, context: Context) -> Finding | None:
    return _key(fact, context, "unique")


def _nullable_key(fact: f.AddConstraint, context: Context) -> Finding | None:
    constraint = fact.constraint
    if constraint.kind != "primary key" or constraint.using_index is None or not context.effects.scans:
        return None
    words = f"the columns of this key may be NULL, so every row of `{fact.table}` is read while nobody can use it"
    return found(words, _proof(fact.table, "each column"))


def _exclusion(fact: f.AddConstraint, context: Context) -> Finding | None:
    if fact.constraint.kind != "exclude" or context.is_new(fact.table):
        return None
    words = f"nobody can read or write `{fact.table}` while the index of this EXCLUDE is built"
    return found(words, "there is no way around it: set a lock_timeout and choose a quiet hour, or fill a new table")


def _check(fact: f.AddConstraint | f.AddColumn, context: Context) -> Finding | None:
    constraint = _added(fact, "check")
    if constraint is None or constraint.not_valid or context.is_new(fact.table):
        return None
    words = f"every row of `{fact.table}` is read for this CHECK while nobody can use the table"
    return found(words, _in_two_steps(fact.table, constraint.name, "CHECK (…)"))


def _foreign_key(fact: f.AddConstraint | f.AddColumn, context: Context) -> Finding | None:
    constraint = _added(fact, "foreign key")
    reads = context.effects.scans is not False
    if constraint is None or constraint.not_valid or context.is_new(fact.table) or not reads:
        return None
    if not context.postgres:
        words = f"`{fact.table}` is copied for this foreign key, and nothing can be written to it meanwhile"
        return found(words, "check the references yourself and add it with `SET foreign_key_checks = 0`")
    words = f"every row of `{fact.table}` is checked while nothing can be written to it or to `{constraint.references}`"
    return found(words, _in_two_steps(fact.table, constraint.name, "FOREIGN KEY (…) REFERENCES …"))


def _in_two_steps(table: TableName, name: str | None, body: str) -> str:
    called = name or "…"
    return (
        f"first: `ALTER TABLE {table} ADD CONSTRAINT {called} {body} NOT VALID`\n"
        f"then, in a transaction of its own: `ALTER TABLE {table} VALIDATE CONSTRAINT {called}`"
    )


def _validate(fact: f.ValidateConstraint, context: Context) -> Finding | None:
    if (plain(fact.table), fact.name) not in context.history.unvalidated or not context.history.transaction:
        return None
    words = (
        f"`{fact.name}` is validated in the transaction that added it, whose lock on `{fact.table}` is held meanwhile"
    )
    return found(words, "commit after ADD CONSTRAINT … NOT VALID, and validate in a transaction of its own")


def _not_null(fact: f.SetNotNull | f.AddConstraint | f.AlterType, context: Context) -> Finding | None:
    column = _required(fact, context)
    if column is None or context.is_new(fact.table):
        return None
    if not context.postgres:
        words = f"this fails when a row of `{fact.table}` has NULL in `{column}`"
        return found(words, f"first: `UPDATE {fact.table} SET {column} = … WHERE {column} IS NULL`")
    words = f"every row of `{fact.table}` is read while nobody can use it, and a NULL in `{column}` makes this fail"
    return found(words, _proof(fact.table, column))


def _required(fact: f.SetNotNull | f.AddConstraint | f.AlterType, context: Context) -> str | None:
    """The column that becomes NOT NULL, where that is not proved already."""
    if isinstance(fact, f.AddConstraint):
        constraint = fact.constraint
        return constraint.columns[0] if constraint.kind == "not null" and not constraint.not_valid else None
    if isinstance(fact, f.AlterType) and (fact.definition is None or not fact.definition.not_null):
        return None
    if isinstance(fact, f.SetNotNull) and context.postgres:
        # What was validated just before is likely to be the proof, though flowc has not seen what it says.
        return None if context.effects.scans is False or plain(fact.table) in context.history.validated else fact.column
    proved = (plain(fact.table), fact.column) in context.history.not_null
    return None if proved else fact.column


def _proof(table: TableName, column: str) -> str:
    return (
        f"first: `ALTER TABLE {table} ADD CONSTRAINT … CHECK ({column} IS NOT NULL) NOT VALID`\n"
        f"then, in a transaction of its own: `ALTER TABLE {table} VALIDATE CONSTRAINT …`\n"
        "then SET NOT NULL reads no row (from PostgreSQL 12), and the CHECK can go"
    )


def _attach(fact: f.AttachPartition, context: Context) -> Finding | None:
    if context.is_new(fact.partition) or plain(fact.partition) in context.history.proved:
        return None
    words = (
        f"every row of `{fact.partition}` is read while nobody can use it, unless a CHECK proves that all belong there"
    )
    return found(words, "first add the bounds as a CHECK … NOT VALID to the table, and VALIDATE it")


def _detach(fact: f.DetachPartition, context: Context) -> Finding | None:
    if fact.concurrently or fact.finalize or context.is_new(fact.table):
        return None
    help = f"outside a transaction: `ALTER TABLE {fact.table} DETACH PARTITION {fact.partition} CONCURRENTLY`"
    return found(f"this waits for every query on `{fact.table}`, and makes all new ones wait behind it", help)


def _domain(fact: f.CreateDomain, context: Context) -> Finding | None:
    if not fact.constrained:
        return None
    words = f"the constraint of domain `{fact.name}` can later only be changed by reading every table that uses it"
    return found(words, "put the CHECK on the columns instead, where it can be added NOT VALID")


def _alter_domain(fact: f.AlterDomain, context: Context) -> Finding | None:
    if fact.not_valid or (fact.validates and context.version >= (18,)):
        return None
    words = f"every table with a column of domain `{fact.name}` is read, and nothing can be written to them meanwhile"
    return found(words, "put the CHECK on the columns, NOT VALID, and validate it there; from PostgreSQL 18 also here")


_ADDS = (f.AddConstraint, f.AddColumn)
RULES = (
    Rule(
        code="blocking-primary-key", severity=WARNING, what="A primary key builds its index under ACCESS EXCLUSIVE.",
        on=_ADDS, check=_primary_key, dialects=POSTGRES, atlas=("PG104",), squawk=("adding-serial-primary-key-field",),
    ),
    Rule(
        code="nullable-primary-key", severity=WARNING, what="A key from an index makes its columns NOT NULL first.",
        on=(f.AddConstraint,), check=_nullable_key, dialects=POSTGRES, atlas=("PG304",),
    ),
    Rule(
        code="blocking-unique-constraint", severity=WARNING, what="A UNIQUE builds its index under ACCESS EXCLUSIVE.",
        on=_ADDS, check=_unique, dialects=POSTGRES, atlas=("PG105",), squawk=("disallowed-unique-constraint",),
    ),
    Rule(
        code="blocking-exclusion", severity=WARNING, what="An EXCLUDE builds its index under ACCESS EXCLUSIVE.",
        on=(f.AddConstraint,), check=_exclusion, dialects=POSTGRES,
    ),
    Rule(
        code="blocking-check", severity=WARNING, what="A CHECK reads every row under ACCESS EXCLUSIVE.", on=_ADDS,
        check=_check, dialects=POSTGRES, atlas=("PG305",), squawk=("constraint-missing-not-valid",),
    ),
    Rule(
        code="blocking-foreign-key", severity=WARNING, what="A foreign key reads every row while writers wait.",
        on=_ADDS, check=_foreign_key, dialects=POSTGRES + MYSQL, atlas=("PG306",),
        squawk=("adding-foreign-key-constraint", "constraint-missing-not-valid"),
    ),
    Rule(
        code="validation-under-lock", severity=WARNING, what="A constraint is validated where it was added.",
        on=(f.ValidateConstraint,), check=_validate, dialects=POSTGRES, squawk=("constraint-missing-not-valid",),
    ),
    Rule(
        code="not-null-on-existing-rows", severity=WARNING, what="A column of existing rows becomes NOT NULL.",
        on=(f.SetNotNull, f.AddConstraint, f.AlterType), check=_not_null,
        dialects=("postgres", "mysql", "mariadb", "duckdb"), atlas=("MF104", "PG303"),
        squawk=("adding-not-nullable-field",),
    ),
    Rule(
        code="scanning-attach", severity=WARNING, what="A partition is read while it is attached.",
        on=(f.AttachPartition,), check=_attach, dialects=POSTGRES,
    ),
    Rule(
        code="blocking-detach", severity=WARNING, what="A partition is detached without CONCURRENTLY.",
        on=(f.DetachPartition,), check=_detach, dialects=POSTGRES, squawk=("require-concurrent-partition-detach",),
    ),
    Rule(
        code="domain-constraint", severity=INFO, what="A domain is created with a constraint.", on=(f.CreateDomain,),
        check=_domain, dialects=POSTGRES, squawk=("ban-create-domain-with-constraint",),
    ),
    Rule(
        code="domain-revalidation", severity=WARNING, what="A domain's new constraint reads all tables that use it.",
        on=(f.AlterDomain,), check=_alter_domain, dialects=POSTGRES, squawk=("ban-alter-domain-with-add-constraint",),
    ),
)  # fmt: skip
