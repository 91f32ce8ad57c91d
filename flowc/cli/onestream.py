"""The streams that a command names."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.cli.arguments import specs_and_names
from flowc.cli.opened import OpenProject, open_project
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError


def one_stream(arguments: Sequence[str], environment: str | None, words: str, undone: str) -> tuple[OpenProject, str]:
    """The project, and the one stream of it that a command takes; `words` are those of the command.

    `undone` says what errors in the specs prevent. Raises UsageError for none, several, and one that there is not.
    """
    opened, name = one_of(arguments, environment, words, undone)
    return opened, known_stream(name, opened)


def one_of(arguments: Sequence[str], environment: str | None, words: str, undone: str) -> tuple[OpenProject, str]:
    """The project, and the one name that a command takes. Raises UsageError for none and for several."""
    paths, names = specs_and_names(arguments)
    if len(names) != 1:
        said = f"{len(names)} were given" if names else "none was given"
        message = f"`flowc {words}` takes the name of one stream, and {said}"
        raise UsageError(message, code="missing-name", help=f"write it behind: `flowc {words} STREAM`")
    return open_project(paths, environment, undone, names=names), names[0]


def known_stream(name: str, opened: OpenProject) -> str:
    """The name. Raises UsageError where no stream has it."""
    known = opened.checked.project.streams
    if name not in known:
        helps = did_you_mean(name, known) or ("name a stream of the specs",)
        raise UsageError(f"there is no stream `{name}`", code="unknown-selection", help=helps[0])
    return name
