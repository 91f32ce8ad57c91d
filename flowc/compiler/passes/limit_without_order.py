"""LIMIT without ORDER BY picks rows by chance."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.passes.sql_texts import sql_texts
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.diagnostics import Reporter

_SUSPECT = re.compile(r"\b(limit|fetch)\b", re.IGNORECASE)


def limit_without_order(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of a query with LIMIT and no order: two runs over the same data may load different rows."""
    # In a stream, LIMIT is `batch-dependent`, whatever the order.
    for text, dialect in sql_texts(checked, replace(ir, streams=()) if ir is not None else None):
        parsed = parse_query(text, dialect, Reporter()) if _SUSPECT.search(text.text) else None
        if parsed is None:
            continue
        for query in parsed.tree.find_all(exp.Query):
            limit = query.args.get("limit")
            if limit is not None and query.args.get("order") is None and not isinstance(query.parent, exp.Exists):
                message = "LIMIT without ORDER BY: which rows are loaded is left to chance"
                helps = ["add an ORDER BY that tells all rows apart"]
                reporter.warning("limit-without-order", message, parsed.span(limit), helps=helps)
