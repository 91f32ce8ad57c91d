"""What an engine's own catalog says that a table bears, as texts: read without flowc, so that what is lost is seen.

A fact is (kind, name, words). Columns are facts too, without their types: values tell what became of those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from benchmarks.applies.bearings import READER
from tests.stores import Store

Fact = tuple[str, str, str]


def facts(store: Store) -> frozenset[Fact]:
    """All facts of the table `t`, in lower case."""
    return frozenset((kind, name.lower(), _plain(words)) for kind, name, words in _FACTS[store.kind](store))


def left_behind(store: Store) -> list[str]:
    """Names in the catalog that only flowc gives, but for its history."""
    return [str(row[0]) for row in store.raw(_LEFT[store.kind])]


def _plain(words: object) -> str:
    """A definition without what engines add to it by themselves: casts, brackets, quotes, spaces."""
    text = re.sub(r"::[a-z_ ]+(\(\d+(,\d+)?\))?", "", str(words).lower())
    return re.sub(r'[\s"`()]+', " ", text).strip()


def _sqlite(store: Store) -> Iterator[Fact]:
    for _, name, _, required, default, key, _ in store.raw("PRAGMA table_xinfo(t)"):
        yield "column", name, f"{required} {default} {key}"
    for row in store.raw("PRAGMA foreign_key_list(t)"):
        yield "foreign key", row[3], f"{row[2:]}"
    text = str(store.raw("SELECT sql FROM sqlite_master WHERE lower(name) = 't' AND type = 'table'")[0][0])
    for check in _checks(text):
        yield "check", "", check
    for words in re.findall(r"(?i)on conflict \w+|deferrable initially deferred|collate \w+", text):
        yield "clause", "", words
    made = "SELECT type, name, sql FROM sqlite_master WHERE lower(tbl_name) = 't' AND type IN ('index', 'trigger')"
    for kind, name, sql in store.raw(made):
        if sql is not None:
            yield kind, name, re.sub(r'(?i)\bon\s+"?t"?\b', "on t", sql)


def _checks(text: str) -> Iterator[str]:
    """The conditions of CHECKs in the text of a table."""
    for found in re.finditer(r"(?i)\bcheck\s*\(", text):
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[found.end() : end - 1]


def _duckdb(store: Store) -> Iterator[Fact]:
    columns = (
        "SELECT column_name, is_nullable, column_default, comment FROM duckdb_columns() WHERE table_name ILIKE 't'"
    )
    for name, *words in store.raw(columns):
        yield "column", name, f"{words}"
    constraints = "SELECT constraint_type, constraint_text FROM duckdb_constraints() WHERE table_name ILIKE 't'"
    for kind, text in store.raw(constraints):
        yield kind.lower(), "", text
    for name, sql in store.raw("SELECT index_name, sql FROM duckdb_indexes() WHERE table_name ILIKE 't'"):
        yield "index", name, re.sub(r"(?i)\bon\s+(main\.)?t\b", "on t", sql)


def _postgres(store: Store) -> Iterator[Fact]:
    yield from store.raw(
        "SELECT 'column', a.attname, concat_ws(' ', a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attstattarget, "
        "col_description(a.attrelid, a.attnum)) FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid "
        "AND d.adnum = a.attnum WHERE a.attrelid = 't'::regclass AND a.attnum > 0 AND NOT a.attisdropped"
    )
    yield from store.raw(
        "SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE (conrelid = 't'::regclass OR confrelid = 't'::regclass) AND contype <> 'n'"
    )
    yield from store.raw(
        "SELECT 'index', c.relname, concat(pg_get_indexdef(i.indexrelid), i.indisvalid) FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 't'::regclass"
    )
    yield from store.raw(
        "SELECT 'trigger', tgname, concat(pg_get_triggerdef(oid), tgenabled) FROM pg_trigger "
        "WHERE tgrelid = 't'::regclass AND NOT tgisinternal"
    )
    yield from store.raw(
        "SELECT 'grant', g.column_name, g.privilege_type || ' to ' || g.grantee FROM "
        f"information_schema.column_privileges g WHERE g.table_name = 't' AND g.grantee = '{READER}'"
    )
    yield from store.raw(
        "SELECT 'child', inhrelid::regclass::text, '' FROM pg_inherits WHERE inhparent = 't'::regclass"
    )


def _mysql(store: Store) -> Iterator[Fact]:
    text = str(store.raw("SHOW CREATE TABLE t")[0][1])
    for line in text.splitlines()[1:]:
        words = line.strip().rstrip(",")
        name = re.search(r'"([^"]*)"|`([^`]*)`', words)
        kind = "column" if words[:1] in '"`' else "engine" if words[:1] == ")" else "constraint"
        of_column = re.sub(r'^("[^"]*"|`[^`]*`) \w+(\([^)]*\))?', "", words) if kind == "column" else words
        of_table = re.sub(r"COMMENT='.*'|AUTO_INCREMENT=\d+", "", of_column) if kind == "engine" else of_column
        yield kind, (name[1] or name[2]) if name and kind != "engine" else "", of_table
    here = (
        "SELECT trigger_name, action_statement FROM information_schema.triggers WHERE event_object_schema = database()"
    )
    for name, action in store.raw(here):
        yield "trigger", name, action
    for row in store.raw(
        "SELECT privilege_type FROM information_schema.table_privileges WHERE table_schema = database() "
        f"AND table_name = 't' AND grantee LIKE '''{READER}''%'"
    ):
        yield "grant", row[0], ""


_FACTS: Mapping[str, Callable[[Store], Iterator[Fact]]] = {
    "sqlite": _sqlite, "duckdb": _duckdb, "postgres": _postgres, "mysql": _mysql,
}  # fmt: skip
_OWN = "('flowc_migrations', 'flowc_migration_steps', 'flowc_locks')"
_LEFT: Mapping[str, str] = {
    "sqlite": "SELECT name FROM sqlite_master WHERE (name LIKE '%flowc%' OR sql LIKE '%flowc%') "
              f"AND tbl_name NOT IN {_OWN}",
    "duckdb": "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%flowc%' AND schema_name <> 'flowc' "
              "UNION ALL SELECT column_name FROM duckdb_columns() WHERE column_name LIKE '%flowc%' "
              "AND schema_name = 'main'",
    "postgres": "SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE NOT attisdropped "
                "AND (attname LIKE '%flowc%' OR relname LIKE '%flowc%' OR relname LIKE '%_ccnew%') AND relnamespace = "
                "'public'::regnamespace UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%flowc%' "
                "UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE '%flowc%'",
    "mysql": "SELECT table_name FROM information_schema.columns WHERE table_schema = database() AND (table_name LIKE "
             f"'%flowc%' OR column_name LIKE '%flowc%') AND table_name NOT IN {_OWN}",
}  # fmt: skip
