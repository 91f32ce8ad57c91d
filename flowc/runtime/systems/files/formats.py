"""The formats of the files that a stream writes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from flowc.catalog import Column
from flowc.runtime.formats.encoding import OpenFile
from flowc.stream import FilesTarget

_EXTENSIONS = {"gzip": ".gz", "zstd": ".zst", "bzip2": ".bz2", "lz4": ".lz4", "xz": ".xz", "brotli": ".br"}
_DEFAULTS = {"parquet": "zstd", "orc": "zstd", "csv": "none", "jsonl": "none"}
_ROOMS = {"parquet": "parquet", "orc": "orc", "csv": "csv", "jsonl": "json"}


def maker(plan: FilesTarget, columns: Sequence[Column]) -> Callable[[Path], OpenFile]:
    """A function that begins a file with the rows of `columns`."""
    encode = importlib.import_module(f"flowc.runtime.formats.{_ROOMS[plan.format]}.encode")
    encoding = encode.encoding(columns, plan.write, _compression(plan))
    return lambda path: encoding.begin(path.open("wb"))


def extension(plan: FilesTarget) -> str:
    """How the names of the files end."""
    return f".{plan.format}" + (_EXTENSIONS.get(_compression(plan), "") if plan.format in ("csv", "jsonl") else "")


def _compression(plan: FilesTarget) -> str:
    return str(plan.write.get("compression", _DEFAULTS[plan.format]))
