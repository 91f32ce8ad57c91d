"""What a database says of the table `t` and what hangs on it, read by nothing of flowc's: a fact in each line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from tests.stores import Store

_OURS = re.compile(r"__flowc|flowc_sync|_ccnew|_ccold")


def facts(store: Store) -> set[str]:
    """Every fact, in small letters and one spelling of blanks and quotes."""
    return {_plain(fact) for fact in _OF[store.kind](store)}


def left_behind(found: Iterable[str]) -> list[str]:
    """The facts of what only an apply may have, and only while it runs."""
    return sorted(fact for fact in found if _OURS.search(fact))


def _plain(fact: str) -> str:
    return " ".join(re.sub(r'["`\[\]]', "", fact).lower().split()).replace("( ", "(").replace(" )", ")")


def _bare(default: object) -> str:
    """A default without the parentheses and casts that engines put around it."""
    text = re.sub(r"::[a-z ]+(\([0-9, ]+\))?", "", str(default))
    text = re.sub(r"^cast\((.*) as [^)]*(\([0-9, ]+\))?\)$", r"\1", text.strip(), flags=re.IGNORECASE)
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return text


def _columns(rows: Iterable[tuple[str, Mapping[str, object]]]) -> Iterator[str]:
    for name, what in rows:
        for attribute, value in what.items():
            if value not in (None, ""):
                yield f"column {name} {attribute}: {_bare(value) if attribute == 'default' else value}"


def _sqlite(store: Store) -> Iterator[str]:
    for _, name, kind, required, default, key, hidden in store.raw("PRAGMA table_xinfo(t)"):
        parts = {"type": kind or "none", "null": not (required or key), "default": default, "hidden": hidden}
        yield from _columns([(name, parts | {"key": key})])
    for kind, name, sql in store.raw("SELECT type, name, sql FROM sqlite_master WHERE type <> 'table' AND sql <> ''"):
        yield f"{kind} {name}: {sql}"
    for table, sql in store.raw("SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
        yield f"table {table}"
        if table.lower() == "t":
            yield from (f"check {match}" for match in re.findall(r"CHECK \([^)]*\)", sql, re.IGNORECASE))
            yield from (f"clause {word}" for word in ("COLLATE", "AUTOINCREMENT", "ON CONFLICT") if word in sql)
    for table in ("t", "child"):
        for row in store.raw(f"PRAGMA foreign_key_list({table})"):
            yield f"foreign key of {table}: {row[2:]}"
    for _, name, unique, origin, partial in store.raw("PRAGMA index_list(t)"):
        if origin == "u":
            columns = [part[2] for part in store.raw(f'PRAGMA index_info("{name}")')]
            yield f"unique constraint: {columns} {unique} {partial}"


def _duckdb(store: Store) -> Iterator[str]:
    rows = store.raw(
        "SELECT column_name, data_type, is_nullable, column_default, comment FROM duckdb_columns() "
        "WHERE NOT internal AND table_name ILIKE 't'"
    )
    yield from _columns((r[0], dict(zip(("type", "null", "default", "comment"), r[1:], strict=True))) for r in rows)
    for table, comment in store.raw("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main'"):
        yield f"table {table}"
        yield f"comment of table {table}: {comment}"
    for name, sql in store.raw("SELECT index_name, sql FROM duckdb_indexes()"):
        yield f"index {name}: {sql.rstrip(';')}"
    for table, kind, text in store.raw(
        "SELECT table_name, constraint_type, constraint_text FROM duckdb_constraints() "
        "WHERE schema_name = 'main' AND constraint_type <> 'NOT NULL'"
    ):
        yield f"{kind} of {table}: {text}"
    for name, sql in store.raw("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal"):
        yield f"view {name}: {sql}"


_POSTGRES = """
WITH mine AS (SELECT oid, relname, relacl, relowner, reloptions, relreplident, relrowsecurity FROM pg_class
              WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S', 'm'))
SELECT 'table ' || relname || ': ' || relowner::regrole || ' ' || coalesce(reloptions::text, '') || relreplident::text
       || relrowsecurity::text FROM mine
UNION ALL SELECT 'grant on ' || relname || ': ' || a::text FROM mine, unnest(relacl) AS a
UNION ALL SELECT 'grant on column ' || attname || ' of ' || relname || ': ' || a::text
FROM mine JOIN pg_attribute ON attrelid = mine.oid, unnest(attacl) AS a
UNION ALL SELECT 'comment of ' || relname || ': ' || obj_description(oid, 'pg_class') FROM mine
UNION ALL SELECT 'index ' || indexrelid::regclass || ': ' || pg_get_indexdef(indexrelid) || indisvalid::text
       || coalesce(obj_description(indexrelid, 'pg_class'), '')
FROM pg_index JOIN mine ON mine.oid = indrelid
UNION ALL SELECT 'constraint ' || conname || ' of ' || conrelid::regclass || ': ' || pg_get_constraintdef(c.oid)
FROM pg_constraint c JOIN mine ON mine.oid = conrelid WHERE contype <> 'n'
UNION ALL SELECT 'trigger ' || tgname || ': ' || pg_get_triggerdef(g.oid) || tgenabled::text
FROM pg_trigger g JOIN mine ON mine.oid = tgrelid WHERE NOT tgisinternal
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'policy ' || polname || ' on ' || polrelid::regclass FROM pg_policy
UNION ALL SELECT 'statistics ' || pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
UNION ALL SELECT 'heir ' || inhrelid::regclass || ' of ' || inhparent::regclass FROM pg_inherits
UNION ALL SELECT 'view ' || relname || ': ' || pg_get_viewdef(oid) FROM mine WHERE relname = 'v'
"""


def _postgres(store: Store) -> Iterator[str]:
    yield from (row[0] for row in store.raw(_POSTGRES) if row[0])
    rows = store.raw(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull, pg_get_expr(adbin, adrelid), "
        "col_description(attrelid, attnum), nullif(attidentity::text || attgenerated::text, ''), "
        "nullif(to_jsonb(a)->>'attstattarget', '-1'), attcollation::regcollation::text "
        "FROM pg_attribute a LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum "
        "WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    words = ("type", "null", "default", "comment", "made", "target", "collation")
    yield from _columns((row[0], dict(zip(words, row[1:], strict=True))) for row in rows)


def _mysql(store: Store) -> Iterator[str]:
    rows = store.raw(
        "SELECT column_name, column_type, is_nullable, nullif(column_default, 'NULL'), column_comment, extra, "
        "collation_name, generation_expression, column_key = 'PRI' FROM information_schema.columns "
        "WHERE table_schema = database() AND table_name = 't'"
    )
    words = ("type", "null", "default", "comment", "extra", "collation", "made", "key")
    yield from _columns((row[0], dict(zip(words, row[1:], strict=True))) for row in rows)
    for (table,) in store.raw("SELECT table_name FROM information_schema.tables WHERE table_schema = database()"):
        yield f"table {table}"
        if table in ("t", "child"):
            yield from _made(store, table)
    for row in store.raw("SELECT trigger_name, action_timing, event_manipulation, action_statement "
                         "FROM information_schema.triggers WHERE trigger_schema = database()"):  # fmt: skip
        yield f"trigger {row}"
    for row in store.raw("SELECT table_name, view_definition FROM information_schema.views "
                         "WHERE table_schema = database()"):  # fmt: skip
        yield f"view {row}"
    for kind in ("table", "column"):
        for row in store.raw(f"SELECT * FROM information_schema.{kind}_privileges WHERE table_schema = database()"):
            yield f"grant {row}"


def _made(store: Store, table: str) -> Iterator[str]:
    """The lines of SHOW CREATE TABLE that are about no column, and the clauses beside columns."""
    for line in store.raw(f"SHOW CREATE TABLE {table}")[0][1].splitlines():
        text = line.strip().rstrip(",")
        column = re.match(r'["`](\w+)["`] ', text)
        if column is None:
            text = re.sub(r"AUTO_INCREMENT=\d+ |COMMENT='[^']*'", "", text)
            yield f"{table}: {text}"
        elif check := re.search(r"CHECK \(.*\)", text):
            yield f"check of {table}.{column[1]}: {check[0]}"


_OF = {"sqlite": _sqlite, "duckdb": _duckdb, "postgres": _postgres, "mysql": _mysql}
