"""Failures that are not mistakes in a spec: the world did not do what was needed.

    FlowcError
    ├── UsageError        the command cannot be carried out as given
    ├── DataError         the data breaks a promise (duplicate keys, a value that does not fit); never retried
    ├── TransientError    may pass by itself (connection lost, lock timeout); may be retried
    └── EngineError       a database or library refused the work

A user's mistake in a spec is a `Diagnostic`, and a bug of flowc any other exception.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flowc.controls import shortened
from flowc.source import MappedText

LONGEST = 4000
"""Characters of a message, a help or a detail that are shown."""
MOST_DETAILS = 50


class FlowcError(Exception):
    """A failure with a code (kebab-case, `flowc explain CODE`), a message in the user's words and the mend.

    `written` is the SQL of the specs that failed, where it is known.
    """

    def __init__(self, message: str, *, code: str, help: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.help = help
        self.details = details
        self.written: MappedText | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]

    def mask(self, redact: Callable[[str], str]) -> None:
        """Masks the secrets in its words, and cuts these: they may quote a value, or what a server says."""
        self.message = shortened(redact(self.message), LONGEST)
        self.args = (self.message,)
        self.help = shortened(redact(self.help), LONGEST) if self.help else None
        self.details = tuple(shortened(redact(detail), LONGEST) for detail in self.details[:MOST_DETAILS])


class UsageError(FlowcError):
    """The command cannot be carried out as given."""


class DataError(FlowcError):
    """The data breaks a promise. Retrying cannot help."""


class TransientError(FlowcError):
    """Something outside failed in a way that may pass."""


class EngineError(FlowcError):
    """A database or library refused the work."""


def no_memory(error: MemoryError) -> EngineError:
    """What a command says that would need more memory than there is."""
    told = f": {error}" if str(error) else ""
    help = "give flowc more, or make less at once: smaller values or files, `batch: { max_rows: … }` of a stream"
    return EngineError(f"there is not enough memory{told}", code="out-of-memory", help=help)


@contextmanager
def written_at(text: MappedText | None) -> Iterator[None]:
    """Has failures of the work know which SQL of the specs failed; None where it is none."""
    try:
        yield
    except FlowcError as error:
        error.written = error.written or text
        raise


def unusable_file(error: OSError) -> UsageError:
    """What the system says of a file or a folder that a command needs: of another kind, locked away, named too long."""
    message = f"`{error.filename}` cannot be used: {(error.strerror or str(error)).lower()}"
    return UsageError(message, code="unusable-file", help="make it a file or a folder that you may read and write")
