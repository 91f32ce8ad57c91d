"""`${…}` references in the options of connections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from flowc.masking import REFERENCE

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


RESOLVERS = "flowc.secrets"
"""The group of entry points by which packages bring kinds of references of their own."""


@cache
def own_schemes() -> Mapping[str, EntryPoint]:
    """The kinds of references that installed packages bring, by what stands before the colon."""
    from importlib.metadata import entry_points

    return {found.name: found for found in entry_points(group=RESOLVERS)}


def package_of(scheme: str) -> str:
    """The help for a kind of references that no installed package brings."""
    return f"install the package that has the entry point `{scheme}` in the group `{RESOLVERS}`"


def texts(value: object) -> Iterator[str]:
    """Every text in lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | Sequence):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from texts(item)


def references(value: object) -> Iterator[str]:
    """What stands between the braces of each reference."""
    for text in texts(value):
        yield from (match[1] for match in REFERENCE.finditer(text))


def variables(value: object) -> Iterator[str]:
    """The variables of the environment that are referred to."""
    for name in (reference.removeprefix("env:") for reference in references(value)):
        if VARIABLE.fullmatch(name):
            yield name
