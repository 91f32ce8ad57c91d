"""Long rows of operators, `a + b - c …`: computed by one call, which nests no deeper than that of two operands."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa

from flowc.plan import LONG_CHAIN, Arithmetic

Steps = tuple[Arithmetic, ...]
"""Computations of which each has the one before as its left operand; most are alone."""


def chained(sql: str, arithmetic: Iterable[Arithmetic]) -> list[Steps]:
    """The computations of a query, inner ones first, with those of a long chain together, in the place of the last."""
    chains: list[list[tuple[int, Arithmetic]]] = []
    open_at: dict[int, list[tuple[int, Arithmetic]]] = {}
    for place, each in enumerate(arithmetic):
        chain = open_at.get(each.start) if each.kind in _OPERATORS else None
        if chain is not None and not sql[chain[-1][1].end : each.inner].strip():
            chain.append((place, each))
            continue
        chains.append([(place, each)])
        if each.kind in _OPERATORS:
            open_at[each.start] = chains[-1]
    units = [part for chain in chains for part in ([chain] if len(chain) > LONG_CHAIN else [[one] for one in chain])]
    return [tuple(each for _, each in unit) for unit in sorted(units, key=lambda unit: unit[-1][0])]


_OPERATORS = ("add", "subtract", "multiply")


def folded(computes: Iterable[Callable[..., pa.Array]]) -> Callable[..., pa.Array]:
    """What computes a chain of its operands, from the left."""
    steps = list(computes)

    def computed(first: pa.Array, *others: pa.Array) -> pa.Array:
        for compute, other in zip(steps, others, strict=True):
            first = compute(first, other)
        return first

    return computed
