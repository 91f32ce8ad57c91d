"""Edits of specs: a table as it was declared, its rows, the table as it is declared then, and what must become of it.

Each is a table of its own, so that one project holds them all. Rows are SQL literals that every engine reads; `ts'…'`
and `tz'…'` are times without and with a zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Edit:
    """One edit. `then` are values of columns after it, by name, in the order of `id`; others stay as they were.

    `refused` are words of the refusal; `loses` the columns, or the table (the empty name), that must be allowed.
    """

    title: str
    before: str
    after: str
    rows: str = "(1), (2)"
    then: Mapping[str, list[object]] = field(default_factory=dict)
    loses: tuple[str, ...] = ()
    refused: str = ""
    not_on: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """The name of its table."""
        return "t_" + "".join(c if c.isalnum() else "_" for c in self.title.lower())


def _t(*columns: str, **keys: str) -> str:
    """A table as YAML. Columns are `name: definition`; `id` is the key unless it is among them."""
    own = [] if any(column.startswith("id:") for column in columns) or "id" in keys else ["id: bigint primary key"]
    lines = ["columns:", *(f"  {column}" for column in [*own, *columns])]
    return "\n".join([*lines, *(f"{key}: {value}" for key, value in keys.items() if key != "id")])


_BY_A, _BY_B = "[{ columns: [a] }]", "[{ columns: [b] }]"
_UNIQUE_A = "[{ columns: [a], unique: true }]"
_TEXTS = "(1, 'x'), (2, NULL), (3, 'it''s')"
_WHOLE = "(1, 5), (2, NULL), (3, -7)"
_PAIRS = "(1, 'x', 5), (2, NULL, NULL), (3, 'y', -7)"

COLUMNS = (
    Edit("Add a nullable column", _t("a: text"), _t("a: text", "b: integer"), _TEXTS, {"b": [None] * 3}),
    Edit("Add a column with a default", _t("a: text"), _t("a: text", "b: integer default 7"), _TEXTS, {"b": [7] * 3}),
    Edit("Add a required column with a default", _t("a: text"), _t("a: text", "b: varchar(9) not null default 'eu'"),
         _TEXTS, {"b": ["eu"] * 3}),
    Edit("Add a required column to an empty table", _t("a: text"), _t("a: text", "b: integer not null"), ""),
    Edit("Add a required column of an expression", _t(), _t("b: timestamptz not null default CURRENT_TIMESTAMP")),
    Edit("Add several columns", _t(), _t("a: date", "b: double", "c: boolean", "d: json", "e: uuid", "f: binary"),
         then={name: [None, None] for name in "abcdef"}),
    Edit("Add a column with an index", _t("a: text"), _t("a: text", "b: integer", indexes=_BY_B), _TEXTS,
         {"b": [None] * 3}),
    Edit("Add a unique column", _t("a: text"), _t("a: text", "b: integer unique"), _TEXTS, {"b": [None] * 3}),
    Edit("Drop a column", _t("a: text", "b: integer"), _t("a: text"), _PAIRS, loses=("b",)),
    Edit("Drop a column with its index", _t("a: text", "b: integer", indexes=_BY_B), _t("a: text"), _PAIRS,
         loses=("b",)),
    Edit("Rename a column", _t("a: text"), _t("b: { type: text, renamed_from: a }"), _TEXTS),
    Edit("Rename a column with an index", _t("a: varchar(20)", indexes=_BY_A),
         _t("b: { type: varchar(20), renamed_from: a }", indexes=_BY_B), _TEXTS),
    Edit("Rename the key", _t("a: text"), _t("key: { type: bigint, primary_key: true, renamed_from: id }", "a: text",
         id="renamed"), _TEXTS),
    Edit("Rename and widen at once", _t("a: integer default 3"), _t("b: { type: bigint, default: 3, renamed_from: a }"),
         _WHOLE),
    Edit("Swap a column for another", _t("a: text", "b: integer"), _t("a: text", "c: integer"), _PAIRS,
         {"c": [None] * 3}, loses=("b",)),
    Edit("Odd names", _t("'select': text"), _t("'select': varchar(40)", "'a b\"c`d': integer", "'ä.ö': text"),
         _TEXTS, {'a b"c`d': [None] * 3, "ä.ö": [None] * 3}),
)  # fmt: skip

TYPES = (
    Edit("Widen a varchar", _t("a: varchar(10)"), _t("a: varchar(200)"), _TEXTS),
    Edit("Widen a varchar with an index", _t("a: varchar(10)", indexes=_BY_A), _t("a: varchar(90)", indexes=_BY_A),
         _TEXTS),
    Edit("Varchar to text", _t("a: varchar(10)"), _t("a: text"), _TEXTS),
    Edit("Narrow a varchar", _t("a: text"), _t("a: varchar(4)"), _TEXTS),
    Edit("Integer to bigint", _t("a: integer default 3"), _t("a: bigint default 3"), _WHOLE),
    Edit("Bigint to smallint", _t("a: bigint"), _t("a: smallint"), _WHOLE),
    Edit("Integer to numeric", _t("a: integer"), _t('a: "numeric(12,2)"'), _WHOLE),
    Edit("Integer to double", _t("a: integer"), _t("a: double"), _WHOLE),
    Edit("Integer to text", _t("a: integer"), _t("a: text"), _WHOLE),
    Edit("Integer with a default to text", _t("a: integer default 3"), _t("a: text default '3'"), _WHOLE),
    Edit("Text to integer", _t("a: text"), _t("a: integer"), "(1, '5'), (2, NULL), (3, ' -7 ')",
         {"a": [5, None, -7]}),
    Edit("Text to numeric", _t("a: text"), _t('a: "numeric(12,3)"'), "(1, '1.50'), (2, NULL), (3, '-7')",
         {"a": [1.5, None, -7]}),
    Edit("Wider numeric", _t('a: "numeric(10,2)"'), _t('a: "numeric(14,2)"'), "(1, 1.25), (2, NULL), (3, -9999999.99)"),
    Edit("More decimal places", _t('a: "numeric(10,2)"'), _t('a: "numeric(14,4)"'), "(1, 1.25), (2, NULL), (3, -3.1)"),
    Edit("Fewer decimal places", _t('a: "numeric(10,3)"'), _t('a: "numeric(10,2)"'), "(1, 1.25), (2, NULL), (3, -3.1)"),
    Edit("Double to numeric", _t("a: double"), _t('a: "numeric(12,3)"'), "(1, 1.25), (2, NULL), (3, -3.5)"),
    Edit("Timestamp to timestamptz", _t("a: timestamp"),
         _t("a: { type: timestamptz, change_timezone: UTC }"),
         "(1, ts'2026-01-31 23:30:00'), (2, NULL), (3, ts'1999-12-31 00:00:00')"),
    Edit("Whole seconds to fractions", _t('a: "timestamp(0)"'), _t('a: "timestamp(3)"'),
         "(1, ts'2026-01-31 23:30:59'), (2, NULL)", not_on=("sqlite", "delta")),
    Edit("Fractions that are zero", _t("a: timestamp"), _t('a: "timestamp(0)"'),
         "(1, ts'2026-01-31 23:30:59'), (2, NULL)", not_on=("sqlite", "delta")),
    Edit("Double to text", _t("a: double"), _t("a: text"), "(1, 0.5), (2, NULL), (3, -123456.789)",
         {"a": ["0.5", None, "-123456.789"]}),
    Edit("Boolean to text", _t("a: boolean"), _t("a: text"), "(1, true), (2, NULL), (3, false)",
         {"a": ["true", None, "false"]}, not_on=("mysql",)),
    Edit("Uuid to text", _t("a: uuid"), _t("a: text"), "(1, '7f0e2a4c-0d6e-4b7e-9a65-0c2f6a1c9f11'), (2, NULL)"),
    Edit("Type of a key", _t("id: integer primary key", "a: text"), _t("a: text"), _TEXTS),
)  # fmt: skip

RULES = (
    Edit("Require a column", _t("a: integer"), _t("a: integer not null"), "(1, 5), (2, 6)"),
    Edit("Require an indexed column", _t("a: integer", indexes=_BY_A), _t("a: integer not null", indexes=_BY_A),
         "(1, 5), (2, 6)"),
    Edit("Allow NULL", _t("a: integer not null"), _t("a: integer"), "(1, 5), (2, 6)"),
    Edit("Set a default", _t("a: double"), _t("a: double default 1.5"), "(1, 2.5), (2, NULL)"),
    Edit("Change a default", _t("a: text default 'eu'"), _t("a: text default 'it''s'"), _TEXTS),
    Edit("Change two defaults", _t("a: boolean default true", 'b: { type: "numeric(9,2)", default: "-1.50" }'),
         _t("a: boolean default false", 'b: { type: "numeric(9,2)", default: "-2.50" }'),
         "(1, true, 1), (2, NULL, NULL)"),
    Edit("Drop a default", _t("a: integer default 3"), _t("a: integer"), _WHOLE),
    Edit("Add an index", _t("a: varchar(20)"), _t("a: varchar(20)", indexes=_BY_A), _TEXTS),
    Edit("Add an index of two columns", _t("a: text", "b: integer"),
         _t("a: text", "b: integer", indexes="[{ columns: [b, a] }]"), _PAIRS),
    Edit("Add a named index", _t("a: integer"), _t("a: integer", indexes="[{ columns: [a], name: by_a }]"), _WHOLE),
    Edit("Drop an index", _t("a: integer", indexes=_BY_A), _t("a: integer"), _WHOLE),
    Edit("Make a column unique", _t("a: text"), _t("a: text unique"), _TEXTS),
    Edit("Make an index unique", _t("a: integer", indexes=_BY_A), _t("a: integer", indexes=_UNIQUE_A), _WHOLE),
    Edit("Make an index plain", _t("a: integer", indexes=_UNIQUE_A), _t("a: integer", indexes=_BY_A), _WHOLE),
    Edit("Add a primary key", _t("id: bigint", "a: text"), _t("a: text"), _TEXTS),
    Edit("Drop the primary key", _t("a: text"), _t("id: bigint not null", "a: text"), _TEXTS),
    Edit("Free the key", _t("a: text"), _t("id: bigint", "a: text"), _TEXTS),
    Edit("Widen the primary key", _t("a: integer"),
         _t("id: bigint", "a: integer", primary_key="[id, a]"), "(1, 5), (2, 6)"),
    Edit("Describe the table", _t("a: text"), _t("a: text", description="It's \"new\"; -- now"), _TEXTS),
    Edit("Describe a column", _t("a: text default 'x'"),
         _t("a: { type: text, default: \"'x'\", description: 'A \\ and a ''quote''' }"), _TEXTS),
    Edit("Describe a column anew", _t("a: { type: text, description: Old. }"),
         _t("a: { type: text, description: New. }"), _TEXTS),
    Edit("Much at once", _t("a: integer", "b: varchar(9)", "c: double", "d: text", indexes=_BY_B),
         _t("a: bigint not null default 9", "e: { type: varchar(50), renamed_from: b }", "c: double default 0.5",
            "f: text", indexes="[{ columns: [e], unique: true }]", description="Much."),
         "(1, 5, 'x', 1.5, 'd'), (2, -7, NULL, NULL, NULL)", {"f": [None, None]}, loses=("d",)),
    Edit("Drop a table", _t("a: text"), "", _TEXTS, loses=("",)),
)  # fmt: skip

FINE = (*COLUMNS, *TYPES, *RULES)

REFUSED = (
    Edit("Required column without a value", _t("a: text"), _t("a: text", "b: integer not null"), _TEXTS,
         refused="3 rows are there that have no value for it"),
    Edit("Column with gaps", _t("a: text"), _t("a: text not null"), _TEXTS, refused="1 row has no `a`"),
    Edit("Column with repeats", _t("a: text"), _t("a: text unique"),
         "(1, 'x'), (2, 'x'), (3, 'y'), (4, 'y'), (5, NULL)", refused="2 values of (a) are there more than once",
         not_on=("delta",)),
    Edit("Unique column with a default", _t("a: text"), _t("a: text", "b: integer not null default 0 unique"), _TEXTS,
         refused="3 rows would have the same value of (b), their default", not_on=("delta",)),
    Edit("Unique index with a new default", _t("a: text"),
         _t("a: text", "b: integer default 0", indexes="[{ columns: [b, a], unique: true }]"),
         "(1, 'x'), (2, 'x'), (3, NULL)", refused="1 value of (a) is there more than once", not_on=("delta",)),
    Edit("Key with repeats", _t("id: bigint", "a: integer"), _t("id: bigint", "a: integer", primary_key="[a]"),
         "(1, 5), (2, 5), (3, NULL)", refused="1 row has NULL in the key (a)", not_on=("delta",)),
    Edit("Key that is new", _t("id: bigint", "a: text"), _t("id: bigint", "a: text", "b: integer", primary_key="[b]"),
         _TEXTS, refused="3 rows have no value for the new key (b)", not_on=("delta",)),
    Edit("Texts too long", _t("a: text"), _t("a: varchar(3)"), "(1, 'abcd'), (2, 'abc'), (3, 'abcdef')",
         refused="2 rows hold a `a` that is no varchar(3)", not_on=("duckdb", "delta")),
    Edit("Numbers too great", _t("a: bigint"), _t("a: smallint"), "(1, 32767), (2, 32768)",
         refused="1 row holds a `a` that is no smallint"),
    Edit("Numbers with more places", _t('a: "numeric(10,3)"'), _t('a: "numeric(10,2)"'), "(1, 1.25), (2, 1.255)",
         refused="1 row holds a `a` that is no numeric(10,2)"),
    Edit("Fractions to whole numbers", _t("a: double"), _t("a: integer"), "(1, 1.0), (2, 1.5)",
         refused="1 row holds a `a` that is no integer"),
    Edit("Texts that are no numbers", _t("a: text"), _t("a: integer"), "(1, '5'), (2, 'five'), (3, '5.5'), (4, '')",
         refused="3 rows hold a `a` that is no integer"),
    Edit("Texts that are no JSON", _t("a: text"), _t("a: json"), "(1, '{}'), (2, 'five'), (3, NULL)",
         refused="1 row holds a `a` that is no json", not_on=("postgres", "delta")),
    Edit("A text that is no JSON", _t("a: text"), _t("a: json"), "(1, '{}'), (2, 'five'), (3, NULL)",
         refused="invalid input syntax for type json", not_on=("sqlite", "duckdb", "mysql", "delta")),
    Edit("Numbers beyond a double", _t("a: numeric"), _t("a: double"),
         "(1, 1e400), (2, -1e-400), (3, 0.5), (4, 'NaN'), (5, 0)",
         refused="2 rows hold a `a` that is no double", not_on=("sqlite", "duckdb", "mysql", "delta")),
    Edit("Texts beyond a real", _t("a: text"), _t("a: real"), "(1, '1e400'), (2, '1e-60'), (3, '0.5'), (4, 'x')",
         refused="3 rows hold a `a` that is no real", not_on=("sqlite", "duckdb", "mysql", "delta")),
    Edit("Fractions to whole seconds", _t("a: timestamp"), _t('a: "timestamp(0)"'),
         "(1, ts'2026-01-31 23:30:59'), (2, ts'2026-01-31 23:59:59.5')",
         refused="1 row holds a `a` that is no timestamp(0)", not_on=("sqlite", "delta")),
    Edit("Fractions of instants to whole seconds", _t("a: timestamptz"), _t('a: "timestamptz(0)"'),
         "(1, tz'2026-01-31 23:30:59'), (2, tz'2026-01-31 23:59:59.5')",
         refused="1 row holds a `a` that is no timestamptz(0)", not_on=("sqlite", "duckdb", "delta")),
    Edit("Milliseconds to whole seconds", _t('a: "timestamp(3)"'), _t('a: "timestamp(0)"'),
         "(1, ts'2026-01-31 23:59:59.5')", refused="1 row holds a `a` that is no timestamp(0)",
         not_on=("sqlite", "delta")),
    Edit("Doubles with more places", _t("a: double"), _t('a: "numeric(12,3)"'), "(1, 1.25), (2, 1.2345)",
         refused="1 row holds a `a` that is no numeric(12,3)"),
    Edit("Doubles with more places than any numeric", _t("a: double"), _t("a: numeric"), "(1, 0.5), (2, 1e-40)",
         refused="1 row holds a `a` that is no numeric", not_on=("sqlite", "postgres")),
    Edit("Times to dates", _t("a: timestamptz"), _t("a: date"), "(1, tz'2026-01-31 23:30:00')",
         refused="the time zone of the local times in `a` is not known (no pipeline fills the table)"),
    Edit("Booleans to texts", _t("a: boolean"), _t("a: text"), "(1, true)",
         refused="the engine would write 1 and 0 for true and false", not_on=("sqlite", "duckdb", "postgres", "delta")),
    Edit("Booleans to numbers", _t("a: boolean"), _t("a: integer"), "(1, true)",
         refused="no value of type boolean is a value of type integer", not_on=("sqlite",)),
)  # fmt: skip
