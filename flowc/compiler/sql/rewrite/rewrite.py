"""A tree reworded for an engine: the same meaning in what the engine has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.calendar import CALENDAR, ZONES
from flowc.compiler.sql.rewrite.common import COMMON
from flowc.compiler.sql.rewrite.core import Engine, Pair, Rewrite, Rules, Untranslatable
from flowc.compiler.sql.rewrite.engines import ENGINES
from flowc.compiler.sql.rewrite.java_formats import JAVA_FORMATS
from flowc.compiler.sql.rewrite.likes import LIKES
from flowc.compiler.sql.rewrite.numbers import numbers_known
from flowc.compiler.sql.rewrite.relations import RELATIONS
from flowc.compiler.sql.rewrite.texts import TEXTS
from flowc.compiler.sql.text.allowance import Allowance, TooLarge
from flowc.compiler.sql.text.sqltext import SqlTree, copied
from flowc.diagnostics import Reporter

_SHARED = (TEXTS, LIKES, JAVA_FORMATS, CALENDAR, COMMON, RELATIONS, ZONES)


@cache
def _tables(name: str) -> tuple[Rules, ...]:
    """The tables of rules for an engine, in the order in which they are applied."""
    engine = ENGINES[name]
    return (
        *engine.first,
        *({kind: _own(rules, engine) for kind, rules in each.items()} for each in _SHARED),
        *engine.rules,
    )


def _own(rules: Sequence[Rewrite], engine: Engine) -> tuple[Rewrite, ...]:
    return tuple(own for rule in rules if (own := engine.instead.get(rule, rule)) is not None)


_REFUSALS = 30
"""Told of one query; its other nodes may be refused for the same, each after a look at all that is in it."""
_PARTS, _PARTS_PER_NODE = 10_000, 5
"""How many parts what takes the place of one node may have: some rules write an argument twice, and calls nest."""


@dataclass(slots=True)
class _Growth:
    """How many parts may take the place of one node, and of all of them."""

    parts: int
    all: Allowance
    refused: int = 0
    """How often a rule could not keep what a node means."""
    told: set[str] = field(default_factory=set)
    """What was said of that."""

    def take(self, node: exp.Expression, new: exp.Expression) -> None:
        """Counts what takes the place of a node; raises TooLarge."""
        size = sum(1 for _ in islice(new.walk(), self.parts + 1))
        if size > self.parts:
            raise TooLarge(node)
        self.all.take(size, node)


@numbers_known()
def reword(parsed: SqlTree, engine: str, reporter: Reporter, allowance: Allowance) -> exp.Expression:
    """A copy of the tree with every rule of the engine applied; reports what cannot be kept; raises TooLarge."""
    pair = Pair(parsed.dialect, ENGINES[engine])
    if pair.engine.sources is not None and pair.source not in pair.engine.sources:
        title = pair.engine.title
        helps = [f"write it in {title}'s SQL and say `dialect: {engine}`"]
        reporter.error("untranslatable-sql", f"SQL of {pair.source} for {title}", parsed.span(parsed.tree), helps=helps)
        return parsed.tree
    root = exp.Paren(this=copied(parsed.tree))
    growth = _Growth(_PARTS + _PARTS_PER_NODE * allowance.admit(root), allowance)
    nodes, kinds = list[exp.Expression](), set[type]()
    for rules in _tables(engine):
        if root._hash is None:  # as at first, and once a rule has changed any part of it
            hash(root)
            nodes = list(root.this.walk())
            kinds = set(map(type, nodes))
        if not rules.keys().isdisjoint(kinds):
            for node in [node for node in reversed(nodes) if type(node) in rules]:
                _reword_node(node, rules, pair, parsed, reporter, growth)
                if growth.refused > _REFUSALS:
                    return root.this
    pair.engine.finish(root)
    tree = root.this
    tree.parent = None
    return tree


def _reword_node(
    node: exp.Expression, rules: Rules, pair: Pair, parsed: SqlTree, reporter: Reporter, growth: _Growth
) -> None:
    for rewrite in () if marks.SETTLED.has(node) else rules[type(node)]:
        try:
            new = rewrite(node, pair)
        except Untranslatable as refusal:
            growth.refused += 1
            marks.SETTLED.put(node)  # this much: it is not to be refused again for another reason
            message = f"{refusal} (from {pair.source} to {pair.engine.name})"
            helps = [refusal.mend or f"write it in {pair.engine.name}'s SQL and say `dialect: {pair.engine.name}`"]
            if message not in growth.told:  # some rules are applied twice
                growth.told.add(message)
                reporter.error("untranslatable-sql", message, parsed.span(node), helps=helps)
            return
        if new is not None:
            growth.take(node, new)
            kind = new.args["to"] if isinstance(new, exp.Cast) else new.type
            if kind is None or kind.this is exp.DataType.Type.UNKNOWN:
                kind = node.args["to"] if isinstance(node, exp.Cast) else node.type
            if isinstance(kind, exp.DataType):
                new.type = kind.copy()
            node.replace(new)
            return
