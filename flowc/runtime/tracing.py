"""Spans: what traces are made of, as those see them whose work is traced.

The command line hands in what sends them. Where nothing is traced, that is `NO_SPAN`, which does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from flowc.errors import FlowcError

Attributes = Mapping[str, str | int | float | bool]
"""What is said of a span: names, counts, codes; never values of rows, and never a secret."""
_NONE: Attributes = {}


class Span(Protocol):
    """Work that goes on, and what stands below it."""

    @property
    def traceparent(self) -> str:
        """What another process goes on with, as W3C Trace Context has it; empty where nothing is traced."""

    def child(self, name: str, attributes: Attributes = _NONE, began: int | None = None) -> Span:
        """Begins work that is a part of this; `began` is nanoseconds since 1970, now where it is None."""

    def end(self, attributes: Attributes = _NONE, error: str | None = None, ended: int | None = None) -> None:
        """The work is over; `error` is the code of what failed, if it did."""


class NoSpan:
    """Nothing is traced."""

    traceparent = ""

    def child(self, name: str, attributes: Attributes = _NONE, began: int | None = None) -> Span:
        """Itself."""
        return self

    def end(self, attributes: Attributes = _NONE, error: str | None = None, ended: int | None = None) -> None:
        """Nothing."""


NO_SPAN: Span = NoSpan()


@contextmanager
def ending(span: Span) -> Iterator[Span]:
    """Ends the span with the context, as failed where that is left by an exception."""
    try:
        yield span
    except BaseException as failed:
        span.end(error=failed.code if isinstance(failed, FlowcError) else type(failed).__name__)
        raise
    span.end()
