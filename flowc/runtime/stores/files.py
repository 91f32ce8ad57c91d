"""Files under a folder: which ones a path names, and what their format needs to be read.

Reading itself is the engine's work; this module finds the files, checks the options, and knows compression.
"""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError, EngineError
from flowc.locations import local_path
from flowc.runtime.contracts.store import File, Store
from flowc.runtime.names import nameless
from flowc.runtime.options import text
from flowc.runtime.stores.filelooks import not_text
from flowc.runtime.stores.folder import Folder, shown
from flowc.runtime.stores.lines import BLOCK
from flowc.runtime.stores.local import LocalStore
from flowc.runtime.stores.members import Members

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
BROKEN = (EOFError, OSError, lzma.LZMAError, zlib.error, pa.ArrowException)
"""What is raised for bytes that are not what the file's name says of them."""
BAD_ROWS_END = ".bad.jsonl"
"""How the names of files end in which loads keep bad rows."""
_MAGIC = frozenset("*?[")
LARGEST = 1 << 29
"""What `max_line` may be at most: Arrow counts the bytes of a text in 32 bits."""
ASIDE = "mend the file or the read options, or set bad rows aside: `on_bad_row: skip`, or `quarantine` to keep them"
"""The mend of a row that cannot be read."""
MARK = b"\xef\xbb\xbf"
"""What text in UTF-8 may begin with."""
SHIFT = 40
"""A position in files is the number of a file, shifted by so many bits, and the number of a row in it."""
MARKED = "a byte order mark (EF BB BF) stands before it, as where files were put together into one"
"""What is wrong with a line that begins so, and is not the first one."""
RETURN = "holds a carriage return of its own, and lines end in line feeds"
"""What is wrong with a line that may be several to whoever wrote it."""
_RETURN = re.compile(rb"\r(?!\n|\Z)")


T = TypeVar("T")
Bytes = io.BufferedReader | gzip.GzipFile
_PIECE = 1 << 20
_MARK = "\udcff"
"""Stands for bytes that are no text: as UTF-8 it becomes a byte that no text has, so that its row is found bad."""


class Files:
    """A folder of files on this machine, as a connection of kind `files` names it."""

    kind = "files"

    def __init__(self, options: Mapping[str, object], root: Path | None = None, store: Store | None = None) -> None:
        uri = text(options, "uri") or "."
        self.folder = (root or Path()) / local_path(uri, "`uri`")
        self.store: Store = store or LocalStore(self.folder)
        self.options = cast("Mapping[str, object]", options.get("read") or {})

    def find(self, path: str) -> tuple[File, ...]:
        """The files that a path or glob names, in the order of their names; bad rows that were kept are none of them.

        Raises:
            EngineError: there is none.
            DataError: one leads out of the folder or nowhere, or is a pipe or a device.
        """
        if self.store.local is None:
            return self._objects(path)
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
        there = (each for each in paths if (each.is_symlink() or each.exists()) and not each.is_dir())
        found = tuple(map(folder.file, there))
        if not found:
            message = f"no file in `{self.folder}` matches `{path}`"
            raise EngineError(message, code="file-not-found", help="check `path` and the connection's `uri`")
        return found

    def _objects(self, path: str) -> tuple[File, ...]:
        entries = sorted(self.store.matching(path, lambda key: keeps_bad_rows(key, path)), key=lambda entry: entry.key)
        if not entries:
            message = f"no file in `{self.store.shown()}` matches `{path}`"
            raise EngineError(message, code="file-not-found", help="check `path` and the connection's `uri`")
        return tuple(map(self.store.file, entries))

    def path_of(self, file: File) -> str:
        """The path by which `find` gives that file alone."""
        return str(file.absolute()) if isinstance(file, Path) else str(file).removeprefix(self.store.shown())

    def name_of(self, file: File) -> str:
        """The path below the folder, for people."""
        return shown(os.path.relpath(file, self.folder)) if isinstance(file, Path) else self.path_of(file)


def keeps_bad_rows(name: str, pattern: str) -> bool:
    """Whether a file that a pattern finds holds bad rows of others: it is read only where the pattern says so."""
    return name.endswith(BAD_ROWS_END) and not pattern.endswith(BAD_ROWS_END)


class Encoded(Protocol):
    """Options of text files that need not be UTF-8, or have rows that are left out."""

    @property
    def encoding(self) -> str | None:
        """The encoding; None is UTF-8."""

    @property
    def skip_rows(self) -> int:
        """How many lines stand before the first row."""


def compression(path: File) -> str | None:
    """How a file is compressed, by its name."""
    return COMPRESSIONS.get(path.suffix.lower())


def arrow_input(path: File) -> Any:
    """A file as Arrow reads it: by its path, where it has one."""
    return path if isinstance(path, Path) else path.open("rb")


def opened(path: File) -> Bytes:
    """A file's bytes, decompressed. Raises DataError for one of no text, or not compressed as its name says."""
    how = compression(path)
    if (wrong := not_text(path, how)) is not None:
        raise unreadable(path, *wrong)
    if how == "gzip":
        return gzip.GzipFile(path) if isinstance(path, Path) else gzip.GzipFile(fileobj=path.open("rb"))
    if how in ("bz2", "xz"):
        return io.BufferedReader(Members(path, how))
    if how == "zstd":
        file = pa.input_stream(str(path) if isinstance(path, Path) else path.open("rb"), compression="zstd")
        return io.BufferedReader(file)
    return cast("io.BufferedReader", path.open("rb"))


def without_mark(opened: Callable[[], Bytes]) -> Bytes:
    """The bytes of a file behind the mark that one in UTF-8 may begin with."""
    stream = opened()
    # As little as a byte may be there to be looked at, however long the file is.
    if MARK.startswith(stream.peek(len(MARK))[: len(MARK)]) and stream.read(len(MARK)) != MARK:
        stream.close()
        return opened()
    return stream


def csv_bytes(path: File, options: Encoded) -> Bytes:
    """The bytes of a CSV file in UTF-8, from the row on with which it begins.

    Raises:
        DataError: it looks like another encoding; a row that is skipped holds a carriage return of its own, so that
            others may be skipped with it; or all of its rows are skipped, and more.
    """
    stream = opened(path)
    if not is_utf8(options.encoding):
        stream = io.BufferedReader(_Recoded(stream, str(options.encoding)))
    else:
        demand_utf8(path, stream, "say so: `read: { encoding: utf-16 }`")
    is_empty = not stream.peek(1)
    for number in range(0 if is_empty else options.skip_rows):
        if not stream.peek(1):
            words = f"it has {number} line{'s' * (number > 1)}, and `skip_rows` leaves out {options.skip_rows}"
            raise unreadable(path, words)
        if _holds_return(stream):
            raise unreadable(path, f"line {number + 1}, which is skipped, {RETURN}")
    return stream


def demand_utf8(path: File, stream: Bytes, help: str) -> None:
    """Raises DataError where bytes begin with the mark of another encoding."""
    if (head := stream.peek(4)).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        found = "UTF-32" if head.startswith(codecs.BOM_UTF32_LE) else "UTF-16"
        raise unreadable(path, f"this looks like {found}, and is read as UTF-8", help.replace("utf-16", found.lower()))


def _holds_return(stream: Bytes) -> bool:
    """Reads a line, of which no more than a block is held; whether a carriage return stands in it, not at its end."""
    found, last = False, b""
    while part := stream.readline(BLOCK):
        found = found or _RETURN.search(last + part) is not None
        last = part[-1:]
        if last == b"\n":
            break
    return found or last == b"\r"


def too_many(path: File, words: str, most: int) -> DataError:
    """The error for a file that has more columns than it may."""
    help = f"is it read as the format that it is? else allow more: read: {{ max_columns: {most * 10} }}"
    return DataError(
        f"`{shown(path)}` cannot be read: {words}, and `max_columns` is {most}", code="unreadable-file", help=help
    )


def demand_columns(path: File, metadata: Any, most: int, wanted: Iterable[str] = ()) -> None:
    """Raises DataError where a file of Parquet has too many columns, with those within others, or one of no name.

    So it does where the file contradicts itself about its rows. Where only the columns `wanted` are read, others may be
    called whatever they are.
    """
    if metadata.num_columns > most:
        raise too_many(path, f"it has {metadata.num_columns} columns, counted with those within others", most)
    held = sum(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    if held != metadata.num_rows:
        words = f"it says that it has {metadata.num_rows} rows, and its row groups {held}"
        raise unreadable(path, words, "write the file anew")
    names = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    if (wrong := nameless(names)) and wanted:
        parents = tuple(f"{name}." for name in wanted)
        wrong = nameless(name for name in names if name in wanted or name.startswith(parents))
    if wrong:
        raise unreadable(path, wrong, "give the column another name")


def with_names(path: File, read: Callable[[], T]) -> T:
    """What is read of a Parquet file. Raises DataError where the name of a column is no text: Arrow takes none such."""
    try:
        return read()
    except UnicodeDecodeError:
        raise unreadable(path, "the name of a column is not UTF-8", "give the column another name") from None


def has_nul(kind: Any) -> bool:
    """Whether a field of a schema or a type, or one within it, has a NUL in its name."""
    fields = kind if isinstance(kind, pa.Schema) else (kind.field(place) for place in range(kind.num_fields))
    return any("\0" in field.name or has_nul(field.type) for field in fields)


def demand_names(path: File, names: Sequence[str], columns: Iterable[Column] = ()) -> None:
    """Raises DataError where of the names of a file's columns two are the same, or one of these columns is missing."""
    if (twice := next((name for name, count in Counter(names).items() if count > 1), None)) is not None:
        raise unreadable(path, f"it has several columns `{twice}`", "give each a name of its own")
    if missing := next((column for column in columns if column.name not in names), None):
        raise unreadable(path, f"it has no column `{missing.name}`, only " + ", ".join(f"`{name}`" for name in names))


def intact(path: File | str, parts: Iterator[T]) -> Iterator[T]:
    """What is read of a file. Raises DataError with its name where its bytes are broken."""
    try:
        yield from parts
    except MemoryError:
        raise
    except BROKEN as error:
        raise unreadable(path, str(error)) from error


def unreadable(path: File | str, why: str, help: str = "mend the file or the read options") -> DataError:
    """The error for a file whose content cannot be read."""
    return DataError(f"`{shown(path)}` cannot be read: {why}", code="unreadable-file", help=help)


class NoColumns(DataError):
    """Files in which there is no row yet to find columns in."""


def no_columns(path: File, why: str = "it is empty") -> NoColumns:
    """The error for a file that has no row."""
    told = unreadable(path, f"{why}, so its columns are unknown")
    return NoColumns(told.message, code=told.code, help=told.help)


def _marked(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _MARK, error.end


codecs.register_error("flowc-mark", _marked)


def is_utf8(encoding: str | None) -> bool:
    """Whether bytes in that encoding are UTF-8 as they are. Raises LookupError for an encoding that is none."""
    return encoding is None or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


class _Recoded(io.RawIOBase):
    """A stream of bytes in some encoding as UTF-8."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("flowc-mark")
        self._left = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer; 0 at the end."""
        while not self._left and not self._ended:
            piece = self._stream.read(_PIECE)
            self._ended = not piece
            text = self._decoder.decode(piece, final=self._ended)
            self._left = memoryview(text.encode("utf-8", "surrogateescape"))
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        """Closes the stream behind it too."""
        self._stream.close()
        super().close()
