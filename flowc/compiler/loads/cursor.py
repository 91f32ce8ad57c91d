"""The value of a cursor: as text that keeps it exactly, as a literal of its column's type, and as a bound of a read.

A watermark is a value that the source's own column has held. Whatever order the target's database gives to such values,
one of them is at most the greatest of the source, so that a read from it on leaves nothing out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_CEILING, Context, Decimal
from struct import pack, unpack
from zoneinfo import ZoneInfo

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.ir import Incremental
from flowc.compiler.quote import ident, instant, text
from flowc.compiler.tables.ddl import cast, spellable
from flowc.errors import UsageError
from flowc.types import DataType, Kind

_EXACT = Context(prec=1000)
"""Arithmetic that rounds no number that a database holds; Python's own stops at 28 digits."""
_TIMES = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_TEXTS = (Kind.TEXT, Kind.UNKNOWN)
_UNORDERED = (Kind.BOOL, Kind.JSON, Kind.ARRAY, Kind.STRUCT, Kind.INTERVAL)
_DOUBLE = DataType(Kind.FLOAT64)
STORED, START, FROM, TO = "the stored watermark", "start", "--from", "--to"
"""Where a value of a cursor is from: what its user has to mend if it is none."""
_FORGET = "forget it with `flowc rewind NAME --to earliest`, or say with `--to` where the load goes on"


def check_order(column: Column, pipeline: str) -> None:
    """Raises UsageError for a cursor whose values have no order that all databases agree on."""
    if column.type.kind not in _UNORDERED:
        return
    raise UsageError(
        f"`{pipeline}` cannot be read incrementally by `{column.name}`, which is a {column.type}",
        code="cursor-without-order",
        help="name a number, a time, a text, a uuid or a binary column under `incremental: { column: … }`",
    )


def lower_bound(
    incremental: Incremental, column: Column, watermark: str | None, dialect: Dialect, timezone: str | None = None
) -> str | None:
    """The condition on what is read: at or past the watermark less `lag`, NULLs always; None for everything.

    `timezone` is the zone of naive timestamps in the source.
    """
    value = bound_value(incremental, column, watermark, timezone)
    if value is None:
        return None
    name, bound = ident(column.name), literal(value, column.type, dialect)
    form = comparable(name, column.type, dialect)
    if form != name:
        # A text that is no such time has no form. It has no place in the order either, so it is always read.
        return f"coalesce({form}, {bound}) >= {bound}"
    always = f"{name} IS NULL"
    if column.type.is_float and "is_nan" in dialect.functions:
        always += f" OR {dialect.function('is_nan', name)}"
    return f"{name} >= {bound} OR {always}"


def between(column: Column, since: str | None, until: str | None, dialect: Dialect, timezone: str | None = None) -> str:
    """The condition on what is read again: from `since` on, and before `until`. NULLs lie in no such range.

    Raises UsageError for what is no value of the column, and for an `until` before `since`.
    """
    name = comparable(ident(column.name), column.type, dialect)
    bounds = ((">=", FROM, since), ("<", TO, until))
    values = [
        (sign, canonical(_edge(value, column.type, timezone, of=of), column, timezone, of=of))
        for sign, of, value in bounds
        if value is not None
    ]
    _check_forward([value for _, value in values], column.type)
    return " AND ".join(f"{name} {sign} {literal(value, column.type, dialect)}" for sign, value in values)


def _edge(value: str, kind: DataType, timezone: str | None, *, of: str) -> str:
    """A bound of a cursor of local times or dates, so that the range holds all values that may lie in it.

    Clocks that are set back show an hour twice, and a local time in it does not say which of the two it is. A date lies
    in a range that holds any part of its day.
    """
    if kind.kind not in (Kind.DATE, Kind.TIMESTAMP):
        return value
    try:
        moment, last = datetime.fromisoformat(value), of == TO
        if moment.tzinfo is not None:
            moment = _shown(moment.astimezone(ZoneInfo(timezone or "UTC")), last=last)
        if kind.kind is Kind.DATE and last and moment.time() != time.min:
            moment += timedelta(days=1)
    except (ValueError, OverflowError):
        return value  # `canonical` judges it
    return moment.date().isoformat() if kind.kind is Kind.DATE else written(moment)


def _shown(local: datetime, *, last: bool) -> datetime:
    """What clocks show then; in an hour that they show twice, early enough, or late enough, for both of them."""
    shift = (local.utcoffset() or timedelta()) - (local.replace(fold=1 - local.fold).utcoffset() or timedelta())
    none = timedelta()
    return local.replace(tzinfo=None, fold=0) - (min(shift, none) if last else max(shift, none))


def _check_forward(bounds: Sequence[str], kind: DataType) -> None:
    """Raises UsageError for a range that ends before it begins; only the database knows the order of texts."""
    backward = Decimal(bounds[-1]) < Decimal(bounds[0]) if kind.is_number else bounds[-1] < bounds[0]
    if backward and (kind.is_number or kind.kind in _TIMES):
        raise UsageError(
            f"nothing lies from {bounds[0]} up to {bounds[-1]}: `--to` is before `--from`",
            code="conflicting-options",
            help="write what comes first behind `--from`",
        )


def comparable(x: str, kind: DataType, dialect: Dialect) -> str:
    """A cursor in the form in which literals are written: where times are texts, others may spell them otherwise."""
    canonical = dialect.functions.get("canonical_time")
    if canonical is None or kind.kind not in _TIMES:
        return x
    return canonical.format(x, text(str(kind.kind), dialect))


def bound_value(
    incremental: Incremental, column: Column, watermark: str | None, timezone: str | None = None, *, of: str = STORED
) -> str | None:
    """The first value to read, as canonical text. `of` says where the watermark is from.

    Raises UsageError for a start or a watermark that is not a value of the column.
    """
    start = None if incremental.start is None else canonical(str(incremental.start), column, of=START)
    if watermark is None:
        return start
    watermark = _edge(watermark, column.type, timezone, of=of) if of == FROM else watermark
    moved = _moved(watermark, column, incremental.lag, timezone, of)
    # What lies before `start` was left out by the first load, and stays out however far `lag` reaches.
    if start is None or not incremental.lag:
        return moved
    order = Decimal if column.type.is_number else str
    return max(moved, min(start, canonical(watermark, column, timezone, of=of), key=order), key=order)


def canonical(value: str, column: Column, timezone: str | None = None, *, of: str) -> str:
    """A cursor's value as the one text from which literals are made. `of` says where it is from.

    Raises UsageError for what is no value of the column.
    """
    return _moved(value, column, 0, timezone, of)


def _is_number(value: str) -> bool:
    try:
        return Decimal(value).is_finite()
    except ArithmeticError:
        return False


def _moved(value: str, column: Column, lag: float, timezone: str | None, of: str) -> str:
    try:
        return _less(value, column.type, lag, timezone)
    except (ValueError, ArithmeticError):
        message = f"`{value}` is not a value of the cursor `{column.name}`, which is a {column.type}"
        kind = Kind.INT64 if column.type.is_integer else column.type.kind
        example = f", as in `{_EXAMPLES[kind]}`" if kind in _EXAMPLES else ""
        help = _FORGET if of == STORED else f"write `{of}` as the column has it{example}"
        raise UsageError(message, code="unreadable-watermark", help=help) from None


_EXAMPLES = {
    Kind.DATE: "2026-03-01", Kind.TIMESTAMP: "2026-03-01 05:00:00", Kind.TIMESTAMPTZ: "2026-03-01T05:00:00Z",
    Kind.INT64: "42",
}  # fmt: skip


def _less(value: str, kind: DataType, lag: float, timezone: str | None) -> str:
    if kind.kind is Kind.TIMESTAMPTZ:
        moment = datetime.fromisoformat(value)
        return instant(_earlier(moment if moment.tzinfo else moment.replace(tzinfo=UTC), lag))
    if kind.kind is Kind.TIMESTAMP:
        return written(_local(value, lag, timezone))
    if kind.kind is Kind.DATE:
        return _local(value, lag, timezone).date().isoformat()
    if kind.is_number:
        if not _is_number(value):
            raise ValueError
        number = _EXACT.subtract(Decimal(value), Decimal(str(lag)))
        return format(_single(number) if kind.kind is Kind.FLOAT32 else number, "f")
    return bytes.fromhex(value.removeprefix("\\x")).hex() if kind.kind is Kind.BINARY else value


def _single(number: Decimal) -> Decimal:
    """The number, or the float of 4 bytes that it means where that is less: it is compared with such floats."""
    try:
        (nearest,) = unpack("f", pack("f", float(number)))
    except OverflowError:
        return number
    return min(number, Decimal(nearest))


def _local(value: str, lag: float, timezone: str | None) -> datetime:
    """A naive time, earlier by `lag` both on the clocks of the zone and in truth."""
    moment = local_time(value, timezone)
    early = _earlier(moment, lag)
    if not lag or timezone is None:
        return early
    zone = ZoneInfo(timezone)
    true = _earlier(moment.replace(tzinfo=zone).astimezone(UTC), lag).astimezone(zone)
    return min(early, true.replace(tzinfo=None))


def local_time(value: str, timezone: str | None) -> datetime:
    """The text of a time without a zone; of an instant, that is its time in the zone."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(ZoneInfo(timezone) if timezone else UTC).replace(tzinfo=None)


def _earlier(moment: datetime, lag: float) -> datetime:
    try:
        return moment - timedelta(seconds=lag)
    except OverflowError:
        return datetime.min.replace(tzinfo=moment.tzinfo)


def written(moment: datetime) -> str:
    """The canonical text of a naive time, to the microsecond."""
    return moment.isoformat(" ", "microseconds")


def literal(value: str, kind: DataType, dialect: Dialect) -> str:
    """A literal of the column's type from its canonical text."""
    if kind.is_float:
        quoted = text(repr(float(value)), dialect)
        return cast(quoted, _DOUBLE, dialect) if dialect.literals.typed else dialect.function("double", quoted)
    if kind.is_number:
        return _exact_number(Decimal(value), kind, dialect)
    quoted = text(value, dialect)
    if kind.kind is Kind.BINARY:
        return dialect.function("from_hex", quoted)
    if not dialect.literals.typed or not spellable((Column("c", kind),), dialect) or kind.kind in _TEXTS:
        return quoted
    if kind.kind is Kind.TIMESTAMPTZ and not dialect.literals.zoned:
        quoted = text(value.removesuffix("+00:00"), dialect)
    return cast(quoted, kind, dialect)


def _exact_number(number: Decimal, kind: DataType, dialect: Dialect) -> str:
    """A whole or decimal number, of the least value that the column's scale has at or past it."""
    scale = 0 if kind.is_integer else kind.scale or 0 if kind.precision is not None else None
    if scale is not None:
        number = number.quantize(Decimal(1).scaleb(-scale), ROUND_CEILING, _EXACT)
    plain = format(number, "f")
    if kind.is_integer:
        return plain
    if not dialect.literals.typed:
        return f"{text(plain, dialect)}{dialect.compare.decimal_order}"
    fits = kind.precision is None or number.adjusted() < kind.precision - (scale or 0)
    # A bare literal is a float to some engines.
    return cast(text(plain, dialect), kind, dialect) if fits else plain


def now_text(now: datetime, kind: DataType) -> str:
    """The load's time as a temporal type shows it; without a zone it is UTC."""
    if kind.kind is Kind.DATE:
        return now.astimezone(UTC).date().isoformat()
    shown = instant(now)
    return shown if kind.kind is Kind.TIMESTAMPTZ else shown.removesuffix("+00:00")


def now_literal(now: datetime, kind: DataType, dialect: Dialect) -> str:
    """The load's time as a value of a temporal type."""
    return literal(now_text(now, kind), kind, dialect)


def kept(x: str, kind: DataType, dialect: Dialect) -> str:
    """A cursor's value as the text that is stored, from which every database makes the same value again."""
    if kind.is_float:
        template = "cursor_float"
    elif kind.kind is Kind.TIMESTAMP and (kind.precision or 0) > 6:
        template = "cursor"
    else:
        template = _TEMPLATES.get(kind.kind, "cursor")
    return dialect.function(template if template in dialect.functions else "cursor", x)


_TEMPLATES = {
    Kind.DATE: "cursor_date",
    Kind.TIMESTAMPTZ: "cursor_timestamptz",
    Kind.TIMESTAMP: "cursor_timestamp",
    Kind.BINARY: "cursor_binary",
}


def finite(x: str, kind: DataType, dialect: Dialect) -> str:
    """The condition that a value can be a watermark: neither NULL nor NaN, infinite, or outside the years 1 to 9999.

    Such values are greater than all that will ever come, or less; they are loaded and move nothing.
    """
    template = dialect.compare.finite.get(kind.kind, "{x} IS NOT NULL")
    return template.format(x=x)


def same_values(one: DataType, other: DataType) -> bool:
    """Whether a value that fits both types exactly is written alike and ordered alike in both."""
    exact = (one.is_integer or one.kind is Kind.DECIMAL) and (other.is_integer or other.kind is Kind.DECIMAL)
    return exact or one.kind is other.kind or (one.is_float and other.is_float)
