"""Which messages workers die of, found by what they had in hand: all deadly ones, and never another."""

from __future__ import annotations

import signal
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import count, pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.runtime.contracts.epoch import Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.service.daemon.careful import Careful, CarefulReader, Piece, pieces, without
from flowc.service.daemon.stats import InHand
from flowc.service.daemon.suspects import Care, Finding, Suspects, Zone

Place = tuple[int, int]
SCHEMA = pa.schema([("_value", pa.binary()), ("_partition", pa.int32()), ("_offset", pa.int64())])


def polled(ranges: dict[int, tuple[int, int]], step: int = 1, log: str = "") -> Polled:
    """Messages at every `step`th offset of ranges of partitions."""
    places = [(p, at) for p, (start, end) in ranges.items() for at in range(start, end) if at % step == 0]
    rows = [{"_value": b"x", "_partition": p, "_offset": at} for p, at in places]
    found = tuple(Range.numbered("s", p, start, end, log) for p, (start, end) in ranges.items())
    return Polled("s", pa.RecordBatch.from_pylist(rows, schema=SCHEMA), found, 0.0)


def places(piece: Piece) -> list[Place]:
    messages = piece.polled.messages
    return list(zip(messages.column("_partition").to_pylist(), messages.column("_offset").to_pylist(), strict=True))


def hand(*held: Polled) -> InHand:
    """What a worker tells that has these in hand."""
    told = [InHand()]
    careful = Careful(Care(), told.append)
    assert all(careful.begins(Piece(each), 0.0) for each in held)
    return told[-1]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.integers(0, 2), st.tuples(st.integers(0, 5), st.integers(0, 60)), min_size=1),
    st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(0, 9))),
    st.integers(1, 3),
)
def test_pieces_are_the_messages_in_their_order(
    given: dict[int, tuple[int, int]], zones: dict[int, tuple[int, int, int]], step: int
) -> None:
    whole = polled({p: (start, start + length) for p, (start, length) in given.items()}, step)
    suspects = {
        ("s", str(p), ""): Zone(start, start + length, 9, together) for p, (start, length, together) in zones.items()
    }
    found = list(pieces(whole, suspects))
    for range_ in whole.ranges:
        at = range_.start
        for part in (r for piece in found for r in piece.polled.ranges if r.partition == range_.partition):
            assert part.start == at
            at = part.end
        assert at == range_.end
    assert {r.partition for piece in found for r in piece.polled.ranges} == set(map(str, given))
    read = [place for piece in found for place in places(piece)]
    assert sorted(read) == sorted(places(Piece(whole)))
    assert all(mine == sorted(mine) for p in given for mine in [[at for q, at in read if q == p]])
    for piece in found:
        if piece.alone:
            (partition,) = {r.partition for r in piece.polled.ranges if r.moves}
            assert piece.polled.messages.num_rows <= suspects["s", partition, ""].together


@settings(max_examples=75, deadline=None)
@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=3),
    st.sets(st.tuples(st.integers(0, 2), st.integers(0, 299)), max_size=5),
    st.integers(1, 200),
    st.integers(1, 7),
)
def test_all_deadly_messages_are_found_and_no_other(
    lengths: list[int], wanted: set[Place], size: int, depth: int
) -> None:
    """A worker holds so many epochs at a time, and dies of the first deadly message among them."""
    deadly = {(p, at) for p, at in wanted if p < len(lengths) and at < lengths[p]}
    suspects, stored, written = Suspects(), dict.fromkeys(range(len(lengths)), 0), list[Place]()
    aside = set[Place]()
    for deaths in count():
        assert deaths <= 9 * len(deadly) + 1
        told, died = one_worker(suspects.care(), lengths, stored, written, deadly, size, depth)
        for each in told:
            suspects.wrote(each)
        if not died:
            break
        suspects.died(told[-1], signal.SIGSEGV)
        aside |= {(int(p), at) for (_, p, _), found in suspects.care().aside.items() for at in found}
    assert aside == deadly
    assert suspects.care().zones == {}
    assert sorted(written) == sorted((p, at) for p, length in enumerate(lengths) for at in range(length))


def one_worker(
    care: Care, lengths: list[int], stored: dict[int, int], written: list[Place], deadly: set[Place], size: int,
    depth: int,
) -> tuple[list[InHand], bool]:  # fmt: skip
    """Runs a worker to its end; what it told of its hand, and whether it died."""
    left = list[Piece]()
    at = dict(stored)
    while any(at[p] < length for p, length in enumerate(lengths)):
        taken = {p: (at[p], min(length, at[p] + size)) for p, length in enumerate(lengths) if at[p] < length}
        at |= {p: end for p, (_, end) in taken.items()}
        left += pieces(without(polled(taken), care.aside), care.zones)
    told, held = [InHand()], list[Piece]()
    careful = Careful(care, told.append)
    while left or held:
        while left and len(held) < depth and careful.begins(left[0], 0.0):
            held.append(left.pop(0))
        if deadly.intersection(places(held[0])) - marked(held[0]):
            return told, True
        done = held.pop(0)
        careful.wrote(done.polled.ranges)
        written += places(done)
        stored |= {int(r.partition): int(r.end) for r in done.polled.ranges}
    return told, False


def marked(piece: Piece) -> set[Place]:
    messages = piece.polled.messages
    unread = messages.column("_unread").to_pylist() if "_unread" in messages.schema.names else []
    return {place for place, told in zip(places(piece), unread, strict=False) if told}


def test_what_was_intended_stays_as_it_was_and_is_alone_in_hand_where_it_is_suspected() -> None:
    whole = polled({0: (0, 10)})
    again = Polled("s", whole.messages, whole.ranges, 0.0, Intent(1, 0, whole.ranges))
    assert list(pieces(again, {("s", "0", ""): Zone(0, 10, 10, 1)})) == [Piece(again, alone=True)]
    assert list(pieces(again, {("s", "0", ""): Zone(10, 20, 10, 1)})) == [Piece(again)]


def test_a_death_elsewhere_or_with_empty_hands_sets_nothing_aside() -> None:
    suspects = Suspects()
    for number in range(20):
        assert suspects.died(hand(polled({0: (number, number + 1)})), signal.SIGKILL) is None
        assert suspects.died(InHand(), signal.SIGKILL) is None
    assert suspects.care().aside == {}
    assert list(pieces(polled({0: (0, 40)}), suspects.care().zones)) == [Piece(polled({0: (0, 40)}))]
    told = [suspects.died(hand(polled({0: (50, 51)})), signal.SIGKILL) for _ in range(3)]
    assert told[0] is None
    assert suspects.care().aside == {("s", "0", ""): {50: told_reason(9)}}


def told_reason(number: int) -> str:
    name = signal.Signals(number).name
    return f"the worker died of signal {number} ({name}) while it was processed, 3 times in a row"


def test_deaths_before_a_message_was_written_do_not_count_after_it() -> None:
    suspects, one = Suspects(), polled({0: (1, 2)})
    for _ in range(2):
        suspects.died(hand(one), signal.SIGKILL)
    told = list[InHand]()
    careful = Careful(suspects.care(), told.append)
    careful.begins(Piece(one), 0.0)
    careful.wrote(one.ranges)
    suspects.wrote(told[-1])
    assert suspects.died(hand(one), signal.SIGKILL) is None
    assert suspects.care().aside == {}


def test_a_run_that_ended_has_nothing_in_hand() -> None:
    told = list[InHand]()
    careful = Careful(Care(), told.append)
    careful.begins(Piece(polled({0: (1, 2)})), 0.0)
    careful.empties()
    assert told[-1] == InHand()


@dataclass
class Daemon:
    """The deaths of workers, each of which holds what the one before it was told to be careful with."""

    suspects: Suspects = field(default_factory=Suspects)

    def dies(self, whole: Polled, number: int = signal.SIGKILL) -> Finding | None:
        """A worker dies with its first piece in hand, or with all where none is to be alone."""
        return self.suspects.died(hand(*(piece.polled for piece in self.held(whole))), number)

    def writes(self, whole: Polled) -> None:
        """A worker writes its first piece, or all where none is to be alone."""
        told = list[InHand]()
        for piece in self.held(whole):
            careful = Careful(self.suspects.care(), told.append)
            assert careful.begins(piece, 0.0)
            careful.wrote(piece.polled.ranges)
        for each in told:
            self.suspects.wrote(each)

    def held(self, whole: Polled) -> list[Piece]:
        care = self.suspects.care()
        found = list(pieces(without(whole, care.aside), care.zones))
        return found[:1] if found[0].alone else found

    def aside(self) -> set[tuple[int, int]]:
        return {(p, at) for (_, p, _), found in self.suspects.care().aside.items() for at in found}


@pytest.mark.parametrize("partitions", [1, 3])
def test_what_workers_die_of_without_any_message_is_no_message(partitions: int) -> None:
    """They die whatever they hold; nothing is set aside for longer than the next death, ever more seldom."""
    daemon, whole = Daemon(), polled(dict.fromkeys(range(partitions), (0, 40)))
    found = [(daemon.dies(whole), daemon.aside())[1] for _ in range(200)]
    assert any(found)
    assert max(map(len, found)) == 1
    assert sum(map(bool, found)) <= 6
    assert all(not after for before, after in pairwise(found) if before)


def test_deaths_that_setting_aside_does_not_end_lead_no_further() -> None:
    daemon, one = Daemon(), polled({0: (1, 2)})
    told = [daemon.dies(one) for _ in range(12)]
    assert [finding is not None and finding.nearer for finding in told] == [False, True, True, *[False] * 9]
    assert told[3] is not None
    assert "is taken up again" in told[3].words


def test_what_is_beside_a_message_that_is_set_aside_is_processed() -> None:
    two = without(polled({0: (1, 3)}), {("s", "0", ""): {1: "why"}})
    first, second = pieces(two, {("s", "0", ""): Zone(1, 3, 2, 1)})
    assert [hand(each.polled).spared for each in (first, second)] == [True, False]


def test_a_message_that_was_set_aside_and_written_stays_set_aside() -> None:
    daemon, one = Daemon(), polled({0: (1, 2)})
    for _ in range(3):
        daemon.dies(one)
    daemon.writes(one)
    for _ in range(9):
        daemon.dies(polled({0: (2, 3)}))
    assert ("0", 1) in daemon.aside()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGRTMIN])
def test_signals_that_only_others_send_tell_nothing(number: int) -> None:
    daemon, one = Daemon(), polled({0: (1, 2)})
    assert [daemon.dies(one, number) for _ in range(8)] == [None] * 8
    assert daemon.suspects.care() == Care()


def test_a_topic_that_was_made_again_is_not_suspected_of_what_was_in_the_first() -> None:
    daemon, first, second = Daemon(), polled({0: (7, 8)}, log="a"), polled({0: (7, 8)}, log="b")
    for deaths in range(3):
        care = daemon.suspects.care()
        assert list(pieces(without(second, care.aside), care.zones)) == [Piece(second)], deaths
        daemon.dies(first)
    assert "_unread" not in without(second, daemon.suspects.care().aside).messages.schema.names
    assert "_unread" in without(first, daemon.suspects.care().aside).messages.schema.names
    assert daemon.dies(second) is None


@dataclass
class Always:
    """A reader of which there is always more."""

    source: str
    at: int = 0

    def poll(self, wait: float) -> Polled | None:
        whole = polled({0: (self.at, self.at + 1)})
        self.at += 1
        return replace(whole, source=self.source, ranges=(replace(whole.ranges[0], source=self.source),))

    ended: bool = False


def test_suspects_of_one_source_have_their_turn_while_others_have_ever_more() -> None:
    """Nothing is read either while they are in hand: what is read then could be what the worker dies of."""
    careful = Careful(Care({("a", "0", ""): Zone(0, 4, 4, 1)}), lambda _: None)
    mine, other = CarefulReader(Always("a"), careful), CarefulReader(Always("b"), careful)
    held: deque[Polled] = deque()
    for turn in range(60):
        held += [each for reader in (other, mine) if (each := reader.poll(0.0)) is not None]
        if turn % 2 or len(held) == 1:
            if any(each.source == "a" and int(each.ranges[0].start) < 4 for each in held):
                assert len(held) == 1
                assert other.poll(0.0) is None
                assert mine.poll(0.0) is None
            careful.wrote(held.popleft().ranges)
    assert isinstance(mine.inner, Always)
    assert mine.inner.at > 8
