"""Events of Nexmark, after its public description: of fifty events one is a person, three are auctions, 46 are bids.

Ids, hot items, prices and lengths of auctions follow the rules of that description. Each block of events depends on the
seed and its number alone. The texts of a block are those of one of a few, so that many events take little memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BLOCK = 50_000
"""Events of a block: a multiple of fifty, so that all blocks have persons, auctions and bids at the same places."""
START = 1_767_225_600_000_000
"""The event time of the first one, in microseconds."""
COLUMNS = {
    "type": "smallint", "date_time": "timestamptz",
    "person_id": "bigint", "name": "text", "email": "text", "credit_card": "text", "city": "text", "state": "text",
    "auction_id": "bigint", "item": "text", "description": "text", "initial_bid": "bigint", "reserve": "bigint",
    "expires": "timestamptz", "seller": "bigint", "category": "bigint",
    "auction": "bigint", "bidder": "bigint", "price": "bigint", "channel": "text", "url": "text",
    "extra": "text",
}  # fmt: skip
"""All of them with their types in specs; those of the other two kinds of events are NULL."""

PERSON, AUCTION, BID = 0, 1, 2
_PROPORTION, _AUCTIONS = 50, 3
_FIRST_ID, _FIRST_CATEGORY, _CATEGORIES = 1000, 10, 5
_ACTIVE_PEOPLE, _OPEN_AUCTIONS, _AHEAD = 1000, 100, 10
_HOT = 100
"""Of so many ids, one is hot: it has half of the bids, or three quarters of the bidders and sellers."""
_TEXTS = 8
_LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz ", np.uint8)
_LENGTHS = {
    "name": (PERSON, 14), "email": (PERSON, 20), "credit_card": (PERSON, 19), "city": (PERSON, 10),
    "state": (PERSON, 2), "item": (AUCTION, 20), "description": (AUCTION, 100), "channel": (BID, 8), "url": (BID, 35),
}  # fmt: skip
"""Of each text, in which events it stands and how many letters it has in the middle."""
_TIME = pa.timestamp("us", "UTC")


def blocks(count: int, rate: int, seed: int = 1) -> Iterator[pa.RecordBatch]:
    """The first `count` events, `rate` of them in each second of event time, block by block."""
    for number in range(-(-count // BLOCK)):
        whole = _block(number, rate, seed)
        yield whole.slice(0, min(BLOCK, count - number * BLOCK))


def _block(number: int, rate: int, seed: int) -> pa.RecordBatch:
    chance = np.random.default_rng([seed, number])
    events = np.arange(number * BLOCK, (number + 1) * BLOCK)
    at, texts = START + events * 1_000_000 // rate, _texts(number % _TEXTS, seed)
    people, auctions = events // _PROPORTION, _last_auctions(events)
    own = {
        "type": pa.array(_types(), pa.int16()), "date_time": pa.array(at).cast(_TIME),
        "person_id": _of(PERSON, _FIRST_ID + people), **_auctions(chance, auctions, people, at, rate),
        **_bids(chance, auctions, people), **texts,
    }  # fmt: skip
    return pa.RecordBatch.from_arrays([own[name] for name in COLUMNS], names=list(COLUMNS))


@cache
def _types() -> np.ndarray:
    places = np.arange(BLOCK) % _PROPORTION
    return np.where(places < 1, PERSON, np.where(places < 1 + _AUCTIONS, AUCTION, BID))


def _of(kind: int, values: np.ndarray) -> pa.Array:
    """Values of the events of one kind; NULL for the others."""
    return pa.array(values, mask=_types() != kind)


def _last_auctions(events: np.ndarray) -> np.ndarray:
    """The newest auction at each event; -1 before the first."""
    return events // _PROPORTION * _AUCTIONS + np.minimum(events % _PROPORTION - 1, _AUCTIONS - 1)


def _auctions(
    chance: np.random.Generator, auctions: np.ndarray, people: np.ndarray, at: np.ndarray, rate: int
) -> dict[str, pa.Array]:
    hot = chance.integers(0, 4, BLOCK) > 0
    seller = np.where(hot, people // _HOT * _HOT, _some_people(chance, people))
    horizon = _OPEN_AUCTIONS * _PROPORTION // _AUCTIONS * 1_000_000 // rate
    first, more = _prices(chance), _prices(chance)
    return {
        "auction_id": _of(AUCTION, _FIRST_ID + auctions), "seller": _of(AUCTION, _FIRST_ID + seller),
        "initial_bid": _of(AUCTION, first), "reserve": _of(AUCTION, first + more),
        "expires": _of(AUCTION, at + 1 + chance.integers(0, max(2 * horizon, 1), BLOCK)).cast(_TIME),
        "category": _of(AUCTION, _FIRST_CATEGORY + chance.integers(0, _CATEGORIES, BLOCK)),
    }  # fmt: skip


def _bids(chance: np.random.Generator, auctions: np.ndarray, people: np.ndarray) -> dict[str, pa.Array]:
    least = np.maximum(auctions - _OPEN_AUCTIONS, 0)
    any_auction = least + (chance.random(BLOCK) * (auctions - least + 1 + _AHEAD)).astype(np.int64)
    auction = np.where(chance.integers(0, 2, BLOCK) > 0, auctions // _HOT * _HOT, any_auction)
    hot = chance.integers(0, 4, BLOCK) > 0
    bidder = np.where(hot, people // _HOT * _HOT + 1, _some_people(chance, people))
    return {
        "auction": _of(BID, _FIRST_ID + auction), "bidder": _of(BID, _FIRST_ID + bidder),
        "price": _of(BID, _prices(chance)),
    }  # fmt: skip


def _some_people(chance: np.random.Generator, people: np.ndarray) -> np.ndarray:
    """Anybody of those who came last, or who come next."""
    active = np.minimum(people + 1, _ACTIVE_PEOPLE)
    return people + 1 - active + (chance.random(BLOCK) * (active + _AHEAD)).astype(np.int64)


def _prices(chance: np.random.Generator) -> np.ndarray:
    return np.rint(10 ** (chance.random(BLOCK) * 6) * 100).astype(np.int64)


@cache
def _texts(number: int, seed: int) -> dict[str, pa.Array]:
    """The texts of a block: bids of about 100 bytes, persons of 200, auctions of 500."""
    chance = np.random.default_rng([seed, number, BLOCK])
    found = {name: _words(chance, np.where(_types() == kind, length, 0)) for name, (kind, length) in _LENGTHS.items()}
    found = {name: pc.if_else(_types() == _LENGTHS[name][0], words, None) for name, words in found.items()}
    return {**found, "extra": _words(chance, np.array([100, 350, 40])[_types()])}


def _words(chance: np.random.Generator, lengths: np.ndarray) -> pa.Array:
    """Letters, of about these numbers."""
    ends = np.cumsum(np.rint(lengths * (0.5 + chance.random(len(lengths)))).astype(np.int32))
    letters = _LETTERS[chance.integers(0, len(_LETTERS), ends[-1])]
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(letters))
