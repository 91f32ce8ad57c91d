"""The types of DuckDB's columns, and the form in which their values travel to it and from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from flowc.catalog import Column, Native
from flowc.runtime.arrow import arrow_field, arrow_schema
from flowc.runtime.fit import fit, refuse_where
from flowc.runtime.names import quoted
from flowc.runtime.systems.duckdb.limits import limits
from flowc.types import DataType, Kind, parse_type

# Four bytes here, eight elsewhere; not inside a quoted name.
_FLOAT = re.compile(r'\bFLOAT\b(?=[^"]*(?:"[^"]*"[^"]*)*$)')

# The items of a list as DuckDB writes it: between apostrophes where they hold more than letters.
_LISTED = re.compile(r"'((?:[^'\\]|\\.)*)'|([^,'\s][^,']*)")

# Kinds that travel as text and that DuckDB itself turns into its own.
_FROM_TEXT = {Kind.UUID: "CAST({} AS UUID)", Kind.JSON: "CAST({} AS JSON)", Kind.INT128: "CAST({} AS HUGEINT)"}
_AS_TEXT, _AS_JSON = "CAST({} AS VARCHAR)", "CAST(to_json({}) AS VARCHAR)"
_NESTED = re.compile(r"^(STRUCT|MAP|UNION|TUPLE)\(|\]$")
# Types inside others whose names mean something else to flowc, or less; not inside a quoted name.
_AMBIGUOUS = re.compile(r'\b(BIT|VARIANT|(MAP|UNION|TUPLE)\()(?=[^"]*(?:"[^"]*"[^"]*)*$)')
_TO_TEXT = {
    **dict.fromkeys((Kind.UUID, Kind.TEXT, Kind.JSON, Kind.INT128, Kind.UNKNOWN), _AS_TEXT),
}


class Counted:
    """The batches for DuckDB to pull, renamed by position; keeps the failure that DuckDB would turn into text."""

    def __init__(self, batches: Iterator[pa.RecordBatch], columns: Sequence[Column], *, refit: bool) -> None:
        """`refit` where `columns` are not those that the batches were fitted to."""
        named = [Column(f"c{i}", column.type) for i, column in enumerate(columns)]
        self.schema = pa.schema([_sent(arrow_field(column)) for column in named])
        self.rows = 0
        self.failure: BaseException | None = None
        self._batches = batches
        self._columns = columns
        self._refit = refit

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                fitted = fit(batch, self._columns, first_row=self.rows + 1) if self._refit else batch
                self._refuse(fitted)
                self.rows += fitted.num_rows
                arrays = [array.cast(field.type) for array, field in zip(fitted.columns, self.schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        except BaseException as failure:
            self.failure = failure
            raise

    def _refuse(self, batch: pa.RecordBatch) -> None:
        """Raises DataError for a value that DuckDB would change without a word."""
        for array, column in zip(batch.columns, self._columns, strict=True):
            for marks, reason in limits(array, column):
                refuse_where(marks, array, column, first_row=self.rows + 1, reason=reason)


def _sent(field: pa.Field) -> pa.Field:
    """The field as DuckDB takes it: it reads no 256-bit decimals."""
    if pa.types.is_list(field.type):
        return pa.field(field.name, pa.list_(_sent(field.type.value_field)))
    return pa.field(field.name, pa.string() if pa.types.is_decimal256(field.type) else field.type)


def is_loose(kind: DataType) -> bool:
    """Whether DuckDB has no exact type for it, so that the live column decides."""
    return kind.kind is Kind.DECIMAL and (kind.precision is None or kind.precision > 38)


def stored_as(name: str, kind: DataType) -> str:
    """The SQL that stores a value that has arrived, in its type. A struct is JSON, which DuckDB's own texts are not."""
    if kind.kind is Kind.ARRAY and kind.element is not None:
        inside = stored_as("e", kind.element)
        return name if inside == "e" else f"[{inside} FOR e IN {name}]"
    if kind.kind is Kind.STRUCT:
        struct = f"CAST(CAST({name} AS JSON) AS {_spelled(kind)})"
        return _unless_cut(struct, name, _AS_JSON.format(struct)) if _holds_json(kind) else struct
    return _FROM_TEXT.get(kind.kind, "{}").format(name)


def _spelled(kind: DataType) -> str:
    """The type with each name of a field between quotes."""
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return f"{_spelled(kind.element)}[]"
    if kind.kind is Kind.STRUCT:
        return "STRUCT(" + ", ".join(f"{quoted(name)} {_spelled(field)}" for name, field in kind.fields) + ")"
    return str(kind)


def read_as(name: str, spelled: str) -> str:
    """The SQL that reads a value of a type in the form in which it travels."""
    kind = type_of(spelled)
    return _json_of(name, cut=not travels(spelled)) if _as_json(kind, spelled) else _read_as(name, kind)


def _as_json(kind: DataType, spelled: str) -> bool:
    """Whether flowc makes JSON of a type that is none."""
    return kind.kind is Kind.JSON and spelled != "JSON"


def _read_as(name: str, kind: DataType) -> str:
    if kind.kind is Kind.STRUCT:
        return _json_of(name, cut=_holds_json(kind))
    if kind.kind is not Kind.ARRAY or kind.element is None:
        return _TO_TEXT.get(kind.kind, "{}").format(name)
    inside = _read_as("e", kind.element)
    return name if inside == "e" else f"[{inside} FOR e IN {name}]"


def _json_of(name: str, *, cut: bool) -> str:
    json = _AS_JSON.format(name)
    return _unless_cut(json, _AS_TEXT.format(name), json) if cut else json


def _holds_json(kind: DataType) -> bool:
    """Whether a part of the type is JSON. In what is around it, DuckDB reads its numbers as doubles."""
    inner = [field for _, field in kind.fields] + ([kind.element] if kind.element is not None else [])
    return kind.kind is Kind.JSON or any(map(_holds_json, inner))


def _unless_cut(value: str, before: str, after: str) -> str:
    """The SQL of a value, where its text still has each long number of the text before."""
    kept = f"coalesce(list_has_all({_LONG_NUMBERS.format(after)}, {_LONG_NUMBERS.format(before)}), true)"
    return f"CASE WHEN {kept} THEN {value} ELSE error('{_CUT}') END"


_DIGITS = "[ltrim(rtrim(replace(n, '.', ''), '0'), '0') FOR n IN regexp_extract_all({}, '[0-9.]+')]"
_LONG_NUMBERS = f"[n FOR n IN {_DIGITS} IF length(n) > 15]"
_CUT = "a number of JSON inside another type has more digits than DuckDB keeps there"


def as_read(reader: pa.RecordBatchReader, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """The batches in the Arrow types of their columns."""
    schema = arrow_schema(columns)
    for batch in reader:
        arrays = [array.cast(field.type) for array, field in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def type_of(spelled: str) -> DataType:
    """The type that DuckDB's own words name; what flowc has no word for is read as text."""
    if spelled == '"NULL"':
        return DataType(Kind.UNKNOWN)
    if spelled == "BIT":
        return DataType(Kind.TEXT)
    nested = _NESTED.search(spelled) is not None
    if nested and _AMBIGUOUS.search(spelled):
        return DataType(Kind.JSON)
    try:
        return parse_type(_FLOAT.sub("REAL", spelled))
    except ValueError:
        return DataType(Kind.JSON if nested else Kind.TEXT)


_OWN = re.compile(r"^BIT$|\b(ENUM|MAP|UNION|TUPLE)\(|\[[0-9]+\]|^STRUCT\(.*\"")


_LOSSY = re.compile(r"\b(VARIANT|JSON)\b")
_GEOMETRY = (
    "CASE WHEN CAST({{x}} AS VARCHAR) SIMILAR TO '[A-Za-z0-9 .,()+-]*' "
    "AND NOT regexp_matches(CAST({{x}} AS VARCHAR), '[0-9.]{{{{17}}}}|[eE][+-]?[0-9]{{{{3}}}}') "
    "THEN CAST(CAST({{x}} AS {spelled}) AS VARCHAR) ELSE CAST({{x}} AS VARCHAR) END"
)
"""A geometry has many texts; what is behind a `;` is no part of it, and numbers are doubles."""


def native(spelled: str) -> Native | None:
    """What flowc's type does not tell: DuckDB rounds and cuts what it makes of JSON or of a text."""
    kind = type_of(spelled)
    other = kind.kind is Kind.TEXT and own_name(spelled) is not None and not spelled.startswith("ENUM(")
    alike = _GEOMETRY.format(spelled=spelled) if spelled.startswith("GEOMETRY") else None
    other |= _as_json(kind, spelled)
    return Native(spelled, exact=False, alike=alike, travels=travels(spelled)) if other else None


def travels(spelled: str) -> bool:
    """Whether values of a type arrive unchanged. A VARIANT has more types than JSON, of which DuckDB cuts numbers."""
    return not _LOSSY.search(spelled)


def own_name(spelled: str) -> str | None:
    """The type by DuckDB's name, where flowc has no word that tells all of it."""
    if _OWN.search(spelled) or (_NESTED.search(spelled) and _AMBIGUOUS.search(spelled)):
        return spelled
    try:
        parse_type(spelled)
    except ValueError:
        return spelled
    return None


def index_columns(expressions: str) -> tuple[str, ...]:
    """The columns of an index, from the text in which DuckDB lists them."""
    parts = (match[1] or match[2].strip() for match in _LISTED.finditer(expressions[1:-1]))
    names = (re.sub(r"\\(.)", r"\1", part) for part in parts)
    return tuple(name[1:-1].replace('""', '"') if name.startswith('"') else name for name in names)
