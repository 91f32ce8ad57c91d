"""Selectors, which stand where names of pipelines and streams do: `tag:nightly`, `+name`, `name+`, `+tag:nightly`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import PipelineSpec
from flowc.compiler.front.streamspec import StreamSpec

_SELECTOR = re.compile(r"(\+?)(tag:)?([^+].*?)(\+?)", re.DOTALL)
_SHOWN = 10

Takes = Callable[[CheckedSpec], Collection[str]]
"""The names that a command takes."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A name or a tag, and whether all that is needed for it, and all that needs it, is chosen too."""

    text: str
    is_tag: bool
    name: str
    up: bool
    down: bool

    @property
    def selects(self) -> bool:
        """Whether it is more than a name."""
        return self.is_tag or self.up or self.down


def runnable(checked: CheckedSpec) -> Collection[str]:
    """Pipelines and streams."""
    return {**checked.project.pipelines, **checked.project.streams}


def pipelines_only(checked: CheckedSpec) -> Collection[str]:
    """Pipelines."""
    return checked.project.pipelines


def scheduled_only(checked: CheckedSpec) -> Collection[str]:
    """Pipelines with a schedule."""
    return [name for name, spec in checked.project.pipelines.items() if spec.timing.schedule is not None]


def streams_only(checked: CheckedSpec) -> Collection[str]:
    """Streams."""
    return checked.project.streams


def has_selectors(names: Sequence[str], project: ProjectSpec) -> bool:
    """Whether one of them is a selector."""
    return any(selector.selects for selector in read_selectors(names, project))


def may_select(names: Sequence[str]) -> bool:
    """Whether one of them is written as a selector; something may have that for its name."""
    return any(_parsed(name).selects for name in names)


def read_selectors(names: Sequence[str], project: ProjectSpec) -> list[Selector]:
    """The names as selectors; a name that something has is never more than that."""
    known = {*project.pipelines, *project.streams, *project.tables, *project.tests}
    return [Selector(name, False, name, False, False) if name in known else _parsed(name) for name in names]


def _parsed(text: str) -> Selector:
    match = _SELECTOR.fullmatch(text)
    if match is None:
        return Selector(text, False, text, False, False)
    up, tag, name, down = match.groups()
    return Selector(text, bool(tag), name, bool(up), bool(down))


def tags_of(project: ProjectSpec) -> Mapping[str, list[str]]:
    """The pipelines and streams that have each tag, tags in the order of their names."""
    by_tag: dict[str, list[str]] = {}
    specs: list[PipelineSpec | StreamSpec] = [*project.pipelines.values(), *project.streams.values()]
    for spec in specs:
        for tag in spec.tags:
            by_tag.setdefault(tag.value, []).append(spec.name.value)
    return dict(sorted(by_tag.items()))


def listed(names: Iterable[str]) -> str:
    """Names for a message, not too many of them."""
    all_of_them = list(names)
    more = " …" if len(all_of_them) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in all_of_them[:_SHOWN]) + more
