"""`flowc.check`: everything that can be known of specs without connecting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from flowc.api.failures import SpecErrors, errors_of, outward
from flowc.api.linted import Where
from flowc.api.specs import DEFAULT_SPECS, Specs, spec_paths
from flowc.compiler import stages
from flowc.compiler.front.spec import Name
from flowc.compiler.sql.checks.checker import Checker
from flowc.diagnostics import Diagnostic, Reporter, Severity, did_you_mean
from flowc.masker import Masker
from flowc.render.diagnostics import concise, render, summary
from flowc.render.pages import codes, page
from flowc.render.style import Style
from flowc.service.checking import checker
from flowc.service.loads.planning import refuse_unplannable


@dataclass(frozen=True, slots=True, repr=False)
class CheckResult:
    """What `flowc lint` finds. `diagnostics` are all findings in reading order: by file, then by place."""

    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What has to be mended before anything runs."""
        return errors_of(self.diagnostics)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What runs, and is likely not what was meant."""
        return tuple(diagnostic for diagnostic in self.diagnostics if diagnostic.severity is Severity.WARNING)

    @property
    def ok(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    def raise_for_errors(self) -> None:
        """Raises SpecErrors, which holds the diagnostics, when there are errors."""
        if not self.ok:
            raise SpecErrors(self.diagnostics)

    def text(self) -> str:
        """What `flowc lint` prints: each finding with its line of the specs."""
        return render(self.diagnostics, "text", Style())

    def to_json(self) -> str:
        """What `flowc lint --json` prints: a list."""
        return render(self.diagnostics, "json", Style())

    def __repr__(self) -> str:
        lines = (f"\n  {concise(diagnostic, Style())}" for diagnostic in self.diagnostics)
        return f"<CheckResult: {summary(self.diagnostics)}{''.join(lines)}>"


def check(specs: Specs = DEFAULT_SPECS, *, env: str | None = None) -> CheckResult:
    """Checks specs without connecting to anything, as `flowc lint`.

    `specs` is a folder, a file or several of them; `env` an entry of `environments`. What is wrong with specs is in
    the result. Raises UsageError for a path that is not there.
    """
    masker = Masker()
    return outward(masker, lambda: findings(Where(spec_paths(specs), env, masker), checker()))


def findings(where: Where, checker: Checker) -> CheckResult:
    """The same for paths; engines are asked through the checker."""
    reporter = Reporter(masker=where.masker)
    linted = stages.lint(where.paths, reporter, environment=where.environment, env=os.environ, checker=checker)
    if linted:
        refuse_unplannable(*linted, reporter)
    _check_disabled(linted[0].project.disabled if linted else (), reporter)
    return CheckResult(tuple(reporter.sorted()))


def _check_disabled(disabled: Sequence[Name], reporter: Reporter) -> None:
    """A misspelled code, or that of an error, would disable nothing, without a word."""
    for code in disabled:
        found = page(code.value)
        if found is None:
            helps = did_you_mean(code.value, codes()) or ("list all codes with `flowc explain`",)
            reporter.warning("unknown-code", f"there is no code `{code.value}`", code.span, helps=helps)
        elif found.is_error:
            message = f"`{code.value}` is an error, and only warnings can be disabled"
            helps = ("leave it out, and mend what it tells",)
            reporter.warning("error-not-disabled", message, code.span, helps=helps)
