"""Where a read goes on: as exactly as the cursor's type says it."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from struct import pack, unpack
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowc.catalog import Column
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Incremental
from flowc.compiler.loads.cursor import between, bound_value, check_order, literal, lower_bound, written
from flowc.errors import UsageError
from flowc.types import parse_type

NEW_YORK = "America/New_York"


def bound(kind: str, watermark: str, *, lag: float = 0, start: str | None = None, timezone: str | None = None) -> str:
    value = bound_value(Incremental("c", start, lag, False), Column("c", parse_type(kind)), watermark, timezone)
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("kind", "watermark", "expected"),
    [
        ("timestamp", "2026-01-01 12:00:00.000000", "2026-01-01 12:00:00.000000"),
        # An instant, of which the cursor has the time in its zone.
        ("timestamp", "2026-01-01 17:00:00.000000+00:00", "2026-01-01 12:00:00.000000"),
        ("date", "2026-01-02 05:00:00.000000+00:00", "2026-01-02"),
        ("date", "2026-01-02 00:00:00.000000", "2026-01-02"),
        ("timestamptz", "2026-01-01 17:00:00.000000+00:00", "2026-01-01 17:00:00.000000+00:00"),
        ("timestamptz", "0001-01-01 00:00:00.000000+00:00", "0001-01-01 00:00:00.000000+00:00"),
        ("binary", "\\xab01", "ab01"),
    ],
)
def test_what_was_stored_is_read_as_the_source_has_it(kind, watermark, expected):
    assert bound(kind, watermark, timezone=NEW_YORK) == expected


@pytest.mark.parametrize("written", ["0.7", "1.2345679", "16777217", "-0.1"])
def test_a_short_text_of_a_single_float_reads_that_float(written):
    """As `start`, and as PostgreSQL wrote watermarks of `real` in versions before: it may be past the float itself."""
    column = Column("c", parse_type("real"))
    (single,) = unpack("f", pack("f", float(written)))
    for value in (bound("real", written), bound_value(Incremental("c", written, 0, False), column, None)):
        assert float(value) <= single
    assert float(bound("real", repr(single))) == single


def test_a_day_that_began_earlier_in_utc_is_the_same_day():
    assert bound("date", "2026-01-01 18:30:00.000000+00:00", timezone="Asia/Kolkata") == "2026-01-02"


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda t: t.replace(fold=0)),
    st.sampled_from([0, 60, 3600, 7200, 86400]),
)
def test_lag_reaches_back_on_the_clock_and_in_truth(moment: datetime, lag: int):
    zone = ZoneInfo(NEW_YORK)
    found = datetime.fromisoformat(bound("timestamp", moment.isoformat(" "), lag=lag, timezone=NEW_YORK))
    true = moment.replace(tzinfo=zone).timestamp() - lag
    assert found <= moment - timedelta(seconds=lag)
    assert found.replace(tzinfo=zone).timestamp() <= true


@pytest.mark.parametrize("digits", [1, 28, 29, 38, 65])
def test_no_digit_of_a_decimal_is_rounded(digits):
    value = "7" * digits
    assert bound("numeric", value) == value
    assert Decimal(bound("numeric", value, lag=1)) == int(value) - 1


@given(st.floats(1e-300, 1e300) | st.floats(-1e300, -1e-300))
def test_a_double_is_read_as_it_was_stored(number: float):
    assert float(bound("double", repr(number))) == number


@pytest.mark.parametrize(
    ("kind", "since", "until", "code", "help"),
    [
        (
            "timestamp",
            "05:00",
            None,
            "unreadable-watermark",
            "write `--from` as the column has it, as in `2026-03-01 05",
        ),
        ("date", "2026-01-01", "soon", "unreadable-watermark", "write `--to` as the column has it, as in `2026-03-01`"),
        ("smallint", "x", None, "unreadable-watermark", "as in `42`"),
        ("bigint", "10", "9", "conflicting-options", "write what comes first behind `--from`"),
        ("timestamptz", "2026-01-01T01:00:00+01:00", "2025-12-31T23:59:59Z", "conflicting-options", "comes first"),
    ],
)
def test_a_range_that_is_none_is_told_in_the_words_of_who_wrote_it(kind, since, until, code, help):
    with pytest.raises(UsageError) as raised:
        between(Column("c", parse_type(kind)), since, until, DIALECTS["postgres"])
    assert (raised.value.code, help in (raised.value.help or "")) == (code, True)


@pytest.mark.parametrize(
    ("kind", "since", "until"), [("bigint", "9", "10"), ("text", "b", "a"), ("date", None, "2026-01-01")]
)
def test_a_range_whose_order_only_the_database_knows_is_read(kind, since, until):
    assert between(Column("c", parse_type(kind)), since, until, DIALECTS["postgres"])


BERLIN = "Europe/Berlin"
TWICE = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 3, tzinfo=UTC)
"""Around the hour that clocks of Berlin show twice."""


@pytest.mark.parametrize("kind", ["timestamp", "date"])
@pytest.mark.parametrize("zone", [BERLIN, None])
def test_a_range_of_instants_holds_every_local_time_of_it(kind: str, zone: str | None):
    """Its parts too, however they are cut: no time of the clocks is in none of them."""
    column, step = Column("c", parse_type(kind)), timedelta(minutes=15)
    moments = [TWICE[0] + step * i for i in range((TWICE[1] - TWICE[0]) // step)]
    shown = [moment.astimezone(ZoneInfo(zone or "UTC")).replace(tzinfo=None) for moment in moments]
    values = [local.date().isoformat() if kind == "date" else written(local) for local in shown]
    for i, j in itertools.combinations(range(len(moments)), 2):
        since, until = (moments[at].isoformat() for at in (i, j))
        condition = between(column, since, until, DIALECTS["duckdb"], zone)
        query = f"SELECT count(*) FROM (SELECT unnest({values[i:j]})::{kind} AS c) WHERE {condition}"
        assert duckdb.sql(query).fetchall() == [(j - i,)], (since, until)


CHANGES = {
    "Europe/Berlin": datetime(2026, 10, 25, 1), "America/New_York": datetime(2026, 11, 1, 6),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15), "America/Santiago": datetime(2026, 4, 5, 3),
    "Asia/Beirut": datetime(2026, 10, 24, 21), "Antarctica/Troll": datetime(2026, 10, 25, 1),
    "Pacific/Apia": datetime(2011, 12, 30, 10), "Africa/Casablanca": datetime(2026, 3, 22, 2),
}  # fmt: skip
"""Changes of clocks, in UTC: by an hour, two and a half; at night, at midnight, over a whole day."""


@given(
    st.sampled_from(sorted(CHANGES)), st.sampled_from(["timestamp", "date"]),
    st.tuples(*[st.integers(-1500, 1500)] * 3).map(sorted),
)  # fmt: skip
def test_a_range_of_instants_holds_its_local_times_in_every_zone(zone: str, kind: str, minutes: list[int]):
    since, at, until = (CHANGES[zone].replace(tzinfo=UTC) + timedelta(minutes=each) for each in minutes)
    assume(at < until)
    condition = between(Column("c", parse_type(kind)), since.isoformat(), until.isoformat(), DIALECTS["duckdb"], zone)
    first, last = re.findall(r"'([^']+)'", condition)
    shown = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    read = datetime.fromisoformat if kind == "timestamp" else date.fromisoformat
    assert read(first) <= (shown if kind == "timestamp" else shown.date()) < read(last)


@pytest.mark.parametrize(
    ("kind", "until", "bound"),
    [("date", "2026-02-01", "'2026-02-01'"), ("date", "2026-02-01T06:00", "'2026-02-02'"),
     ("timestamp", "2026-02-01", "'2026-02-01 00:00:00.000000'"), ("date", "9999-12-31T06:00", "'9999-12-31'")],
)  # fmt: skip
def test_the_end_of_a_range_is_not_in_it(kind: str, until: str, bound: str):
    assert between(Column("c", parse_type(kind)), None, until, DIALECTS["sqlite"]).endswith(f"< {bound}")


def test_a_stored_watermark_that_cannot_be_read_is_to_be_moved():
    with pytest.raises(UsageError) as raised:
        bound("bigint", "2026-01-01")
    assert "flowc rewind" in (raised.value.help or "")
    with pytest.raises(UsageError) as raised:
        bound("bigint", "1", start="2026-01-01")
    assert "write `start`" in (raised.value.help or "")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-inf", "x"])
def test_what_no_number_is_cannot_be_read_on_from(value):
    with pytest.raises(UsageError) as raised:
        bound("double", value)
    assert raised.value.code == "unreadable-watermark"
    with pytest.raises(UsageError):
        bound("timestamptz", "infinity")


def test_before_the_first_year_there_is_nothing():
    assert bound("timestamp", "0001-01-01 00:00:00", lag=5) == "0001-01-01 00:00:00.000000"


@pytest.mark.parametrize("kind", ["json", "boolean", "bigint[]", "interval"])
def test_a_cursor_has_an_order(kind):
    with pytest.raises(UsageError) as raised:
        check_order(Column("c", parse_type(kind)), "p")
    assert raised.value.code == "cursor-without-order"


@pytest.mark.parametrize(
    ("dialect", "kind", "value", "expected"),
    [
        ("postgres", "real", "0.1", "CAST('0.1' AS DOUBLE PRECISION)"),
        ("sqlite", "double", "0.1", "flowc_double('0.1')"),
        ("sqlite", "numeric(20,2)", "9", "'9.00' COLLATE flowc_decimal"),
        ("datafusion", "numeric(20,2)", "9.001", "CAST('9.01' AS DECIMAL(20,2))"),
        ("duckdb", "bigint", "8.5", "9"),
        ("duckdb", "numeric(4,2)", "12345", "12345.00"),
        ("mysql", "binary", "ab01", "x'ab01'"),
        ("datafusion", "uuid", "a", "'a'"),
    ],
)
def test_literals_are_of_the_columns_type(dialect, kind, value, expected):
    assert literal(value, parse_type(kind), DIALECTS[dialect]) == expected


def test_what_is_not_a_number_is_always_read():
    column = Column("c", parse_type("double"))
    condition = lower_bound(Incremental("c", None, 0, False), column, "5.25", DIALECTS["datafusion"])
    assert condition is not None
    assert condition.endswith('OR "c" IS NULL OR isnan("c")')
