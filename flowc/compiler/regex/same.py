r"""Which patterns match the same on every engine, when all their matches are replaced.

Most engines try a pattern's ways in order and take the first that matches. PostgreSQL takes the longest match, or the
shortest where the repetitions are lazy. The two agree where no way that comes later leads further, which is decided by
following all ways at once through every text (`machine`). After a match of no characters, engines go on at different
places, and what a repeated group remembers differs too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowc.compiler.regex.machine import END, Machine, TooLarge, machine
from flowc.compiler.regex.tree import Choice, Group, Node, Repeat, is_plain, nodes, shortest

_MOST_STATES = 3000
_State = tuple[tuple[int, ...], tuple[int, ...], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a pattern does not match the same everywhere, and what to write."""

    words: str
    mend: str


def fault(tree: Node, named: frozenset[int]) -> Fault | None:
    """What keeps a pattern from meaning the same on every engine, when the replacement names the groups `named`."""
    found = tuple(nodes(tree))
    if any(isinstance(n, Repeat) and not shortest(n.part) for n in found):
        return Fault("repeats what may be nothing", "repeat with `+` or `*` once, not inside another repetition")
    if not shortest(tree):
        words = "matches where there is nothing, which engines replace differently"
        return Fault(words, "let it match a character at least, for instance with `+` for `*`")
    lazy = any(isinstance(n, Repeat) and n.lazy and n.least != n.most for n in found)
    return _mixed(found, lazy) or _walked(tree, named, lazy) or _remembered(tree, named)


def _mixed(found: tuple[Node, ...], lazy: bool) -> Fault | None:
    greedy = any(isinstance(n, Repeat) and not n.lazy and n.least != n.most for n in found)
    if lazy and (greedy or any(isinstance(n, Choice) for n in found)):
        words = "has a lazy repetition beside a greedy one or beside alternatives, which engines weigh differently"
        return Fault(words, "write what it may not pass instead, as in `<[^>]*>` for `<.*?>`")
    return None


def _walked(tree: Node, named: frozenset[int], lazy: bool) -> Fault | None:
    try:
        walk = _Walk(machine(tree), lazy)
        same = walk.same()
    except TooLarge:
        return Fault("is too large to be compared between engines", "split it into several `regex_replace`")
    if not same:
        words = "has a way that matches first and another that matches more, of which engines take different ones"
        return Fault(words, "put the longer alternative first, or say what may not follow the shorter one")
    if named and walk.again and not is_plain(tree):
        words = "can be read in two ways, of which engines remember different groups"
        return Fault(words, "let alternatives begin with different characters, or name no group in the replacement")
    return None


def _remembered(tree: Node, named: frozenset[int]) -> Fault | None:
    repeats = (n for n in nodes(tree) if isinstance(n, Repeat))
    inside = {n.number for repeat in repeats for n in nodes(repeat) if isinstance(n, Group)}
    if named & inside:
        words = "repeats a group that the replacement names, of which engines remember different turns"
        return Fault(words, "put parentheses around the repetition, as in `((?:ab)+)` for `(ab)+`")
    return None


@dataclass
class _Walk:
    """Follows all ways of a pattern through every text."""

    machine: Machine
    lazy: bool
    again: bool = False
    """A text can be read in two ways."""
    seen: set[_State] = field(default_factory=set)

    def same(self) -> bool:
        """Whether the first match found is always the longest, or where it is lazy the shortest."""
        letters = self.machine.letters()
        states: list[_State] = [((self.machine.entry,), (), at_start) for at_start in (True, False)]
        while states:
            state = states.pop()
            if state in self.seen or not (state[0] or state[1]):
                continue
            self.seen.add(state)
            if len(self.seen) > _MOST_STATES:
                raise TooLarge
            for letter in letters:
                then = self._after(state, letter)
                if then is None:
                    return False
                states += [then] if letter != END else []
        return True

    def _after(self, state: _State, letter: int) -> _State | None:
        """Where the ways lead that are still open, and those given up for a match; None where the engines part."""
        open_, given_up, at_start = state
        waiting, again = self.machine.waiting(open_, at_start, letter)
        others, _ = self.machine.waiting(given_up, at_start, letter)
        matched = 0 in waiting
        if 0 in others and not matched:
            return None
        end = waiting.index(0) if matched else len(waiting)
        reached = self.machine.after(waiting[:end], letter)
        ahead = tuple(dict.fromkeys(reached))
        if self.lazy and matched:
            return None if ahead else ((), (), False)
        rest = {*self.machine.after(waiting[end:], letter), *self.machine.after(others, letter)}
        self.again = self.again or again or len(ahead) < len(reached) or bool(rest)
        return ahead, tuple(sorted(rest - {*ahead})), False
