"""Which rows a database refuses: written in pieces, in a transaction that is taken back at the end.

Rows are tried in their order, on top of those before them that were taken, so that of two rows that only together break
a constraint the first one stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import pyarrow as pa

from flowc.catalog import TableName
from flowc.errors import DataError
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.violations import Explaining, shown
from flowc.runtime.fit import shown_value

_PLACE = re.compile(r", in row 1\b")


@dataclass
class Trial:
    """Writes pieces of rows with `write`. With `savepoints` the database can take back a piece alone."""

    database: Database
    table: TableName
    write: Callable[[pa.RecordBatch], None]
    savepoints: bool
    _taken: list[pa.RecordBatch] = field(default_factory=list, init=False)

    def refused(self, rows: pa.RecordBatch) -> Generator[BadRow, None, None]:
        """The rows that are refused, in order; all of them together are known to be."""
        self.database.begin()
        try:
            spans = _halves(0, rows.num_rows)
            while spans:
                start, end = spans.pop()
                error = self._tried(rows.slice(start, end - start))
                if error is not None and end - start > 1:
                    spans += _halves(start, end)
                elif error is not None:
                    yield BadRow(start, error.code, self._words(error, rows.slice(start, 1)))
        finally:
            self.database.rollback()

    def _tried(self, piece: pa.RecordBatch) -> DataError | None:
        if self.savepoints:
            self.database.execute("SAVEPOINT flowc_piece")
        try:
            self.write(piece)
        except DataError as error:
            self._take_back()
            return error
        if self.savepoints:
            self.database.execute("RELEASE SAVEPOINT flowc_piece")
        else:
            self._taken.append(piece)
        return None

    def _take_back(self) -> None:
        """Undoes the last piece; where everything has to be undone, what was taken before it is written again."""
        if self.savepoints:
            self.database.execute("ROLLBACK TO SAVEPOINT flowc_piece")
            self.database.execute("RELEASE SAVEPOINT flowc_piece")
            return
        self.database.rollback()
        self.database.begin()
        if self._taken:
            self._taken = [one_batch(self._taken)]
            self.write(self._taken[0])

    def _words(self, error: DataError, row: pa.RecordBatch) -> str:
        """What the database says of one row, with the values of the columns that it or its constraint names."""
        words = _PLACE.sub("", error.message)
        names = row.schema.names
        named = [name for name in names if re.search(rf"\W{re.escape(name)}\W", f"{words} ")] or self._broken(words)
        found = shown((name, shown_value(row.column(name), 0)) for name in named if name in names)
        return f"{words} ({found})" if found else words

    def _broken(self, words: str) -> list[str]:
        """The columns of the constraint. Of several that it may be, all."""
        if not isinstance(self.database, Explaining):
            return []
        return list(dict.fromkeys(c for v in self.database.violated(self.table, words) for c in v.columns))


def _halves(start: int, end: int) -> list[tuple[int, int]]:
    """The two halves of a span, the first one last: it is tried first."""
    middle = (start + end) // 2
    return [(middle, end), (start, middle)] if end - start > 1 else [(start, end)]
