"""Which function or operator a call means: what PostgreSQL does ("Type Conversion"), on its own catalog.

A type that is not known (None) fits everything, so that what cannot be known is never refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from flowc.compiler.sql.binding.catalog import POLYMORPHIC, UNKNOWN, Catalog, Signature, element_name

Type = str | None
"""A type by PostgreSQL's own name; None where it is not known."""

_COMPATIBLE = frozenset(
    ("anycompatible", "anycompatiblearray", "anycompatiblenonarray", "anycompatiblerange", "anycompatiblemultirange")
)
_RANGES = {
    "int4": "int4range", "int8": "int8range", "numeric": "numrange", "timestamp": "tsrange",
    "timestamptz": "tstzrange", "date": "daterange",
}  # fmt: skip
_SUBTYPES = {range_: element for element, range_ in _RANGES.items()}


@dataclass(frozen=True, slots=True)
class Match:
    """What a call means: the types that its arguments have to be of (None: not known), and its result.

    `sure` tells that it is one function, and not what several have in common.
    """

    args: tuple[Type, ...]
    result: Type
    kind: str = "f"
    sure: bool = True


@lru_cache(maxsize=4096)
def function(catalog: Catalog, name: str, given: tuple[Type, ...]) -> Match | None:
    """What a call with arguments of the given types means; None where nothing takes them."""
    return _choose(catalog, catalog.functions(name), given)


def _choose(catalog: Catalog, candidates: Iterable[Signature], given: Sequence[Type]) -> Match | None:
    fitting = [
        (candidate, wanted)
        for candidate in candidates
        if (wanted := candidate.takes(len(given))) is not None and _takes(catalog, wanted, given)
    ]
    if not fitting:
        return None
    exact = [pair for pair in fitting if pair[1] == tuple(given)]
    best = exact or _select(catalog, fitting, given)
    if len(best) == 1 and None not in given:
        candidate, wanted = best[0]
        return Match(_asked(wanted), _result(catalog, candidate.result, wanted, given), candidate.kind)
    return _agreed(catalog, best if None not in given else fitting, given)


def _asked(wanted: Sequence[str]) -> tuple[Type, ...]:
    return tuple(None if kind in POLYMORPHIC or kind == "any" else kind for kind in wanted)


def _agreed(catalog: Catalog, fitting: list[tuple[Signature, tuple[str, ...]]], given: Sequence[Type]) -> Match:
    """What all that is left have in common."""
    results = {_result(catalog, candidate.result, wanted, given) for candidate, wanted in fitting}
    kinds = {candidate.kind for candidate, _ in fitting}
    columns = zip(*(_asked(wanted) for _, wanted in fitting), strict=True)
    args = tuple(next(iter(same)) if len(same := set(column)) == 1 else None for column in columns)
    result = next(iter(results)) if len(results) == 1 else None
    return Match(args or (None,) * len(given), result, next(iter(kinds)) if len(kinds) == 1 else "f", False)


def _takes(catalog: Catalog, wanted: Sequence[str], given: Sequence[Type]) -> bool:
    pairs = list(zip(given, wanted, strict=True))
    return all(catalog.coerces(one, other) for one, other in pairs) and _consistent(catalog, pairs)


def _consistent(catalog: Catalog, pairs: Sequence[tuple[Type, str]]) -> bool:
    """Whether all that stands for one polymorphic type can be one type."""
    family = [(g, w) for g, w in pairs if w in POLYMORPHIC]
    if any(g is None for g, _ in family):
        return True
    strict = [_element(g, w) for g, w in family if w not in _COMPATIBLE and g not in (UNKNOWN, None)]
    if len({kind for kind in strict if kind is not None}) > 1:
        return False
    loose = [_element(g, w) for g, w in family if w in _COMPATIBLE and g not in (UNKNOWN, None)]
    return common(catalog, loose) is not False


def _element(given: Type, wanted: str) -> Type:
    if given is None:
        return None
    if wanted.endswith("array") and "nonarray" not in wanted:
        return element_name(given) if given.startswith("_") else None
    if wanted.endswith("multirange"):
        return _SUBTYPES.get(given.replace("multirange", "range"))
    return _SUBTYPES.get(given) if wanted.endswith("range") else given


def common(catalog: Catalog, given: Sequence[Type]) -> Type | bool:
    """The type that CASE, UNION, ARRAY and such give their branches; None: not known, False: there is none."""
    known = [kind for kind in given if kind != UNKNOWN]
    if None in known:
        return None
    if not known:
        return UNKNOWN
    chosen = known[0]
    for kind in known[1:]:
        assert kind is not None
        assert chosen is not None
        if kind == chosen:
            continue
        if catalog.category(kind) != catalog.category(chosen):
            return False
        if chosen not in catalog.preferred and catalog.coerces(chosen, kind) and not catalog.coerces(kind, chosen):
            chosen = kind
    return chosen if all(catalog.coerces(kind, str(chosen)) for kind in known) else False


def _result(catalog: Catalog, result: Type, wanted: Sequence[str], given: Sequence[Type]) -> Type:
    """The type that a call gives; what is polymorphic follows from its arguments."""
    if result is None or result not in POLYMORPHIC:
        return None if result in ("record", "any", "internal") else result
    pairs = [(g, w) for g, w in zip(given, wanted, strict=True) if w in POLYMORPHIC]
    elements = [_element(g, w) for g, w in pairs if g != UNKNOWN]
    element = common(catalog, elements)
    if not isinstance(element, str):
        return None
    if element == UNKNOWN:
        element = "text"
    if result.endswith("array") and "nonarray" not in result:
        return f"_{element}"
    if result.endswith("multirange"):
        return _RANGES[element].replace("range", "multirange") if element in _RANGES else None
    return _RANGES.get(element) if result.endswith("range") else element


def _select(
    catalog: Catalog, fitting: list[tuple[Signature, tuple[str, ...]]], given: Sequence[Type]
) -> list[tuple[Signature, tuple[str, ...]]]:
    """What is left of those that fit, when the ones that need less conversion are preferred."""
    left = _most(fitting, lambda w: sum(a == b for a, b in zip(w, given, strict=True) if b != UNKNOWN))
    left = _most(left, lambda w: sum(_liked(catalog, a, b) for a, b in zip(w, given, strict=True)))
    if len(left) == 1 or UNKNOWN not in given:
        return left
    left = _by_category(catalog, left, given)
    if len(left) > 1:
        known = {kind for kind in given if kind != UNKNOWN}
        if len(known) == 1 and (one := next(iter(known))) is not None:
            same = [
                p
                for p in left
                if all(catalog.coerces(one, w) for w, g in zip(p[1], given, strict=True) if g == UNKNOWN)
            ]
            left = same if len(same) == 1 else left
    return left


def _most(pairs: list[tuple[Signature, tuple[str, ...]]], count: object) -> list[tuple[Signature, tuple[str, ...]]]:
    assert callable(count)
    counts = [count(wanted) for _, wanted in pairs]
    return [pair for pair, number in zip(pairs, counts, strict=True) if number == max(counts)]


def _liked(catalog: Catalog, wanted: str, given: Type) -> bool:
    if given in (UNKNOWN, None):
        return False
    return wanted == given or (wanted in catalog.preferred and catalog.category(str(given)) == catalog.category(wanted))


def _by_category(
    catalog: Catalog, left: list[tuple[Signature, tuple[str, ...]]], given: Sequence[Type]
) -> list[tuple[Signature, tuple[str, ...]]]:
    """A literal without a type is a text where a candidate takes one, else of the category that all take."""
    for place, kind in enumerate(given):
        if kind != UNKNOWN:
            continue
        categories = {catalog.category(wanted[place]) for _, wanted in left}
        chosen = "S" if "S" in categories else next(iter(categories)) if len(categories) == 1 else None
        if chosen is None:
            continue
        kept = [pair for pair in left if catalog.category(pair[1][place]) == chosen]
        liked = [pair for pair in kept if pair[1][place] in catalog.preferred]
        left = liked or kept
    return left


@lru_cache(maxsize=4096)
def operator(catalog: Catalog, name: str, given: tuple[Type, ...]) -> Match | None:
    """What an operator means between operands of the given types; None where there is none."""
    candidates = [c for c in catalog.operators.get(name, ()) if len(c.args) == len(given)]
    if len(given) == 2 and UNKNOWN in given and given != (UNKNOWN, UNKNOWN):
        other = next((kind for kind in given if kind != UNKNOWN), None)
        same = [c for c in candidates if c.args == (other, other)]
        if same:
            return Match(same[0].args, same[0].result)
    return _choose(catalog, candidates, given)
