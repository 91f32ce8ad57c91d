"""Rows of files that cannot be read, set aside while a load reads: counted, kept within a limit, and handed on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pyarrow as pa

from flowc.errors import DataError
from flowc.loadplan import BAD_ROWS, BadRows
from flowc.runtime.arrow import arrow_field
from flowc.runtime.badrows import BadRow, brief
from flowc.runtime.contracts.decoder import UNDECODABLE
from flowc.runtime.contracts.store import File
from flowc.runtime.fit import shorten
from flowc.runtime.spool import Spool
from flowc.runtime.stores.files import ASIDE, BAD_ROWS_END, unreadable
from flowc.runtime.stores.folder import Folder, shown
from flowc.runtime.stores.private import private

SCHEMA = pa.schema([arrow_field(column) for column in BAD_ROWS])
_SHOWN = 5
_NO_TEXT = re.compile("[\0\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Unread:
    """One row of a file that cannot be read: the line on which it begins, its bytes, and what is wrong."""

    line: int
    raw: bytes
    why: BadRow
    told: DataError | None = None
    """The error of a load that takes no such row, where its format has words of its own."""
    element: int | None = None
    """Its number in the array that the file is, from one: all elements may stand on one line."""

    @property
    def place(self) -> str:
        """Where it is in the file, in words."""
        return place(self.line, self.element)

    @property
    def code(self) -> str:
        """The code under which it is kept."""
        return "unreadable-file" if self.why.code == UNDECODABLE else self.why.code

    def error(self, path: File) -> DataError:
        """The error of a load that takes no such row."""
        if self.told is not None:
            error = self.told
        elif self.why.code == UNDECODABLE:
            error = unreadable(path, f"{self.place}: {self.why.message}", ASIDE)
        else:
            message = f"{self.why.message}, in {self.place} of `{shown(path)}`"
            error = DataError(message, code=self.why.code, help=ASIDE)
        if self.why.code == UNDECODABLE and self.raw:
            error.details = (row_shown(_text(self.raw)),)
        return error


@dataclass
class Aside:
    """What the reading of one load sets aside. Without `rules`, nothing is kept and nothing is too much."""

    pipeline: str = ""
    rules: BadRows | None = None
    bad: int = 0
    good: int = 0
    files: list[str] = field(default_factory=list)
    """The files that were read, by their paths below their folder."""
    places: list[str] = field(default_factory=list)
    """The first bad rows, for people."""

    def __post_init__(self) -> None:
        self._spool: Spool | None = None
        self._parts: list[tuple[str, Path]] = []

    def begin(self, file: str) -> None:
        """A file is read from here on."""
        self.files.append(file)

    def add(self, file: str, rows: Sequence[Unread]) -> None:
        """Rows of a file that cannot be read.

        Raises:
            DataError: they are more than may be.
        """
        self.bad += len(rows)
        more = rows[: _SHOWN - len(self.places)]
        self.places += [f"{row.place} of `{file}`: {brief(row.why.message)}" for row in more]
        most = self.rules.max_count if self.rules else None
        if most is not None and self.bad > most:
            raise self._too_many(f"there are more than {most} bad rows")
        if self.rules is not None and self.rules.kept:
            self._keep(file, rows)

    def done(self) -> None:
        """All files were read. Raises DataError where too many of their rows are bad."""
        ratio, total = self.rules.max_ratio if self.rules else None, self.bad + self.good
        if ratio is not None and self.bad > ratio * total:
            raise self._too_many(f"{self.bad} of {total} rows are bad, and {ratio * 100:g} % may be")
        if self.rules is not None and self.bad and not self.good:
            raise self._too_many(f"all {self.bad} rows are bad")

    @property
    def shown(self) -> tuple[str, ...]:
        """The first bad rows, and how many more there are."""
        more = self.bad - len(self.places)
        return (
            (*self.places, f"{more} more that {'are' if more > 1 else 'is'} not shown") if more else tuple(self.places)
        )

    def _too_many(self, words: str) -> DataError:
        help = "mend the files or the read options, or allow more under `max_bad`"
        return DataError(words, code="too-many-bad-rows", help=help, details=self.shown)

    def _keep(self, file: str, rows: Sequence[Unread]) -> None:
        self._spool = self._spool or Spool()
        batch = _batch(self.pipeline, [(file, row) for row in rows])
        path = self._spool.folder / f"bad-{len(self._parts)}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            writer.write_batch(batch)
        self._parts.append((file, path))

    def batches(self, pipeline: str) -> Iterator[pa.RecordBatch]:
        """What was set aside, as rows of a pipeline of that name, behind a row for each file that was read."""
        files = sorted(set(self.files))
        yield _batch(pipeline, [(file, None) for file in files])
        for _, path in self._parts:
            with _kept(path) as batch:
                yield batch.set_column(0, SCHEMA.field(0), pa.array([pipeline] * batch.num_rows, SCHEMA.field(0).type))

    def close(self) -> None:
        """Forgets what was kept."""
        if self._spool is not None:
            self._spool.close()

    def write(self, home: Path, below: str) -> None:
        """Writes what was set aside, for each file of its own; one in which all rows are good has none any more.

        Raises DataError where `below` leads out of the folder `home`.
        """
        parts: dict[str, list[Path]] = {file: [] for file in self.files}
        for file, kept in self._parts:
            parts[file].append(kept)
        folder = Folder(home)
        for file, own in parts.items():
            part = PurePosixPath(*(p for p in PurePosixPath(file).parts if p not in ("/", "..")))
            path = home / below / self.pipeline / f"{part}{BAD_ROWS_END}"
            folder.require(path.parent)
            if own:
                _write(path, map(_lines, own))
            else:
                path.unlink(missing_ok=True)


def _batch(pipeline: str, rows: Sequence[tuple[str, Unread | None]]) -> pa.RecordBatch:
    """Rows as `BAD_ROWS` has them. Bad rows are few: here, and nowhere else, they are looked at one by one."""
    values = [
        (pipeline, file, row.line, row.code, brief(_why(row)), _text(row.raw))
        if row is not None
        else (pipeline, file, None, None, None, None)
        for file, row in rows
    ]
    if not values:
        return pa.RecordBatch.from_pylist([], schema=SCHEMA)
    arrays = [pa.array(column, kind) for column, kind in zip(zip(*values, strict=True), SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def place(line: int, element: int | None) -> str:
    """Words for where a row begins."""
    return f"line {line}" if element is None else f"line {line}, element {element}"


def _why(row: Unread) -> str:
    return row.why.message if row.element is None else f"element {row.element}: {row.why.message}"


def row_shown(text: str) -> str:
    """The words that show a row under its error."""
    return f"the row is {shorten(text)}"


def _text(raw: bytes) -> str:
    """Bytes as a text that every database holds: of what is none, the hexadecimal digits are shown."""
    text = raw.decode("utf-8", "surrogateescape")
    return _NO_TEXT.sub(lambda sign: f"\\x{ord(sign[0]) & 0xFF:02x}", text)


@contextmanager
def _kept(part: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(part)) as source:
        yield pa.ipc.open_file(source).get_batch(0)


def _lines(part: Path) -> str:
    with _kept(part) as batch:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())


def _write(path: Path, texts: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.tmp")
    made.unlink(missing_ok=True)  # with "x" it is no link to another file
    with open(made, "x", encoding="utf-8", opener=private) as file:
        file.writelines(texts)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
