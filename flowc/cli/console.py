"""Where output goes: data on stdout, talk on stderr, colour only where a person looks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import TextIO

from flowc.diagnostics import Diagnostic, Severity
from flowc.masker import Masker
from flowc.render.diagnostics import render
from flowc.render.style import COLUMNS, Style, harmless

_WIDTH = re.compile("[0-9]{1,6}")
_maskers: list[Masker] = [Masker()]


def conceal(masker: Masker) -> Masker:
    """The masker. From now on nothing that it knows is written: the last gate before a secret is shown."""
    _maskers.append(masker)
    return masker


def reveal() -> None:
    """The command is over, and with it the secrets that it resolved."""
    _maskers[:] = [Masker()]


def style_for(stream: TextIO) -> Style:
    """Colour on a terminal, unless `NO_COLOR` is set or the terminal is dumb."""
    terminal = is_terminal(stream)
    return Style(terminal and not os.environ.get("NO_COLOR"), _width(stream), terminal, concealed)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at this stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _width(stream: TextIO) -> int:
    """How many characters a line may have: as `COLUMNS`, or the terminal, says; 100 for a file."""
    told = os.environ.get("COLUMNS", "")
    return (int(told) if _WIDTH.fullmatch(told) else 0) or _columns(stream) or COLUMNS


def _columns(stream: TextIO) -> int:
    return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0


def out(text: str) -> None:
    """Writes data."""
    if text:
        print(shown(text, sys.stdout), file=sys.stdout)


def say(text: str) -> None:
    """Talks to the person."""
    if text:
        print(shown(text, sys.stderr, pieces=True), file=sys.stderr)


def say_errors(diagnostics: Iterable[Diagnostic]) -> None:
    """Shows errors in the long form, as talk. Warnings are `flowc lint`'s to show: once, not by every command."""
    if found := [each for each in diagnostics if each.severity is Severity.ERROR]:
        say(render(found, "text", style_for(sys.stderr)) + "\n")


def concealed(text: str, *, pieces: bool = False) -> str:
    """The text without secrets."""
    for masker in _maskers:
        text = masker.redact(text, pieces=pieces)
    return text


def shown(text: str, stream: TextIO, *, pieces: bool = False) -> str:
    """The text without secrets and, on a terminal, without what could act on it."""
    text = concealed(text, pieces=pieces)
    return harmless(text) if stream.isatty() else text
