"""Files under a folder: which ones a path names, and what their format needs to be read.

Reading itself is the engine's work; this module finds the files, checks the options, and knows headers and compression.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError, EngineError, UsageError
from flowc.plan import FilesRead
from flowc.runtime.connectors.folder import Folder, shown
from flowc.runtime.connectors.recoded import Recoded, is_utf8
from flowc.runtime.options import text

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
FORMATS = ("csv", "jsonl", "json", "parquet")
BROKEN = (EOFError, OSError, lzma.LZMAError, zlib.error, pa.ArrowException)
"""What is raised for bytes that are not what the file's name says of them."""
BAD_ROWS_END = ".bad.jsonl"
"""How the names of files end in which loads keep bad rows."""
_MAGIC = frozenset("*?[")
_MOST = 1 << 26
_MARKS = ("delimiter", "quote", "escape", "comment")
csv.field_size_limit(_MOST)  # the module's own is 128 KiB, and no limit of CSV


class Files:
    """A folder of files on this machine, as a connection of kind `files` names it."""

    kind = "files"

    def __init__(self, options: Mapping[str, object], root: Path | None = None) -> None:
        uri = text(options, "uri") or "."
        if "://" in uri and not uri.startswith("file://"):
            message = f"`{uri.partition('://')[0]}://` files cannot be read yet"
            raise UsageError(message, code="not-runnable-yet", help="uri: ./folder")
        self.folder = (root or Path()) / uri.removeprefix("file://")
        self.options = cast("Mapping[str, object]", options.get("read") or {})

    def find(self, path: str) -> tuple[Path, ...]:
        """The files that a path or glob names, in the order of their names; bad rows that were kept are none of them.

        Raises:
            EngineError: there is none.
            DataError: one leads out of the folder, or is a pipe or a device.
        """
        folder = Folder(self.folder)
        exact = folder.require(self.folder / path)
        if exact.exists() and not exact.is_dir():
            return (folder.file(exact),)
        if exact.is_dir():
            message = f"`{exact}` is a folder"
            raise EngineError(
                message, code="file-not-found", help=f"name the files in it: path: {path.rstrip('/')}/*.csv"
            )
        if not _MAGIC & set(path):
            message = f"there is no file `{path}` in `{self.folder}`"
            raise EngineError(message, code="file-not-found", help="check `path` and the connection's `uri`")
        names = sorted({name for name in folder.names(path) if not keeps_bad_rows(name, path)})
        paths = (folder.require(self.folder / name) for name in names)
        found = tuple(folder.file(each) for each in paths if each.exists() and not each.is_dir())
        if not found:
            message = f"no file in `{self.folder}` matches `{path}`"
            raise EngineError(message, code="file-not-found", help="check `path` and the connection's `uri`")
        return found


def keeps_bad_rows(name: str, pattern: str) -> bool:
    """Whether a file that a pattern finds holds bad rows of others: it is read only where the pattern says so."""
    return name.endswith(BAD_ROWS_END) and not pattern.endswith(BAD_ROWS_END)


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How CSV is read."""

    header: bool = True
    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    comment: str | None = None
    null_regex: str | None = None
    ragged: bool = False
    infer_rows: int = 10_000
    skip_rows: int = 0
    encoding: str | None = None

    @property
    def as_it_is(self) -> bool:
        """Whether the bytes of a file are its rows: nothing is to be skipped or recoded."""
        return not self.skip_rows and is_utf8(self.encoding)


def csv_options(read: FilesRead, files: Files) -> CsvOptions:
    """The options of a CSV source, the connection's own beneath its.

    Raises:
        UsageError: an option that CSV has not, or one of the wrong kind.
    """
    given = {**files.options, **read.options}
    known = {name: type(default) for name, default in _defaults().items()}
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"CSV has no option `{name}`", code="unusable-option", help="one of " + ", ".join(known))
        if name in _MARKS and value is not None and not (len(str(value)) == 1 and str(value).isascii()):
            raise UsageError(f"the option `{name}` is not one character of ASCII", code="unusable-option")
    options = CsvOptions(**cast("dict[str, Any]", given))
    _check(options)
    return options


def _check(options: CsvOptions) -> None:
    """Raises UsageError for marks that cannot be told apart, a pattern that is none, and an unknown encoding."""
    wrong = next((name for name in _MARKS if getattr(options, name) in ("\n", "\r")), None)
    if wrong is not None:
        raise UsageError(f"the option `{wrong}` is the end of a line", code="unusable-option")
    if options.delimiter in (options.quote, options.escape):
        raise UsageError("the option `delimiter` means something else already", code="unusable-option")
    try:
        pc.match_substring_regex(pa.array([""]), options.null_regex or "")
    except pa.ArrowInvalid as error:
        raise UsageError(f"the option `null_regex` is no pattern: {error}", code="unusable-option") from None
    if not _is_encoding(options.encoding):
        message = f"there is no encoding `{options.encoding}`"
        raise UsageError(message, code="unusable-option", help="for instance utf-16, latin-1, cp1252 or shift_jis")


def _is_encoding(name: str | None) -> bool:
    try:
        return name is None or isinstance("".encode(name), bytes)
    except LookupError:
        return False


def _defaults() -> dict[str, object]:
    own = CsvOptions()
    return {name: getattr(own, name) for name in CsvOptions.__dataclass_fields__}


def compression(path: Path) -> str | None:
    """How a file is compressed, by its name."""
    return COMPRESSIONS.get(path.suffix.lower())


Bytes = io.BufferedReader | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile


def opened(path: Path) -> Bytes:
    """A file's bytes, decompressed."""
    how = compression(path)
    if how == "gzip":
        return gzip.GzipFile(path)
    if how == "bz2":
        return bz2.BZ2File(path)
    if how == "xz":
        return lzma.LZMAFile(path)
    if how == "zstd":
        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def csv_bytes(path: Path, options: CsvOptions) -> Bytes:
    """The bytes of a CSV file in UTF-8, from the row on with which it begins."""
    stream = opened(path)
    if not is_utf8(options.encoding):
        stream = io.BufferedReader(Recoded(stream, str(options.encoding)))
    for _ in range(options.skip_rows):
        stream.readline(_MOST)
    return stream


def header(path: Path, options: CsvOptions) -> tuple[str, ...]:
    """The names of a CSV file's columns, from its first line that is not blank; empty for a file without one.

    Raises:
        DataError: a name stands twice, or the bytes cannot be read as lines of CSV.
    """
    try:
        with csv_bytes(path, options) as stream:
            rows = csv.reader(
                _lines(stream, options), delimiter=options.delimiter, quotechar=options.quote,
                escapechar=options.escape, strict=True,
            )  # fmt: skip
            first = tuple(next(filter(None, rows), ()))
    except (csv.Error, *BROKEN) as error:
        raise unreadable(path, str(error)) from error
    if not options.header:
        return tuple(f"column_{i + 1}" for i in range(len(first)))
    twice = next((name for i, name in enumerate(first) if name in first[:i]), None)
    if twice is not None:
        raise unreadable(path, f"its header names `{twice}` twice")
    return first


def csv_names(path: Path, options: CsvOptions, read: FilesRead) -> tuple[str, ...]:
    """The columns of a CSV file. Declared ones must all be there; of inferred ones a file may lack some."""
    names, own = header(path, options), tuple(column.name for column in read.columns or ())
    if not options.header and len(names) <= len(own):
        return own
    missing = next((name for name in own if names and name not in names), None)
    if missing is not None and not read.inferred:
        raise unreadable(path, f"it has no column `{missing}`, only " + ", ".join(f"`{n}`" for n in names))
    return names


def _lines(stream: Bytes, options: CsvOptions) -> Iterator[str]:
    """The lines that a record may reach over: a quoted name may hold line ends, but not for ever."""
    left = _MOST
    for line in io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline=""):
        left -= len(line)
        if left < 0:
            raise csv.Error("its first row has more than 64 MiB; is a quote not closed?")
        if not (options.comment and line.startswith(options.comment)):
            yield line


def unreadable(path: Path, why: str) -> DataError:
    """The error for a file whose content cannot be read."""
    return DataError(
        f"`{shown(path)}` cannot be read: {why}", code="unreadable-file", help="mend the file or the read options"
    )
