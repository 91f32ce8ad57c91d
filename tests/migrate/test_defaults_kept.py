"""A default that is there as it was declared is no change, however the engine writes it; another one is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.compiler.tables.ddl import create_table
from flowc.compiler.tables.difference import differences
from flowc.migration import Managed, WantedTable
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from flowc.types import BIGINT, parse_type
from tests.stores import KINDS, address

NAME = TableName(None, "t")
KEPT: Mapping[str, Sequence[str]] = {
    "boolean": ("true", "false"),
    "integer": ("-1", "'7'", "1e3", "true"),
    "real": ("0.1", "-0.0"),
    "double": ("1.50", "-0.0", "1e22", "'1.5'"),
    "numeric(10,2)": ("1.5", "'1.50'", "1.005", "-0.5"),
    "numeric(38,10)": ("1234567890123456789012345678.0000000001",),
    "text": ("'1.0'", "'true'", "'2024-02-29'"),
    "varchar(40)": ("'t'", "'007'"),
    "binary": ("'abc'", "''"),
    "date": ("'2024-02-29'", "'9999-12-31'"),
    "time": ("'12:30:00'", "'12:30'", "'12:30:00.5'"),
    "time(0)": ("'12:30:00'", "'12:30'"),
    "timestamp": (
        "'2024-02-29 00:00:00'", "'2024-02-29T00:00:00'", "'2024-02-29'", "'2024-02-29 12:30:00.5'",
        "'2024-02-29 00:00:00.000000'", "CURRENT_TIMESTAMP",
    ),
    "timestamp(0)": ("'2024-02-29 00:00:00'",),
    "timestamp(3)": ("'2024-02-29 00:00:00'", "'2024-02-29 00:00:00.5'"),
    "timestamptz": ("'2024-02-29 00:00:00'", "'2024-02-29 02:00:00+02:00'", "'2024-02-29T00:00:00Z'"),
    "timestamptz(3)": ("'2024-02-29 00:00:00.5'",),
    "uuid": ("'7F0E2A4C-0D6E-4B7E-9A65-0C2F6A1C9F11'",),
    "interval": ("interval '1 day'",),
}  # fmt: skip
OTHERS = (
    ("text", "'t'", "'true'"),
    ("text", "'1.0'", "'1.00'"),
    ("boolean", "true", "false"),
    ("numeric(10,2)", "1.5", "1.51"),
    ("numeric(38,10)", "1234567890123456789012345678.0000000001", "1234567890123456789012345678.0000000002"),
    ("date", "'2024-02-29'", "'2024-03-01'"),
    ("time", "'12:30:00'", "'12:30:00.000001'"),
    ("timestamp", "'2024-02-29 00:00:00'", "'2024-02-29 00:00:01'"),
    ("timestamptz", "'2024-02-29 00:00:00'", "'2024-02-29 00:00:00.000001'"),
)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    dsn = address(request, request.param)
    options = {"url": dsn} if dsn else {"path": str(tmp_path / f"store.{request.param}")}
    with closing(open_database(request.param, options)) as found:
        yield found


def test_a_default_is_not_planned_again(database: Database) -> None:
    found = {
        (kind, default): planned(database, live, wanted, wanted)
        for kind, defaults in KEPT.items()
        for default in defaults
        if (wanted := declared(database, kind, default)) is not None and (live := made(database, wanted)) is not None
    }
    assert {what: changes for what, changes in found.items() if changes} == {}
    assert len(found) > sum(map(len, KEPT.values())) * 0.8  # MySQL has neither intervals nor texts with a zone


SYNONYMS = {
    "varchar(60)": (
        "now()", "LOCALTIME", "LOCALTIMESTAMP()", "CURRENT_TIMESTAMP", "NOW(6)", "UTC_TIMESTAMP", "CURRENT_DATE",
        "CURTIME()", "DATE_ADD(now(), INTERVAL 1 DAY)", "date_sub(curdate(), interval 3 month)",
        "concat(WEEKDAY(NOW()), LOCALTIME)", "concat(_utf8mb4'a', 'b')", "ucase('a')", "1 != 2",
    ),
    "text": ("CURRENT_TIMESTAMP", "(CURRENT_TIMESTAMP)", "uuid()"),
    "timestamp(0)": ("now()", "LOCALTIME"),
    "date": ("CURDATE()", "(CURRENT_DATE)"),
}  # fmt: skip


def test_words_that_mysql_has_for_the_same_are_no_change_of_a_default(mysql: str) -> None:
    with closing(open_database("mysql", {"url": mysql})) as database:
        for kind, default in ((kind, default) for kind, defaults in SYNONYMS.items() for default in defaults):
            wanted = declared(database, kind, default)
            assert wanted is not None
            assert planned(database, made(database, wanted) or wanted, None, wanted) == [], f"{kind} {default}"
        for was, now in (("now()", "now(6)"), ("curdate()", "curtime()"), ("utc_timestamp(3)", "utc_timestamp()")):
            before, after = declared(database, "varchar(60)", was), declared(database, "varchar(60)", now)
            assert before is not None
            assert after is not None
            assert planned(database, made(database, before) or before, None, after), was


@pytest.mark.parametrize(("kind", "before", "after"), OTHERS)
def test_another_default_is_planned(database: Database, kind: str, before: str, after: str) -> None:
    was, now = declared(database, kind, before), declared(database, kind, after)
    assert was is not None
    assert now is not None
    live = made(database, was)
    assert live is not None
    assert planned(database, live, was, now)


def declared(database: Database, kind: str, default: str) -> Table | None:
    """A table with one column of that type and default; None where the engine has no such one."""
    foreign = kind == "interval" or ("timestamptz" in kind and ("+" in default or "Z" in default))
    if foreign and database.kind in ("mysql", "sqlite"):
        return None
    if (kind, default, database.kind) == ("integer", "true", "postgres"):
        return None
    return Table(NAME, (Column("id", BIGINT, False), Column("c", parse_type(kind), default=default)), ("id",))


def made(database: Database, wanted: Table) -> Table | None:
    """The table as the engine tells it."""
    database.execute("DROP TABLE IF EXISTS t")
    for statement in create_table(wanted, DIALECTS[database.kind]):
        database.execute(statement)
    return database.table(NAME)


def planned(database: Database, live: Table, applied: Table | None, wanted: Table) -> list[str]:
    """What a plan changes in the table, and what a run says of it."""
    asked = WantedTable("w", database.kind, "t", wanted)
    tables = plan_tables(
        "w", database.kind, [asked], live={NAME: live}, managed=[Managed("t", applied)] if applied else []
    )
    told = [found.message for found in differences(wanted, live, DIALECTS[database.kind]) if not found.harmless]
    return [change.summary for table in tables for change in table.changes] + told


EDITED = (
    ("integer", "(a + b) * 2", "a + b * 2"),
    ("integer", "a - (b - 1)", "a - b - 1"),
    ("text", "coalesce(t, 'A')", "coalesce(t, 'a')"),
    ("text", "coalesce(t, 'a  b')", "coalesce(t, 'a b')"),
    ("numeric(10,2)", "CAST(a + b AS decimal(4, 1)) / 3", "(a + b) / 3"),
)


@pytest.mark.parametrize(("kind", "before", "after"), EDITED)
def test_another_expression_is_planned(database: Database, kind: str, before: str, after: str) -> None:
    was, now = computed(database, kind, before), computed(database, kind, after)
    live = made(database, was)
    assert live is not None
    assert planned(database, live, was, was) == []
    assert planned(database, live, was, now)
    spaced = computed(
        database, kind, before.replace(" - ", "\n  -  ").replace(" + ", "+").replace("coalesce", "COALESCE")
    )
    assert planned(database, live, was, spaced) == []
    if "CAST" not in before:  # an engine writes casts of its own into what it stores
        assert planned(database, live, None, now)


@pytest.mark.parametrize(("kind", "before", "after"), EDITED[:4])
def test_an_expression_that_was_never_applied_is_the_one_that_the_engine_tells(
    database: Database, kind: str, before: str, after: str
) -> None:
    was = computed(database, kind, before)
    live = made(database, was)
    assert live is not None
    assert planned(database, live, None, was) == []
    assert planned(database, live, None, computed(database, kind, f"({before})")) == []


@pytest.mark.parametrize(("before", "after"), [("concat('x', 'A')", "concat('x', 'a')"), ("(1 + 2) * 3", "1 + 2 * 3")])
def test_another_default_by_an_expression_is_planned(database: Database, before: str, after: str) -> None:
    was, now = (declared(database, "varchar(9)", f"({default})") for default in (before, after))
    assert was is not None
    assert now is not None
    live = made(database, was)
    assert live is not None
    assert planned(database, live, was, was) == []
    assert planned(database, live, was, now)


def computed(database: Database, kind: str, expression: str) -> Table:
    """A table with a column that is computed from others."""
    stored = "" if database.kind == "duckdb" else " STORED"
    default = f"GENERATED ALWAYS AS ({expression}){stored}"
    texts = Column("t", parse_type("varchar(9)"))
    numbers = (Column("a", parse_type("integer")), Column("b", parse_type("integer")))
    return Table(
        NAME, (Column("id", BIGINT, False), *numbers, texts, Column("c", parse_type(kind), default=default)), ("id",)
    )
