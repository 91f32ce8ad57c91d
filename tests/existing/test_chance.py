"""Random databases are imported as they are, and a random edit of their specs is done wholly, or refused beforehand.

More of them: `python -m tests.existing.test_chance postgres 200`.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.commands import Inside
from tests.existing import chance
from tests.extended import amount
from tests.running import running
from tests.services import service
from tests.services.databases import Databases
from tests.services.mysql import fresh_database
from tests.stores import KINDS, SERVERS, Store

TRIALS = amount(3, 5)
_ENGINE = ("query-refused", "value-refused", "constraint-violated")
"""Errors of an engine, which no apply may end with that a plan did not refuse."""


def faults(store: Store, seed: str) -> Iterator[str]:
    """What is not as it must be with one database and one edit."""
    decides = random.Random(seed)
    statements = chance.schema(store.kind, decides)
    for statement in statements:
        store.run(statement)
    project = Inside(store.folder, {"STORE": store.dsn})
    where = "url: '${STORE}'" if store.dsn else f"path: {store.file}.{store.kind}"
    project.write("specs/project.yaml", f"connections:\n  w: {{ kind: {store.kind}, {where} }}\n")
    done = project.flowc("import", "w", *_names(store), "--out", "specs/tables.yaml")
    lint, plan = project.flowc("lint"), project.flowc("plan", "--detailed-exitcode")
    for what in (done, lint, plan, project.flowc("apply", "--yes"), project.flowc("drift")):
        if what.code != 0:
            yield f"{statements}: an import is followed by {what.out[-900:]}{what.err[-900:]}"
            return
    yield from _edited(project, store, decides, statements)


def _names(store: Store) -> list[str]:
    """A server has more databases than this one."""
    asked = "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_type <> 'VIEW'"
    return [str(row[0]) for row in store.rows(asked)] if store.kind == "mysql" else []


def _edited(project: Inside, store: Store, decides: random.Random, statements: list[str]) -> Iterator[str]:
    file = project.path / "specs/tables.yaml"
    specs = yaml.safe_load(file.read_text("utf-8"))
    title = chance.edit(specs, decides)
    file.write_text(yaml.safe_dump(specs, sort_keys=False), "utf-8")
    allowed = [word for name in chance.dropped(title) for word in ("--allow-destructive", name)]
    before, plan = _everything(store), project.flowc("plan")
    done = project.flowc("apply", "--yes", *allowed)
    told = f"{statements}\n  {title}\n  {plan.out[-1500:]}{plan.err[-600:]}{done.err[-900:]}"
    if done.code == 0:
        again = project.flowc("plan", "--detailed-exitcode")
        if again.code != 0 and not ("change with it" in plan.out and set(_tables(again.out)) == {"w.heir"}):
            yield f"{told}\n  there is more to plan: {again.out[-900:]}"
        if (drift := project.flowc("drift")).code != 0:
            yield f"{told}\n  drift: {drift.out[-900:]}"
        if "No changes" in plan.out and not _says_nothing(title):
            yield f"{told}\n  nothing is planned"
    elif before != _everything(store):
        yield f"{told}\n  it was refused, and something has changed"
    elif "error[" not in done.err or any(f"error[{code}]" in done.err for code in _ENGINE):
        yield f"{told}\n  the engine has refused what was planned"


def _tables(plan: str) -> list[str]:
    """The tables that a plan changes."""
    return [line.split()[-1] for line in plan.splitlines() if line.startswith(("~ table", "+ table", "- table"))]


def _says_nothing(title: str) -> bool:
    """Whether an edit may well say what is there: the specs leave much open."""
    words = title.partition(": ")[2]
    _, _, rest = words.partition(" ")
    old, _, new = rest.partition(" to ")
    same = words.startswith("key ") or rest.startswith("nullable") or old.partition(" ")[2] == new
    return same or rest == "described" or words.startswith("index ") or old.startswith(("from ", "default None"))


def _everything(store: Store) -> list[object]:
    """The database as the engine tells it, without flowc's own tables."""
    return sorted(map(str, (row for asked in _ASKED[store.kind] for row in store.raw(asked))))


_ASKED = {
    "sqlite": ("SELECT sql FROM sqlite_master WHERE tbl_name NOT LIKE '%flowc%' AND tbl_name <> 'sqlite_sequence'",),
    "duckdb": (
        "SELECT sql, comment FROM duckdb_tables() WHERE schema_name = 'main' AND NOT starts_with(table_name, 'flowc')",
        "SELECT sql FROM duckdb_indexes() WHERE NOT starts_with(table_name, 'flowc')",
    ),
    "postgres": (
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, "
        "a.attgenerated, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum) FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "
        "WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = 'public' OR nspname LIKE 'pg_temp%')",
        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace",
        "SELECT * FROM pg_indexes WHERE schemaname = 'public'",
    ),
    "mysql": (
        "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, column_comment, "
        "generation_expression FROM information_schema.columns WHERE table_schema = database() "
        "AND table_name NOT LIKE '%flowc%'",
        "SELECT table_name, index_name, column_name, seq_in_index, non_unique FROM information_schema.statistics "
        "WHERE table_schema = database() AND table_name NOT LIKE '%flowc%'",
    ),
}


@contextmanager
def _place(kind: str, folder: Path, server: str) -> Iterator[Store]:
    folder.mkdir()
    if kind == "postgres":
        with Databases(server).fresh() as dsn:
            yield Store(kind, folder, dsn)
    elif kind == "mysql":
        with fresh_database(server) as dsn:
            yield Store(kind, folder, dsn)
    else:
        yield Store(kind, folder)


def trials(kind: str, numbers: range, folder: Path, server: str) -> list[str]:
    """The faults of so many databases."""
    found = []
    for number in numbers:
        with _place(kind, folder / f"{kind}{number}", server) as store:
            found += [f"{kind} {number}: {fault}" for fault in faults(store, f"{kind} {number}")]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_random_edit_of_a_random_database_is_done_or_refused(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
):
    server = str(request.getfixturevalue(f"{kind}_address")) if kind in SERVERS else ""
    assert trials(kind, range(TRIALS), tmp_path, server) == []


def _main(kind: str, first: int, last: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = next(iter(running(service(kind)))) if kind in SERVERS else ""
        for number in range(first, last):
            for fault in trials(kind, range(number, number + 1), Path(folder), server):
                sys.stdout.write(f"{fault}\n")


if __name__ == "__main__":
    _main(sys.argv[1], *map(int, ("0", *sys.argv[2:])[-2:]))
