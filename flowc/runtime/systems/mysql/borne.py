"""What MySQL's tables bear beside their definitions: for who changes them, and for who imports them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from flowc.catalog import READS, Column, Table, counts, names_word, with_columns
from flowc.runtime.systems.mysql.types import Ask, is_mariadb, place

_KEYS = """
SELECT constraint_name, table_name, column_name, referenced_column_name, own, (
  SELECT concat(r.update_rule, r.delete_rule) LIKE '%SET NULL%' FROM information_schema.referential_constraints AS r
  WHERE r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
  AND r.table_name = k.table_name) FROM (
  SELECT k.*, 1 AS own FROM information_schema.key_column_usage AS k
  WHERE table_schema = {schema} AND table_name = {name} AND referenced_table_name IS NOT NULL
  UNION ALL
  SELECT k.*, 0 FROM information_schema.key_column_usage AS k
  WHERE referenced_table_schema = {schema} AND referenced_table_name = {other}
) AS k ORDER BY constraint_name, own DESC
"""
_CHECKS = {
    True: """
SELECT constraint_name, check_clause FROM information_schema.check_constraints
WHERE constraint_schema = {schema} AND table_name = {name} AND level = 'Table'
""",
    False: """
SELECT c.constraint_name, c.check_clause FROM information_schema.check_constraints AS c
JOIN information_schema.table_constraints AS t USING (constraint_schema, constraint_name)
WHERE t.table_schema = {schema} AND t.table_name = {name} AND t.constraint_type = 'CHECK'
""",
}
_VIEWS = """
SELECT table_name, replace(view_definition, '"', '`') FROM information_schema.views
WHERE table_schema NOT IN ('sys', 'mysql')
AND locate(concat('`', {schema}, '`.`', replace({own}, '`', '``'), '`'), replace(view_definition, '"', '`')) > 0
ORDER BY table_name
"""
_ROUTINES = """
SELECT concat('trigger ', trigger_name, ' of ', event_object_table), action_statement FROM information_schema.triggers
WHERE trigger_schema = {schema} AND NOT (event_object_schema = {schema} AND event_object_table = {own})
AND locate(lower({own}), lower(action_statement)) > 0
UNION ALL
SELECT concat(lower(routine_type), ' ', routine_name), routine_definition FROM information_schema.routines
WHERE routine_schema = {schema} AND locate(lower({own}), lower(routine_definition)) > 0
ORDER BY 1
"""
_REMARKS = """
SELECT DISTINCT concat('the comment of index ', index_name) FROM information_schema.statistics
WHERE table_schema = {schema} AND table_name = {name} AND index_comment <> ''
"""
_KIND = """
SELECT table_type, coalesce(create_options, ''), (
  SELECT concat_ws(' ', any_value_of, subs) FROM (
    SELECT max(partition_expression) AS any_value_of, max(subpartition_expression) AS subs
    FROM information_schema.partitions WHERE table_schema = {schema} AND table_name = {name}) AS p)
FROM information_schema.tables WHERE table_schema = {schema} AND table_name = {name}
"""
VERSIONED = "system versioning"


def with_borne(ask: Ask, table: Table) -> Table:
    """The table with what hangs on it and on its columns."""
    parts = place(table.name)
    own, other = _foreign_keys(ask, table, parts)
    checks = [(str(row[0]), str(row[1])) for row in ask(_CHECKS[is_mariadb(ask)].format(**parts))]
    kind, options, divided = next(iter(ask(_KIND.format(**parts))), ("", "", ""))  # it may be gone by now
    beyond = [f"foreign key {name}" for name in own] + [f"CHECK {name}" for name, _ in checks]
    beyond += [VERSIONED] if kind == "SYSTEM VERSIONED" else []
    beyond += ["partitions"] if "partitioned" in options.lower() else []
    bound = _bound(table, (*own.items(), *other.items()), checks, str(divided or ""))
    columns = tuple(replace(c, bound=tuple(dict.fromkeys(bound[c.name]))) for c in table.columns)
    hanging = (*table.dependents, *(f"foreign key {name}" for name in other), *_views(ask, table, parts))
    remarks = tuple(str(row[0]) for row in ask(_REMARKS.format(**parts)))
    found = replace(table, columns=columns, beyond=tuple(beyond), dependents=hanging, remarks=remarks)
    return replace(found, routines=tuple(_routines(ask, table, parts)))


Keys = dict[str, list[str]]
"""Columns of the table, by the name of the foreign key that they are part of."""


def _foreign_keys(ask: Ask, table: Table, parts: dict[str, str]) -> tuple[Keys, Keys]:
    """Those that the table has, and those of others that point at it."""
    own: Keys = defaultdict(list)
    other: Keys = defaultdict(list)
    named = place(table.name, "referenced_table_name")["name"]
    for name, holder, column, referenced, is_own, empties in ask(_KEYS.format(**parts, other=named)):
        if int(is_own):
            own[f"{name}, which sets it NULL" if empties else str(name)].append(str(column))
        else:
            other[f"{name} of {holder}"].append(str(referenced))
    return own, other


def _bound(
    table: Table, keys: Iterable[tuple[str, Sequence[str]]], checks: Sequence[tuple[str, str]], divided: str
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, names in keys:
        for name in names:
            found[name].append(f"foreign key {key}")
    for column in table.columns:
        found[column.name] += [f"column {c.name}, which is computed from it" for c in _computed(column, table)]
        found[column.name] += [f"CHECK {name}" for name, clause in checks if _says(clause, column.name)]
        found[column.name] += ["the partitions, which it decides"] if _says(divided, column.name) else []
    return found


def _computed(column: Column, table: Table) -> Iterator[Column]:
    for other in table.columns:
        computed = counts(other.default) and (other.default or "").startswith("GENERATED")
        if other.name != column.name and computed and _says(other.default or "", column.name):
            yield other


def _says(expression: str, name: str) -> bool:
    """Whether the server's text of an expression names a column, between the quotes that it uses there."""
    return any(f"{mark}{name.replace(mark, mark * 2)}{mark}" in expression for mark in ('"', "`"))


def _routines(ask: Ask, table: Table, parts: dict[str, str]) -> Iterator[str]:
    """The triggers of other tables and the routines whose text names the table."""
    for words, text in ask(_ROUTINES.format(**parts)):
        if names_word(str(text), table.name.name):
            yield with_columns(str(words), str(text), table.column_names)


def _views(ask: Ask, table: Table, parts: dict[str, str]) -> Iterator[str]:
    """The views that name the table, with the columns of it that they read: the server writes each behind its table."""
    for name, definition in ask(_VIEWS.format(**parts)):
        read = [f"`{column}`" for column in table.column_names if f".`{column.replace('`', '``')}`" in definition]
        yield f"view {name}{READS}{', '.join(read)}" if read else f"view {name}"
