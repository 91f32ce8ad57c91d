"""The formats of files and messages: what flowc can do with each, in one table.

The code of a format is in its package, whose modules are imported when they are asked for: `options`, `framing`,
`decode`, `encode`, `discover`, `rows`. `flowc.runtime.formats` says what each of them has.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

CSV, JSON, PARQUET, RAW = "csv", "json", "parquet", "raw"
"""Where nothing names one: the formats of files, of messages and of files that are written. Dead letters are `raw`."""
_TEXT = ("none", "gzip", "zstd", "bzip2", "lz4", "xz", "brotli")
_RUNTIME = "flowc.runtime.formats"


@dataclass(frozen=True, slots=True)
class Format:
    """What can be done with a format. `package` holds its modules."""

    package: str
    extensions: tuple[str, ...] = ()
    """The ends of the names of its files."""
    framed: bool = False
    """Its files can be read: `framing` splits them into records."""
    headed: bool = False
    """The names of the columns are in the head of a file, and messages are decoded by them."""
    engine: bool = False
    """The engine itself reads its files in a load, where nothing in them is odd; `rows` reads the others."""
    messages: bool = False
    """A message alone can be decoded."""
    encodes: bool = False
    """Rows can be written as messages."""
    discovers: bool = False
    """`discover` finds the columns of messages."""
    columnar: bool = False
    """Its files hold columns, and their types."""
    whole: bool = False
    """A message is one value, the column `value`."""
    unit: str = "line"
    """What the rows of its files are counted in."""
    compressions: tuple[str, ...] = ()
    """What files that are written can be compressed with, the default first; none where none can be written."""
    write: tuple[str, ...] = ()
    """The options of files that are written, in addition to `compression`."""
    json: str = ""
    """Which columns its files hold as JSON: `all`, or `lists`."""
    digits: int | None = None
    """The most digits of a number in its files."""

    def module(self, part: str) -> ModuleType:
        """One of its modules."""
        return importlib.import_module(f"{self.package}.{part}")

    def can(self, use: str) -> bool:
        """Whether `files` or `messages`, which `x-formats` in the schemas names, can be read or written in it."""
        files = self.framed or bool(self.compressions)
        return files or (self.messages and use == "messages")

    @property
    def text(self) -> bool:
        """Whether its files are text, of which single rows can be bad."""
        return self.framed and not self.columnar


FORMATS: dict[str, Format] = {
    "csv": Format(
        f"{_RUNTIME}.csv", (".csv", ".tsv"), framed=True, headed=True, engine=True, compressions=_TEXT, json="lists",
        write=("delimiter", "header", "quote", "escape", "null_value"),
    ),
    "jsonl": Format(
        f"{_RUNTIME}.json", (".jsonl", ".ndjson"), framed=True, discovers=True, compressions=_TEXT, json="all",
    ),
    "json": Format(
        f"{_RUNTIME}.json", (".json",), framed=True, messages=True, encodes=True, discovers=True,
        unit="line or element",
    ),
    "parquet": Format(
        f"{_RUNTIME}.parquet", (".parquet",), framed=True, columnar=True, engine=True, unit="row",
        compressions=("zstd", "none", "snappy", "gzip", "lz4", "brotli"),
    ),
    "orc": Format(
        f"{_RUNTIME}.orc", (".orc",), columnar=True, compressions=("zstd", "none", "snappy", "gzip", "lz4"), digits=38,
    ),
    "raw": Format(f"{_RUNTIME}.raw", messages=True, whole=True),
}  # fmt: skip
"""The formats by the names that specs give them."""


def columnar(name: str | None) -> bool:
    """Whether files of a format hold columns, and their types."""
    return name in FORMATS and FORMATS[name].columnar


def text_formats() -> tuple[str, ...]:
    """The formats of text files."""
    return tuple(name for name, format in FORMATS.items() if format.text)


def readable(reads: str) -> tuple[str, ...]:
    """The formats in which `files` or `messages` can be read."""
    can = {"files": "framed", "messages": "messages"}
    return tuple(name for name, format in FORMATS.items() if reads in can and getattr(format, can[reads]))
