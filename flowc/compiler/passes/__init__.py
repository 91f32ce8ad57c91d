"""The lint rules, in order. Each is a plain function that reads the project and reports; none changes anything."""

from __future__ import annotations

from collections.abc import Callable

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.passes.limit_without_order import limit_without_order
from flowc.compiler.passes.null_comparison import null_comparison
from flowc.compiler.passes.secret_literal import secret_literal
from flowc.compiler.passes.secret_reference import secret_reference
from flowc.compiler.passes.shared_target import shared_target
from flowc.diagnostics import Reporter

Lint = Callable[[CheckedSpec, Ir | None, Reporter], None]

LINTS: tuple[Lint, ...] = (secret_literal, secret_reference, shared_target, null_comparison, limit_without_order)


def run_lints(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Runs every rule. `ir` is None when nothing could be lowered."""
    for lint in LINTS:
        lint(checked, ir, reporter)
