"""Where output goes: data on stdout, talk on stderr, colour only where a person looks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from shutil import get_terminal_size
from typing import TextIO

from flowc.diagnostics import Diagnostic, Severity
from flowc.render.diagnostics import render
from flowc.render.style import COLUMNS, Style

_redactions: list[Callable[[str], str]] = []


def conceal(redact: Callable[[str], str]) -> None:
    """From now on everything that is written passes through `redact`: the last gate before a secret is shown."""
    _redactions.append(redact)


def reveal() -> None:
    """The command is over, and with it the secrets that it resolved."""
    _redactions.clear()


def style_for(stream: TextIO) -> Style:
    """Colour on a terminal, unless `NO_COLOR` is set or the terminal is dumb."""
    return Style(color=is_terminal(stream) and not os.environ.get("NO_COLOR"))


def width_of(stream: TextIO) -> int:
    """How many characters a line may have: as the terminal, or `COLUMNS`, says; 100 for a file."""
    return get_terminal_size((COLUMNS, 24)).columns if stream.isatty() or "COLUMNS" in os.environ else COLUMNS


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at this stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def out(text: str) -> None:
    """Writes data."""
    if text:
        print(_concealed(text), file=sys.stdout)


def say(text: str) -> None:
    """Talks to the person."""
    if text:
        print(_concealed(text), file=sys.stderr)


def say_errors(diagnostics: Iterable[Diagnostic]) -> None:
    """Shows errors in the long form, as talk. Warnings are `flowc lint`'s to show: once, not by every command."""
    if found := [each for each in diagnostics if each.severity is Severity.ERROR]:
        say(render(found, "text", style_for(sys.stderr)) + "\n")


def _concealed(text: str) -> str:
    for redact in _redactions:
        text = redact(text)
    return text
