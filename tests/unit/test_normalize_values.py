"""What normalisers make of values, and what they cannot read, on all three engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.spec import ColumnSpec, NormalizeSpec
from flowc.compiler.loads.normalize import normalize_column
from flowc.compiler.quote import text
from flowc.errors import UsageError
from flowc.source import Located, SourceFile, Span
from flowc.types import parse_type
from tests.unit.raw_engines import Engine, open_engine

SPAN = Span(SourceFile("specs.yaml", ""), 0, 0)


@pytest.fixture(params=["duckdb", "sqlite", "postgres"], scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    dsn = request.getfixturevalue("postgres_module") if request.param == "postgres" else None
    opened = open_engine(request.param, dsn)
    yield opened
    opened.connection.close()


def column(kind: str, *normalizers: object) -> ColumnSpec:
    specs = []
    for wanted in normalizers:
        name, argument = next(iter(wanted.items())) if isinstance(wanted, dict) else (wanted, None)
        given = None if argument is None else Located(argument, SPAN)
        specs.append(NormalizeSpec(Located(str(name), SPAN), given))
    return ColumnSpec(Located("c", SPAN), Located(parse_type(kind), SPAN), normalize=tuple(specs))


def judged(engine: Engine, kind: str, value: str | None, *normalizers: object) -> object:
    """The value's normalised text, or `unreadable`."""
    dialect = DIALECTS[engine.kind]
    made = normalize_column(column(kind, *normalizers), '"c"', dialect)
    literal = "NULL" if value is None else text(value, dialect)
    row = f"(SELECT CAST({literal} AS {'VARCHAR' if engine.kind == 'duckdb' else 'TEXT'}) AS c) AS r"
    if made.unparsed and engine.query(f"SELECT 1 FROM {row} WHERE {made.unparsed}"):
        return "unreadable"
    return engine.query(f"SELECT {made.sql} FROM {row}")[0][0]


@pytest.mark.parametrize(
    ("value", "normalizers", "expected"),
    [
        (" AB\t", ("trim", "lower"), "ab"),
        ("\v\fvat v\r", ("trim",), "vat v"),
        ("ab", ("upper",), "AB"),
        ("", ("empty_to_null",), None),
        (" \n", ("trim", "empty_to_null"), None),
        ("  ", ("empty_to_null",), "  "),
        ("x", ({"default": "y"},), "x"),
        ("", ("empty_to_null", {"default": "it's"}), "it's"),
        (None, ({"default": "back\\slash"},), "back\\slash"),
        ("a-1-b", ({"regex_replace": {"pattern": "[0-9]", "replacement": "#"}},), "a-#-b"),
        ("Ann Lee", ({"regex_replace": {"pattern": "(\\w+) (\\w+)", "replacement": "\\2 \\1"}},), "Lee Ann"),
        ("Ann Lee", ({"regex_replace": {"pattern": "(\\w+) (\\w+)", "replacement": "\\22\\\\1$1&"}},), "Lee2\\1$1&"),
        ("x", ({"sql": "{value} || '!' -- end"},), "x!"),
        ("x", ({"derive": "c || c"},), "xx"),
    ],
)
def test_texts(engine: Engine, value: str | None, normalizers: tuple, expected: str | None) -> None:
    assert judged(engine, "text", value, *normalizers) == expected


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"], indirect=True)  # PostgreSQL follows its database's locale
def test_case_of_all_letters(engine: Engine) -> None:
    assert judged(engine, "text", "ÄÉ", "lower") == "äé"
    assert judged(engine, "text", "äé", "upper") == "ÄÉ"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" 12\t", 12),
        ("-9223372036854775808", -(2**63)),
        ("1.0", "unreadable"),
        ("1e3", "unreadable"),
        ("", "unreadable"),
        ("twelve", "unreadable"),
        (None, None),
    ],
)
def test_parse_int(engine: Engine, value: str | None, expected: object) -> None:
    assert judged(engine, "bigint", value, "parse_int") == expected


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("text", "number"), [("9" * 5000, "9" * 5000), ("-" + "0" * 5000 + "7", -7)])
def test_parse_int_of_more_digits_than_python_reads(engine: Engine, text: str, number: object) -> None:
    assert judged(engine, "bigint", text, "parse_int") == number


@pytest.mark.parametrize(
    ("value", "expected"),
    [(" 1.50", 1.5), ("-.5", -0.5), ("1,5", "unreadable"), ("NaN", "unreadable"), (None, None)],
)
def test_parse_numeric(engine: Engine, value: str | None, expected: object) -> None:
    found = judged(engine, "numeric(12,2)", value, "parse_numeric")
    assert found == expected if isinstance(expected, str) or expected is None else float(str(found)) == expected


def test_parse_numeric_reads_all_digits_of_its_column(engine: Engine) -> None:
    found = judged(engine, "numeric(38,20)", "1.12345678901234567891", "parse_numeric")
    assert str(found) == "1.12345678901234567891"


def test_what_any_of_several_normalisers_cannot_read_is_no_null(engine: Engine) -> None:
    steps = ("parse_int", {"sql": "CAST({value} AS VARCHAR)"}, "parse_numeric")
    assert judged(engine, "numeric(12,2)", "a", *steps) == "unreadable"
    assert float(str(judged(engine, "numeric(12,2)", "7", *steps))) == 7


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ("%d/%m/%Y", "03/02/2024", "2024-02-03 00:00:00.000000"),
        ("%d/%m/%Y", "13/13/2024", "unreadable"),
        ("%d/%m/%Y", "2024-02-03", "unreadable"),
        ("%Y-%m-%d %H:%M:%S", "2024-03-31 02:30:00", "2024-03-31 02:30:00.000000"),
        ("%Y-%m-%dT%H:%M:%S.%f", "2024-01-02T03:04:05.678901", "2024-01-02 03:04:05.678901"),
        ("%Y-%m-%d %H:%M:%S%z", "2024-01-02 03:04:05+0200", "2024-01-02 01:04:05.000000+00:00"),
        ("%Y-%m-%d %H:%M:%S%z", "2024-01-02 03:04:05-05:30", "2024-01-02 08:34:05.000000+00:00"),
        ("%Y it's", "2024 it's", "2024-01-01 00:00:00.000000"),
        ("%d/%m/%Y", "01/02/24", "unreadable"),
        ("%d/%m/%Y", " 01/02/2024", "unreadable"),
        ("%d/%m/%Y", "01/02/\uff12\uff10\uff12\uff14", "unreadable"),
        ("%Y-%m-%d", "0000-01-01", "unreadable"),
        ("%d/%m/%y", "01/02/69", "1969-02-01 00:00:00.000000"),
        ("%d/%m/%y", "01/02/68", "2068-02-01 00:00:00.000000"),
        ("%d %b %Y", "1 FEB 2024", "2024-02-01 00:00:00.000000"),
        ("%d %b %Y", "1 Fev 2024", "unreadable"),
        ("%B %d, %Y", "May 5, 2024", "2024-05-05 00:00:00.000000"),
        ("%Y-%j", "2024-060", "2024-02-29 00:00:00.000000"),
        ("%Y-%j", "2024-000", "unreadable"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05.000000+00:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-01-02T03:04:05+02:75", "unreadable"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-01-02T03:04:05+2500", "unreadable"),
    ],
)
def test_parse_timestamp(engine: Engine, template: str, value: str, expected: str) -> None:
    assert judged(engine, "timestamp", value, {"parse_timestamp": template}) == expected


@pytest.mark.parametrize("wrong", [{"parse_timestamp": "%Q"}, {"regex_replace": "("}, {"sql": 3}, "parse_timestamp",
    *({"regex_replace": {"pattern": "(a)", "replacement": r}} for r in ("x\\d", "x\\", "\\2", "\\0", "\\&", "\\²")),
])  # fmt: skip
def test_wrong_arguments(wrong: object) -> None:
    with pytest.raises(UsageError) as raised:
        normalize_column(column("text", wrong), '"c"', DIALECTS["postgres"])
    assert raised.value.code in ("normalizer-argument", "unknown-time-format")
