"""The options of a source of files, read into the record of a format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from flowc.durations import parse_size, size_text
from flowc.errors import UsageError
from flowc.loadplan import FilesRead
from flowc.runtime.stores.files import LARGEST, Files

T = TypeVar("T")


def merged(read: FilesRead, files: Files) -> Mapping[str, object]:
    """The options of a source, the connection's own beneath its."""
    return {**files.options, **read.options}


def options_of(kind: type[T], form: str, options: Mapping[str, object]) -> T:
    """Options as the record of a format.

    Raises:
        UsageError: an option that the format has not, or one of the wrong kind.
    """
    known: Mapping[str, object] = kind.__dataclass_fields__  # type: ignore[attr-defined]
    given: dict[str, Any] = dict(options)
    if unknown := next((name for name in given if name not in known), None):
        raise UsageError(f"{form} has no option `{unknown}`", code="unusable-option", help="one of " + ", ".join(known))
    if "max_line" in given:
        given["max_line"] = _most(str(given["max_line"]))
    return kind(**given)


def _most(text: str) -> int:
    most = parse_size(text)
    if not 0 < most <= LARGEST:
        message = f"the option `max_line` is {text}, and may be {size_text(LARGEST)} at most"
        raise UsageError(message, code="unusable-option")
    return most
