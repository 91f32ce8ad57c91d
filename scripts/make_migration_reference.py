"""Writes `docs/reference/migrations.md`: `python scripts/make_migration_reference.py [--check]`.

The rules come from `flowc/compiler/migrationlint/rules`, locks and algorithms from the statements that are tested on
servers, the scores from the corpus in `tests/migrations`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flowc.compiler.migrationlint.effects import Algorithm, Effects  # noqa: E402
from flowc.compiler.migrationlint.lint import lint_migration  # noqa: E402
from flowc.compiler.migrationlint.locks import effects  # noqa: E402
from flowc.compiler.migrationlint.rules import RULES  # noqa: E402
from flowc.compiler.migrationlint.rules.rule import ALL, Rule  # noqa: E402
from flowc.compiler.migrationlint.statements import read_migration, read_statement  # noqa: E402
from flowc.source import SourceFile  # noqa: E402
from tests.golden_format import read_cases  # noqa: E402
from tests.migrations import scores, statements_mariadb, statements_postgres  # noqa: E402

OUTPUT = ROOT / "docs" / "reference" / "migrations.md"
LABELS = {"postgres": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB", "sqlite": "SQLite", "duckdb": "DuckDB"}
YES = {True: "yes", False: "", None: "depends"}

INTRODUCTION = """# Migrations

<!-- Written by scripts/make_migration_reference.py. Change what it reads, then run it. -->

`flowc lint` reads a `.sql` file, or a folder of them without YAML, as migrations and says what they would lock, lose
or break, without connecting to anything. `--dialect` says for which database they are written, PostgreSQL when left
out.

```text
$ flowc lint migrations
$ flowc lint --dialect mysql migrations/0042_orders.sql
$ flowc lint --in-transaction --format sarif migrations
```

- A table that a migration has made itself is nobody else's: nothing on it locks anybody out.
- A folder is read in the order of its names, and later files know the columns that earlier ones have made. So a change
  from `varchar(20)` to `text`, which costs nothing, is told from one that writes the table anew.
- Whether a transaction is around a file is not known unless `--in-transaction` or `--no-transaction` says so, or a
  statement in it refuses one.
- `-- flowc:ignore CODE` (several with commas) switches codes off for the statement, or the action of an ALTER TABLE,
  on the line after it.
- A statement that flowc cannot read is reported, never passed over.
- Errors (exit code 1) are what loses data or always fails. Warnings are what locks others out, may fail, or breaks
  programs that run. Infos are advice.
"""

LEFT_OUT = """
## What is left out

| rule | reason |
|---|---|
| Atlas MF102 | a statement that makes an index unique does not exist; the new index is `unique-on-existing-rows` |
| Atlas NM101 to NM106 | naming is a project's own |
| Atlas, non-linear changes | the order of files is checked where they are applied |
| squawk `require-table-schema` | off there too unless asked for; a search path may be meant |
| squawk `prefer-bigint-over-int`, `-smallint` for columns that are no keys | a count or an age fits; see `narrow-key` |
| squawk `ban-drop-constraint` for what is no foreign key, `ban-drop-default`, `ban-drop-function`, \
`ban-alter-identity` and its rules that are off unless asked for | they report a kind of statement \
rather than a harm that its text shows |
"""


def main() -> int:
    """Writes the page, or with `--check` says whether it is current."""
    text = "".join(page())
    if "--check" not in sys.argv[1:]:
        OUTPUT.write_text(text, "utf-8")
        return 0
    current = OUTPUT.exists() and OUTPUT.read_text("utf-8") == text
    if not current:
        print(f"{OUTPUT.name} is not current: python scripts/make_migration_reference.py", file=sys.stderr)
    return 0 if current else 1


def page() -> Iterator[str]:
    """The parts of the page."""
    yield INTRODUCTION
    yield "\n## Rules\n\nThe locks are those of the example on the code's page.\n\n"
    yield table(["code", "what it reports", "severity", "for", "locks", "Atlas", "squawk"], map(rule_row, RULES))
    yield LEFT_OUT
    yield from locks()
    yield from algorithms()
    yield from accuracy()


def rule_row(rule: Rule) -> list[str]:
    """A rule's line."""
    label = "all" if rule.dialects == ALL else ", ".join(LABELS[dialect] for dialect in rule.dialects)
    squawk = ", ".join(f"`{name}`" for name in rule.squawk)
    code = f"[`{rule.code}`](../diagnostics/{rule.code}.md)"
    return [code, rule.what, str(rule.severity), label, example_locks(rule), ", ".join(rule.atlas), squawk]


def example_locks(rule: Rule) -> str:
    """The locks of the statement that a page's example is about."""
    cases = read_cases(ROOT / "docs" / "diagnostics" / f"{rule.code}.md")
    block = next(block for case in cases if case.title == "Example" for block in case.blocks)
    dialect, source = block.arguments or "postgres", SourceFile("example", block.text)
    found = next(d for d in lint_migration(source, dialect, in_transaction=None) if d.code == rule.code)
    for statement in read_migration(source, dialect).statements:
        if found.span and statement.span.start <= found.span.start < statement.span.end:
            return locked(effects(statement, dialect))
    return ""


def locked(found: Effects) -> str:
    """Locks, or the algorithm, in a cell."""
    if found.algorithm is not None:
        return found.algorithm.name
    return str(found.lock) if found.lock is not None else ""


def locks() -> Iterator[str]:
    """PostgreSQL's locks by statement."""
    yield """
## Locks of PostgreSQL

What each statement locks, and whether it writes or reads the whole table, as flowc takes it. Each line is tested on a
server: the locks in `pg_locks`, a rewrite by the table's file, a scan by its statistics; of the last four only that
they refuse a transaction. `depends` is what follows from the table's other constraints, or from WHERE.

SHARE and stronger keep writers out, ACCESS EXCLUSIVE readers too. The table `t` has `a integer`, `c text` with a
validated `CHECK (c IS NOT NULL)`, `id`, `b` NOT NULL, `v varchar(20)`, `x text`, `n numeric(10, 2)`, `ip cidr`.

"""
    outside = [statement for statement, _, _ in statements_postgres.OUTSIDE]
    statements = [*statements_postgres.inside(), *dict.fromkeys(outside), *statements_postgres.NOT_OBSERVED]
    yield table(["statement", "locks", "rewrites", "scans", "in a transaction"], map(lock_row, statements))


def lock_row(statement: str) -> list[str]:
    """A statement's line."""
    found = effects(read_statement(statement, "postgres"), "postgres", (15,), statements_postgres.KNOWN)
    held = ", ".join(f"{lock.lock} on `{lock.table or 'its table'}`" for lock in found.locks)
    inside = "yes" if found.transactional else "no"
    return [f"`{statement}`", held or "none that counts", YES[found.rewrites], YES[found.scans], inside]


def algorithms() -> Iterator[str]:
    """MariaDB's algorithms by statement, and MySQL's where they differ."""
    yield """
## Algorithms of MariaDB and MySQL

The cheapest `ALGORITHM=` that MariaDB 10.11 accepts for each statement, tested on a server, and what flowc takes
MySQL 8.0 to do by its documentation, which is not tested. COPY keeps writers out; `writers wait` says where another
algorithm does so too.

"""
    yield table(["statement", "MariaDB", "MySQL", "writers"], map(algorithm_row, statements_mariadb.statements()))


def algorithm_row(statement: str) -> list[str]:
    """A statement's line."""
    maria, mysql = (
        effects(read_statement(statement, dialect), dialect, None, statements_mariadb.KNOWN)
        for dialect in ("mariadb", "mysql")
    )
    names = [found.algorithm.name if found.algorithm is not None else "depends" for found in (maria, mysql)]
    waits = not maria.concurrent_writes and maria.algorithm is not Algorithm.COPY
    return [f"`{statement}`", *names, "writers wait" if waits else ""]


def accuracy() -> Iterator[str]:
    """How well it does on the corpus."""
    yield f"""
## Against squawk

`tests/migrations/corpus` holds migrations whose expected findings were written down from PostgreSQL's documentation,
by the people who write flowc: that flowc finds all of them says that it does what it promises, not that the promise is
all there is. squawk is measured on what both have a rule for, against the same expectations; much of what counts as
wrong there it means so: it asks for time limits and guards on more statements. Each disagreement stands with its reason
in `tests/migrations/disagreements.md`, and a test fails when one appears that is not there.

{scores.summary()}.

{scores.table()}"""


def table(headers: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table."""
    lines = [headers, ["---"] * len(headers), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
