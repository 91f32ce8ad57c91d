"""A tree reworded for an engine: the same meaning in what the engine has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from flowc.compiler.meaning import common, datafusion, duckdb, postgres, sqlite
from flowc.compiler.meaning.calendar import CALENDAR, ZONES
from flowc.compiler.meaning.core import Pair, Rules, Untranslatable
from flowc.compiler.meaning.relations import RELATIONS
from flowc.compiler.meaning.texts import TEXTS
from flowc.compiler.sqltext import SqlTree
from flowc.diagnostics import Reporter

_ENGINES: Mapping[str, Sequence[Rules]] = {
    "datafusion": (datafusion.RULES,),
    "duckdb": (duckdb.RULES,),
    "postgres": (postgres.RULES,),
    "sqlite": (sqlite.RULES,),
}


def reword(parsed: SqlTree, engine: str, reporter: Reporter) -> exp.Expression:
    """A copy of the tree with every rule of the engine applied; reports what cannot be kept."""
    pair = Pair(parsed.dialect, engine)
    root = exp.Paren(this=parsed.tree.copy())
    for rules in (TEXTS, CALENDAR, common.COMMON, RELATIONS, ZONES, *_ENGINES.get(engine, ())):
        for node in reversed([n for n in root.walk() if n is not root]):
            _reword_node(node, rules, pair, parsed, reporter)
    tree = root.this
    tree.parent = None
    return tree


def _reword_node(node: exp.Expression, rules: Rules, pair: Pair, parsed: SqlTree, reporter: Reporter) -> None:
    for rewrite in rules.get(type(node), ()):
        try:
            new = rewrite(node, pair)
        except Untranslatable as refusal:
            message = f"{refusal} (from {pair.source} to {pair.engine})"
            helps = [f"write it in {pair.engine}'s SQL and say `dialect: {pair.engine}`"]
            reporter.error("untranslatable-sql", message, parsed.span(node), helps=helps)
            return
        if new is not None:
            if new.type is None and node.type is not None:
                new.type = node.type
            node.replace(new)
            return
