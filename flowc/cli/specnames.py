"""The names that stand in specs, read from their YAML alone: what is wrong in them is left out, and told nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import yaml

from flowc.api.specs import default_specs
from flowc.compiler.front.specfiles import find
from flowc.diagnostics import Reporter

_TAGGED = ("pipelines", "streams")
_PATIENCE = 0.1
"""Seconds after which no further file is read: whoever presses the Tab key waits for it."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of each section, and the tags of pipelines and streams, sorted."""

    sections: Mapping[str, Sequence[str]]
    tags: Sequence[str]


def read_names(paths: Sequence[Path]) -> Names:
    """The names in the specs at the paths, or where there are none in those of the project around."""
    sections: dict[str, set[str]] = {}
    tags: set[str] = set()
    for section, name, node in _entries(paths or [path for path in (default_specs(),) if path is not None]):
        sections.setdefault(section, set()).add(name)
        tags |= set(_tags(node)) if section in _TAGGED else set()
    return Names({section: sorted(names) for section, names in sections.items()}, sorted(tags))


def _entries(paths: Sequence[Path]) -> Iterator[tuple[str, str, yaml.Node]]:
    end = monotonic() + _PATIENCE
    for file in find(paths, Reporter()):
        if monotonic() > end:
            return
        try:
            root = yaml.compose(file.read_bytes(), Loader=_LOADER)
        except (OSError, yaml.YAMLError):
            continue
        for section, held in _pairs(root):
            yield from ((section, name, node) for name, node in _pairs(held))


def _tags(node: yaml.Node) -> Iterator[str]:
    held = next((held for key, held in _pairs(node) if key == "tags"), None)
    if isinstance(held, yaml.SequenceNode):
        yield from (each.value for each in held.value if isinstance(each, yaml.ScalarNode))


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, held) for key, held in node.value if isinstance(key, yaml.ScalarNode))
