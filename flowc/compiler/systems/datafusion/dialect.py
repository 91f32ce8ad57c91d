"""DataFusion: reads files and joins systems; it stores nothing."""

from __future__ import annotations

from flowc.compiler.dialect import Dialect, NameRules, QueryRules, TransactionRules, TypeWords, WriteRules
from flowc.types import TIMESTAMPTZ, DataType, Kind


def _native(kind: DataType) -> str | None:
    if kind.kind is Kind.ARRAY and kind.element is not None:
        spelled = _native(kind.element) or DIALECT.types.spell.get(kind.element.kind)
        return f"{spelled}[]" if spelled else None
    if kind.kind is Kind.DECIMAL:
        return f"DECIMAL({kind.precision or 38},{kind.scale or (10 if kind.precision is None else 0)})"
    return None


DIALECT = Dialect(
    name="datafusion",
    sqlglot="datafusion",
    types=TypeWords(
        spell={
            Kind.BOOL: "BOOLEAN",
            Kind.INT8: "TINYINT",
            Kind.INT16: "SMALLINT",
            Kind.INT32: "INT",
            Kind.INT64: "BIGINT",
            Kind.UINT8: "TINYINT UNSIGNED",
            Kind.UINT16: "SMALLINT UNSIGNED",
            Kind.UINT32: "INT UNSIGNED",
            Kind.UINT64: "BIGINT UNSIGNED",
            Kind.FLOAT32: "REAL",
            Kind.FLOAT64: "DOUBLE",
            Kind.TEXT: "VARCHAR",
            Kind.BINARY: "BYTEA",
            Kind.DATE: "DATE",
            Kind.TIME: "TIME",
            Kind.TIMESTAMP: "TIMESTAMP",
            Kind.TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE",
            Kind.INTERVAL: "INTERVAL",
        },
        native=_native,
        cast={Kind.TIME: "arrow_cast({x}, 'Time64(Microsecond)')"},
    ),
    names=NameRules(
        schemas=False,
    ),
    writes=WriteRules(
        update_from=False,
    ),
    queries=QueryRules(
        folds=True,
        typed=True,
        whole=True,
        returns={"now": TIMESTAMPTZ, "length": DataType(Kind.INT32), "count": DataType(Kind.INT32)},
        structs=True,
        earlier_ctes=True,
    ),
    transactions=TransactionRules(
        ddl=False,
    ),
    functions={
        "md5": "md5({0})",
        "length": "character_length({0})",
        "is_nan": "isnan({0})",
        "from_hex": "decode({0}, 'hex')",
        "lower": "lower({0})",
        "upper": "upper({0})",
        "trim": "btrim({0}, ' ' || chr(9) || chr(10) || chr(13) || chr(12) || chr(11))",
        "regex_replace": "regexp_replace({0}, {1}, {2}, 'g')",
        "parse_int": (
            "CASE WHEN regexp_like(btrim({0}), '^[+-]?[0-9]+$') THEN TRY_CAST(btrim({0}) AS DECIMAL(38,0)) END"
        ),
        "parse_numeric": "TRY_CAST(btrim({0}) AS {1})",
        "parse_timestamp": "to_timestamp_micros({0}, {1})",
        "parse_timestamptz": "to_timestamp_micros({0}, {1})",
    },
)
