"""Times in the history of keys, as SQL: when a row arrives, when a version ends, when it expires."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.catalog import Column
from flowc.compiler.loads.conversion import between, convert
from flowc.compiler.loads.conversion_pair import Conversion
from flowc.compiler.loads.cursor import now_literal
from flowc.compiler.loads.load import VALID_FROM, VALID_TO, Load
from flowc.compiler.quote import qualified
from flowc.compiler.tables.ddl import cast
from flowc.types import TIMESTAMPTZ, DataType, Kind

_TEMPORAL = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)


@dataclass(frozen=True, slots=True)
class Instants:
    """The times of one load, in the type of the target's `valid_from`."""

    load: Load

    @property
    def kind(self) -> DataType:
        """The type of `valid_from`."""
        column = self.load.table.column(VALID_FROM)
        return column.type if column is not None else TIMESTAMPTZ

    @property
    def now(self) -> str:
        """The time of the load."""
        return now_literal(self.load.now, self.kind, self.load.dialect)

    @property
    def column(self) -> Column | None:
        """The column of the rows that holds the event time; None without one."""
        return None if self.load.event_time is None else self.load.row_column(self.load.event_time)

    def arrival(self, alias: str) -> Conversion:
        """When a row counts from."""
        column = self.column
        if column is None:
            return Conversion(self.now)
        reference = qualified(column.name, alias)
        with between(column.name, VALID_FROM):
            return convert(reference, column.type, self.kind, self.load.dialect, self.load.apply.timezone)

    def arrived(self, alias: str) -> str:
        """The same as SQL."""
        return self.arrival(alias).sql

    def expiry(self, start: str) -> str:
        """When a version that starts then expires."""
        ttl = self.load.apply.ttl or 0
        later = self.load.dialect.function("add_seconds", start, str(int(ttl) if ttl == int(ttl) else ttl))
        return cast(later, self.kind, self.load.dialect) if self.kind.kind is Kind.DATE and self._typed else later

    @property
    def _typed(self) -> bool:
        return self.load.dialect.literals.typed

    def closed(self, alias: str) -> str:
        """Where an old version was closed by a delete or by its successor; NULL where it is open or only expired."""
        end = qualified(VALID_TO, alias)
        if self.load.apply.ttl is None:
            return end
        return f"CASE WHEN {end} = {self.expiry(qualified(VALID_FROM, alias))} THEN NULL ELSE {end} END"

    def outlives(self, moment: str) -> str:
        """The condition that the version of the row at hand has not expired by then; empty without `ttl`."""
        if self.load.apply.ttl is None:
            return ""
        expiry = self.expiry("flowc_t")
        return f" AND ({expiry} > {self.now} OR {expiry} > {moment})"

    def end(self, natural: str) -> str:
        """The end of a version: the natural one, or its expiry when that has come before."""
        if self.load.apply.ttl is None:
            return natural
        expiry = self.expiry("flowc_from")
        due = f"({expiry} <= {self.now} OR {expiry} = flowc_was)"
        return f"CASE WHEN {due} AND ({natural} IS NULL OR {expiry} < {natural}) THEN {expiry} ELSE {natural} END"

    def expired(self, start: str) -> str:
        """When a version that starts then has expired by now; NULL where it has not."""
        nothing = cast("NULL", self.kind, self.load.dialect) if self._typed else "NULL"
        if self.load.apply.ttl is None:
            return nothing
        expiry = self.expiry(start)
        return f"CASE WHEN {expiry} <= {self.now} THEN {expiry} ELSE {nothing} END"
