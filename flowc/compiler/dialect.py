"""What differs between SQL dialects, as a frozen record of flags and tables.

One instance per engine lives in `flowc/compiler/systems/<kind>/dialect.py`. What an engine can do is asked of its
record, and never of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowc.catalog import TableName
from flowc.types import DataType, Kind


def ascii_fold(name: str) -> str:
    """A name in small letters, those beyond ASCII as they are."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


@dataclass(frozen=True, slots=True)
class TypeWords:
    """How types are spelled, and which others stand for those that the engine lacks."""

    spell: Mapping[Kind, str]
    """What the engine calls a kind of type. One that is missing cannot be stored."""
    native: Callable[[DataType], str | None] = lambda _: None
    """Spellings that need more than that table (arrays, lengths, digits); None for a type that does not."""
    cast: Mapping[Kind, str] = field(default_factory=dict)
    """How `{x}` is cast to a kind, where CAST does not take the words that columns are declared with.

    `{places}` are the fractional digits of its seconds.
    """
    widen: Mapping[Kind, DataType] = field(default_factory=dict)
    """The type that holds every value of a kind the engine lacks."""
    holds: Mapping[Kind, DataType] = field(default_factory=dict)
    """What a column of a kind holds in tables that no spec declares, where the engine makes less of its name."""
    in_keys: Mapping[Kind, DataType] = field(default_factory=dict)
    """The type that a column of a key has when its own has no length, where keys need one."""
    widest: tuple[int, int] | None = (38, 38)
    """The most digits of a decimal and the most of its fraction; None where it needs to have no limit."""
    short_floats: tuple[Kind, ...] = ()
    """Floats that may have fewer digits as a text than they hold."""
    padded: str | None = None
    """A text of `{length}` characters that the engine fills up with blanks, as the engine reports it."""
    most_padded: int = 0
    """The most characters of such a text."""
    array_depth: bool = True
    """The type of an array says how many dimensions it has."""


@dataclass(frozen=True, slots=True)
class NameRules:
    """What names the engine takes, and where tables are."""

    schemas: bool = True
    """Tables live in schemas; else flowc's own tables are prefixed `flowc_`."""
    state_schema: str = "flowc"
    """Where flowc's own tables are; their prefix where there are no schemas."""
    default_schema: str | None = None
    """The schema of a table that is named without one."""
    longest: int | None = None
    """The most bytes of a name, or characters where `in_characters`; None without a limit that matters."""
    in_characters: bool = False
    """`longest` counts characters."""
    index_in_schema: bool = False
    """An index's name carries the schema and its table's does not."""
    fold: Callable[[str], str] = lambda name: name
    """The one form of all spellings that name the same column, quoted or not."""
    columns_any_case: bool = False
    """Columns whose names differ only in case are one."""
    tables_any_case: bool = False
    """Tables whose names differ only in case are one, whatever the settings of the database."""
    session_schema: bool = False
    """A name without a schema is in the one that the session is in, which the address of a connection may name."""
    use: bool = False
    """`USE` changes where names without a schema are looked for."""
    search_path: bool = False
    """A setting says where they are looked for."""

    @property
    def plain_schema(self) -> str | None:
        """The schema of tables that are named without one, where there are several."""
        return self.default_schema if self.schemas else None


@dataclass(frozen=True, slots=True)
class LiteralRules:
    """How values are written."""

    typed: bool = True
    """A literal of a temporal type is a CAST; else its canonical text."""
    zones: Mapping[str, str] = field(default_factory=dict)
    """Names of time zones that mean something else to the engine, or nothing, each with one that it knows."""
    zoned: bool = True
    """The text of an instant may end in its offset from UTC; else it is in UTC and has none."""
    doubled_backslash: bool = False
    """A backslash in a text literal is written twice."""
    escaped_text: bool = False
    r"""A text literal with a backslash is written `E'…'`, so that no setting can change its meaning."""
    kept_as_values: bool = False
    """A plain default is kept as a value of its column's type, not as its author wrote it."""
    numeric_times: bool = False
    """A number may be a date or a time: 20260102."""
    quotes_texts: bool = False
    """sqlglot takes a name in double quotes for a text, which it is not in flowc's sessions."""
    clock_words: bool = False
    """The clock has several words, of which servers report one or another."""
    author: Callable[[str], str] = lambda text: text
    """SQL that its author wrote for the engine, as flowc's sessions of it read it."""

    def zone(self, name: str) -> str:
        """What the engine calls a time zone."""
        return self.zones.get(name, name)


@dataclass(frozen=True, slots=True)
class TableRules:
    """How tables are made, and what is part of that."""

    comments: bool = False
    """Tables and columns have comments."""
    inline_comments: bool = False
    """They are part of CREATE TABLE; else they have statements of their own."""
    options: str = ""
    """What follows the columns of a table."""
    inline_indexes: bool = False
    """Indexes are part of CREATE TABLE."""
    renames_indexes: bool = False
    """A statement gives an index another name. Elsewhere, an index of the same name is made once the old one is gone,
    in the same transaction or statement."""
    index_length: int | None = None
    """The most characters of a text that an index holds; None without limit."""
    ensure: tuple[str, ...] = ("CREATE TABLE IF NOT EXISTS {table} ({columns})",)
    """Creates one of flowc's own tables where it is missing; `{schema}`, `{table}`, `{columns}`, and literals of the
    first two, `{schema_text}` and `{text}`."""
    renames_in_code: bool = False
    """A column that is renamed gets its new name in views and triggers too."""
    ensure_sequence: str = ""
    """Creates the sequence `{name}` where it is missing; empty where the engine has no sequences."""
    identity: str = ""
    """An expression that tells the table `{text}`, a literal of its quoted name, from one that had its name before;
    empty where the engine knows none."""
    column_types: str = ""
    """A query of the `name` and `type` of each column of the table `{text}`, as above, which others may alter while a
    session has it open; `{schema}` and `{name}` are literals of the parts of the name. Empty where nobody else can."""
    ensure_schema: str = "CREATE SCHEMA IF NOT EXISTS {schema}"
    """Creates a user's schema where it is missing; `{block}` is `schema_block` as a text literal."""
    schema_block: str = ""
    """The body of a block that creates `{schema}`, whose name as a literal is `{schema_text}`, where it is missing."""
    partitions: bool = False
    """A table may consist of partitions that are tables."""
    row_number_key: bool = False
    """A primary key of one INTEGER column is the number of the row, which the engine gives."""
    defaults_read_columns: bool = False
    """A default may be computed from other columns."""
    finds_by_index: bool = False
    """An index over texts of any length finds a few rows among many; other engines need none, or have none."""
    counter: str = ""
    """A query of the number at which the counter of the table goes on, with `{schema}` and `{name}` as literals; empty
    where its rows tell that, or a sequence does."""
    any_values: bool = False
    """A column may hold values of any type."""


@dataclass(frozen=True, slots=True)
class TemporaryTables:
    """The tables of one session."""

    create: str = "CREATE TEMPORARY TABLE"
    """Begins the statement that creates a temporary table."""
    drop: str = "DROP TABLE"
    schema: str | None = "temp"
    """The schema in which a session's temporary tables are found; None where they have that of the session."""
    columns: tuple[str, ...] = ()
    """Columns that every temporary table needs in addition to its own, as CREATE TABLE has them. `{row}` is the
    row identity."""
    options: str = ""
    """What follows the columns of a temporary table that lives for one transaction."""
    reopens: bool = True
    """A statement may read one temporary table in several places; else it reads copies."""


@dataclass(frozen=True, slots=True)
class WriteRules:
    """How rows are changed, and what that needs to be fast."""

    update_from: bool = True
    """It has `UPDATE … FROM`, and is best told by IN which rows to delete; else both join tables."""
    on_conflict: bool = True
    """INSERT has ON CONFLICT; else it has ON DUPLICATE KEY UPDATE."""
    delete: str = "DELETE FROM {table} AS {alias}"
    """The head of a DELETE from `{table}` under an `{alias}`."""
    upserts: bool = False
    """`INSERT … ON CONFLICT` beats UPDATE with a join."""
    written_rows: str = ""
    """A query of how many rows the last statement wrote, where there is one."""
    returned_new: str = ""
    """What RETURNING of an upsert says of a row that is new, in a table that is known to be plain."""
    index_rows: bool = False
    """Large joins against rows need an index on their keys; other engines hash."""
    analyze: str = ""
    """Refreshes the planner's statistics of `{table}`; empty where the engine keeps them itself."""
    lenient_update: str = "UPDATE"
    """Begins an UPDATE in which a condition that cannot be computed of a row is NULL, as it is in a query."""
    row_ids: tuple[str, ...] = ("rowid",)
    """The names of the engine's own row identity, which a column of that name hides. Without one, temporary tables have
    a column for it."""
    native_cast: str = "{x}"
    """A value `{x}` for a column of a native type `{type}`, where storing it alone does not convert it."""
    passed_over: Mapping[Kind, str] = field(default_factory=dict)
    """Kinds of which UPDATE does not write a value over one that the engine holds equal, each with an expression for
    a value that is not equal to `{x}`."""
    nested_windows: bool = True
    """A window function may stand anywhere in an expression; else each is a column of its own."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """How values are compared and ordered, whatever the settings of the database."""

    same: str = "{a} IS NOT DISTINCT FROM {b}"
    """Equality of two values where NULL equals NULL."""
    differ: str = "{a} IS DISTINCT FROM {b}"
    """Its opposite."""
    comparable: Mapping[Kind, str] = field(default_factory=dict)
    """How `{x}` of a kind is made comparable by value, where `=` does not do it."""
    native: Mapping[Kind, str] = field(default_factory=dict)
    """The same for a column of a native type."""
    apart: Mapping[Kind, str] = field(default_factory=dict)
    """What of `{x}` of a kind differs between values that are stored as different bytes and that `=` holds equal."""
    finite: Mapping[Kind, str] = field(default_factory=dict)
    """The condition that `{x}` of a kind is a value like others: no NaN, nothing infinite, a year from 1 to 9999."""
    decimal_order: str = ""
    """Makes texts that hold decimals compare by value, where long ones are kept as such."""
    binary_order: str = ""
    """Makes a text sort by its code points, whatever the database's collation."""
    text_by_value: str = "{x}"
    """A text `{x}` of a column of any native type so that it compares by its code points."""
    united: str = "{x}"
    """A text `{x}` of a column of any collation in a UNION with texts of others."""
    collated: str = "{x} COLLATE {collation}"
    """A text `{x}` so that it compares by a collation; `{charset}` is what its name begins with."""
    stored_alike: Mapping[Kind, str] = field(default_factory=dict)
    """What is compared of `{x}`, as it was sent and as it is stored, to see that a native type `{type}` kept it."""
    stored_told: Mapping[Kind, str] = field(default_factory=dict)
    """What of `{x}` is compared before that, where it is faster: equal ones say that the type kept it."""
    nulls_last: str = "{x} NULLS LAST"
    """Orders by `{x}`, NULLs after all values."""
    encoded: Mapping[Kind, str] = field(default_factory=dict)
    """How `{x}` of a kind becomes text that does not depend on the session's settings."""
    encoded_whole: Mapping[Kind, str] = field(default_factory=dict)
    """The same with its tag and its length before it, where a function of flowc's own makes it: it is called once."""
    number: str = "{x}"
    """`{x}` as an exact number, for checks."""


@dataclass(frozen=True, slots=True)
class TransactionRules:
    """What a transaction holds together."""

    ddl: bool = True
    """A transaction that is rolled back takes its CREATE and ALTER with it."""
    settings: tuple[str, ...] = ()
    """Statements that give a load's transaction the means for large joins."""
    same: tuple[str, str] | None = ("SAVEPOINT flowc_statement", "RELEASE SAVEPOINT flowc_statement")
    """Marks a transaction; and fails where the one that is open, if any, is not the one that was marked. None where
    no statement can end it."""
    savepoints: bool = True
    """A part of a transaction can be taken back."""
    row_waits: bool = True
    """A transaction waits for another one that changed the same row; else one of the two fails."""
    implicit_commits: bool = False
    """Statements commit that do not say so: those that define a table, and what blocks and procedures hide."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who may use a database at the same time."""

    side_by_side: bool = False
    """Several transactions change a table at the same time. Each waits for the locks of others without end, and two
    that look for a key may both insert it."""
    one_writer: bool = False
    """One transaction writes at a time; another waits for it, or gives up."""
    one_process: bool = False
    """One process opens the database at a time."""


@dataclass(frozen=True, slots=True)
class ClientRules:
    """How a plan runs in the database's own client."""

    session: str = ""
    """Makes the client's session read statements as flowc's sessions do."""
    own_functions: str = ""
    """What to know of statements with functions that flowc adds to its sessions."""


@dataclass(frozen=True, slots=True)
class QueryRules:
    """What the engine makes of a query, as far as the names and the types of columns depend on it."""

    folds: bool = False
    """Names without quotes are in small letters, and case counts; elsewhere case does not count."""
    typed: bool = False
    """Conditions are booleans, and dates are dates."""
    affinities: bool = False
    """A cast names an affinity, not a type."""
    whole: bool = False
    """Integers are computed with in the types that they have, and divide to whole numbers."""
    one_integer: bool = False
    """Integers are computed with in 64 bits, whatever their types are."""
    numerics: bool = False
    """A decimal may have any number of digits; means of whole numbers and decimals are such."""
    text_lengths: bool = False
    """A cast to a text of some length has that in its type."""
    sums: Mapping[Kind, DataType] = field(default_factory=dict)
    """The types of sums of values of a kind, where they are no 64-bit integers, or none that every engine has."""
    returns: Mapping[str, DataType] = field(default_factory=dict)
    """What functions give: `now` the clock, `length` the length of a text, `count` others that count."""
    structs: bool = False
    """A column that no type is known of may have fields."""
    alias_in_select: bool = False
    """An output name may be used in the SELECT list itself."""
    alias_in_where: bool = False
    """An output name may be used in WHERE."""
    alias_in_having: bool = True
    """An output name may be used in HAVING."""
    all_ctes: bool = False
    """A CTE sees all others of its WITH."""
    earlier_ctes: bool = False
    """A CTE of a recursive WITH sees those before it, and itself in the second branch of a UNION; elsewhere it sees all
    of them."""
    quoted_texts: bool = False
    """A name in double quotes that no column has is a text."""
    casts_unnamed: bool = False
    """A cast of a column has the name of the column."""


@dataclass(frozen=True, slots=True)
class SourceRules:
    """What a dialect means where an author writes it, whatever engine runs the translation."""

    postgres: bool = False
    """It is PostgreSQL's, or made after it: intervals and decimals are as there."""
    decimal_parts: bool = False
    """EXTRACT gives a decimal."""
    backticks: bool = False
    """Names are quoted by backticks."""
    values_names: tuple[str, int] = ("column", 1)
    """The names of the columns of VALUES, and the number of the first."""
    merged_first: bool = False
    """A name that a join has made one column is that column, whatever other tables have it."""
    keeps_recursive_types: bool = False
    """The columns of a recursive CTE have the types of its first rows."""
    numeric_conditions: bool = False
    """0 is false and other numbers are true."""
    row_relations: tuple[str, ...] = ()
    """What is made of the row beside it, so that a join with it needs no condition."""
    stray_commas: bool = False
    """A comma may end a list."""
    executable_comments: bool = False
    """Servers run what stands in some comments."""
    document_arrows: bool = False
    """An arrow reads a part of a document, and never begins the body of a function."""
    attribute_calls: bool = False
    """A function may be called as an attribute: `(value).function`, and `row.function`."""
    escaped_names: bool = False
    """A name may be written by the codes of its characters."""
    exact_quotes: bool = False
    """The name of a function is taken as it is between quotes."""
    own_schema: str | None = None
    """The schema of the engine's own functions."""
    unusual_calls: tuple[str, ...] = ()
    """Calls that are written otherwise than `name(argument, …)`."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine's SQL."""

    name: str
    """The kind of connection that speaks it."""
    sqlglot: str
    """The sqlglot dialect that reads and writes it."""
    types: TypeWords
    names: NameRules = NameRules()
    literals: LiteralRules = LiteralRules()
    tables: TableRules = TableRules()
    temporary: TemporaryTables = TemporaryTables()
    writes: WriteRules = WriteRules()
    compare: Comparisons = Comparisons()
    transactions: TransactionRules = TransactionRules()
    queries: QueryRules = QueryRules()
    source: SourceRules = SourceRules()
    sharing: Sharing = Sharing()
    client: ClientRules = ClientRules()
    reads_files: bool = False
    """SQL names files of the machine that runs it: as tables, and to functions."""
    stored_functions: bool = False
    """A database may hold functions that nothing but its file tells of."""
    attached: bool = False
    """SQL runs beside the tables, not in them: a load brings in the rows it may touch, and its commit carries the
    changes over. Such tables hold columns and types; keys are the spec's, and their rows are read by the engine."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """Templates of the functions that loads and normalisers use, by flowc's name for them."""
    pattern_edges: Mapping[str, str] = field(default_factory=dict)
    """What stands for `$`, the very end of a text, in a pattern, where it is another word."""
    time_format: Callable[[str], str] = lambda text: text
    """A strptime format in the engine's own letters."""

    def too_long(self, name: str) -> bool:
        """Whether the engine would refuse a name, or cut it."""
        size = len(name if self.names.in_characters else name.encode())
        return self.names.longest is not None and size > self.names.longest

    def state_table(self, name: str) -> TableName:
        """The name of one of flowc's own tables, for instance `flowc.watermarks` or `flowc_watermarks`."""
        schema = self.names.state_schema
        return TableName(schema, name) if self.names.schemas else TableName(None, f"{schema}_{name}")

    def function(self, name: str, *arguments: str) -> str:
        """A call of one of `functions`: `{0}`, `{1}` … stand for the arguments."""
        return self.functions[name].format(*arguments)
