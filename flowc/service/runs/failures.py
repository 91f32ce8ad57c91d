"""Where a run failed, and what helps: by the details that the run log holds of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SAID = re.compile(r"^error\[[a-z-]+\]: .*?(?=^(?:error|warning)\[|\Z)", re.MULTILINE | re.DOTALL)
"""The first error among what a worker said that could not begin."""
_PLACE = re.compile(r"^\s*--> (\S.*:\d+:\d+)$", re.MULTILINE)
_HELP = re.compile(r"^help: (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Failure:
    """The first thing that went wrong in a run: at which target, at which place of which file, and what helps."""

    target: str | None = None
    place: str | None = None
    notes: tuple[str, ...] = ()
    help: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """For people, a line for each."""
        where = [f"target: {self.target}"] if self.target else []
        where += [f"at: {self.place}"] if self.place else []
        return (*where, *(f"note: {note}" for note in self.notes), *([f"help: {self.help}"] if self.help else ()))


def failure_of(detail: Mapping[str, Any]) -> Failure:
    """What the details of a run say of its failure."""
    pipelines = detail.get("pipelines", ())
    parts = [(None, each) for each in pipelines]
    parts += [(target.get("target"), target) for each in pipelines for target in each.get("targets", ())]
    for target, part in parts:
        if part.get("error"):
            notes = tuple(part["error"].get("details") or ())
            return Failure(target, notes=notes, help=part["error"].get("help"))
        if found := part.get("diagnostics"):
            return _of_diagnostic(target, found[0])
    return _of_words(str(detail.get("said", "")))


def _of_diagnostic(target: str | None, found: Mapping[str, Any]) -> Failure:
    file, line, column = (found.get(name) for name in ("file", "line", "column"))
    place = f"{file}:{line}:{column}" if file and line is not None and column is not None else file
    notes = tuple(note["message"] for note in found.get("notes", ()) if note.get("message"))
    return Failure(target, place, notes, found.get("help"))


def _of_words(said: str) -> Failure:
    found = _SAID.search(said)
    place, help = (pattern.search(found[0]) if found else None for pattern in (_PLACE, _HELP))
    return Failure(place=place[1] if place else None, help=help[1] if help else None)
