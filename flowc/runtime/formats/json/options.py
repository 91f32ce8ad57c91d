"""How JSON is read."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.loadplan import FilesRead
from flowc.runtime.formats.readoptions import merged, options_of
from flowc.runtime.stores.files import Files


@dataclass(frozen=True, slots=True)
class JsonOptions:
    """How JSON is read."""

    infer_rows: int = 10_000
    max_line: int = 16 << 20
    max_columns: int = 10_000


def json_options(read: FilesRead, files: Files) -> JsonOptions:
    """The options of a source of JSON, the connection's own beneath its.

    Raises:
        UsageError: an option that JSON has not.
    """
    return options_of(JsonOptions, "JSON", merged(read, files))
