"""The record of each SQL dialect, by the kind of connection that speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from flowc.compiler.dialect import Dialect, SourceRules, TypeWords
from flowc.compiler.systems import Rooms

DIALECTS: Mapping[str, Dialect] = Rooms("dialect", "DIALECT")
_SPARK = SourceRules(backticks=True, values_names=("col", 1), row_relations=("LATERAL",))
_HIVE = SourceRules(backticks=True)
_OTHERS: Mapping[str, SourceRules] = {
    "redshift": SourceRules(postgres=True),
    **dict.fromkeys(("materialize", "risingwave"), SourceRules(postgres=True, decimal_parts=True)),
    **dict.fromkeys(("spark", "databricks"), _SPARK),
    **dict.fromkeys(("spark2", "hive", "doris", "starrocks"), _HIVE),
    "bigquery": SourceRules(backticks=True, row_relations=("UNNEST",), stray_commas=True),
    "snowflake": SourceRules(row_relations=("LATERAL",)),
}
"""The dialects of authors that no system of a room speaks."""
_UNKNOWN = Dialect(name="", sqlglot="", types=TypeWords({}))

RUNNER = "datafusion"
"""The engine of flowc itself, by the name that plans and sqlglot have for it. It is no system: nothing is in it."""
OWN = "postgres"
"""The dialect of SQL that flowc's own engine runs, in pipelines and streams, unless its author names another."""


@cache
def dialect_of(kind: str) -> Dialect:
    """The record of a kind of connection; of one that has none, a record in which nothing is said."""
    return DIALECTS.get(kind, _UNKNOWN)


@cache
def source_of(dialect: str) -> SourceRules:
    """What a dialect of sqlglot means where an author writes it."""
    return DIALECTS[dialect].source if dialect in DIALECTS else _OTHERS.get(dialect, SourceRules())


def as_read(text: str, engine: str) -> str:
    """SQL that its author wrote for an engine, as flowc's sessions of it read it."""
    return DIALECTS[engine].literals.author(text) if engine in DIALECTS else text
