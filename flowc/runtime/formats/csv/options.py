"""How CSV is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import UsageError
from flowc.loadplan import FilesRead
from flowc.runtime.formats.readoptions import merged, options_of
from flowc.runtime.stores.files import Files, is_utf8

_MARKS = ("delimiter", "quote", "escape", "comment")


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
    max_line: int = 16 << 20
    max_columns: int = 10_000

    @property
    def as_it_is(self) -> bool:
        """Whether the bytes of a file are its rows: nothing is to be skipped or recoded."""
        return not self.skip_rows and is_utf8(self.encoding)


def csv_options(read: FilesRead, files: Files) -> CsvOptions:
    """The options of a CSV source, the connection's own beneath its.

    Raises:
        UsageError: an option that CSV has not, or one of the wrong kind.
    """
    return csv_record(merged(read, files))


def csv_record(options: Mapping[str, object]) -> CsvOptions:
    """Options of CSV by their names.

    Raises:
        UsageError: an option that CSV has not, or one of the wrong kind.
    """
    record = options_of(CsvOptions, "CSV", options)
    _check(record)
    return record


def _check(options: CsvOptions) -> None:
    """Raises UsageError for marks that cannot be told apart, a pattern that is none, and an unknown encoding."""
    marks = {name: getattr(options, name) for name in _MARKS}
    wrong = next((name for name, mark in marks.items() if mark is not None and not _is_mark(mark)), None)
    if wrong is not None:
        raise UsageError(f"the option `{wrong}` is not one character of ASCII", code="unusable-option")
    wrong = next((name for name, mark in marks.items() if mark in ("\n", "\r")), None)
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


def _is_mark(value: object) -> bool:
    return len(str(value)) == 1 and str(value).isascii()


def _is_encoding(name: str | None) -> bool:
    """Whether texts can be read in it, and what is none in it can be told: `idna` and `punycode` refuse to."""
    try:
        return name is None or isinstance(b"a".decode(name, "surrogateescape"), str)
    except UnicodeDecodeError:
        return True
    except (LookupError, UnicodeError):
        return False
