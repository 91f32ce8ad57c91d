"""The lint rules, in order. Each is a plain function that reads the project and reports; none changes anything."""

from __future__ import annotations

from collections.abc import Callable

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.passes.alert_bodies import alert_bodies
from flowc.compiler.passes.append_at_least_once import append_at_least_once
from flowc.compiler.passes.batch_dependent import batch_dependent
from flowc.compiler.passes.conflicting_merge_keys import conflicting_merge_keys
from flowc.compiler.passes.expected_columns import expected_columns
from flowc.compiler.passes.foreign_address import foreign_address
from flowc.compiler.passes.limit_without_order import limit_without_order
from flowc.compiler.passes.merge_key_not_unique import merge_key_not_unique
from flowc.compiler.passes.misplaced_bad_rows import misplaced_bad_rows
from flowc.compiler.passes.misplaced_dead_letters import misplaced_dead_letters
from flowc.compiler.passes.no_idle_policy import no_idle_policy
from flowc.compiler.passes.not_repeatable import not_repeatable
from flowc.compiler.passes.null_comparison import null_comparison
from flowc.compiler.passes.nullable_key import nullable_key
from flowc.compiler.passes.open_pivot import open_pivot
from flowc.compiler.passes.place_elsewhere import place_elsewhere
from flowc.compiler.passes.secret_literal import secret_literal
from flowc.compiler.passes.secret_reference import secret_reference
from flowc.compiler.passes.select_star import select_star
from flowc.compiler.passes.shared_target import shared_target
from flowc.compiler.passes.unlike_files import unlike_files
from flowc.compiler.passes.unstable_key import unstable_key
from flowc.compiler.passes.wall_clock_in_window import wall_clock_in_window
from flowc.diagnostics import Reporter

Lint = Callable[[CheckedSpec, Ir | None, Reporter], None]

LINTS: tuple[Lint, ...] = (
    secret_literal, secret_reference, alert_bodies, foreign_address, place_elsewhere, shared_target,
    conflicting_merge_keys, misplaced_bad_rows, misplaced_dead_letters, unlike_files, append_at_least_once,
    merge_key_not_unique, unstable_key, select_star,
    null_comparison, limit_without_order, open_pivot, not_repeatable, batch_dependent,
    wall_clock_in_window, no_idle_policy, nullable_key, expected_columns,
)  # fmt: skip


def run_lints(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Runs every rule. `ir` is None when nothing could be lowered."""
    for lint in LINTS:
        lint(checked, ir, reporter)
