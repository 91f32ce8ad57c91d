"""The dialects that SQL in specs may be written in."""

from __future__ import annotations

from flowc.compiler.dialects import RUNNER
from flowc.compiler.front.spec import Name
from flowc.diagnostics import Reporter, did_you_mean


def known_dialect(name: Name, reporter: Reporter) -> str | None:
    """The dialect of that name; None where there is none, which is reported."""
    known = dialect_names()
    if name.value in known:
        return name.value
    helps = did_you_mean(name.value, known) or ("for instance `postgres`, `spark` or `bigquery`",)
    reporter.error("unknown-dialect", f"there is no SQL dialect `{name.value}`", name.span, helps=helps)
    return None


def dialect_names() -> frozenset[str]:
    """Every dialect that SQL may be written in."""
    from sqlglot.dialects.dialect import Dialects

    return frozenset(d.value for d in Dialects if d.value) | {RUNNER}
