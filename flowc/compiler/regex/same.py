r"""Which patterns match the same on every engine, when all their matches are replaced.

Most engines try a pattern's ways in order and take the first that matches. PostgreSQL takes the longest match, or the
shortest where the repetitions are lazy. The two agree in three forms, and all else is refused:

- what ends in `$`: all matches from one place end at one place;
- a row of parts of one length and of repetitions of one character, all greedy or all lazy. Where two readings part, the
  greedy one is ahead. For the other to come further, a repetition of it has to span the same one of the first, which
  could have taken those characters too, and would have;
- such rows as alternatives from one place on, each of which excludes those behind it or is at least as long.

After a match of no characters, engines go on at different places, and what a repeated group remembers differs too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from flowc.compiler.regex.tree import Chars, Choice, Codes, Edge, Group, Node, Repeat, Sequence, lengths, nodes

_LONGEST, _MOST_WAYS = 1000, 200
_Way = tuple[Node, ...]
"""A row, without groups and alternatives."""


class Fault(Exception):
    """Why a pattern does not match the same everywhere, and what to write."""

    def __init__(self, words: str, mend: str) -> None:
        super().__init__(words)
        self.words, self.mend = words, mend


def check(tree: Node, named: frozenset[int]) -> None:
    """Raises Fault where engines differ over a pattern, when the replacement names the groups `named`."""
    found, (least, most) = tuple(nodes(tree)), lengths(tree)
    if any(isinstance(n, Repeat) and not lengths(n.part)[0] for n in found):
        raise Fault("repeats what may be nothing", "repeat with `+` or `*` once, not inside another repetition")
    if not least:
        words = "matches where there is nothing, which engines replace differently"
        raise Fault(words, "let it match a character at least, for instance with `+` for `*`")
    if (least if most is None else most) > _LONGEST:
        raise Fault("is too large to be the same everywhere", "split it into several `regex_replace`")
    if named or not _ends(tree):
        _one_laziness(found)
        if not _is_row(tree):
            _in_order(_ways(tree))
    if named:
        _remembered(tree, named)


def _one_laziness(found: Iterable[Node]) -> None:
    repeats = {n.lazy for n in found if isinstance(n, Repeat) and n.least != n.most}
    if repeats == {True, False} or (True in repeats and any(isinstance(n, Choice) for n in found)):
        words = "has a lazy repetition beside a greedy one or beside alternatives, which engines weigh differently"
        raise Fault(words, "write what it may not pass instead, as in `<[^>]*>` for `<.*?>`")


def _in_order(ways: list[_Way]) -> None:
    for one, other in combinations(ways, 2):
        if not (_excludes(one, other) or _reaches(one, other)):
            words = "has a way that matches first and another that may match more, of which engines take different ones"
            raise Fault(words, "put the longer alternative first, or let both end in `$`")


def _remembered(tree: Node, named: frozenset[int]) -> None:
    if named & _groups(n for n in nodes(tree) if isinstance(n, Repeat)):
        words = "repeats a group that the replacement names, of which engines remember different turns"
        raise Fault(words, "put parentheses around the repetition, as in `([ab]+)` for `([ab])+`")
    if _is_row(tree) and not named & _groups(n for n in nodes(tree) if isinstance(n, Choice)):
        return
    if not all(_excludes(one, other) for one, other in combinations(_ways(tree), 2)):
        words = "can be read in two ways, of which engines remember different groups"
        raise Fault(words, "let alternatives begin with different characters, or name no group in the replacement")


def _groups(found: Iterable[Node]) -> set[int]:
    return {n.number for outer in found for n in nodes(outer) if isinstance(n, Group)}


def _ends(node: Node) -> bool:
    """Whether every match ends where the text does."""
    match node:
        case Edge():
            return node.kind == "$"
        case Group():
            return _ends(node.inner)
        case Choice():
            return all(map(_ends, node.branches))
        case Sequence():
            return bool(node.parts) and _ends(node.parts[-1])
    return False


def _is_row(tree: Node) -> bool:
    return all(map(_is_part, _parts(tree)))


def _is_part(part: Node) -> bool:
    return _is_fixed(part) or (isinstance(part, Repeat) and lengths(part.part) == (1, 1))


def _is_fixed(part: Node) -> bool:
    least, most = lengths(part)
    return least == most


def _parts(node: Node) -> Iterator[Node]:
    """What follows one another, out of its groups."""
    if isinstance(node, Group):
        yield from _parts(node.inner)
    elif isinstance(node, Sequence):
        for part in node.parts:
            yield from _parts(part)
    else:
        yield node


def _ways(node: Node) -> list[_Way]:
    """The rows that a pattern stands for, in the order in which they are tried. Raises Fault where it is in none."""
    found: list[_Way] = [()]
    for part in _parts(node):
        behind = not all(map(_is_fixed, (p for way in found for p in way)))
        some = [(part,)] if behind else _ways_of(part)
        if behind and not _is_part(part):
            words = "has alternatives behind a repetition, of which engines take different ones"
            raise Fault(words, "split it into a `regex_replace` for each, or let it end in `$`")
        found = [(*way, *more) for way in found for more in some]
        if len(found) > _MOST_WAYS:
            raise Fault(f"has more than {_MOST_WAYS} ways", "split it into several `regex_replace`")
    return found


def _ways_of(part: Node) -> list[_Way]:
    if isinstance(part, Choice):
        return [way for branch in part.branches for way in _ways(branch)]
    if not isinstance(part, Repeat) or _is_part(part):
        return [(part,)]
    if part.least == part.most:
        return _ways(Sequence((part.part,) * part.least))
    if part.most == 1 and not part.lazy:
        return [*_ways(part.part), ()]
    words = "repeats more than one character, which engines do not weigh alike"
    raise Fault(words, "repeat a set such as `[ab]`, or let the pattern end in `$`")


def _excludes(one: _Way, other: _Way) -> bool:
    """Whether the two never match at one place."""
    pairs = zip(_head(one), _head(other), strict=False)
    return any(not any(a <= d and c <= b for a, b in here for c, d in there) for here, there in pairs)


def _head(way: _Way) -> Iterator[Codes]:
    """The characters with which each match begins."""
    for part in way:
        one, times = (part.part, part.least) if isinstance(part, Repeat) else (part, 1)
        if isinstance(one, Chars) and one.codes is not None:
            yield from (one.codes,) * times
        if not (isinstance(one, Edge | Chars) and _is_fixed(part)):
            return


def _reaches(one: _Way, other: _Way) -> bool:
    """Whether the one ends no earlier than the other where both match.

    It does where it ends with the text, where the other is the same but for its place in the text, and where it is
    the longer one before they go on alike.
    """
    if one and one[-1] == Edge("$"):
        return True
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    most = lengths(Sequence(other))[1]
    if most is not None and most <= lengths(Sequence(one))[0]:
        return True
    return one[one[:1] == (Edge("^"),) :] == tuple(part for part in other if not isinstance(part, Edge))
