"""The streams that a command names."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.cli.arguments import specs_and_names
from flowc.cli.whole import Whole, prepare_whole
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError


def one_stream(arguments: Sequence[str], environment: str | None, words: str) -> tuple[Whole, str]:
    """The project, and the one stream of it that a command takes; `words` are those of the command.

    Raises UsageError for none, several, and one that there is not.
    """
    whole, name = one_of(arguments, environment, words)
    return whole, known_stream(name, whole)


def one_of(arguments: Sequence[str], environment: str | None, words: str) -> tuple[Whole, str]:
    """The project, and the one name that a command takes. Raises UsageError for none and for several."""
    paths, names = specs_and_names(arguments)
    if len(names) != 1:
        said = f"{len(names)} were given" if names else "none was given"
        message = f"`flowc {words}` takes the name of one stream, and {said}"
        raise UsageError(message, code="missing-name", help=f"write it behind: `flowc {words} STREAM`")
    return prepare_whole(paths, environment, names=names), names[0]


def known_stream(name: str, whole: Whole) -> str:
    """The name. Raises UsageError where no stream has it."""
    known = whole.checked.project.streams
    if name not in known:
        helps = did_you_mean(name, known) or ("name a stream of the specs",)
        raise UsageError(f"there is no stream `{name}`", code="unknown-selection", help=helps[0])
    return name
