"""The one pipeline or stream that a command names."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.api.selectors import Takes, listed, runnable, streams_only
from flowc.cli.arguments import specs_and_names
from flowc.cli.opened import OpenProject, open_project
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError


def one_stream(arguments: Sequence[str], environment: str | None, words: str, undone: str) -> tuple[OpenProject, str]:
    """The project, and the one stream of it that a command takes; `words` are those of the command.

    `undone` says what errors in the specs prevent. Raises UsageError for none, several, and one that there is not.
    """
    opened, name = one_of(arguments, environment, words, undone, streams_only)
    return opened, known_stream(name, opened)


def one_of(
    arguments: Sequence[str], environment: str | None, words: str, undone: str, takes: Takes = runnable
) -> tuple[OpenProject, str]:
    """The project, and the one name that a command takes. Raises UsageError for none and for several."""
    paths, names = specs_and_names(arguments)
    help = f"write it behind: `flowc {words} STREAM`"
    only_one(names, names, words, "stream", help)
    opened = open_project(paths, environment, undone, names=names, takes=takes)
    return opened, only_one(opened.names, names, words, "stream", help)


def only_one(chosen: Sequence[str], given: Sequence[str], words: str, what: str, help: str) -> str:
    """The one name that a command takes, which was chosen by what was `given`. Raises UsageError for none and several.

    `words` are those of the command, `what` is what it takes.
    """
    if len(chosen) == 1:
        return chosen[0]
    said = f"{len(given)} were given" if given else "none was given"
    if len(given) == 1:
        said = f"`{given[0]}` chooses {len(chosen)}: {listed(chosen)}"
    raise UsageError(f"`flowc {words}` takes the name of one {what}, and {said}", code="missing-name", help=help)


def known_stream(name: str, opened: OpenProject) -> str:
    """The name. Raises UsageError where no stream has it."""
    known = opened.checked.project.streams
    if name not in known:
        helps = did_you_mean(name, known) or ("name a stream of the specs",)
        raise UsageError(f"there is no stream `{name}`", code="unknown-selection", help=helps[0])
    return name
