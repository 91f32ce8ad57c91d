"""What a rule of conversion looks at, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.compiler.dialect import Dialect
from flowc.compiler.tables.ddl import cast
from flowc.types import DataType


@dataclass(frozen=True, slots=True)
class Conversion:
    """A value in its column's type; `misfit` holds for values that it would change, None where there are none."""

    sql: str
    misfit: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """What a rule looks at: the value as an SQL expression, its type, the column's type."""

    x: str
    source: DataType
    target: DataType
    dialect: Dialect
    timezone: str | None

    @property
    def cast(self) -> str:
        """The value cast to the column's type."""
        return cast(self.x, self.target, self.dialect)

    def cast_as(self, kind: DataType, x: str | None = None) -> str:
        """A value cast to another type."""
        return cast(x or self.x, kind, self.dialect)
