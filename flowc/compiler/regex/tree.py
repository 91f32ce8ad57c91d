r"""Regular expressions as trees, and how they are written for an engine.

A tree means the same wherever it is written; only `$` and `\b` have words of their own on each engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Codes = tuple[tuple[int, int], ...]
"""Code points, as ranges from and to, ascending and apart."""
_LAST = 0x10FFFF
_NO_WORDS = {"b": r"\b"}


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of several; `codes` are which, where that is known."""

    text: str
    codes: Codes | None


@dataclass(frozen=True, slots=True)
class Edge:
    r"""A place between characters: `^`, `$`, or `b` for `\b`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Group:
    """Parentheses; `number` is 0 where they remember nothing."""

    inner: Node
    number: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part several times; without an end when `most` is None."""

    part: Node
    least: int
    most: int | None
    lazy: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts after one another."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Alternatives."""

    branches: tuple[Node, ...]


Node = Chars | Edge | Group | Repeat | Sequence | Choice


def write(node: Node, edges: Mapping[str, str] = _NO_WORDS) -> str:
    r"""The pattern of a tree; `edges` are the engine's words for `$` and, as `b`, for `\b`."""
    match node:
        case Chars():
            return node.text
        case Edge():
            return edges.get(node.kind, node.kind)
        case Group():
            return f"({'' if node.number else '?:'}{write(node.inner, edges)})"
        case Repeat():
            return write(node.part, edges) + _count(node)
        case Sequence():
            return "".join(write(part, edges) for part in node.parts)
        case Choice():
            return "|".join(write(branch, edges) for branch in node.branches)


def shortest(node: Node) -> int:
    """The length of the shortest text that matches."""
    match node:
        case Chars():
            return 1
        case Edge():
            return 0
        case Group():
            return shortest(node.inner)
        case Repeat():
            return node.least * shortest(node.part)
        case Sequence():
            return sum(shortest(part) for part in node.parts)
        case Choice():
            return min(shortest(branch) for branch in node.branches)


def nodes(node: Node) -> Iterator[Node]:
    """The node and all that it holds, from the left."""
    yield node
    for part in inside(node):
        yield from nodes(part)


def inside(node: Node) -> tuple[Node, ...]:
    """What a node holds itself."""
    match node:
        case Group():
            return (node.inner,)
        case Repeat():
            return (node.part,)
        case Sequence():
            return node.parts
        case Choice():
            return node.branches
    return ()


def is_plain(node: Node) -> bool:
    """Neither alternatives nor repeated groups: each group takes part in every match."""
    found = tuple(nodes(node))
    repeated = any(isinstance(n, Repeat) and not isinstance(n.part, Chars) for n in found)
    return not repeated and not any(isinstance(n, Choice) for n in found)


def _count(node: Repeat) -> str:
    lazy = "?" * (node.lazy and node.least != node.most)
    words = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    if found := words.get((node.least, node.most)):
        return found + lazy
    most = "" if node.most == node.least else "," if node.most is None else f",{node.most}"
    return f"{{{node.least}{most}}}{lazy}"


def joined(codes: Codes, negated: bool = False) -> Codes:
    """Ranges in order and apart; with `negated` all others."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(codes):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    if not negated:
        return tuple(found)
    starts, ends = [0, *(high + 1 for _, high in found)], [*(low - 1 for low, _ in found), _LAST]
    return tuple((low, high) for low, high in zip(starts, ends, strict=True) if low <= high)
