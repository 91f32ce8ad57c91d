"""`flowc compile`: what pipelines and streams lower to."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flowc.cli.arguments import environment_option, specs_and_names
from flowc.cli.console import out, say_errors
from flowc.cli.project import chosen, compiled
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter
from flowc.loadplan import LoadPlan
from flowc.render.ir import ir_json
from flowc.render.json_values import as_json
from flowc.render.plans import plan_object, plan_sql
from flowc.render.streamplans import stream_object, stream_sql
from flowc.service.loads.planning import offline_plans
from flowc.stream import StreamPlan

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
    """Show what pipelines and streams compile to: IR, SQL, plan.

    SPECS are files or folders (default `specs`), NAMEs pipelines and streams (default all). `ir` and `plan` are JSON,
    `sql` the statements of each load and of each stream's epochs. Nothing is connected to: declared tables are taken
    to exist as declared; load times are shown as 2000-01-01.
    """
    paths, names = specs_and_names(specs)
    checked, whole = compiled(paths, environment)
    ir, reporter = chosen(checked, whole, names), Reporter()
    planning = set(forms) != {"ir"}
    loads = offline_plans(ir.pipelines, ir.tables, reporter, new=new) if planning else ()
    streams = _stream_plans(ir, checked, reporter) if planning else ()
    say_errors(reporter.sorted())
    for form in forms:
        if len(forms) > 1:
            out(f"-- {form}")
        out(ir_json(ir) if form == "ir" else _text(form, loads, streams))
    return 1 if reporter.has_errors else 0


def _stream_plans(ir: Ir, checked: CheckedSpec, reporter: Reporter) -> tuple[StreamPlan, ...]:
    """The plans of the streams. Only they need an engine, which takes a second to load."""
    if not ir.streams:
        return ()
    from flowc.service.streams.planning import offline_stream_plans

    return offline_stream_plans(ir.streams, reporter)


def _text(form: str, loads: Sequence[LoadPlan], streams: Sequence[StreamPlan]) -> str:
    if form == "plan":
        return as_json([*map(plan_object, loads), *map(stream_object, streams)])
    return "\n\n\n".join([*map(plan_sql, loads), *map(stream_sql, streams)])
