"""What differs between SQL dialects, as a frozen record of flags and tables.

One instance per engine lives in `flowc/compiler/dialects/`. SQL generators read these records and never ask for a
dialect's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowc.catalog import TableName
from flowc.types import DataType, Kind


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine's SQL.

    `spell` maps a kind to the engine's spelling; `{p}`, `{s}` and `{n}` stand for precision, scale and length. A kind
    that is missing cannot be stored. `native` finds spellings that need more than a table (arrays, decimals).
    """

    name: str
    sqlglot: str
    """The sqlglot dialect that reads and writes it."""
    spell: Mapping[Kind, str]
    native: Callable[[DataType], str | None] = lambda _: None
    schemas: bool = True
    """Tables live in schemas; else flowc's own tables are prefixed `flowc_`."""
    transactional_ddl: bool = True
    update_from: bool = True
    comments: bool = False
    temporary: str = "CREATE TEMPORARY TABLE"
    state_schema: str = "flowc"
    temporary_schema: str = "temp"
    """The schema in which a session's temporary tables are found."""
    temporary_options: str = ""
    """What follows the columns of a temporary table that lives for one transaction."""
    analyze: str = ""
    """Refreshes the planner's statistics of `{table}`; empty where the engine keeps them itself."""
    settings: tuple[str, ...] = ()
    """Statements that give a load's transaction the means for large joins."""
    upserts: bool = False
    """`INSERT … ON CONFLICT` beats UPDATE with a join."""
    written_rows: str = ""
    """A query of how many rows the last statement wrote, where there is one."""
    returned_new: str = ""
    """What RETURNING of an upsert says of a row that is new, in a table that is known to be plain."""
    index_rows: bool = False
    """Large joins against rows need an index on their keys; other engines hash."""
    binary_order: str = ""
    """Makes a text sort by its code points, whatever the database's collation."""
    row_id: str = "rowid"
    """The column that tells apart rows that are equal."""
    same: str = "{a} IS NOT DISTINCT FROM {b}"
    """Equality of two values where NULL equals NULL."""
    differ: str = "{a} IS DISTINCT FROM {b}"
    """Its opposite."""
    typed_literals: bool = True
    """A literal of a temporal type is a CAST; else its canonical text."""
    escaped_text: bool = False
    r"""A text literal with a backslash is written `E'…'`, so that no setting can change its meaning."""
    widen: Mapping[Kind, DataType] = field(default_factory=dict)
    """The type that holds every value of a kind the engine lacks."""
    comparable: Mapping[Kind, str] = field(default_factory=dict)
    """How `{x}` of a kind is made comparable by value, where `=` does not do it."""
    encoded: Mapping[Kind, str] = field(default_factory=dict)
    """How `{x}` of a kind becomes text that does not depend on the session's settings."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """Templates of the functions that loads and normalisers use, by flowc's name for them."""
    ensure_table: tuple[str, ...] = ("CREATE TABLE IF NOT EXISTS {table} ({columns})",)
    """Creates one of flowc's own tables where it is missing; `{schema}`, `{table}`, `{text}` and `{columns}`."""
    ensure_schema: str = "CREATE SCHEMA IF NOT EXISTS {schema}"
    """Creates a user's schema where it is missing; `{block}` is `schema_block` as a text literal."""
    schema_block: str = ""
    array_depth: bool = True
    """The type of an array says how many dimensions it has."""
    index_in_schema: bool = False
    """An index's name carries the schema and its table's does not."""
    cast_number: str = "{x}"
    """`{x}` as an exact number, for checks."""
    time_format: Callable[[str], str] = lambda text: text
    """A strptime format in the engine's own letters."""
    parsable: Callable[[str], str | None] = lambda _: None
    """A regular expression for texts that a strptime format can read, where the engine's parser would accept others."""

    def state_table(self, name: str) -> TableName:
        """The name of one of flowc's own tables, for instance `flowc.watermarks` or `flowc_watermarks`."""
        return TableName(self.state_schema, name) if self.schemas else TableName(None, f"{self.state_schema}_{name}")

    def function(self, name: str, *arguments: str) -> str:
        """A call of one of `functions`: `{0}`, `{1}` … stand for the arguments."""
        return self.functions[name].format(*arguments)
