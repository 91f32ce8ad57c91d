"""Delta Lake: tables of Parquet files with a log. Loads work in a private DuckDB beside them, so the SQL is DuckDB's.

The types are those that Delta stores. What it lacks is kept in a wider one (unsigned integers, uuid and JSON as text)
or refused (times of day, intervals).
"""

from __future__ import annotations

from dataclasses import replace

from flowc.compiler.dialect import QueryRules, Sharing, SourceRules
from flowc.compiler.systems.duckdb.dialect import DIALECT as DUCKDB
from flowc.types import TEXT, DataType, Kind

_LACKS = (
    Kind.INT128,
    Kind.UINT8,
    Kind.UINT16,
    Kind.UINT32,
    Kind.UINT64,
    Kind.TIME,
    Kind.INTERVAL,
    Kind.UUID,
    Kind.JSON,
)
_WIDER = {
    Kind.UINT8: DataType(Kind.INT16),
    Kind.UINT16: DataType(Kind.INT32),
    Kind.UINT32: DataType(Kind.INT64),
    Kind.UINT64: DataType(Kind.DECIMAL, precision=20, scale=0),
    Kind.INT128: DataType(Kind.DECIMAL, precision=38, scale=0),
    Kind.UUID: TEXT,
    Kind.JSON: TEXT,
}


def _inner(kind: DataType) -> str | None:
    """The spelling of a type inside another one."""
    return _native(kind) or DIALECT.types.spell.get(_WIDER.get(kind.kind, kind).kind)


def _native(kind: DataType) -> str | None:
    if kind.kind is Kind.ARRAY and kind.element is not None:
        element = _inner(kind.element)
        return f"{element}[]" if element else None
    if kind.kind is Kind.STRUCT:
        fields = [(name, _inner(field)) for name, field in kind.fields]
        if not all(spelled for _, spelled in fields):
            return None
        return "STRUCT(" + ", ".join('"' + name.replace('"', '""') + f'" {spelled}' for name, spelled in fields) + ")"
    return DUCKDB.types.native(kind) if kind.kind is Kind.DECIMAL else None


DIALECT = replace(
    DUCKDB,
    name="delta",
    types=replace(
        DUCKDB.types,
        spell={kind: spelled for kind, spelled in DUCKDB.types.spell.items() if kind not in _LACKS},
        native=_native,
        widen=_WIDER,
    ),
    names=replace(
        DUCKDB.names,
        default_schema=None,
        fold=lambda name: name,
        tables_any_case=False,
        use=False,
        search_path=False,
    ),
    tables=replace(
        DUCKDB.tables,
        comments=False,
    ),
    transactions=replace(
        DUCKDB.transactions,
        same=None,
    ),
    queries=QueryRules(),
    source=SourceRules(),
    sharing=Sharing(),
    reads_files=False,
    stored_functions=False,
    attached=True,
)
