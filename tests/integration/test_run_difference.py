"""What flowc creates from a declaration is reported back by each engine as equal to it, for every type."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from flowc.catalog import Column, Index, Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.tables.ddl import create_table, spell
from flowc.compiler.tables.difference import differences
from flowc.errors import UsageError
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from flowc.types import parse_type
from tests.stores import SERVERS, address

TYPES = """
    boolean tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint real double
    numeric numeric(10,2) numeric(15,0) numeric(16,3) numeric(38,10) text varchar(7) char(3) binary
    date time time(3) timestamp timestamp(0) timestamp(3) timestamptz timestamptz(3) interval uuid json
    integer[] text[] numeric(10,2)[] timestamp[] varchar(5)[] bigint[][]
""".split()  # noqa: SIM905
DEFAULTS = {
    "text": ["'eu'", "'it''s'", "''", "NULL", "lower('A')", "'a' || 'b'"],
    "integer": ["0", "-1", "1 + 1"],
    "numeric(10,2)": ["1.50", "-0.5", "-1.50"],
    "boolean": ["true", "false"],
    "date": ["'2020-01-01'", "current_date"],
    "timestamptz": ["current_timestamp"],
    "json": ["'{}'"],
}


@pytest.fixture(params=["duckdb", "sqlite", "postgres", "mysql"])
def database(request, tmp_path) -> Iterator[Database]:
    kind = request.param
    options = {"url": address(request, kind)} if kind in SERVERS else {"path": str(tmp_path / "db")}
    opened = open_database(kind, options)
    yield opened
    opened.close()


def create(database: Database, table: Table) -> Table:
    for statement in create_table(table, DIALECTS[database.kind]):
        database.execute(statement)
    live = database.table(table.name)
    assert live is not None
    return live


def found(database: Database, declared: Table, live: Table) -> list[str]:
    return [d.message for d in differences(declared, live, DIALECTS[database.kind])]


def storable(database: Database, spelled: str) -> bool:
    try:
        spell(parse_type(spelled), DIALECTS[database.kind])
    except UsageError:
        return False
    return True


def test_every_type_comes_back_equal(database):
    types = [spelled for spelled in TYPES if storable(database, spelled)]
    assert len(types) > 25
    columns = tuple(Column(f"c{i} {spelled}", parse_type(spelled)) for i, spelled in enumerate(types))
    declared = Table(TableName(None, "every type"), columns)
    assert found(database, declared, create(database, declared)) == []


def test_every_other_type_differs(database):
    """Each type against the column made for another one: none is taken for equal when values could be lost."""
    telling = ["boolean", "integer", "bigint", "double", "numeric(10,2)", "text", "binary", "date", "timestamp"]
    columns = tuple(Column(spelled, parse_type(spelled)) for spelled in telling)
    live = create(database, Table(TableName(None, "t"), columns))
    for column in columns:
        declared = Table(TableName(None, "t"), tuple(replace(column, name=c.name) for c in columns))
        assert len(found(database, declared, live)) == len(telling) - 1, column


@pytest.mark.parametrize("spelled", DEFAULTS)
def test_defaults_come_back_equal(database, spelled):
    texts = DEFAULTS[spelled]
    columns = tuple(Column(f"c{i}", parse_type(spelled), default=text) for i, text in enumerate(texts))
    declared = Table(TableName(None, "t"), columns)
    live = create(database, declared)
    assert [d for d in differences(declared, live, DIALECTS[database.kind]) if not d.harmless] == []


def test_keys_nullability_and_indexes_come_back_equal(database):
    schema = None if database.kind in ("sqlite", "mysql") else "other"
    if schema:
        database.execute(f"CREATE SCHEMA {schema}")
    integer = parse_type("integer")
    declared = Table(
        TableName(schema, 'Odd "name"'),
        (Column("B", integer), Column("a", integer, nullable=False), Column("c", integer), Column("select", integer)),
        primary_key=("a", "B"),
        indexes=(Index(("c",)), Index(("c", "select"), unique=True)),
    )
    assert found(database, declared, create(database, declared)) == []


def test_what_differs_is_named(database):
    text, integer = parse_type("text"), parse_type("integer")
    live = create(
        database,
        Table(
            TableName(None, "t"),
            (
                Column("id", integer, nullable=False),
                Column("Name", text),
                Column("n", text, default="'x'"),
                Column("more", text),
                Column("must", text, nullable=False),
            ),
        ),
    )
    declared = Table(
        TableName(None, "t"),
        (Column("id", integer), Column("name", text), Column("n", integer, default="'y'")),
        primary_key=("id",),
        indexes=(Index(("n",)),),
    )
    by_harm = {True: [], False: []}
    for difference in differences(declared, live, DIALECTS[database.kind]):
        by_harm[difference.harmless].append(difference.message)
    # Only PostgreSQL has both names for two columns.
    apart = database.kind == "postgres"
    assert by_harm[False] == [
        *(["column `name` (text) is missing; the table has `Name`"] if apart else []),
        "column `n` is text, declared integer",
        f"column `n` has the default `{live.column('n').default}`, declared `'y'`",
        "the table also has column `must` (text), which is NOT NULL without a default",
        "the primary key is missing, declared (id)",
        "the index on (n) is missing",
    ]
    more = "the table also has column `more` (text)"
    assert by_harm[True] == [*(["the table also has column `Name` (text)"] if apart else []), more]
