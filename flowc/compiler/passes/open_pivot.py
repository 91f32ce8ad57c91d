"""`open-pivot`: a PIVOT whose columns are known only once the data is read."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.passes.sql_texts import sql_texts
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.diagnostics import Reporter

_SUSPECT = re.compile(r"\bpivot\b", re.IGNORECASE)


def open_pivot(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Reports a PIVOT that names no values: its columns change with the data, and DuckDB loads it uncounted."""
    for text, dialect in sql_texts(checked, ir):
        parsed = parse_query(text, dialect, Reporter()) if _SUSPECT.search(text.text) else None
        for pivot in parsed.tree.find_all(exp.Pivot) if parsed is not None else ():
            spread = [on for on in pivot.expressions if not isinstance(on, exp.In)]
            if parsed is not None and spread and pivot.args.get("using") and not pivot.args.get("unpivot"):
                message = "the columns of this PIVOT depend on the data: which values it spreads is not said"
                helps = [f"name the values: `ON {spread[0].sql('duckdb')} IN ('…', '…')`"]
                reporter.error("open-pivot", message, parsed.span(spread[0]), helps=helps)
