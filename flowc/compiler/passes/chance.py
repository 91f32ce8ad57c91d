"""Functions whose result is another one each time."""

from __future__ import annotations

from sqlglot import exp

CHANCE = frozenset(("random", "rand", "setseed", "gen_random_uuid", "uuid", "uuidv4", "uuidv7", "uuid_generate_v4"))
"""Their names, in lower case."""


def is_chance(node: exp.Expression) -> bool:
    """Whether a node calls one of them."""
    named = isinstance(node, exp.Anonymous) and str(node.this).lower() in CHANCE
    return named or isinstance(node, exp.Rand | exp.Uuid)
