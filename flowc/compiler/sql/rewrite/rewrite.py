"""A tree rewritten for an engine, by rules in one order: the same meaning in what the engine has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.calendar import CALENDAR, ZONES
from flowc.compiler.sql.rewrite.common import COMMON
from flowc.compiler.sql.rewrite.core import Engine, Pair, Rewrite, Rules, Untranslatable
from flowc.compiler.sql.rewrite.formats import JAVA_FORMATS
from flowc.compiler.sql.rewrite.numbers import numbers_known
from flowc.compiler.sql.rewrite.relations import RELATIONS
from flowc.compiler.sql.rewrite.texts import LIKES, TEXTS
from flowc.compiler.sql.text.allowance import Allowance, TooLarge
from flowc.compiler.sql.text.sqltext import SqlTree, copied
from flowc.compiler.systems import Rooms
from flowc.diagnostics import Reporter

ENGINES: Mapping[str, Engine] = Rooms("rewrite", "ENGINE")
"""The engines to which SQL is translated, by their names."""

Pass = Callable[[Engine], Sequence[Rules]]


def preparation(engine: Engine) -> Sequence[Rules]:
    """The rules that see the author's own SQL, before any other rule changes it."""
    return engine.first


def shared(rules: Rules) -> Pass:
    """The rules that engines share. An engine may have others in their place, or none."""

    def of(engine: Engine) -> Sequence[Rules]:
        own = ((kind, [engine.instead.get(rule, rule) for rule in each]) for kind, each in rules.items())
        return ({kind: tuple(rule for rule in each if rule is not None) for kind, each in own},)

    return of


def spelling(engine: Engine) -> Sequence[Rules]:
    """The rules that write in the engine's SQL what the shared rules leave."""
    return engine.rules


PASSES: Sequence[Pass] = (
    preparation, shared(TEXTS), shared(LIKES), shared(JAVA_FORMATS), shared(CALENDAR), shared(COMMON),
    shared(RELATIONS), shared(ZONES), spelling,
)  # fmt: skip
"""The rules, in the order in which they are applied. `Engine.finish` sees the tree after all of them."""


@cache
def _rules_of(engine: str) -> tuple[Rules, ...]:
    return tuple(rules for step in PASSES for rules in step(ENGINES[engine]))


_REFUSALS = 30
"""The most refusals of one query. Its other nodes may be refused for the same, each after a look at the whole tree."""
_PARTS, _PARTS_PER_NODE = 10_000, 5
"""How many parts the replacement of one node may have: some rules write an argument twice, and calls nest."""


@dataclass(slots=True)
class _Rewriting:
    """One query that is rewritten, and the limits of its growth."""

    parsed: SqlTree
    pair: Pair
    reporter: Reporter
    allowance: Allowance
    parts: int
    """How many parts the replacement of one node may have."""
    refusals: int = 0
    messages: set[str] = field(default_factory=set)
    """The refusals that are reported: some rules are applied twice."""

    def node(self, node: exp.Expression, rewrites: Sequence[Rewrite]) -> None:
        """Replaces a node by the result of the first rewrite that has one; raises TooLarge."""
        for rewrite in () if marks.SETTLED.has(node) else rewrites:
            try:
                new = rewrite(node, self.pair)
            except Untranslatable as refusal:
                self._refuse(node, refusal)
                return
            if new is not None:
                self._charge(node, new)
                kind = new.args["to"] if isinstance(new, exp.Cast) else new.type
                if kind is None or kind.this is exp.DataType.Type.UNKNOWN:
                    kind = node.args["to"] if isinstance(node, exp.Cast) else node.type
                if isinstance(kind, exp.DataType):
                    new.type = kind.copy()
                node.replace(new)
                return

    def _charge(self, node: exp.Expression, new: exp.Expression) -> None:
        size = sum(1 for _ in islice(new.walk(), self.parts + 1))
        if size > self.parts:
            raise TooLarge(node)
        self.allowance.take(size, node)

    def _refuse(self, node: exp.Expression, refusal: Untranslatable) -> None:
        self.refusals += 1
        marks.SETTLED.put(node)  # it is not refused again for another reason
        source, engine = self.pair.source, self.pair.engine.name
        message = f"{refusal} (from {source} to {engine})"
        if message not in self.messages:
            self.messages.add(message)
            helps = [refusal.fix or f"write it in {engine}'s SQL and say `dialect: {engine}`"]
            self.reporter.error("untranslatable-sql", message, self.parsed.span(node), helps=helps)


@numbers_known()
def rewritten(parsed: SqlTree, engine: str, reporter: Reporter, allowance: Allowance) -> exp.Expression:
    """Return a copy of the tree with every rule of the engine applied; reports what it cannot keep; raises TooLarge."""
    pair = Pair(parsed.dialect, ENGINES[engine])
    if pair.engine.sources is not None and pair.source not in pair.engine.sources:
        title = pair.engine.title
        helps = [f"write it in {title}'s SQL and say `dialect: {engine}`"]
        reporter.error("untranslatable-sql", f"SQL of {pair.source} for {title}", parsed.span(parsed.tree), helps=helps)
        return parsed.tree
    root = exp.Paren(this=copied(parsed.tree))
    rewriting = _Rewriting(parsed, pair, reporter, allowance, _PARTS + _PARTS_PER_NODE * allowance.admit(root))
    nodes, kinds = list[exp.Expression](), set[type]()
    for rules in _rules_of(engine):
        if root._hash is None:  # as at first, and once a rule has changed any part of it
            hash(root)
            nodes = list(root.this.walk())
            kinds = set(map(type, nodes))
        if not rules.keys().isdisjoint(kinds):
            for node in [node for node in reversed(nodes) if type(node) in rules]:
                rewriting.node(node, rules[type(node)])
                if rewriting.refusals > _REFUSALS:
                    return root.this
    pair.engine.finish(root)
    tree = root.this
    tree.parent = None
    return tree
