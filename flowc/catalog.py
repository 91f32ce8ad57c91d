"""What both halves say about tables: connectors fill these from live systems, the compiler from specs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from flowc.types import DataType

READS = ", which reads "
"""What stands between a view or trigger that depends on a table and the columns that it names, where it names some."""
ALL_COLUMNS = "`*`"
"""What stands there for a view that may read any column."""


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table in one connection; `schema` None is the connection's own default."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        """As it is written in a spec: a name that holds a dot stands in quotes."""
        plain = "." not in self.name and not self.name.startswith('"')
        name = self.name if plain else '"' + self.name.replace('"', '""') + '"'
        return f"{self.schema}.{name}" if self.schema else name

    @staticmethod
    def parse(text: str) -> TableName:
        """Splits `schema.table`; a name without a dot has no schema. As in SQL, a part may stand in double quotes.

        Raises ValueError for a quote that is not closed, a part that is empty, and NUL, which no database stores.
        """
        parts: list[str] = []
        end = -1
        while end < len(text):
            part = _PART.match(text, end + 1)
            if part is None or "\0" in text:
                raise ValueError(f"`{text}` is not the name of a table")
            parts.append(part["bare"] or part["quoted"].replace('""', '"'))
            end = part.end()
        return TableName(".".join(parts[:-1]) or None, parts[-1])


@dataclass(frozen=True, slots=True)
class Resolved:
    """The table that a database finds under a name, or would make there.

    `table` is the same for every spelling that any session of the database may use; `kept` is how it is called in
    flowc's own tables beside it: without the schema, or database, in which those are.
    """

    table: TableName
    kept: TableName


_PART = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<bare>[^".][^.]*))(?=\.|$)')


def names_word(sql: str, name: str) -> bool:
    """Whether a name stands in a statement as a word, in any case; one without a letter or digit does so in quotes."""
    if not re.search(r"\w", name):
        return re.search(rf"""[`"\[]{re.escape(name)}[`"\]]""", sql) is not None
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", sql, re.IGNORECASE) is not None


def with_columns(dependent: str, sql: str, columns: Iterable[str]) -> str:
    """A dependent of a table in words, with the columns whose names stand in its text."""
    named = [f"`{column}`" for column in columns if names_word(sql, column)]
    return f"{dependent}{READS}{', '.join(named)}" if named else dependent


def of_view(dependent: str, sql: str, columns: Iterable[str]) -> str:
    """A view in words, with the columns that it reads: with a star in its text, these may be all."""
    return f"{dependent}{READS}{ALL_COLUMNS}" if "*" in sql else with_columns(dependent, sql, columns)


SHADOW_MARK = "made by flowc for a change of type that has not ended"
"""The comment of a column that a change of type fills before it takes the old one's place (PostgreSQL)."""
REQUIRED_MARK = "made by flowc until the column is NOT NULL"
"""The comment of a constraint that is looked at before its column is made NOT NULL (PostgreSQL)."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What an apply that did not end left in a table: a `column`, `trigger`, `function` or `constraint` of flowc's own.

    `name` is bare; that of a function is as SQL has it, with its schema and parentheses.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Native:
    """What flowc's own word for the type of a live column does not tell: how its values compare, and if they stay.

    `spelled` is the type in the engine's words, where it is another one (CHAR(5), an enum); `collation` the name, as
    SQL has it, of one that holds texts of different bytes equal; without `exact`, a value may come back as another one.
    `alike` is what of `{x}`, as it was sent and as it is stored, is then compared, where that is not its text.
    """

    spelled: str | None = None
    collation: str | None = None
    exact: bool = True
    alike: str | None = None
    travels: bool = True
    """Whether a value of another database's column of the very type arrives unchanged."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or of a query's output. `default` is SQL text in the engine's own words.

    Of a live one, `beyond` is what flowc's own definition of a column would not say (ON UPDATE, an enum's values, that
    it is the row id, what depends on it), and `spelled` its type in the engine's own words, told where a change may
    mean writing its definition anew (MySQL, SQLite, DuckDB) or making another column in its place (PostgreSQL).
    Of a query's column, `spelled` is told where `Native.travels` tells more of it (DuckDB).
    `carried` is what a change of its type takes away and has to put back, in the engine's words (`COLLATE "C"`).
    """

    name: str
    type: DataType
    nullable: bool = True
    default: str | None = None
    comment: str | None = None
    beyond: tuple[str, ...] = ()
    spelled: str | None = None
    carried: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    """What keeps the engine from dropping it and from changing its type, in words: a view, a generated column."""
    own: str | None = None
    """The type by its name in the database, where flowc has no word for it (`inet`, `crm.status`): specs may say it."""
    named: tuple[str, ...] = field(default=(), compare=False)
    """Of a live one: the database's own types that are the same, where it keeps no name of a type (DuckDB)."""
    native: Native | None = field(default=None, compare=False)
    """Of a live one: None where the type is all there is to know."""

    @property
    def kind(self) -> str:
        """The type as people write it."""
        return self.own or str(self.type)


def counts(default: str | None) -> bool:
    """Whether the engine makes a column's values itself: a counter, or an expression of other columns."""
    return (default or "").lower().startswith(("generated", "auto_increment", "nextval("))


ROW_ID = "the row id"
"""What `Column.beyond` says of a column that holds every 64-bit integer and that SQLite numbers by itself."""


REPLICA_IDENTITY = "REPLICA IDENTITY"
"""The role of the index by which replication finds the old version of a row (PostgreSQL)."""
INDEX_OF_HEIR = "the index "
"""How the words begin that are of an index of a partition or an heir alone, with an expression or a condition."""
CLUSTER = "CLUSTER"
"""The role of the index that orders the rows when the table is written anew (PostgreSQL)."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index by its columns in order; `name` None lets flowc name it.

    Of a live one, `valid` is False when building it failed halfway, and `constraint` tells that a UNIQUE constraint
    owns it. `sql` is the engine's own statement that makes it, where the engine keeps one (SQLite, DuckDB), and
    `beyond` what a declared index never has: an expression, a collation of its own. `marks` are the roles that the
    table gives it (REPLICA_IDENTITY, CLUSTER), which are lost when it is dropped.
    """

    columns: tuple[str, ...]
    unique: bool = False
    name: str | None = None
    where: str | None = None
    valid: bool = True
    constraint: bool = False
    sql: str | None = None
    beyond: tuple[str, ...] = ()
    marks: tuple[str, ...] = field(default=(), compare=False)
    building: bool = field(default=False, compare=False)
    """Another session is building it, so that it is not valid yet (PostgreSQL)."""

    @property
    def declarable(self) -> bool:
        """Whether a spec can say all of it, so that it can be flowc's."""
        return not self.beyond and self.where is None

    @property
    def identity(self) -> tuple[object, ...]:
        """What two indexes have in common that do the same. Some engines tell an expression in the statement alone."""
        return self.columns, self.unique, self.where, self.beyond, self.sql if self.beyond else None

    def names(self, column: str) -> bool:
        """Whether it is over a column: in its list, in an expression there, or in its condition."""
        expressions = tuple(text for text in self.columns if "(" in text)
        texts = (*expressions, self.where or "", (self.sql or "").partition("(")[2] if self.beyond else "")
        return column in self.columns or any(names_word(text, column) for text in texts)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is or as it should be. What follows the comment is known of a live table alone.

    `plain` is True for what is no view and has no partitions; `rows` is the engine's estimate; `key_name` the name of
    the primary key's constraint; `dependents` are views, foreign keys and triggers that hang on the table, in words;
    `create_sql` are the statements that made it and its triggers, in that order, where the engine keeps them (SQLite);
    `beyond` is what flowc's own CREATE TABLE would not write (CHECK, a foreign key, a generated column).
    """

    name: TableName
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    comment: str | None = None
    plain: bool = False
    rows: int | None = None
    key_name: str | None = None
    dependents: tuple[str, ...] = ()
    create_sql: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    """Of a live one, in words: comments of its indexes, its constraints and its schema, which no spec holds."""
    routines: tuple[str, ...] = ()
    """Of a live one, in words: functions, procedures and triggers of other tables whose text names it. The engine keeps
    no track of them, and they fail when they run."""
    leftovers: tuple[Leftover, ...] = ()
    """What an apply that did not end left in it."""
    recomputes: bool = False
    """Of a live one: whether the engine gives a computed column another expression in place (PostgreSQL 17)."""
    key_marks: tuple[str, ...] = ()
    """Of a live one: the roles of the primary key's index, as `Index.marks`. It is the replica identity of a published
    table that names no other one."""
    form: str | None = None
    """Of a live one: what it is in words, where it is not a table of its own (`a view`, `a partition`)."""
    deferrable: bool = False
    """Of a live one: whether its primary key is DEFERRABLE, so that no ON CONFLICT can name it (PostgreSQL)."""
    partition_by: tuple[str, ...] = ()
    """Wanted and live: the columns by whose values its files lie in folders, where it is made of files."""

    def column(self, name: str) -> Column | None:
        """The column of that exact name."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(c.name for c in self.columns)

    def with_names(self, names: Mapping[str, str]) -> Table:
        """The same table, its columns under other names wherever they are named; `names` are old ones and new ones."""
        if not any(old != new for old, new in names.items()):
            return self
        columns = tuple(replace(c, name=names.get(c.name, c.name)) for c in self.columns)
        indexes = tuple(replace(i, columns=tuple(names.get(n, n) for n in i.columns)) for i in self.indexes)
        key = tuple(names.get(name, name) for name in self.primary_key)
        return replace(self, columns=columns, indexes=indexes, primary_key=key)
