"""How calls fail: errors in specs as one exception, failures of the world as those who call may see and log them."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from flowc.diagnostics import Diagnostic, Severity
from flowc.errors import FlowcError, no_memory, unusable_file
from flowc.masker import Masker
from flowc.render.diagnostics import concise, summary
from flowc.render.style import Style

E = TypeVar("E", bound=BaseException)
T = TypeVar("T")
_SHOWN = 20
"""So many errors are told in the text of an exception."""


class SpecErrors(Exception):
    """The specs have errors, so that nothing was done. `diagnostics` are all that were found, warnings too.

    Its text has a line for each error; `flowc lint` and `flowc.check` show them in full.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        lines = [concise(error, Style()) for error in self.errors]
        more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        super().__init__("\n  ".join([f"the specs have {summary(self.errors)}", *lines[:_SHOWN], *more]))

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors among them, in reading order."""
        return errors_of(self.diagnostics)

    def __reduce__(self) -> tuple[object, ...]:
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


def errors_of(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Those that are errors."""
    return tuple(diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR)


def outward(masker: Masker, work: Callable[[], T]) -> T:
    """What the work gives. Its failures leave without secrets, and without the errors and frames that may hold them."""
    failed: FlowcError | SpecErrors
    try:
        return work()
    except MemoryError as error:
        failed = no_memory(error)
    except OSError as error:
        if error.filename is None:
            raise
        failed = unusable_file(error)
    except (FlowcError, SpecErrors) as error:
        failed = error
    if isinstance(failed, FlowcError):
        failed.mask(partial(masker.redact, pieces=True))
        failed.add_note(f"[{failed.code}]" + (f" help: {failed.help}" if failed.help else ""))
    raise bare(failed)


def bare(error: E) -> E:
    """The error alone, without those that it was made of and the frames that it came through."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
