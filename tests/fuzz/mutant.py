"""A mutant: the files of a small project that is wrong, or odd, in some way, and what is demanded of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Chance = random.Random
SECRET = "Zk9/'q\"&<7w>%41vé"
"""The value of `FUZZ_SECRET`, and a password that some specs write out: no output may hold it, in any spelling."""
STATE_WORDS = ("ok", "true", "1", "null", "new", "sql", "name")
"""Other values of `FUZZ_WORD`: a word that outputs hold anyway."""


@dataclass(frozen=True)
class Mutant:
    """The files of a project by their paths in it.

    `plan`: all places are files of this project, so that what lint passes can be planned. `run`: it is run as well,
    and its data may be refused. `refused`: it names a server that is not there, so that its plan fails. `demands` is
    what else is demanded of it, after lint has passed its spec, if it has one.
    """

    files: Mapping[str, bytes]
    plan: bool = False
    run: bool = False
    refused: bool = False
    word: str = "ok"
    env: Mapping[str, str] = field(default_factory=dict)
    demands: Callable[[Any, Mutant, Chance], None] | None = None


Maker = Callable[[Chance], Mutant]


SPEC = "specs/mutant.yaml"


def spec(text: str | bytes, *, plan: bool = False) -> Mutant:
    """A project of one spec."""
    return Mutant({SPEC: text.encode("utf-8", "replace") if isinstance(text, str) else text}, plan=plan)
