"""Writes `docs/reference/safety.md`: what each kind of change does on each engine, as the planner itself says it.

    python scripts/make_safety_reference.py [--check]

Each case is a table before and after, planned for every engine; the page shows class, prechecks, locks and statements.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowc.catalog import Column, Index, Table, TableName
from flowc.compiler.migrate.facts import FACTS, Facts
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.migration import Change, Managed, Rows, Statement, WantedTable
from flowc.render.migration_sql import statement_lines
from flowc.service.changes.prechecks import failed
from flowc.types import parse_type

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "safety.md"
ENGINES = {"PostgreSQL": "postgres", "MySQL": "mysql", "DuckDB": "duckdb", "SQLite": "sqlite", "Delta": "delta"}
NAME = TableName(None, "customers")

INTRODUCTION = """# Safety

<!-- Written by scripts/make_safety_reference.py. Change what it reads, then run it. -->

What `flowc apply` does for each kind of change, on each engine: how dangerous it is, what the data is asked before,
what others wait for, and the statements. The tables below are made by the planner itself, for a table `customers`.

## Classes

| class | means | `apply` |
| --- | --- | --- |
| additive | Nothing that exists changes. | does it |
| widening | Every value that is there stays as it is. | does it |
| data-dependent | Works or fails by what the table holds. | asks the data, and may refuse: `precheck-failed` |
| backward-incompatible | Data stays, but its readers may fail. | does it; the plan names the loads that read it |
| destructive | Data is lost; the plan counts the rows. | refuses without `--allow-destructive OBJECT` |

## What holds for every change

- **Nothing unmanaged is dropped.** What no applied spec has ever declared is told in the plan and left alone: other
  tables, columns, indexes. Only an index over a column that goes has to go with it, and the plan names it.
- **A rebuilt table keeps what depends on it** (SQLite, DuckDB). Indexes and triggers are created again from the
  engine's own text, types that nobody declared keep their words, comments stay. What could not be carried over (CHECK,
  foreign keys, `ON CONFLICT`, `COLLATE`, AUTOINCREMENT, generated columns, a trigger that names a column that goes) is
  named, and the table is left as it is. MySQL's definitions are repeated in its own words, or left as they are.
- **A name in another case is the same column** to SQLite, DuckDB and MySQL, and so to a plan and to a load.
- **Asked twice.** Prechecks run when the plan is made, and again under the lock of `apply`. Those that no engine
  would catch by itself (a value that a change of type would cut or round) are asked once more where nobody else can
  write.
- **One at a time.** An apply holds a lock in the database, a row of `flowc_locks` with its owner and a lease of 30
  seconds that is renewed. Before each transaction it proves that the lock is still its own. A dead owner's lock is
  taken over.
- **As planned, or not at all.** A saved plan is refused (`stale-plan`) where its tables or the history have changed
  since.
- **Nobody waits long.** On PostgreSQL and MySQL, a statement that cannot have its lock within `--table-lock-timeout` (5
  seconds) gives up, so that those behind it go on, and is tried again, five times in all. An invalid index that an
  attempt left is dropped before the next one. What a plan reads, flowc's own tables and those that a precheck asks,
  waits as long, once: `write-conflict` then names the table that another session holds.
- **Recorded.** `flowc_migrations` holds every apply, and `flowc_migration_steps` every statement with its hash.
  For Delta tables they are, with the lock, in an SQLite file of the lake, `_flowc/flowc.sqlite`.
- **Others may be first.** A commit of a Delta table fails where another writer committed since the table was looked at.
  Nothing is changed then, and it is tried again, prechecks first, on what is there then, five times in all.

## After a crash

Statements that share a transaction are undone together with their record. Those that commit by themselves
(CONCURRENTLY and the filling of a large column on PostgreSQL, everything on MySQL and Delta) are recorded before and
after, and are written so that they can be run again. The next `flowc apply`, of the specs or of the same saved plan,
compares again what is there with what is wanted and does what is left; it clears away what the crash left (an invalid
index, a half-filled column, a `__flowc_new` table).

On PostgreSQL that is done whatever the specs say by then, and the plan names it: *drop what an apply that did not end
has left* (a second column, its trigger and function, the constraint of a NOT NULL that was on its way), and *which was
left unfinished* of an index. What is left of a second column makes no statement of an application fail.

## Large tables on PostgreSQL

From 100,000 rows on, by the planner's estimate, a change of type that would write the table anew is made beside
readers and writers, by a second column. A trigger keeps it up to date, for rows of logical replication too, and it is
filled piece by piece. What that costs:

- Readers and writers wait while all rows are read once more under a lock, and compared: the old column goes only where
  each row holds the same value in both. A million rows take less than a second.
- A value that the new type does not hold can be written until then. It stops the apply, and nothing is lost.
- The column becomes the last one of the table. `INSERT` and `COPY` without names of columns meet another order, and
  while the change runs a column more.
- The table grows by the rows that were written anew, until it is vacuumed.

A second column has the default, NOT NULL and comment of the first one. Of a column that bears more (a key, an index, a
CHECK, a foreign key, grants, settings of its statistics or storage, a collation, a counter), or of a table with
inheritance, partitions, row-level security, rules, triggers, views, foreign keys that refer to it or a publication, the
type is changed in place: readers and writers wait while the table is written anew, the plan says why, and the column
keeps all of it. What is hung on it while a second column is filled stops the apply. A domain and a type that flowc has
no word for have rules of their own: such a column's type is not changed.

## Statement by statement

What a plan says of each of its statements is looked up in these tables. A lock is held until the transaction of its
statement ends, so that others wait for the rest of that too. *Apart* are statements that commit by themselves. DuckDB
and SQLite have one writer, so all others wait whatever the statement.
"""
CHANGES = """
## Change by change

*Transaction* says whether the statements share one, so that a failure undoes them all. *Table* says what is done to
the rows that are there: a table that is written anew takes time by its size. Locks are named in the engine's words;
DuckDB and SQLite have one writer, so all others wait. No engine runs the statements of Delta tables: they say in SQL
what the commit beside them does, so `plan --sql` is there to be read only.
"""


@dataclass(frozen=True)
class Case:
    """A change: the table before it and after it, None where there is none, and what flowc remembers to have made."""

    title: str
    words: str
    before: Table | None
    after: Table | None
    renamed: tuple[tuple[str, str], ...] = ()
    managed: bool = True


def column(text: str, default: str | None = None, comment: str | None = None) -> Column:
    """A column from `name type [not null]`."""
    name, _, rest = text.partition(" ")
    kind = rest.removesuffix(" not null")
    return Column(name, parse_type(kind), nullable=kind == rest, default=default, comment=comment)


def table(*columns: str | Column, key: str = "id", **more: object) -> Table:
    """A table with the column `id` and others."""
    made = tuple(column(entry) if isinstance(entry, str) else entry for entry in ("id bigint not null", *columns))
    return replace(Table(NAME, made, (key,) if key else (), plain=True), **more)  # type: ignore[arg-type]


INDEXED = (Index(("email",), unique=False, name="customers_email_idx"),)
UNIQUE = (Index(("email",), unique=True, name="customers_email_idx"),)
CASES = (
    Case("Create a table", "Always works.", None, table("email text")),
    Case("Drop a table", "Only a table that flowc has applied and the specs no longer declare is dropped. "
         "Readers and writers of it wait for each other as for any DROP TABLE.",
         table("email text"), None),
    Case("Add a column", "It is NULL in the rows that are there.", table(), table("email text")),
    Case("Add a NOT NULL column with a default", "The default fills the rows that are there.",
         table(), table(column("country varchar(2) not null", "'NL'"))),
    Case("Add a NOT NULL column without a default", "Works on an empty table only.",
         table(), table("country varchar(2) not null")),
    Case("Drop a column", "Only a column that flowc has applied and the specs no longer declare is dropped.",
         table("email text"), table()),
    Case("Rename a column", "With `renamed_from`; without it, the old column goes and a new one comes.",
         table("mail text"), table("email text"), renamed=(("email", "mail"),)),
    Case("Widen a type", "Every value stays as it is.", table("visits integer"), table("visits bigint")),
    Case("Lengthen a text", "Every value stays as it is.", table("name varchar(20)"), table("name varchar(40)")),
    Case("Narrow a type", "The values are asked first.", table("visits bigint"), table("visits integer")),
    Case("Read texts as numbers", "The values are asked first.", table("age text"), table("age integer")),
    Case("A type that has no values of the other", "Cannot be done; add a column, fill it, drop the old one.",
         table("paid boolean"), table("paid date")),
    Case("Narrow a type of a large table", "From 100,000 rows on, by the engine's estimate.",
         table("visits bigint", rows=5_000_000), table("visits integer")),
    Case("Make a column NOT NULL", "Rows without a value are counted first.", table("email text"),
         table("email text not null")),
    Case("Let a column be NULL", "Always works.", table("email text not null"), table("email text")),
    Case("Set a default", "Counts for rows to come.", table("country text"), table(column("country text", "'NL'"))),
    Case("Drop a default", "Counts for rows to come.", table(column("country text", "'NL'")), table("country text")),
    Case("Add a primary key", "Rows without a value and repeats are counted first.", table(key=""), table()),
    Case("Drop a primary key", "Only one that flowc has applied.", table(), table(key="")),
    Case("Create an index", "Always works.", table("email text"), table("email text", indexes=INDEXED)),
    Case("Create a unique index", "Repeats are counted first.", table("email text"),
         table("email text", indexes=UNIQUE)),
    Case("Drop an index", "Only one that flowc has applied.", table("email text", indexes=INDEXED),
         table("email text")),
    Case("Comment on a column", "Where the engine keeps comments.", table("email text"),
         table(column("email text", comment="In lower case."))),
    Case("A column that nobody declared", "It was made by hand: it is told, and left alone.",
         table("by_hand text"), table(), managed=False),
    Case("A table that has more than flowc writes", "Here a CHECK; where the table would have to be rebuilt, it is "
         "refused.", table("email text", beyond=("a CHECK constraint",)), table("email text not null")),
)  # fmt: skip


def planned(case: Case, kind: str) -> tuple[Change, ...]:
    """The changes of a case on an engine."""
    wanted = () if case.after is None else (WantedTable("wh", kind, "customers", case.after, case.renamed),)
    live = {} if case.before is None else {NAME: case.before}
    known = case.before if case.managed else case.after
    managed = () if known is None else (Managed("customers", known),)
    return tuple(
        change for entry in plan_tables("wh", kind, wanted, live=live, managed=managed) for change in entry.changes
    )


def main() -> int:
    """Writes the page, or with `--check` says whether it is current."""
    text = "".join(page())
    if "--check" in sys.argv[1:]:
        current = PAGE.exists() and PAGE.read_text("utf-8") == text
        print("" if current else f"{PAGE.name} is not current: python scripts/make_safety_reference.py\n", end="")
        return 0 if current else 1
    PAGE.write_text(text, "utf-8")
    return 0


def page() -> Iterator[str]:
    """The prose, then what each statement does, then each case."""
    yield INTRODUCTION
    for engine, kind in ENGINES.items():
        yield from table_of_facts(engine, kind)
    yield CHANGES
    for case in CASES:
        yield f"\n### {case.title}\n\n{case.words}\n\n"
        yield from section({label: planned(case, kind) for label, kind in ENGINES.items()})


def table_of_facts(engine: str, kind: str) -> Iterator[str]:
    """What each statement of an engine does, those that do the same together."""
    alike: dict[Facts, list[str]] = defaultdict(list)
    for act, does in FACTS[kind].items():
        alike[does].append(act)
    yield f"\n### {engine}\n\n| statements | others | rows | |\n| --- | --- | --- | --- |\n"
    for does, acts in alike.items():
        yield f"| {'; '.join(acts)} | {does.waiting} | {does.rows} | {'apart' if does.apart else ''} |\n"


def section(found: Mapping[str, tuple[Change, ...]]) -> Iterator[str]:
    """What the engines say, and then do."""
    yield "| engine | class | asked before | locks | transaction | table |\n| --- | --- | --- | --- | --- | --- |\n"
    for engine, changes in found.items():
        yield f"| {engine} | " + " | ".join(facts(changes)) + " |\n"
    scripts: dict[str, list[str]] = defaultdict(list)
    for engine, changes in found.items():
        scripts["\n".join(line for s in statements(changes) for line in statement_lines(s))].append(engine)
    for script, engines in scripts.items():
        if script:
            yield f"\n{', '.join(engines)}:\n\n```sql\n{script}\n```\n"


def facts(changes: tuple[Change, ...]) -> Iterator[str]:
    """The cells of an engine's row."""
    refused = next((reason for change in changes for reason in failed(change)), None)
    first = next((change for change in changes if change.kind not in ("rebuild_table", "alter_table")), None)
    if first is None:
        yield from ["no change", "", "", "", ""]
        return
    yield str(first.risk)
    yield "; ".join([check.message.format(count="*n*") for check in first.prechecks] or counted(first))
    if refused:
        yield from ["", "", f"refused: {refused}"]
        return
    done = statements(changes)
    yield ", ".join(dict.fromkeys(statement.lock for statement in done if statement.lock))
    yield transaction(done)
    yield work(done)


def counted(change: Change) -> list[str]:
    """What is counted of the data that is lost."""
    if change.rows is None:
        return []
    return ["how many rows are lost" if change.kind == "drop_table" else "how many rows hold a value"]


def statements(changes: tuple[Change, ...]) -> list[Statement]:
    """All statements, in order."""
    return [statement for change in changes for statement in change.statements]


def transaction(done: list[Statement]) -> str:
    """How the statements are put into transactions."""
    together = {statement.transactional for statement in done}
    if not done:
        return ""
    if together == {True}:
        return "one"
    return "none" if together == {False} else "around all but the ones marked"


def work(done: list[Statement]) -> str:
    """What is done to the rows. Of DuckDB and SQLite the planner does not know what they do inside a statement."""
    return max((statement.rows for statement in done), key=list(Rows).index, default=Rows.LEFT)


if __name__ == "__main__":
    sys.exit(main())
