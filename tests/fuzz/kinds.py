"""The kinds of mutants, how often each is made, and the mutant of a number."""

from __future__ import annotations

import random

from tests.fuzz import (
    applying,
    datafiles,
    large,
    loading,
    names,
    projecttests,
    requests,
    servers,
    statements,
    streaming,
    templates,
    texts,
    trees,
)
from tests.fuzz.mutant import Maker, Mutant

KINDS: dict[str, tuple[Maker, int]] = {
    "texts": (texts.mutant, 25),
    "trees": (trees.mutant, 25),
    "sql": (statements.mutant, 20),
    "names": (names.mutant, 10),
    "templates": (templates.mutant, 8),
    "files": (datafiles.mutant, 8),
    "servers": (servers.mutant, 3),
    "words": (servers.words, 3),
    "applies": (applying.mutant, 3),
    "tests": (projecttests.mutant, 4),
    "http": (requests.mutant, 2),
    "loads": (loading.mutant, 3),
    "streams": (streaming.mutant, 4),
    "large": (large.mutant, 0),
}
"""Large specs take seconds each: a test measures every shape, and a campaign has them where it is told to."""


def made(seed: int, number: int, only: tuple[str, ...] = ()) -> tuple[str, Mutant, random.Random]:
    """The kind of a mutant, itself, and the chance that chooses what is done to it; the same each time."""
    chance = random.Random(f"{seed}:{number}")
    kinds = only or tuple(KINDS)
    weights = [KINDS[kind][1] or (1 if only else 0) for kind in kinds]
    kind = chance.choices(kinds, weights)[0]
    return kind, KINDS[kind][0](chance), chance
