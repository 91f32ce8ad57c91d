"""Sources that only grow, read on by a cursor of any type, in as many slices as one likes."""

from __future__ import annotations

import csv
import math
import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake
from hypothesis import strategies as st

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Incremental, Source, Target
from flowc.compiler.tables.ddl import create_table, stored
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems.delta.session import Delta
from flowc.types import BIGINT, DataType, Kind, parse_type
from tests.model import histories as h
from tests.model.engines import HERE, Engine, lake_of

NAME = TableName(None, "grows")
ZONE = "America/New_York"


@dataclass(frozen=True)
class Cursor:
    """A cursor: its type in the source and in the target, the zone of its local times, and values of it."""

    source: DataType
    target: DataType
    values: st.SearchStrategy[Any]
    timezone: str | None = None
    odd: tuple[Any, ...] = ()
    """Values of the type that can be no watermark."""
    only: tuple[str, ...] = ()
    """The systems that hold all of the values, where others do not."""

    def __str__(self) -> str:
        return f"{self.source} to {self.target} {self.timezone or ''}"


def _cursor(source: str, values: st.SearchStrategy[Any], target: str | None = None, **more: Any) -> Cursor:
    return Cursor(parse_type(source), parse_type(target or source), values, **more)


def single(number: float) -> float:
    """The nearest number of 32 bits."""
    found: float = struct.unpack("f", struct.pack("f", number))[0]
    return found


def near(number: float) -> st.SearchStrategy[float]:
    """Doubles side by side, which fifteen digits do not tell apart."""
    steps = [number]
    for _ in range(5):
        steps.append(math.nextafter(steps[-1], math.inf))
    return st.sampled_from(steps)


def _decimals(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    whole = st.integers(-(10**digits) + 1, 10**digits - 1) | st.sampled_from([9, 10, 99, 100, -9, -10, 900, 1000])
    return whole.map(lambda n: Decimal(f"{n}E-{scale}"))  # no arithmetic, which rounds to 28 digits


def _exists_once(moment: datetime) -> bool:
    local = moment.replace(tzinfo=ZoneInfo(ZONE))
    return local.utcoffset() == local.replace(fold=1).utcoffset()


_MICROSECONDS = st.sampled_from([0, 1, 999_999]) | st.integers(0, 999_999)
_AROUND = st.sampled_from(
    [datetime(2026, 3, 8, 1), datetime(2026, 11, 1, 0), datetime(2026, 6, 1), datetime(1999, 12, 31)]
)
_TIMES = st.builds(
    lambda start, minutes, micros: start + timedelta(minutes=minutes, microseconds=micros),
    _AROUND, st.integers(0, 600), _MICROSECONDS,
)  # fmt: skip
_FLOATS = (
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, min_value=-1e300, max_value=1e300)
    | near(0.1) | near(1 / 3) | near(123456789.123456789)
)  # fmt: skip
_SINGLES = (
    st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False).filter(lambda n: n == 0 or abs(n) > 1e-30)
    | st.sampled_from([0.7, 0.1, 0.3, 12345678, 16777217, 1234567.8]).map(single)
)  # fmt: skip
_NO_NUMBERS = (math.nan, math.inf, -math.inf)
CURSORS = (
    _cursor("bigint", st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 12)),
    _cursor("integer", st.integers(-200, 200), "bigint"),
    _cursor("bigint", st.integers(-200, 200), "numeric(38,10)"),
    _cursor("ubigint", st.integers(0, 2**64 - 1) | st.integers(8, 12), "numeric(20,0)"),
    _cursor("numeric(10,2)", _decimals(10, 2)),
    _cursor("numeric(38,10)", _decimals(38, 10)),
    _cursor("numeric(20,4)", _decimals(20, 4), "numeric(38,10)"),
    _cursor(
        "numeric", _decimals(30, 10) | st.sampled_from(["9", "9.5", "10.0"]).map(Decimal), only=("postgres", "sqlite")
    ),
    _cursor("double", _FLOATS.map(lambda n: n + 0.0), odd=_NO_NUMBERS),
    _cursor("real", _SINGLES.map(lambda n: n + 0.0), odd=_NO_NUMBERS),
    _cursor("real", _SINGLES.map(lambda n: n + 0.0), "double", odd=_NO_NUMBERS),
    _cursor("date", st.dates(date(1950, 1, 1), date(2100, 1, 1))),
    _cursor("date", st.dates(date(2026, 1, 1), date(2026, 12, 31)), "timestamp"),
    _cursor("date", st.dates(date(2026, 1, 1), date(2026, 12, 31)), "timestamptz", timezone=ZONE),
    _cursor("timestamp", _TIMES),
    _cursor("timestamp", _TIMES.filter(_exists_once), "timestamptz", timezone=ZONE),
    _cursor("timestamp", _TIMES, "timestamptz", timezone="UTC"),
    _cursor("timestamp(9)", st.integers(-(10**12), 10**12), only=("duckdb",)),
    _cursor("timestamptz", _TIMES.map(lambda t: t.replace(tzinfo=UTC))),
    _cursor("time", st.times()),
    _cursor("text", st.text("abcxyz019", min_size=1, max_size=4)),
    _cursor("uuid", st.integers(0, 2**128 - 1).map(lambda n: str(uuid.UUID(int=n)))),
    _cursor("uuid", st.integers(0, 2**128 - 1).map(lambda n: str(uuid.UUID(int=n))), "text"),
    _cursor("binary", st.binary(min_size=1, max_size=3)),
)


def apply_for(kind: str, cursor: Cursor, keys: tuple[str, ...], mode: str, lag: float) -> Apply:
    """The load of a growing source into a declared table."""
    columns = (Column("id", BIGINT, nullable=not keys), Column("c", cursor.target))
    table = Table(h.TARGET, columns, keys)
    return replace(
        h.apply_for(kind, mode, keys=keys, compare=None, timezone=cursor.timezone),
        incremental=Incremental("c", None, lag, False),
        target=Target("c", kind, h.TARGET, table),
    )


def fits(cursor: Cursor, kind: str) -> bool:
    """Whether a system has words for both types, and holds the values."""
    if cursor.only and kind not in cursor.only:
        return False
    dialect = DIALECTS[kind]
    return all(
        dialect.types.native(s) or s.kind in dialect.types.spell
        for s in (stored(k, dialect) for k in (cursor.source, cursor.target))
    )


def fill(engine: Engine, way: str, cursor: Cursor, rows: Sequence[tuple[int, Any]]) -> Source:
    """Makes these rows what arrives that way, and gives the node that reads them."""
    columns = (Column("id", BIGINT), Column("c", cursor.source))
    if way in _WRITERS:
        _WRITERS[way](engine.folder / f"grows.{way}", _arrow(rows, columns))
        return Source("s", "source", "files", "files", None, None, f"grows.{way}", way, {}, columns)
    database = engine.database if way == HERE else engine.others[way]
    _replace(database, rows, columns)
    return Source("s", "source", way, database.kind, table=NAME)


def _replace(database: Database, rows: Sequence[tuple[int, Any]], columns: tuple[Column, ...]) -> None:
    if isinstance(database, Delta):
        write_deltalake(lake_of(database) / "grows", _arrow(rows, columns), mode="overwrite", schema_mode="overwrite")
        return
    dialect = DIALECTS[database.kind]
    database.execute("DROP TABLE IF EXISTS grows")
    held = tuple(Column(c.name, stored(c.type, dialect)) for c in columns)
    for statement in create_table(Table(NAME, held), dialect):
        database.execute(statement)
    database.begin()
    database.ingest(NAME, held, iter(_arrow(rows, held).to_batches()), temporary=False)
    database.commit()


def _arrow(rows: Sequence[tuple[int, Any]], columns: tuple[Column, ...]) -> pa.Table:
    schema = arrow_schema(columns)
    arrays = [pa.array([_held(row[i], c.type) for row in rows], schema.field(i).type) for i, c in enumerate(columns)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _held(value: Any, kind: DataType) -> Any:
    if value is None:
        return None
    if kind.kind is Kind.DECIMAL:
        return Decimal(value) if kind.precision else format(value, "f")
    return value


def _write_csv(path: Path, table: pa.Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            writer.writerow(["" if v is None else _shown(v) for v in row])


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, date | time) else str(value)


_WRITERS: dict[str, Callable[[Path, pa.Table], None]] = {
    "csv": _write_csv, "parquet": lambda path, table: pq.write_table(table, path),
}  # fmt: skip
