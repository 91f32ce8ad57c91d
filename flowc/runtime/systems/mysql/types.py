"""Which types MySQL's columns have, in results and in tables.

| MySQL | flowc |
|---|---|
| `tinyint(1)`, `bit(1)` | boolean |
| `bit(n)` | ubigint, its number |
| `year` | smallint |
| `datetime` | timestamp |
| `timestamp` | timestamptz: an instant, read and written in UTC |
| `char(36)` with collation `ascii_bin`, MariaDB's `uuid` | uuid |
| MariaDB's `json`: `longtext` with the check `json_valid` | json |
| `enum`, `set`, network addresses | text |
| spatial types | binary |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowc.catalog import Column, Index, Native, Table, TableName, with_columns
from flowc.runtime.names import literal, quoted
from flowc.types import BOOLEAN, TEXT, DataType, Kind, parse_type

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
"""Runs a query and returns its rows."""

_UNSIGNED, _CHOSEN = 32, 256 | 2048
_BINARY_CHARSET = 63
_SIGNED_KINDS = {1: Kind.INT8, 2: Kind.INT16, 3: Kind.INT32, 8: Kind.INT64, 9: Kind.INT32, 13: Kind.INT16}
_UNSIGNED_KINDS = {1: Kind.UINT8, 2: Kind.UINT16, 3: Kind.UINT32, 8: Kind.UINT64, 9: Kind.UINT32, 13: Kind.INT16}
_TEMPORAL = {7: Kind.TIMESTAMPTZ, 10: Kind.DATE, 11: Kind.TIME, 12: Kind.TIMESTAMP}
_PLAIN = {4: Kind.FLOAT32, 5: Kind.FLOAT64, 6: Kind.UNKNOWN, 245: Kind.JSON, 255: Kind.BINARY}
_DECIMALS, _BIT, _TINY = (0, 246), 16, 1
_VARYING = (15, 253, 254)
_UUID_LENGTH = 36
_BYTES_OF_CHARACTER = 4
UUID_COLLATION = "ascii_bin"
"""The collation that tells a uuid from other texts of 36 characters."""
_SHORT = ("tinytext", "text", "mediumtext", "tinyblob", "blob", "mediumblob")
"""What MariaDB copies from a longer column of the kind modulo its size, without a word: 70,000 bytes become 4,464."""
_EXACT_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
"""Others hold texts equal that differ in case, accents, or trailing spaces."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a result: how its values come (`code` of the protocol, `unsigned`), and what they are."""

    name: str
    code: int
    unsigned: bool
    type: DataType

    @property
    def column(self) -> Column:
        """The column of a query."""
        return Column(self.name, self.type)


def fields(descriptions: Sequence[Any], ask: Ask) -> tuple[Field, ...]:
    """The columns of a result, from the driver's descriptions; `ask` looks up what those do not tell."""
    named = _named(descriptions, ask)
    return tuple(
        Field(d.name, d.type_code, bool(d.flags & _UNSIGNED), named.get(_origin(d)) or _described(d))
        for d in descriptions
    )


def sent_as(field: Field, description: Any) -> Field:
    """The field with the form in which a result's own description says that its values come."""
    return Field(field.name, description.type_code, bool(description.flags & _UNSIGNED), field.type)


def _origin(description: Any) -> tuple[str, str, str]:
    return _text(description.db), description.org_table, description.org_name


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _described(d: Any) -> DataType:
    code, unsigned = d.type_code, bool(d.flags & _UNSIGNED)
    if code == _TINY and d.length == 1 and not unsigned:
        return BOOLEAN
    if code == _BIT:
        return BOOLEAN if d.length == 1 else DataType(Kind.UINT64)
    kinds = _UNSIGNED_KINDS if unsigned else _SIGNED_KINDS
    if code in kinds:
        return DataType(kinds[code])
    if code in _DECIMALS:
        digits = d.length - (1 if d.scale else 0) - (0 if unsigned else 1)
        return DataType(Kind.DECIMAL, precision=max(digits, d.scale, 1), scale=d.scale)
    if code in _TEMPORAL:
        return _timed(_TEMPORAL[code], d.scale)
    if code in _PLAIN:
        return DataType(_PLAIN[code])
    return _characters(d)


def _timed(kind: Kind, digits: int | None) -> DataType:
    return DataType(kind, precision=digits if kind is not Kind.DATE and digits is not None and digits < 6 else None)


def _characters(d: Any) -> DataType:
    if d.charsetnr == _BINARY_CHARSET:
        return DataType(Kind.BINARY)
    length = d.length // _BYTES_OF_CHARACTER
    # The length of an expression is a guess of the server's; that of a column is its own.
    own = d.type_code in _VARYING and d.org_table and not d.flags & _CHOSEN
    return DataType(Kind.TEXT, length=length) if own and length else TEXT


_ORIGINS = """
SELECT c.table_schema, c.table_name, c.column_name, 'uuid' FROM information_schema.columns AS c
WHERE (c.table_schema, c.table_name) IN ({tables})
AND (c.data_type = 'uuid' OR (c.column_type = 'char(36)' AND c.collation_name = 'ascii_bin'))
"""
_CHECKED = """
SELECT c.constraint_schema, c.table_name, c.constraint_name, 'json'
FROM information_schema.check_constraints AS c WHERE (c.constraint_schema, c.table_name) IN ({tables})
AND c.level = 'Column' AND replace(c.check_clause, '"', '`') = concat('json_valid(`', c.constraint_name, '`)')
"""


def _named(descriptions: Sequence[Any], ask: Ask) -> dict[tuple[str, str, str], DataType]:
    """The columns of tables that are uuid or json although the protocol calls them texts."""
    texts = [d for d in descriptions if d.org_table and d.charsetnr != _BINARY_CHARSET and d.type_code >= _VARYING[0]]
    wanted = [d for d in texts if d.type_code in (249, 250, 251, 252) or d.length % _UUID_LENGTH == 0]
    if not wanted:
        return {}
    pairs = sorted({(_text(d.db), d.org_table) for d in wanted})
    tables = ", ".join(
        f"({literal(schema, plain_backslash=False)}, {literal(name, plain_backslash=False)})" for schema, name in pairs
    )
    queries = [_ORIGINS, _CHECKED] if is_mariadb(ask) else [_ORIGINS]
    rows = [row for query in queries for row in ask(query.format(tables=tables))]
    return {(row[0], row[1], row[2]): parse_type(row[3]) for row in rows}


_FOLDED = "CAST(IF(@@lower_case_table_names, lower({x}), {x}) AS BINARY)"


def place(name: TableName, column: str = "table_name") -> dict[str, str]:
    """What `table_schema`, and `table_name` or another `column`, are to be equal to, for a template of SQL.

    The name itself is `own`.

    The catalog takes `t` for `T`, and `sa` for `ßa`, where they are two tables.
    """
    own = literal(name.name, plain_backslash=False)
    same = f"{_FOLDED.format(x=column)} = {_FOLDED.format(x=own)}"
    schema = literal(name.schema, plain_backslash=False) if name.schema else "database()"
    return {"schema": schema, "name": f"{own} AND {same}", "own": own}


def is_mariadb(ask: Ask) -> bool:
    """Whether the server is a MariaDB, which keeps json and uuid in its own ways."""
    return "mariadb" in str(ask("SELECT version()")[0][0]).lower()


_COLUMNS = """
SELECT column_name, column_type, data_type, is_nullable, column_default, extra, column_comment, collation_name,
       datetime_precision, generation_expression,
       (SELECT t.table_collation FROM information_schema.tables AS t WHERE t.table_schema = c.table_schema
        AND t.table_name = c.table_name AND CAST(concat(t.table_schema, '.', t.table_name) AS BINARY)
        = CAST(concat(c.table_schema, '.', c.table_name) AS BINARY)) AS around
FROM information_schema.columns AS c WHERE table_schema = {schema} AND table_name = {name} ORDER BY ordinal_position
"""
_INDEXES = """
SELECT index_name, non_unique, column_name, sub_part, index_type, collation FROM information_schema.statistics
WHERE table_schema = {schema} AND table_name = {name} ORDER BY index_name, seq_in_index
"""
_UNUSED = """
SELECT DISTINCT s.index_name
FROM (SELECT 'NO' AS ignored, 'YES' AS is_visible) AS older, (
  SELECT index_name FROM information_schema.statistics WHERE table_schema = {schema} AND table_name = {name}) AS s
WHERE EXISTS (
  SELECT 1 FROM information_schema.statistics AS t WHERE table_schema = {schema} AND table_name = {name}
  AND t.index_name = s.index_name AND (ignored = 'YES' OR is_visible = 'NO'))
"""
"""Indexes that no query uses. A server has one of the two columns; for what it has not, the constant stands."""
_TABLE = """
SELECT table_comment, table_type, engine, coalesce(create_options, '') FROM information_schema.tables
WHERE table_schema = {schema} AND table_name = {name}
"""
_CHECKS = """
SELECT constraint_name, replace(check_clause, '"', '`') = concat('json_valid(`', constraint_name, '`)')
FROM information_schema.check_constraints
WHERE constraint_schema = {schema} AND table_name = {name} AND level = 'Column'
"""
_TRIGGERS = """
SELECT trigger_name, action_statement FROM (
  SELECT trigger_name, action_statement, event_object_schema AS table_schema, event_object_table AS table_name
  FROM information_schema.triggers) AS t
WHERE table_schema = {schema} AND table_name = {name} ORDER BY trigger_name
"""


_NAMES = """
SELECT CASE WHEN table_schema <> database() THEN table_schema END, table_name FROM information_schema.tables
WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
AND table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
ORDER BY table_schema, table_name
"""


_FORMS = {"VIEW": "a view", "SYSTEM VIEW": "a view", "SEQUENCE": "a sequence", "TEMPORARY": "a temporary table"}


def names(ask: Ask) -> tuple[TableName, ...]:
    """The tables of the server, those in the connection's own database without it."""
    return tuple(TableName(row[0], row[1]) for row in ask(_NAMES))


def read_table(ask: Ask, name: TableName) -> Table | None:
    """The live table, or None."""
    parts = place(name)
    found = ask(_TABLE.format(**parts))
    if not found:
        return None
    comment, kind, _, options = found[0]
    mariadb = is_mariadb(ask)
    checks = {row[0]: bool(row[1]) for row in ask(_CHECKS.format(**parts))} if mariadb else {}
    columns = tuple(_column(row, checks, mariadb) for row in ask(_COLUMNS.format(**parts)))
    rows = ask(_INDEXES.format(**parts))
    secondary = any(row[0] != "PRIMARY" for row in rows)
    unused = [str(row[0]) for row in ask(_UNUSED.format(**parts))] if secondary else []
    keys, others = _indexes(rows, dict.fromkeys(unused, "IGNORED" if mariadb else "INVISIBLE"))
    plain = kind != "VIEW" and "partitioned" not in options.lower()
    named = [column.name for column in columns]
    triggers = tuple(with_columns(f"trigger {row[0]}", str(row[1]), named) for row in ask(_TRIGGERS.format(**parts)))
    told = comment if kind != "VIEW" and comment else None
    return Table(
        name, columns, keys, indexes=others, comment=told, plain=plain, dependents=triggers, form=_FORMS.get(kind)
    )


# How wide a number is shown, which only some servers tell; `tinyint(1)` means a boolean to those who read it.
_WIDTH = re.compile(r"^((?:small|medium|big|tiny(?!int\(1\)))?int)\([0-9]+\)(?!.*zerofill)")


_COMPRESSED = re.compile(r"\s*/\*M?!\d*\s*COMPRESSED\s*\*/", re.IGNORECASE)
"""What MariaDB writes behind the type of a column that it compresses."""


def _column(row: tuple[Any, ...], checks: Mapping[str, bool], mariadb: bool) -> Column:
    """A column; of MariaDB's checks on columns, those that are True make a json."""
    name, told, word, nullable, default, extra, comment, collation, digits, generated, around = row
    spelled = _COMPRESSED.sub("", str(told))
    kind = DataType(Kind.JSON) if checks.get(name) else _spelled(spelled, str(word).lower(), collation, digits)
    found = _default(default, str(extra), generated, word, mariadb)
    beyond = list(_beyond(spelled, str(word).lower(), str(extra)))
    beyond += ["COMPRESSED"] if spelled != str(told) else []
    beyond += ["a CHECK"] if checks.get(name) is False else []
    own = collation not in (None, around) and kind.kind not in (Kind.UUID, Kind.JSON)
    beyond += [f"the collation {collation}"] if own else []
    # The character set of a uuid, and the CHECK of a json, stand beside the type.
    beside = kind.kind is Kind.JSON or (kind.kind is Kind.UUID and word == "char")
    words = None if beside else _WIDTH.sub(r"\1", spelled)
    native = _native(kind, spelled, str(word).lower(), collation)
    named = _own(kind, spelled, str(word).lower())
    return Column(
        name,
        kind,
        nullable == "YES",
        default=found,
        comment=comment or None,
        beyond=tuple(beyond),
        spelled=words,
        own=named,
        native=native,
    )


def _own(kind: DataType, spelled: str, word: str) -> str | None:
    """The type by MySQL's name, where flowc has no word that tells all of it."""
    if word == "year":
        return word
    limited = word in ("float", "double", "varbinary") and "(" in spelled
    padded = word in ("char", "binary") and kind.kind is not Kind.UUID
    sized = word in _SHORT and word not in ("text", "blob")
    nameless = word in _NAMELESS and kind.kind is not Kind.BOOL
    own = limited or padded or sized or nameless or word == "mediumint" or "zerofill" in spelled
    return _WIDTH.sub(r"\1", spelled) if own else None


def _native(kind: DataType, spelled: str, word: str, collation: str | None) -> Native | None:
    """What flowc's type does not tell: ENUM takes numbers, CHAR and BINARY pad, DOUBLE(m,d) rounds, and so on."""
    rounds = word in ("float", "double") and "(" in spelled
    inexact = rounds or word in ("enum", "set", "year", "binary") or (word == "char" and kind.kind is not Kind.UUID)
    own = spelled if inexact or word in (*_SHORT, "inet4", "inet6") else None
    if own and word in _SHORT and collation and not collation.startswith("utf8mb4"):
        own += f" CHARACTER SET {collation.partition('_')[0]}"
    folds = kind.kind is Kind.TEXT and collation not in (None, *_EXACT_COLLATIONS)
    return Native(own, collation if folds else None, not inexact) if own or folds else None


def _beyond(spelled: str, word: str, extra: str) -> Iterator[str]:
    """What the type that flowc reads, and the default, do not tell."""
    if word in _NAMELESS or "zerofill" in spelled:
        yield f"the type {spelled}"
    for known in ("on update", "invisible", "without system versioning"):
        if known in extra.lower():
            yield known.upper()


def _spelled(spelled: str, word: str, collation: str | None, digits: int | None) -> DataType:
    if word in ("timestamp", "datetime", "time"):
        return _timed(_WORDS[word], digits)
    if word == "char" and spelled == f"char({_UUID_LENGTH})" and collation == UUID_COLLATION:
        return DataType(Kind.UUID)
    if spelled.startswith("tinyint(1)") and "unsigned" not in spelled:
        return BOOLEAN
    if word == "bit":
        return BOOLEAN if spelled == "bit(1)" else DataType(Kind.UINT64)
    if word in _WORDS:
        return DataType(_WORDS[word])
    if word in _LENGTHLESS:
        return TEXT
    try:
        return parse_type(spelled.replace(" zerofill", ""))
    except ValueError:
        return TEXT


_WORDS = {
    "timestamp": Kind.TIMESTAMPTZ, "datetime": Kind.TIMESTAMP, "time": Kind.TIME, "float": Kind.FLOAT32,
    "double": Kind.FLOAT64, "year": Kind.INT16, "geometry": Kind.BINARY, "point": Kind.BINARY,
    "linestring": Kind.BINARY, "polygon": Kind.BINARY, "multipoint": Kind.BINARY, "multilinestring": Kind.BINARY,
    "multipolygon": Kind.BINARY, "geometrycollection": Kind.BINARY, "binary": Kind.BINARY, "varbinary": Kind.BINARY,
}  # fmt: skip
_NAMELESS = (
    "enum", "set", "bit", "year", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
    "multipolygon", "geometrycollection", "inet4", "inet6",
)  # fmt: skip
"""Types that have no name in flowc."""
_LENGTHLESS = ("text", "tinytext", "mediumtext", "longtext", "enum", "set")


def _default(default: Any, extra: str, generated: str | None, word: str, mariadb: bool) -> str | None:
    """The default as SQL: MariaDB tells it so, MySQL a literal's bare value, and expressions with escaped quotes."""
    if "auto_increment" in extra:
        return "AUTO_INCREMENT"
    if not mariadb:
        generated = (generated or "").replace("\\'", "'")
        default = str(default).replace("\\'", "'") if "DEFAULT_GENERATED" in extra else default
    if generated:
        return f"GENERATED ALWAYS AS ({generated})" + (" STORED" if "STORED" in extra else "")
    if default is None or (mariadb and str(default).upper() == "NULL"):
        return None
    bare = not mariadb and "DEFAULT_GENERATED" not in extra
    textual = bare and not parse_number(str(default)) and not str(default).startswith("b'")
    return literal(str(default).replace("\\", "\\\\")) if textual else str(default)


def parse_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _indexes(rows: Sequence[tuple[Any, ...]], unused: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[Index, ...]]:
    """The primary key, and the other indexes; `unused` has the server's word for those that no query uses."""
    names = list(dict.fromkeys(row[0] for row in rows))
    found = {name: [row for row in rows if row[0] == name] for name in names}
    keys = tuple(str(row[2]) for row in found.pop("PRIMARY", ()))
    return keys, tuple(_index(name, parts, unused.get(name)) for name, parts in found.items())


def _index(name: str, parts: Sequence[tuple[Any, ...]], unused: str | None) -> Index:
    """An index; one over a part of a text says nothing of the whole and is not unique."""
    columns = tuple(str(row[2]) for row in parts if row[2] is not None)
    kind, whole = str(parts[0][4]), all(row[3] is None for row in parts)
    unique = not int(parts[0][1])
    beyond: tuple[str, ...] = () if kind in ("BTREE", "HASH") else (kind,)
    beyond += ("a prefix",) if any(row[3] not in (None, OWN_PREFIX) for row in parts) and not beyond else ()
    beyond += ("DESC",) if any(row[5] == "D" for row in parts) else ()
    beyond += ("an expression",) if len(columns) < len(parts) else ()
    beyond += (unused,) if unused else ()
    clause = " ".join(filter(None, (_clause(name, parts, kind), unused))) if beyond else None
    return Index(columns, whole and unique, name, sql=clause, beyond=beyond)


def _clause(name: str, parts: Sequence[tuple[Any, ...]], kind: str) -> str:
    """What makes an index that flowc would not make, as ALTER TABLE has it."""
    head = kind if kind in ("FULLTEXT", "SPATIAL") else "" if int(parts[0][1]) else "UNIQUE"
    ends = (f"({row[3]})" if row[3] and kind == "BTREE" else "" for row in parts)
    listed = (
        f"{quoted(str(row[2]))}{end}{' DESC' if row[5] == 'D' else ''}" for row, end in zip(parts, ends, strict=True)
    )
    return f"{head} KEY {quoted(name)} ({', '.join(listed)})".lstrip()


OWN_PREFIX = 191
"""The characters of a long text that an index of flowc's own holds."""


_BITS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = {schema} AND table_name = {name} AND data_type = 'bit'
"""


def bits(ask: Ask, name: TableName) -> frozenset[str]:
    """The columns of a table that are of type bit."""
    parts = place(name)
    return frozenset(str(row[0]) for row in ask(_BITS.format(**parts)))
