"""Which values fit which columns inside one database, judged by the engines themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.loads.conversion import convert
from flowc.compiler.tables.ddl import spell
from flowc.errors import DataError
from flowc.types import parse_type
from tests.unit.raw_engines import Engine, open_engine


@pytest.fixture(params=["duckdb", "postgres"], scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    dsn = request.getfixturevalue("postgres_module") if request.param == "postgres" else None
    opened = open_engine(request.param, dsn)
    yield opened
    opened.connection.close()


def fits(engine: Engine, value: str, source: str, target: str, timezone: str | None = None) -> bool:
    dialect = DIALECTS[engine.kind]
    made = convert("v", parse_type(source), parse_type(target), dialect, timezone)
    row = f"(SELECT CAST({value} AS {spell(parse_type(source), dialect)}) AS v) AS r"
    if made.misfit and engine.query(f"SELECT 1 FROM {row} WHERE {made.misfit}"):
        return False
    engine.query(f"SELECT CAST({made.sql} AS {spell(parse_type(target), dialect)}) FROM {row}")
    return True


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        ("1.0", "double", "bigint", True),
        ("1.5", "double", "bigint", False),
        ("'NaN'", "double", "integer", False),
        ("'Infinity'", "double", "integer", False),
        ("1e300", "double", "bigint", False),
        ("9223372036854775808", "double", "bigint", False),
        ("32767", "integer", "smallint", True),
        ("32768", "integer", "smallint", False),
        ("99", "integer", "numeric(4,2)", True),
        ("100", "integer", "numeric(4,2)", False),
        ("9007199254740993", "bigint", "double", False),
        ("1.10", "numeric(10,2)", "numeric(10,1)", True),
        ("1.15", "numeric(10,2)", "numeric(10,1)", False),
        ("12345678.00", "numeric(10,2)", "numeric(4,0)", False),
        ("0.1", "double", "numeric(10,2)", True),
        ("0.125", "double", "numeric(10,2)", False),
        ("'NaN'", "double", "numeric(10,2)", False),
        ("'abc'", "text", "varchar(3)", True),
        ("'äöüß'", "text", "varchar(3)", False),
        ("'2024-02-03'", "text", "date", True),
        ("'3.2.2024'", "text", "date", False),
        ("'2024-02-03 04:05:06.789'", "text", "timestamp", True),
        ("'2024-02-03T04:05:06+02:00'", "text", "timestamptz", True),
        ("'2024-02-03T04:05:06'", "text", "timestamptz", False),
        ("'6ba7b810-9dad-11d1-80b4-00c04fd430c8'", "text", "uuid", True),
        ("'nothing'", "text", "uuid", False),
        ("'2024-02-03 00:00:00'", "timestamp", "date", True),
        ("'2024-02-03 00:00:01'", "timestamp", "date", False),
        ("'0.1'", "double", "real", False),
        ("0.5", "double", "real", True),
        ("NULL", "double", "integer", True),
        ("NULL", "text", "date", True),
    ],
)
def test_values(engine: Engine, value: str, source: str, target: str, expected: bool) -> None:
    assert fits(engine, value, source, target) is expected


def test_a_local_time_needs_its_zone(engine: Engine) -> None:
    with pytest.raises(DataError, match="timestamp do not fit"):
        fits(engine, "'2024-02-03 04:05:06'", "timestamp", "timestamptz")
    assert fits(engine, "'2024-02-03 04:05:06'", "timestamp", "timestamptz", "Europe/Berlin")


@pytest.mark.parametrize(
    ("source", "target"), [("text", "integer"), ("timestamptz", "timestamp"), ("boolean", "bigint")]
)
def test_what_can_never_be_meant(engine: Engine, source: str, target: str) -> None:
    with pytest.raises(DataError) as raised:
        convert("v", parse_type(source), parse_type(target), DIALECTS[engine.kind], None)
    assert raised.value.code == "incompatible-types"
