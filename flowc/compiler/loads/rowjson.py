"""A row as JSON, as SQL text: an object of its columns, whatever their number and types.

Numbers keep all of their digits, bytes are hexadecimal, and times are written as flowc does; what JSON has no number
for (NaN, infinities) is a text; so is a whole array, structure or document of DuckDB that holds one.

Where the load has keys and a cursor, they come first, and a tab ends what tells the row: no text of JSON holds one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.loads.cursor import finite, kept
from flowc.compiler.loads.encoding import concatenated
from flowc.compiler.loads.load import Load, find_column
from flowc.compiler.loads.watermark import cursor_column
from flowc.compiler.quote import ident, text
from flowc.compiler.tables.ddl import cast
from flowc.types import TEXT, DataType, Kind

_AS_THEY_ARE = (Kind.ARRAY, Kind.STRUCT, Kind.UNKNOWN)
_TIMES = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_END = "\t"


def row_json(load: Load) -> str:
    """The rows of a load as JSON, its own columns left out."""
    named = (load.row_column(name) for name in load.names)
    columns = [c for c in (*named, *load.extras) if c is not None and c.name != load.cursor]
    first = _telling(load, columns)
    parts, begin = list[str](), "{"
    for number, column in enumerate((*first, *(c for c in columns if c not in first))):
        if number == len(first) > 0:
            parts.append(_end(load))
            begin = ""
        parts.append(text(f"{begin}{json.dumps(column.name, ensure_ascii=False)}: ", load.dialect))
        parts.append(f"coalesce({_value(column, load.dialect)}, 'null')")
        begin = ", "
    return concatenated([*parts, "'}'"])


def telling(row: str, load: Load) -> str:
    """What tells a row from others, of its JSON: its keys and its cursor where the load has both, else all of it."""
    return load.dialect.function("text_before", row, text(_END, load.dialect))


def _telling(load: Load, columns: Sequence[Column]) -> list[Column]:
    """The columns of the keys and the cursor; none where the load lacks one of them."""
    incremental = load.apply.incremental
    cursor = cursor_column(load) or (find_column(load.extras, incremental.column) if incremental is not None else None)
    return [c for c in columns if c.name in load.keys or c == cursor] if load.keys and cursor is not None else []


def _end(load: Load) -> str:
    """A row without one of its keys is told by all that it holds."""
    whole = " AND ".join(f"{ident(key)} IS NOT NULL" for key in load.keys)
    ends = (text(f",{end}", load.dialect) for end in (_END, " "))
    return f"CASE WHEN {whole} THEN {next(ends)} ELSE {next(ends)} END"


def _value(column: Column, dialect: Dialect) -> str:
    """A value as JSON, NULL for none."""
    x, kind = ident(column.name), column.type
    if kind.kind is Kind.BOOL:
        return dialect.function("json_boolean", x)
    if kind.is_number:
        named = "json_float" if kind.is_float else "json_decimal" if kind.kind is Kind.DECIMAL else "json_integer"
        return dialect.function(named, x)
    if kind.kind is Kind.JSON or kind.kind in _AS_THEY_ARE:
        whole = dialect.function("json_document" if kind.kind is Kind.JSON else "json_other", x)
        return f"replace({whole}, {text(_END, dialect)}, ' ')"
    return dialect.function("json_text", _text(x, kind, dialect), x)


def _text(x: str, kind: DataType, dialect: Dialect) -> str:
    if kind.kind is Kind.BINARY:
        return f"CASE WHEN {x} IS NOT NULL THEN lower({kept(x, kind, dialect)}) END"
    plain = cast(x, TEXT, dialect)
    # Others have no form of their own, or that of a time after Christ.
    usual = f"CASE WHEN {finite(x, kind, dialect)} THEN {kept(x, kind, dialect)} ELSE {plain} END"
    return usual if kind.kind in _TIMES else plain
