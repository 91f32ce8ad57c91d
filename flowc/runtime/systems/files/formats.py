"""The formats of the files that a stream writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flowc.catalog import Column
from flowc.formats import FORMATS, columnar
from flowc.runtime.formats.encoding import OpenFile
from flowc.stream import FilesTarget

_EXTENSIONS = {"gzip": ".gz", "zstd": ".zst", "bzip2": ".bz2", "lz4": ".lz4", "xz": ".xz", "brotli": ".br"}


def maker(plan: FilesTarget, columns: Sequence[Column]) -> Callable[[Path], OpenFile]:
    """A function that begins a file with the rows of `columns`."""
    encoding = FORMATS[plan.format].module("encode").encoding(columns, plan.write, _compression(plan))
    return lambda path: encoding.begin(path.open("wb"))


def extension(plan: FilesTarget) -> str:
    """How the names of the files end."""
    end = FORMATS[plan.format].extensions[0]
    return end + ("" if columnar(plan.format) else _EXTENSIONS.get(_compression(plan), ""))


def _compression(plan: FilesTarget) -> str:
    return str(plan.write.get("compression", FORMATS[plan.format].compressions[0]))
