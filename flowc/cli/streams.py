"""Standard output and error as a command has them: what they refuse is told apart from what any other file refuses."""

from __future__ import annotations

import io
import os
import sys
from typing import cast

from flowc.errors import UsageError


class Unwritten(OSError):
    """Standard output or error takes no more; not raised where a reader went away."""


class _Stream(io.FileIO):
    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Unwritten(error.errno, error.strerror) from error


def own_streams() -> None:
    """Opens them again, once what the caller closed is nowhere: else the next file to be opened takes its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            os.dup2(handle, number)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))
        if number:
            setattr(sys, name, _again(getattr(sys, name), number))


def unwritten(error: Unwritten) -> UsageError:
    """The failure to write what a command prints."""
    message = f"the output cannot be written: {(error.strerror or 'failed').lower()}"
    return UsageError(message, code="unwritable-file", help="make room, or write it elsewhere")


def _again(stream: io.TextIOWrapper, number: int) -> io.TextIOWrapper:
    raw = _Stream(number, "w", closefd=False)
    kept = {name: getattr(stream, name) for name in ("encoding", "errors", "line_buffering", "write_through")}
    if kept["errors"] in ("strict", "surrogateescape"):  # a letter that the encoding lacks ends no command
        kept["errors"] = "backslashreplace"
    return io.TextIOWrapper(cast("io.BufferedWriter", raw) if stream.write_through else io.BufferedWriter(raw), **kept)
