"""Specs for tables that exist: read from the live catalog, written as the YAML that plans to no changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from flowc.catalog import Column, Index, Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.yamlscalars import plain_value
from flowc.compiler.tables.difference import default_form
from flowc.compiler.tables.state import own_tables
from flowc.controls import printable
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError
from flowc.loadplan import BAD_ROWS
from flowc.runtime.contracts.database import Database
from flowc.runtime.names import qualified, quoted
from flowc.runtime.systems import literal
from flowc.service.access.history import History
from flowc.service.changes.leftalone import is_held, is_plain, left_alone, written_type

_PLAIN = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Imported:
    """The YAML, and in words what it could not hold."""

    text: str
    notes: tuple[str, ...]

    def is_same(self, text: str) -> bool:
        """Whether another text means the same specs: only remarks differ."""
        try:
            return bool(yaml.safe_load(text) == yaml.safe_load(self.text))
        except yaml.YAMLError:
            return False


def import_tables(
    database: Database,
    kind: str,
    connection: str,
    *,
    chosen: Sequence[str],
    known: Mapping[str, TableName | None],
    history: History,
) -> Imported:
    """The `tables:` of the chosen tables, or of all that the project does not declare.

    `known` are the keys that the project already uses, and the tables of this connection that they declare. What is in
    another database of the server is left out, unless it is chosen; what `history` knows as another project's, always.

    Raises UsageError for a table that is not there.
    """
    there = [name for name in database.names() if not _is_own(name, kind)]
    declared = {_plain_name(name, kind) for name in known.values() if name is not None}
    # What is in another database of the server is imported by its name alone, where the connection is of one.
    here = database.resolved(TableName(None, "t")).table.schema if DIALECTS[kind].names.session_schema else None
    near = [name for name in there if here is None or name.schema is None]
    owned = {name: owner for name in there if (owner := history.owner(name, kind)) is not None}
    fresh = [name for name in near if _plain_name(name, kind) not in declared and name not in owned]
    names = [_find(text, there, connection) for text in chosen] or fresh
    _refuse_owned(names, owned)
    tables = database.tables(tuple(names))
    taken, found, notes = set(known), list[str](), list[str]()
    if not chosen:
        notes += [f"{name}: declared already, and left out" for name in near if name not in (*fresh, *owned)]
        notes += [f"{name}: belongs to project `{owned[name]}`, and left out" for name in near if name in owned]
    kept = [] if chosen else [name for name in names if _keeps_bad_rows(tables[name])]
    notes += [f"{name}: it holds bad rows of pipelines, and is left out" for name in kept]
    for name in (name for name in names if name not in kept):
        if why := _undeclarable(tables[name]):
            notes.append(f"{name}: it has no {why} that a spec can declare, and is left out")
            continue
        key = _key(name, taken)
        taken.add(key)
        left = (*left_alone(tables[name], kind), *_counter(tables[name], database))
        found.append(_shown(key, _entry(tables[name], connection, key, kind), left))
        notes += [f"{name}: {words}" for words in left]
    return Imported("".join(("tables:\n" if found else "tables: {}\n", *found)), tuple(notes))


def _undeclarable(table: Table) -> str | None:
    """What a table lacks that an entry of a spec must have."""
    if not table.name.name:
        return "name"
    return None if any(is_held(column, table) for column in table.columns) else "column"


def _counter(table: Table, database: Database) -> Iterator[str]:
    """Where a counter of MySQL goes on, if its rows do not tell: only the table keeps that."""
    numbered = next((c.name for c in table.columns if c.default == "AUTO_INCREMENT"), None)
    if numbered is None:
        return
    kind = database.kind
    schema = literal(table.name.schema, kind) if table.name.schema else "database()"
    stands = DIALECTS[kind].tables.counter.format(schema=schema, name=literal(table.name.name, kind))
    after = f"SELECT coalesce(max({quoted(numbered)}), 0) + 1 FROM {qualified(table.name)}"
    row = database.query(f"SELECT ({stands}) AS stands, ({after}) AS after").to_pylist()[0]
    if row["stands"] is not None and int(row["stands"]) > int(row["after"]):
        yield f"`{numbered}`: AUTO_INCREMENT = {int(row['stands'])}, where it goes on"


class _Dumper(yaml.SafeDumper):
    """Writes texts so that YAML 1.2 reads them as they are.

    What it takes for ends of lines are escapes, for else they would be blanks, and so are marks that reorder what a
    reader sees; numbers as `1e5`, which YAML 1.1 does not know, stand in quotes.
    """


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _BREAKS.search(text) else None if plain_value(text) == text else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_REORDERS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_BREAKS = re.compile(f"[\x85\u2028\u2029]|{_REORDERS.pattern}")
_Dumper.add_representer(str, _text)


def _shown(key: str, entry: Mapping[str, object], left: Sequence[str]) -> str:
    """An entry of `tables`, below remarks of what it does not hold."""
    text = yaml.dump({key: entry}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    text = _REORDERS.sub(lambda match: f"\\u{ord(match[0]):04X}", text)
    head = [_NOT_HELD, *(f"#   {printable(' '.join(words.split()))}" for words in left)] if left else []
    return "".join(f"  {line}\n" for line in (*head, *text.rstrip("\n").split("\n")))


_NOT_HELD = "# The database has more, which no spec holds and flowc leaves alone:"


def _is_own(name: TableName, kind: str) -> bool:
    """Whether flowc keeps what it knows in a table; where schemas are databases, in one of those too."""
    own = own_tables(DIALECTS[kind])
    plain = name if DIALECTS[kind].names.schemas else TableName(None, name.name)
    return plain in own or name.name.startswith("_flowc")


def _keeps_bad_rows(table: Table) -> bool:
    return [column.name for column in table.columns] == [column.name for column in BAD_ROWS]


def _refuse_owned(names: Sequence[TableName], owned: Mapping[TableName, str]) -> None:
    found = next((name for name in names if name in owned), None)
    if found is not None:
        raise UsageError(
            f"table `{found}` belongs to project `{owned[found]}`",
            code="table-of-another-project",
            help="if this is that project, give it that name: `project:` in its specs",
        )


def _plain_name(name: TableName, kind: str) -> TableName:
    """The name without the schema that a name without one means."""
    return TableName(None, name.name) if name.schema == DIALECTS[kind].names.plain_schema else name


def _find(text: str, there: Sequence[TableName], connection: str) -> TableName:
    name = TableName.parse(text)
    if name in there:
        return name
    helps = did_you_mean(text, [str(known) for known in there]) or (f"see them all with `flowc import {connection}`",)
    raise UsageError(f"`{connection}` has no table `{text}`", code="unknown-live-table", help=helps[0])


def _key(name: TableName, taken: set[str]) -> str:
    """A key for the table: its name, with its schema where that is taken."""
    plain = _PLAIN.sub("_", name.name).strip("_") or "table"
    candidates = [
        plain,
        *([f"{name.schema}_{plain}"] if name.schema else []),
        *(f"{plain}_{n}" for n in range(2, 1000)),
    ]
    return next(key for key in candidates if key not in taken)


def _entry(table: Table, connection: str, key: str, kind: str) -> dict[str, object]:
    columns = {c.name: _column(c, table, kind) for c in table.columns if is_held(c, table)}
    entry: dict[str, object] = {"connection": connection}
    entry |= {"schema": table.name.schema} if table.name.schema else {}
    entry |= {"name": table.name.name} if table.name.name != key else {}
    entry |= {"description": table.comment} if table.comment else {}
    entry |= {"partition_by": list(table.partition_by)} if table.partition_by else {}
    entry["columns"] = columns
    keyed = table.primary_key and all(name in columns for name in table.primary_key)
    entry |= {"primary_key": list(table.primary_key)} if keyed else {}
    indexes = [_index(index) for index in table.indexes if is_plain(index, columns, table)]
    return entry | ({"indexes": indexes} if indexes else {})


def _column(column: Column, table: Table, kind: str) -> object:
    default = column.default if default_form(column.default, DIALECTS[kind]) is not None else None
    required = not column.nullable and column.name not in table.primary_key
    if default is None and not required and column.comment is None:
        return written_type(column)
    entry: dict[str, object] = {"type": written_type(column)}
    entry |= {"nullable": False} if required else {}
    entry |= {"default": default} if default is not None else {}
    entry |= {"description": column.comment} if column.comment is not None else {}
    return entry


def _index(index: Index) -> dict[str, object]:
    """Without the name where a constraint owns it: an engine keeps such names to itself."""
    entry: dict[str, object] = {"columns": list(index.columns)}
    entry |= {"unique": True} if index.unique else {}
    return entry | ({"name": index.name} if index.name and not index.constraint else {})
