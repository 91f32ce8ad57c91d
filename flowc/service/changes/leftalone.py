"""What a table has that no spec holds: told by `import`, and left alone by `plan` and `apply`."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from flowc.catalog import CLUSTER, ROW_ID, Column, Index, Table, counts
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.owntypes import own_name
from flowc.compiler.front.types import type_fault
from flowc.compiler.migrate.describe import index_words
from flowc.compiler.migrate.refusals import FOREIGN, from_others
from flowc.types import UNKNOWN, DataType, parse_type

_HELD = re.compile(
    r"^(the type|the domain|index|column|sequence|default value|GENERATED|VIRTUAL$|type|rule _RETURN|function)\b"
)
"""Words of a column or a table whose matter the spec holds, or that are told with something else."""
_OF_TABLE = re.compile(r" on table .*$")


def left_alone(table: Table, kind: str) -> tuple[str, ...]:
    """Each thing in words, the column first that it is of. `kind` is that of the connection."""
    held = [c.name for c in table.columns if is_held(c, table)]
    indexes = (i for i in table.indexes if not is_plain(i, held, table))
    found = [*_columns(table), *(_index_words(i, table) for i in indexes)]
    found += [
        f"constraint `{i.name}`: UNIQUE, of which flowc makes a unique index elsewhere"
        for i in table.indexes
        if i.constraint and is_plain(i, held, table)
    ]
    found += [*table.remarks]
    found += [f"index `{i.name}`: {mark}" for i in table.indexes for mark in i.marks]
    found += ["the primary key: CLUSTER"] if CLUSTER in table.key_marks else []
    key = ", ".join(table.primary_key)
    found += [f"the primary key ({key})"] if any(name not in held for name in table.primary_key) else []
    found += [words for words in table.beyond if not _HELD.match(words)]
    found += (
        ["partitions"] if not table.plain and DIALECTS[kind].tables.partitions and "partitions" not in found else []
    )
    triggers = (match["name"] for sql in table.create_sql[1:] if (match := _TRIGGER.match(sql)))
    return tuple(dict.fromkeys((*found, *table.dependents, *(f"trigger {name}" for name in triggers))))


_TRIGGER = re.compile(r"CREATE\s+(?:TEMP\w*\s+)?TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>\S+)", re.IGNORECASE)
"""Triggers that the engine keeps as texts (SQLite)."""


def _columns(table: Table) -> Iterator[str]:
    told = set[str]()
    for column in table.columns:
        if not is_held(column, table):
            yield f"`{column.name}`: the column, whose type flowc has no word for"
            continue
        words = [_OF_TABLE.sub("", word) for word in column.beyond if word != ROW_ID and not _HELD.match(word)]
        words = [word for word in words if not _is_told(word, table)]
        for word in (*_type(column), *_default(column), *words):
            # A constraint of several columns is told once.
            if not word.startswith("constraint ") or word not in told:
                yield f"`{column.name}`: {word}"
            told.add(word)


def _is_told(word: str, table: Table) -> bool:
    """Whether a constraint is told as the key, an index or a foreign key of another table."""
    name = word.removeprefix("constraint ")
    known = {table.key_name, *(index.name for index in table.indexes)}
    return word != name and (name in known or any(f" {name} of " in f" {other}" for other in table.dependents))


def _type(column: Column) -> Iterator[str]:
    if column.own not in (None, str(column.type)) and own_name(written_type(column)) is None:
        yield f"the type {column.own}, of which flowc makes {column.type} elsewhere"


def _default(column: Column) -> Iterator[str]:
    if counts(column.default) and (column.default or "").lower().startswith("nextval("):
        yield f"the sequence of its default {column.default}"


def is_held(column: Column, table: Table) -> bool:
    """Whether a spec can declare the column."""
    if any((left.kind, left.name) == ("column", column.name) for left in table.leftovers):
        return False
    if not column.name or (column.type == UNKNOWN and column.own is None):
        return False
    words = written_type(column)  # of a CHAR(0) there are none that a spec may say
    found = _read(words)
    return own_name(words) is not None or (found is not None and type_fault(found) is None)


def written_type(column: Column) -> str:
    """The type as a spec says it, so that it is read as what it is: by its own name, or in flowc's word."""
    if column.own is not None and (own_name(column.own) or _read(column.own) == column.type):
        return column.own
    # More than one word (`interval year to month`) is no name, and in quotes the engine would take it for one.
    return f'"{column.own}"' if column.own is not None and _WORD.fullmatch(column.own) else str(column.type)


_WORD = re.compile(r"\w+")


def _read(text: str) -> DataType | None:
    try:
        return parse_type(text)
    except (ValueError, RecursionError):
        return None


def is_plain(index: Index, held: Container[str], table: Table) -> bool:
    """Whether a spec can declare the index, whose columns it must hold."""
    known = bool(index.columns) and all(name in held for name in index.columns)
    return known and index.where is None and not index.beyond and not _of_foreign_key(index, table)


def _of_foreign_key(index: Index, table: Table) -> bool:
    """Whether a foreign key has made the index for itself (MySQL): it goes by itself when another one does for it."""
    bound = [set(column.bound) if (column := table.column(name)) else set() for name in index.columns]
    keys = (words.removeprefix(FOREIGN).partition(",")[0] for words in set.intersection(*bound) if _is_key(words))
    return any(index.name in (key, index.columns[0]) for key in keys)


def _is_key(words: str) -> bool:
    """Whether it is a foreign key of the table itself."""
    return words.startswith(FOREIGN) and not from_others((words,))


def _index_words(index: Index, table: Table) -> str:
    made = index.columns and not index.beyond and _of_foreign_key(index, table)
    why = ", which its foreign key has made" if made else ""
    return index_words(index, named=True) + why
