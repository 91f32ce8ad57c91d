"""The types of columns, as both halves of flowc speak of them.

A `DataType` is what a value *is*, whatever an engine calls it. `parse_type` reads the spellings that people and the
catalogs of databases use; the dialects of the compiler write them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache


class Kind(StrEnum):
    """The families of values."""

    BOOL = "boolean"
    INT8 = "tinyint"
    INT16 = "smallint"
    INT32 = "integer"
    INT64 = "bigint"
    INT128 = "hugeint"
    UINT8 = "utinyint"
    UINT16 = "usmallint"
    UINT32 = "uinteger"
    UINT64 = "ubigint"
    FLOAT32 = "real"
    FLOAT64 = "double"
    DECIMAL = "numeric"
    TEXT = "text"
    BINARY = "binary"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    ARRAY = "array"
    STRUCT = "struct"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DataType:
    """One type.

    `precision` and `scale` belong to DECIMAL (both None: unconstrained) and `precision` alone to TIME and the
    timestamps (fractional digits, None: 6); `length` is the greatest length of TEXT in characters; `element` belongs
    to ARRAY and `fields` to STRUCT.
    """

    kind: Kind
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    element: DataType | None = None
    fields: tuple[tuple[str, DataType], ...] = ()

    def __str__(self) -> str:
        if self.kind is Kind.ARRAY:
            return f"{self.element}[]"
        if self.kind is Kind.STRUCT:
            return "struct(" + ", ".join(f"{_field_name(name)} {kind}" for name, kind in self.fields) + ")"
        if self.kind is Kind.TEXT and self.length is not None:
            return f"varchar({self.length})"
        if self.kind is Kind.DECIMAL and self.precision is not None:
            return f"numeric({self.precision},{self.scale or 0})"
        if self.kind in TEMPORAL and self.precision not in (None, 6):
            return f"{self.kind}({self.precision})"
        return str(self.kind)

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers only."""
        return self.kind in INTEGER_RANGES

    @property
    def is_float(self) -> bool:
        """Whether it holds binary floating point numbers."""
        return self.kind in (Kind.FLOAT32, Kind.FLOAT64)

    @property
    def places(self) -> int:
        """The fractional digits of seconds in a time or timestamp: 6 unless its precision says otherwise."""
        return 6 if self.precision is None else self.precision

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.is_integer or self.is_float or self.kind is Kind.DECIMAL


INTEGER_RANGES: dict[Kind, tuple[int, int]] = {
    Kind.INT8: (-(2**7), 2**7 - 1),
    Kind.INT16: (-(2**15), 2**15 - 1),
    Kind.INT32: (-(2**31), 2**31 - 1),
    Kind.INT64: (-(2**63), 2**63 - 1),
    Kind.INT128: (-(2**127), 2**127 - 1),
    Kind.UINT8: (0, 2**8 - 1),
    Kind.UINT16: (0, 2**16 - 1),
    Kind.UINT32: (0, 2**32 - 1),
    Kind.UINT64: (0, 2**64 - 1),
}

TEMPORAL = (Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)

UNKNOWN = DataType(Kind.UNKNOWN)
TEXT = DataType(Kind.TEXT)
BIGINT = DataType(Kind.INT64)
BOOLEAN = DataType(Kind.BOOL)
TIMESTAMPTZ = DataType(Kind.TIMESTAMPTZ)

_COMPUTED = DataType(Kind.DECIMAL, precision=38, scale=10)


def computed(kind: DataType) -> DataType:
    """The type as which SQL outside of databases computes: there, every decimal has a precision, of 76 at most."""
    if kind.element is not None:
        return replace(kind, element=computed(kind.element))
    if kind.fields:
        return replace(kind, fields=tuple((name, computed(field)) for name, field in kind.fields))
    unbounded = kind.kind is Kind.DECIMAL and (kind.precision is None or kind.precision > 76)
    return _COMPUTED if unbounded else kind


def goes_into(given: DataType, wanted: DataType) -> bool:
    """Whether arguments of a type go into another: of its kind, numbers that it takes, or days for times."""
    if wanted.is_number and given.is_number and wanted.kind is not given.kind:
        return given.is_integer or wanted.kind is Kind.FLOAT64
    return wanted.kind is given.kind or (wanted.kind is Kind.TIMESTAMP and given.kind is Kind.DATE)


_NAMES: dict[str, Kind] = {
    "bool": Kind.BOOL, "boolean": Kind.BOOL, "bit": Kind.BOOL, "logical": Kind.BOOL,
    "tinyint": Kind.INT8, "int1": Kind.INT8,
    "smallint": Kind.INT16, "int2": Kind.INT16, "short": Kind.INT16, "smallserial": Kind.INT16, "int16": Kind.INT16,
    "int": Kind.INT32, "integer": Kind.INT32, "int4": Kind.INT32, "serial": Kind.INT32, "mediumint": Kind.INT32,
    "signed": Kind.INT32, "int32": Kind.INT32,
    "bigint": Kind.INT64, "int8": Kind.INT64, "long": Kind.INT64, "bigserial": Kind.INT64, "int64": Kind.INT64,
    "hugeint": Kind.INT128, "int128": Kind.INT128,
    "utinyint": Kind.UINT8, "uint8": Kind.UINT8, "usmallint": Kind.UINT16, "uint16": Kind.UINT16,
    "uinteger": Kind.UINT32, "uint": Kind.UINT32, "uint32": Kind.UINT32, "ubigint": Kind.UINT64, "uint64": Kind.UINT64,
    "real": Kind.FLOAT32, "float4": Kind.FLOAT32, "float32": Kind.FLOAT32,
    "double": Kind.FLOAT64, "double precision": Kind.FLOAT64, "float8": Kind.FLOAT64, "float": Kind.FLOAT64,
    "float64": Kind.FLOAT64,
    "numeric": Kind.DECIMAL, "decimal": Kind.DECIMAL, "dec": Kind.DECIMAL, "bignumeric": Kind.DECIMAL,
    "decimal text": Kind.DECIMAL,
    "text": Kind.TEXT, "varchar": Kind.TEXT, "character varying": Kind.TEXT, "char": Kind.TEXT, "character": Kind.TEXT,
    "bpchar": Kind.TEXT, "string": Kind.TEXT, "nvarchar": Kind.TEXT, "nchar": Kind.TEXT, "citext": Kind.TEXT,
    "clob": Kind.TEXT, "longtext": Kind.TEXT, "mediumtext": Kind.TEXT, "tinytext": Kind.TEXT, "name": Kind.TEXT,
    "binary": Kind.BINARY, "varbinary": Kind.BINARY, "bytea": Kind.BINARY, "blob": Kind.BINARY, "bytes": Kind.BINARY,
    "longblob": Kind.BINARY, "mediumblob": Kind.BINARY, "tinyblob": Kind.BINARY,
    "date": Kind.DATE,
    "time": Kind.TIME, "time without time zone": Kind.TIME,
    "timestamp": Kind.TIMESTAMP, "timestamp without time zone": Kind.TIMESTAMP, "datetime": Kind.TIMESTAMP,
    "timestamp_ntz": Kind.TIMESTAMP, "timestampntz": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMPTZ, "timestamp with time zone": Kind.TIMESTAMPTZ, "timestamp_tz": Kind.TIMESTAMPTZ,
    "timestampltz": Kind.TIMESTAMPTZ, "timestamp_ltz": Kind.TIMESTAMPTZ,
    "interval": Kind.INTERVAL,
    "uuid": Kind.UUID,
    "json": Kind.JSON, "jsonb": Kind.JSON, "json text": Kind.JSON, "variant": Kind.JSON,
}  # fmt: skip

# DuckDB's spellings of a timestamp's unit, by fractional digits.
_UNITS = {"timestamp_s": 0, "timestamp_ms": 3, "timestamp_us": 6, "timestamp_ns": 9}
_WIDEN_UNSIGNED = {
    Kind.INT8: Kind.UINT8, Kind.INT16: Kind.UINT16, Kind.INT32: Kind.UINT32, Kind.INT64: Kind.UINT64,
}  # fmt: skip

_SHAPE = re.compile(r"^(?P<name>[a-z_][a-z0-9_ ]*?)\s*(?:\((?P<args>[^()]*)\)(?P<rest>[a-z ]*))?$")
_BLANKS = re.compile(r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")|\s+""")
_STRUCT = re.compile(r"^(?:struct|row)\s*\((?P<fields>.*)\)$", re.DOTALL | re.IGNORECASE)
_FIELD = re.compile(r"""^(?P<name>"(?:[^"]|"")*"|[^\s"]+)\s+(?P<type>.+)$""", re.DOTALL)


def type_names() -> tuple[str, ...]:
    """Every type name that `parse_type` knows, for suggestions."""
    return tuple(_NAMES)


def one_spaced(text: str) -> str:
    """A type with one blank between its words; what stands in quotes is a value or a name, and stays as it is."""
    return _BLANKS.sub(lambda match: match["quoted"] or " ", text.strip())


@lru_cache(maxsize=4096)
@lru_cache(maxsize=4096)
def parse_type(text: str) -> DataType:
    """The type that a SQL spelling names, in PostgreSQL's, DuckDB's, SQLite's, MySQL's or generic words.

    Raises ValueError for a spelling it does not know.
    """
    spelled = one_spaced(text)
    if spelled.endswith("]"):
        return DataType(Kind.ARRAY, element=parse_type(spelled[: spelled.rindex("[")]))
    if struct := _STRUCT.match(spelled):
        return DataType(Kind.STRUCT, fields=_fields(struct["fields"]))
    return _scalar(spelled.lower(), text)


def _scalar(spelled: str, text: str) -> DataType:
    if spelled in _UNITS:
        return DataType(Kind.TIMESTAMP, precision=_UNITS[spelled])
    match = _SHAPE.match(spelled)
    if match is None:
        raise ValueError(f"`{text}` is not a type")
    name = " ".join((match["name"] + " " + (match["rest"] or "")).split())
    unsigned = name.endswith(" unsigned")
    kind = _NAMES.get(name.removesuffix(" unsigned"))
    if kind is None:
        raise ValueError(f"`{text}` is not a type")
    return _with_arguments(_WIDEN_UNSIGNED.get(kind, kind) if unsigned else kind, _arguments(match["args"], text), name)


def _arguments(args: str | None, text: str) -> list[int]:
    try:
        return [int(a) for a in args.split(",")] if args else []
    except ValueError:
        raise ValueError(f"`{text}` is not a type: its arguments are not numbers") from None


def _with_arguments(kind: Kind, args: list[int], name: str) -> DataType:
    if kind is Kind.DECIMAL and args:
        return DataType(kind, precision=args[0], scale=args[1] if len(args) > 1 else 0)
    if kind is Kind.TEXT and name in ("char", "character", "nchar") and not args:
        return DataType(kind, length=1)
    if kind is Kind.TEXT and args:
        return DataType(kind, length=args[0])
    if kind in TEMPORAL and args and args[0] != 6:
        return DataType(kind, precision=args[0])
    return DataType(kind)


def _fields(text: str) -> tuple[tuple[str, DataType], ...]:
    """The fields of `name type, name type`, split at commas outside parentheses and quotes."""
    parts, depth, start, inside = [], 0, 0, False
    for i, char in enumerate(text + ","):
        inside ^= char == '"'
        depth += 0 if inside else (char == "(") - (char == ")")
        if char == "," and depth == 0 and not inside:
            parts.append(text[start:i].strip())
            start = i + 1
    return tuple(_field(part) for part in parts)


def _field(text: str) -> tuple[str, DataType]:
    match = _FIELD.match(text)
    if match is None:
        raise ValueError(f"`{text}` is not a field: write its name and its type")
    name = match["name"]
    return name[1:-1].replace('""', '"') if name.startswith('"') else name, parse_type(match["type"])


def _field_name(name: str) -> str:
    """The name as `parse_type` reads it."""
    return name if name.isidentifier() else '"' + name.replace('"', '""') + '"'
