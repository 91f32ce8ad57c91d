"""What differs between SQL dialects, as a frozen record of flags and tables.

One instance per engine lives in `flowc/compiler/dialects/`. SQL generators read these records and never ask for a
dialect's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowc.catalog import TableName
from flowc.types import DataType, Kind


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine's SQL.

    `spell` maps a kind to the engine's spelling; `{p}`, `{s}` and `{n}` stand for precision, scale and length. A kind
    that is missing cannot be stored. `native` finds spellings that need more than a table (arrays, decimals).
    """

    name: str
    sqlglot: str
    """The sqlglot dialect that reads and writes it."""
    spell: Mapping[Kind, str]
    native: Callable[[DataType], str | None] = lambda _: None
    schemas: bool = True
    """Tables live in schemas; else flowc's own tables are prefixed `flowc_`."""
    transactional_ddl: bool = True
    update_from: bool = True
    comments: bool = False
    temporary: str = "CREATE TEMPORARY TABLE"
    state_schema: str = "flowc"

    def state_table(self, name: str) -> TableName:
        """The name of one of flowc's own tables, for instance `flowc.watermarks` or `flowc_watermarks`."""
        return TableName(self.state_schema, name) if self.schemas else TableName(None, f"{self.state_schema}_{name}")
