"""Nested values of DuckDB for a column of another type of the same database: JSON, as from another database."""

from __future__ import annotations

import re

from flowc.catalog import Column
from flowc.compiler.loads.load import Load
from flowc.types import Kind

_CUT = re.compile(r"\b(JSON|VARIANT)\b")
"""Parts of types whose numbers may have more digits than DuckDB writes into JSON."""


def as_from_elsewhere(x: str, source: Column, wanted: Column, load: Load) -> str:
    """The value `x` of a source's column for one of the target."""
    spelled, nested = source.spelled, source.type.kind is Kind.JSON
    unchanged = spelled == wanted.spelled or (source.type == wanted.type and not nested)
    if spelled is None or spelled == "JSON" or unchanged or not load.same_database:
        return x
    if _CUT.search(spelled):
        return load.dialect.function("whole_json", x)
    return load.dialect.function("to_json", x) if nested else x
