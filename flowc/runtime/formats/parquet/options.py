"""How Parquet is read."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.loadplan import FilesRead
from flowc.runtime.formats.readoptions import merged, options_of
from flowc.runtime.stores.files import Files


@dataclass(frozen=True, slots=True)
class ParquetOptions:
    """How Parquet is read."""

    max_columns: int = 10_000


def parquet_options(read: FilesRead, files: Files) -> ParquetOptions:
    """The options of a source of Parquet, the connection's own beneath its.

    Raises:
        UsageError: an option that Parquet has not.
    """
    return options_of(ParquetOptions, "Parquet", merged(read, files))
