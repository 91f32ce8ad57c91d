"""`flowc compile`: what pipelines lower to."""

from __future__ import annotations

import click

from flowc.cli.arguments import environment_option, specs_and_names
from flowc.cli.console import out, say_diagnostics
from flowc.cli.project import chosen, lint
from flowc.compiler.ir import Pipeline
from flowc.diagnostics import Reporter
from flowc.plan import LoadPlan
from flowc.render.plans import ir_json, plan_json, plan_sql
from flowc.service.planning import offline_plans

FORMS = ("ir", "sql", "plan")


class _Forms(click.ParamType[tuple[str, ...]]):
    """A comma-separated list of forms."""

    name = "forms"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        chosen = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
        for form in chosen:
            if form not in FORMS:
                self.fail(f"{form!r} is not one of {', '.join(FORMS)}", param, ctx)
        return chosen


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--to", "forms", type=_Forms(), default="sql", metavar="ir,sql,plan", help="What to show.")
@click.option("--new", is_flag=True, help="Show the load that creates its table, also where a spec declares it.")
@environment_option
def command(specs: tuple[str, ...], forms: tuple[str, ...], new: bool, environment: str | None) -> int:
    """Show what pipelines compile to: IR, SQL, plan.

    SPECS are files or folders (default `specs`), NAMEs pipelines (default all). `ir` and `plan` are JSON, `sql` the
    statements of each load. Declared tables are taken to exist as declared; load times are shown as 2000-01-01.
    """
    paths, names = specs_and_names(specs)
    ir = lint(paths, environment)
    pipelines = chosen(ir, names)
    reporter = Reporter()
    plans = offline_plans(pipelines, ir.tables, reporter, new=new) if set(forms) != {"ir"} else ()
    say_diagnostics(reporter.sorted())
    for form in forms:
        if len(forms) > 1:
            out(f"-- {form}")
        out(_text(form, pipelines, plans))
    return 1 if reporter.has_errors else 0


def _text(form: str, pipelines: tuple[Pipeline, ...], plans: tuple[LoadPlan, ...]) -> str:
    if form == "ir":
        return ir_json(pipelines)
    return plan_json(plans) if form == "plan" else "\n\n\n".join(plan_sql(plan) for plan in plans)
