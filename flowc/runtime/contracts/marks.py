"""What each target of a stream held when a checkpoint was saved, and which targets hold less by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Mark(NamedTuple):
    """The last epoch that a target itself has recorded.

    `place` identifies the place where it is recorded, such as a topic's ID; '' where nothing does.
    """

    epoch: int = 0
    place: str = ""


Marks = Mapping[str, Mark]
"""The marks of targets, by the names of these."""


def is_behind(held: Mark, mark: Mark) -> bool:
    """Whether a target holds less than it held once.

    A place that has an identity loses its rows only with it: the number of the epoch may expire there (Kafka).
    """
    if held.place and mark.place:
        return held.place != mark.place
    return held.epoch < mark.epoch


def is_returning(held: Mark, last: int, others: Sequence[Mark]) -> bool:
    """Whether a target without a mark was a target before, and lacks epochs up to `last`.

    `others` are the marks of targets that are gone: one of them may be this one under another name.
    """
    return 0 < held.epoch < last and held.epoch not in {mark.epoch for mark in others}


def is_forgotten(held: Mark, mark: Mark) -> bool:
    """Whether a place does not record any more which epochs it holds, although it is the same one (Kafka)."""
    return bool(held.place) and held.place == mark.place and held.epoch < mark.epoch
