"""How well flowc and squawk find what is expected in the corpus, as numbers and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.migrations.corpus import Finding, by_flowc, by_squawk, comparable, corpus, disagreements, expected


@dataclass(frozen=True)
class Score:
    """Findings against what is expected."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """The share of the findings that are expected."""
        return self.right / max(self.right + self.wrong, 1)

    @property
    def recall(self) -> float:
        """The share of what is expected that is found."""
        return self.right / max(self.right + self.missed, 1)


def score(found: set[Finding], wanted: set[Finding]) -> Score:
    return Score(len(found & wanted), len(found - wanted), len(wanted - found))


# Rules about whether limits are set and whether a file can be run twice depend on what one takes for granted; they
# are most of squawk's findings, so the table shows the others apart.
HABITS = frozenset(("missing-lock-timeout", "missing-statement-timeout", "unrepeatable-statement"))


def without_habits(findings: set[Finding]) -> set[Finding]:
    return {finding for finding in findings if finding[2] not in HABITS}


def rows() -> Iterator[list[str]]:
    """Who, of which rules, and the numbers."""
    wanted, ours, theirs = expected(), set(by_flowc()), by_squawk()
    both = comparable(wanted), comparable(ours)
    yield ["flowc", "all its rules", *_numbers(score(ours, wanted))]
    yield ["flowc", "those that squawk has", *_numbers(score(both[1], both[0]))]
    yield ["squawk", "those that flowc has", *_numbers(score(theirs, both[0]))]
    less = without_habits(both[0])
    yield ["flowc", "the same without time limits and repeating", *_numbers(score(without_habits(both[1]), less))]
    yield ["squawk", "the same without time limits and repeating", *_numbers(score(without_habits(theirs), less))]


def _numbers(found: Score) -> list[str]:
    return [str(found.right), str(found.wrong), str(found.missed), f"{found.precision:.0%}", f"{found.recall:.0%}"]


def table() -> str:
    """The rows as Markdown."""
    lines = [["", "rules", "right", "wrong", "missed", "precision", "recall"], ["---"] * 7, *rows()]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def summary() -> str:
    """The corpus and the disagreements in one sentence."""
    statements = sum(1 for m in corpus() for _ in m.text.split(";") if _.strip())
    alone = [side for side, _ in disagreements()]
    return (
        f"{len(corpus())} files, about {statements} statements, {len(expected())} expected findings;"
        f" squawk alone finds {alone.count('squawk')}, flowc alone {alone.count('flowc')}"
    )
