"""`unstable-key`: a key that no row has twice, so that nothing is ever found by it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.passes.chance import CHANCE, is_chance
from flowc.compiler.passes.sql_texts import queries
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.diagnostics import Reporter

_SUSPECT = re.compile(rf"\b({'|'.join(sorted(CHANCE))})\s*\(", re.IGNORECASE)
_BY_KEY = ("merge", "scd2")


def unstable_key(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of keys of `merge` and `scd2` that the SQL makes by chance."""
    for query in queries(checked, ir):
        keys = {key.lower() for apply in query.applies if apply.mode in _BY_KEY for key in apply.keys}
        parsed = (
            parse_query(query.text, query.dialect, Reporter()) if keys and _SUSPECT.search(query.text.text) else None
        )
        for name, node in _made_by_chance(parsed.tree) if parsed is not None else ():
            if parsed is not None and name.lower() in keys:
                message = f"key `{name}` is another one each time, so no row is ever found by it"
                helps = ["take a key from the rows, or compute it from them, for instance with `md5`"]
                reporter.warning("unstable-key", message, parsed.span(node), helps=helps)


def _made_by_chance(tree: exp.Expression) -> Iterator[tuple[str, exp.Expression]]:
    """Output columns whose values are left to chance, where the outermost SELECT itself makes them."""
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    for column in tree.expressions if isinstance(tree, exp.Select) else ():
        found = next((node for node in column.walk() if is_chance(node)), None)
        if found is not None:
            yield column.alias_or_name, found
