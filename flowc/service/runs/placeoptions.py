"""The options in the URL of an executor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flowc.diagnostics import did_you_mean
from flowc.durations import parse_duration
from flowc.errors import UsageError

_PATIENCE = "10m"
_DURATION = re.compile(r"[0-9]{1,6}(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class Given:
    """What a URL says: its scheme with `://`, the name behind that, and options as pairs."""

    scheme: str
    name: str
    pairs: Sequence[tuple[str, str]] = ()

    def only(self, *known: str) -> None:
        """Raises UsageError for an option that is not known."""
        for key, _ in self.pairs:
            if key not in known:
                helps = did_you_mean(key, known) or (f"its options: {', '.join(known) or 'none'}",)
                raise self.bad(f"there is no option `{key}`", helps[0])

    def one(self, key: str) -> str | None:
        """The value of an option; None where it is not given. Raises UsageError where it is given twice, or empty."""
        found = self.all(key)
        if len(found) > 1 or "" in found:
            raise self.bad(f"`{key}` takes one value", f"write `{key}=…` once")
        return found[0] if found else None

    def all(self, key: str) -> tuple[str, ...]:
        """The values of an option that may be given more than once."""
        return tuple(value for name, value in self.pairs if name == key)

    def needed(self, what: str, value: str | None, help: str) -> str:
        """The value. Raises UsageError where there is none."""
        if not value:
            raise self.bad(f"it names no {what}", help)
        return value

    def seconds(self, key: str, otherwise: str) -> float:
        """A duration such as `10m`, in seconds. Raises UsageError for what is none."""
        value = self.one(key) or otherwise
        if not _DURATION.fullmatch(value):
            raise self.bad(f"`{key}={value}` is no duration", f"for instance `{key}={otherwise}`")
        return parse_duration(value)

    def patience(self) -> float:
        """Seconds that a worker may take to begin."""
        return self.seconds("start-timeout", _PATIENCE)

    def bad(self, message: str, help: str) -> UsageError:
        """What is wrong with the URL."""
        return UsageError(f"`--executor {self.scheme}…`: {message}", code="unusable-option", help=help)
