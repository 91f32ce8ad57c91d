"""A pattern as a machine that reads a text from one place on, in the order in which engines that backtrack try it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowc.compiler.regex.tree import Chars, Choice, Codes, Edge, Group, Node, Repeat, Sequence

_MOST_STEPS = 4000
END = -1
"""What comes after the last character."""


class TooLarge(Exception):
    """A pattern whose machine has more steps than anyone would write."""


@dataclass(frozen=True, slots=True)
class Step:
    """Takes one of `codes`, or passes an edge, on to `then`; without either it forks, the first tried first.

    The end of the pattern leads nowhere.
    """

    codes: Codes | None = None
    edge: str = ""
    then: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """The steps of a pattern."""

    steps: Mapping[int, Step]
    entry: int

    def letters(self) -> tuple[int, ...]:
        """A character of each kind that the pattern can tell apart, and the end of the text."""
        codes = [codes for step in self.steps.values() for codes in (step.codes or ())]
        return (END, *sorted({0, *(cut for low, high in codes for cut in (low, high + 1) if cut < 0x110000)}))

    def waiting(self, places: tuple[int, ...], at_start: bool, letter: int) -> tuple[list[int], bool]:
        """The steps that wait for a character or are the end, in order, and whether two ways led to one of them."""
        found: dict[int, None] = {}
        stack, again = list(reversed(places)), False
        while stack:
            place = stack.pop()
            if place in found:
                again = True
                continue
            found[place] = None
            step = self.steps[place]
            if step.codes is None and (not step.edge or _holds(step.edge, at_start, letter)):
                stack += reversed(step.then)
        return [place for place in found if self.steps[place].codes is not None or not self.steps[place].then], again

    def after(self, places: list[int], letter: int) -> tuple[int, ...]:
        """Where those that take the character lead."""
        steps = (self.steps[place] for place in places)
        return tuple(step.then[0] for step in steps if step.codes and within(letter, step.codes))


def machine(tree: Node) -> Machine:
    """The machine of a pattern. Raises TooLarge."""
    builder = _Builder({0: Step()})
    return Machine(builder.steps, builder.build(tree, 0))


def within(letter: int, codes: Codes) -> bool:
    """Whether a character is one of `codes`."""
    return any(low <= letter <= high for low, high in codes)


def _holds(edge: str, at_start: bool, letter: int) -> bool:
    return at_start if edge == "^" else letter == END


@dataclass
class _Builder:
    """Adds the steps of a node in front of those that follow it."""

    steps: dict[int, Step]

    def add(self, step: Step) -> int:
        if len(self.steps) > _MOST_STEPS:
            raise TooLarge
        self.steps[len(self.steps)] = step
        return len(self.steps) - 1

    def build(self, node: Node, then: int) -> int:
        """Where the node begins, when `then` follows it."""
        match node:
            case Chars():
                return self.add(Step(codes=node.codes or (), then=(then,)))
            case Edge():
                return self.add(Step(edge=node.kind, then=(then,)))
            case Group():
                return self.build(node.inner, then)
            case Sequence():
                for part in reversed(node.parts):
                    then = self.build(part, then)
                return then
            case Choice():
                return self.add(Step(then=tuple(self.build(branch, then) for branch in node.branches)))
            case Repeat():
                return self._repeat(node, then)

    def _repeat(self, node: Repeat, then: int) -> int:
        start = self._loop(node, then) if node.most is None else self._optional(node, node.most - node.least, then)
        for _ in range(node.least):
            start = self.build(node.part, start)
        return start

    def _loop(self, node: Repeat, then: int) -> int:
        fork = self.add(Step())
        self.steps[fork] = _fork(self.build(node.part, fork), then, node.lazy)
        return fork

    def _optional(self, node: Repeat, count: int, then: int) -> int:
        start = then
        for _ in range(count):
            start = self.add(_fork(self.build(node.part, start), then, node.lazy))
        return start


def _fork(on: int, then: int, lazy: bool) -> Step:
    return Step(then=(then, on) if lazy else (on, then))
