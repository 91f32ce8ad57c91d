"""The rows of Parquet files, as structs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.loadplan import FilesRead
from flowc.runtime.badrows import first_indices
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.framing import Framing, Records
from flowc.runtime.formats.parquet.options import parquet_options
from flowc.runtime.formats.parquet.sizes import rows_together
from flowc.runtime.stores.filelooks import not_parquet
from flowc.runtime.stores.files import Files, arrow_input, demand_columns, demand_names, has_nul, unreadable, with_names

_TOGETHER = 65_536
"""Rows that are decoded together, where they are not large."""


def framing(read: FilesRead, files: Files) -> Framing:
    """How the Parquet files of a source split into rows."""
    return ParquetFraming(parquet_options(read, files).max_columns, () if read.inferred else read.columns or ())


class ParquetFraming:
    """The rows of Parquet files of `most` columns at most, which have those that are demanded."""

    def __init__(self, most: int, demanded: Iterable[Column]) -> None:
        self._most, self._demanded = most, demanded

    def header(self, path: File) -> tuple[str, ...]:
        """The rows tell the names."""
        return ()

    def records(self, path: File, begin: int, header: tuple[str, ...]) -> Iterator[Records]:
        """The rows of a file from row `begin` on."""
        return _parquet(path, begin, self._most, self._demanded)

    def damage(self, path: File) -> tuple[str, ...] | None:
        """Why a file is no Parquet."""
        return not_parquet(path)

    def rows(self, path: File) -> int | None:
        """How many rows a file says that it has."""
        import pyarrow.parquet as pq

        return int(with_names(path, lambda: pq.read_metadata(arrow_input(path))).num_rows)


def _parquet(path: File, row: int, most: int, demanded: Iterable[Column]) -> Iterator[Records]:
    """The rows of a file from a number on, as structs.

    Raises DataError where it has more columns than `most`, two of one name, or not those that are demanded.
    """
    import pyarrow.parquet as pq

    with with_names(path, lambda: pq.ParquetFile(arrow_input(path))) as file:
        wanted = [column.name for column in demanded]
        demand_columns(path, file.metadata, most, wanted)
        demand_names(path, file.schema_arrow.names, demanded)
        columns = wanted if has_nul(file.schema_arrow) else None
        at = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if at + count <= row:
                at += count
                continue
            together = rows_together(path, file.metadata, group, _TOGETHER)
            end = at + count
            for batch in file.iter_batches(together, row_groups=[group], columns=columns):
                values = pa.StructArray.from_arrays(batch.columns, fields=list(batch.schema))
                lines, at = pc.add(first_indices(len(values)), at), at + len(values)
                if at > row:
                    left = max(0, row - (at - len(values)))
                    yield Records(values.slice(left), lines.slice(left), at)
            if at != end:  # Arrow ends where the shortest column does
                raise unreadable(path, f"row group {group + 1} has {count} rows, and {count - end + at} can be read")
