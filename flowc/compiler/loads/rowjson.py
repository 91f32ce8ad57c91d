"""A row as JSON, as SQL text: an object of its columns, whatever their number and types.

Numbers keep all of their digits, bytes are hexadecimal, and times are written as flowc does; what JSON has no number
for (NaN, infinities) is a text; so is a whole array, structure or document of DuckDB that holds one.
"""

from __future__ import annotations

import json

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.loads.cursor import kept
from flowc.compiler.loads.encoding import concatenated
from flowc.compiler.loads.load import Load
from flowc.compiler.quote import ident, text
from flowc.compiler.tables.ddl import cast
from flowc.types import TEXT, DataType, Kind

_AS_THEY_ARE = (Kind.ARRAY, Kind.STRUCT, Kind.UNKNOWN)
_TIMES = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)


def row_json(load: Load) -> str:
    """The rows of a load as JSON, its own columns left out."""
    named = (load.row_column(name) for name in load.names)
    columns = [c for c in (*named, *load.extras) if c is not None and c.name != load.cursor]
    parts, begin = list[str](), "{"
    for column in columns:
        parts.append(text(f"{begin}{json.dumps(column.name, ensure_ascii=False)}: ", load.dialect))
        parts.append(f"coalesce({_value(column, load.dialect)}, 'null')")
        begin = ", "
    return concatenated([*parts, "'}'"])


def _value(column: Column, dialect: Dialect) -> str:
    """A value as JSON, NULL for none."""
    x, kind = ident(column.name), column.type
    if kind.kind is Kind.BOOL:
        return f"CASE WHEN {x} THEN 'true' WHEN NOT {x} THEN 'false' END"
    if kind.is_number:
        named = "json_float" if kind.is_float else "json_decimal" if kind.kind is Kind.DECIMAL else "json_integer"
        return dialect.function(named, x)
    if kind.kind is Kind.JSON:
        return dialect.function("json_document", x)
    if kind.kind in _AS_THEY_ARE:
        return dialect.function("json_other", x)
    return dialect.function("json_text", _text(x, kind, dialect), x)


def _text(x: str, kind: DataType, dialect: Dialect) -> str:
    if kind.kind is Kind.BINARY:
        return f"CASE WHEN {x} IS NOT NULL THEN lower({kept(x, kind, dialect)}) END"
    plain = cast(x, TEXT, dialect)
    # Infinite times have no form of their own.
    return f"coalesce({kept(x, kind, dialect)}, {plain})" if kind.kind in _TIMES else plain
