"""What campaigns read: the topics of each feed, and a model of what a stream makes of all of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tests import topics

PARTITIONS = 4
_TOGETHER = 20
"""How many messages of a partition come together, so that readers go from one to the other soon."""
Item = int | str
"""What tells one row of a target from all others."""
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LATENESS = 1000
"""How far behind a message of its partition another one may be, and some just are, in milliseconds."""
_PACE, _WAVE, _PERIOD = 50, 3000, 400
"""Milliseconds between two messages of a partition, how far it is ahead or behind by turns, and after how many."""


def event(number: int) -> bytes:
    """One message without a time."""
    return b'{"id": %d, "note": "event %d"}' % (number, number)


def distinct(events: int) -> int:
    """How many are different ones where some come again at the end."""
    return events * 4 // 5


def at(number: int) -> int:
    """The time of a message, in milliseconds: partitions pass each other, and each is out of order a little."""
    index, partition = divmod(number, PARTITIONS)
    wave = math.sin(2 * math.pi * (index / _PERIOD + partition / PARTITIONS))
    return _PACE * index + round(_WAVE * wave) - number * 7919 % (LATENESS + 1)


def _time(ms: int) -> str:
    return (_BEGIN + timedelta(milliseconds=ms)).isoformat()


def _sale(number: int) -> tuple[str, int]:
    """The key and the amount of a message with a time."""
    return f"k{number % 7}", number * 31 % 997


def sale(number: int) -> bytes:
    """One message with a time."""
    key, amount = _sale(number)
    return b'{"id": %d, "key": "%s", "amount": %d, "at": "%s"}' % (
        number, key.encode(), amount, _time(at(number)).encode(),
    )  # fmt: skip


def _paid(number: int) -> int:
    """The order that a payment is for: some have several, some none, and some are not there yet or long over."""
    return number - number * 37 % 90 + 10


def order(number: int) -> bytes:
    """One message of the left side of a join."""
    return b'{"order_id": %d, "at": "%s"}' % (number, _time(at(number)).encode())


def payment(number: int) -> bytes:
    """One message of the right side."""
    return b'{"payment_id": %d, "order_id": %d, "at": "%s"}' % (number, _paid(number), _time(at(number)).encode())


FEEDS: Mapping[str, Callable[[int], tuple[Callable[[int], bytes], ...]]] = {
    "events": lambda _: (event,),
    "repeats": lambda events: (lambda number: event(number % distinct(events)),),
    "sales": lambda _: (sale,),
    "orders": lambda _: (order, payment),
}
"""What the messages of each topic of a feed are, by their numbers, for so many in all."""


def filled(bootstrap: str, feed: str, events: int) -> list[str]:
    """The topics of a feed, each with its share of so many events."""
    made, names = FEEDS[feed](events), []
    for make in made:
        names.append(topics.fresh(bootstrap, PARTITIONS))
        messages = (
            topics.Message(make(number), partition=number % PARTITIONS) for number in range(events // len(made))
        )
        topics.produce(bootstrap, names[-1], messages, batch_num_messages=_TOGETHER)
    return names


def windows(events: int, size: int, hop: int) -> Sequence[Item]:
    """The rows that windows of that size (in milliseconds) make of sales, a new one each `hop`."""
    groups = defaultdict[tuple[int, str], list[int]](list)
    for number in range(events):
        for start in range(at(number) // hop * hop, at(number) - size, -hop):
            groups[start, _sale(number)[0]].append(number)
    return [_row(start, key, ids) for (start, key), ids in groups.items()]


def sessions(events: int, keys: int, gap: int) -> Sequence[Item]:
    """The rows of sessions of sales by so many keys, each over after a pause of more than `gap` milliseconds."""
    found = list[tuple[int, list[int]]]()
    for key in range(keys):
        before = -math.inf
        for number in sorted(range(key, events, keys), key=at):
            if at(number) - before > gap:
                found.append((key, []))
            found[-1][1].append(number)
            before = at(number)
    return [_row(min(map(at, ids)), key, ids) for key, ids in found]


def totals(events: int, keys: int) -> Sequence[Item]:
    """The rows of sales put together by so many keys."""
    return [total(key, *_made(range(key, events, keys))) for key in range(min(keys, events))]


def total(*values: object) -> Item:
    """A row of a running aggregate, as one word."""
    return " ".join(map(str, values))


def _made(ids: Sequence[int]) -> tuple[int, int, int, int]:
    """Of some sales, how many there are, the sum of their amounts, and the least and most id."""
    return len(ids), sum(_sale(id_)[1] for id_ in ids), min(ids), max(ids)


def _row(start: int, key: object, ids: Sequence[int]) -> Item:
    """A row of some sales: their start and key, and what is made of them."""
    return window(_BEGIN + timedelta(milliseconds=start), key, *_made(ids))


def window(start: datetime, key: object, *values: object) -> Item:
    """A row of a window, as one word."""
    aware = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    return " ".join(map(str, (aware.astimezone(UTC).isoformat(), key, *values)))


def pairs(events: int, least: int, most: int, *, outer: bool = True) -> Sequence[Item]:
    """The rows of a left join (or an inner one) of orders with payments that come so many milliseconds later."""
    return list(_pairs(events // 2, least, most, (None,) if outer else ()))


def _pairs(count: int, least: int, most: int, alone: Sequence[None]) -> Iterator[Item]:
    paid = defaultdict[int, list[int]](list)
    for number in range(count):
        paid[_paid(number)].append(number)
    for number in range(count):
        found = [each for each in paid[number] if least <= at(each) - at(number) <= most]
        yield from (pair(number, each) for each in found or alone)


def pair(order_id: object, payment_id: object) -> Item:
    """A row of a join, as one word."""
    return f"{order_id} {payment_id}"
