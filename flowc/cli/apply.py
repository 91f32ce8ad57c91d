"""`flowc apply`: does what the plan says."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flowc.api.opening import named, selection
from flowc.cli.arguments import environment_option, seconds, specs_and_names
from flowc.cli.asking import agreed
from flowc.cli.console import out, say, style_for
from flowc.cli.opened import OpenProject, open_project
from flowc.cli.scheduling import make_run_log
from flowc.errors import FlowcError
from flowc.migration import Statement
from flowc.render.migration import migration_text
from flowc.render.migration_remarks import refusals
from flowc.render.style import printable
from flowc.service.changes.applying import Limits
from flowc.service.changes.migrating import Request, carry_out, refuse_destructive
from flowc.service.changes.plans import make_plan, states_of
from flowc.service.changes.saved import SavedPlan, check_databases, check_project, read_plan
from flowc.service.checking import checker
from flowc.service.loads.identity import make_places


class _Talk:
    """Says on stderr what is being done."""

    def begins(self, connection: str, statement: Statement, number: int, total: int) -> None:
        say(f"[{number}/{total}] {printable(statement.purpose)}")

    def retries(self, statement: Statement, error: FlowcError, seconds: float) -> None:
        say(f"waiting {seconds:g} s, then again: {printable(error.message)}")


_UNDONE = "nothing was changed"


@click.command()
@click.argument("arguments", nargs=-1, metavar="[SPECS]... [NAME]... | FILE")
@click.option(
    "--select",
    "selected",
    multiple=True,
    metavar="NAME",
    help="Only this table, pipeline or stream, or what a selector chooses, and its needs.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--allow-destructive", "allowed", multiple=True, metavar="OBJECT", help="Allow this loss; `all` for any.")
@click.option("--lock-timeout", type=seconds, default=10.0, metavar="SECONDS", help="Wait so long for another apply.")
@click.option(
    "--table-lock-timeout", type=seconds, default=5.0, metavar="SECONDS",
    help="Let a statement wait so long for its table.",
)  # fmt: skip
@click.option(
    "--statement-timeout", type=seconds, default=0.0, metavar="SECONDS",
    help="Stop a statement after so long; 0: never.",
)  # fmt: skip
@environment_option
def command(
    arguments: tuple[str, ...], selected: tuple[str, ...], yes: bool, allowed: tuple[str, ...], lock_timeout: float,
    table_lock_timeout: float, statement_timeout: float, environment: str | None,
) -> int:  # fmt: skip
    """Make databases and loads as the specs, or a saved plan, say.

    Shows the plan and asks, unless `--yes` is given. A FILE of `plan --out` is carried out without asking, as it is or
    not at all. Runs under a lock, records every statement, and goes on after a crash when it is run again. Tells at
    the end which streams cannot start with what they remember.
    """
    limits = Limits(lock_timeout, table_lock_timeout, statement_timeout)
    file = _plan_file(arguments)
    if file is not None:
        saved = read_plan(file, environment)
        opened = open_project(
            [Path(path) for path in saved.specs], saved.environment, _UNDONE, lock_wait=limits.table_lock
        )
        project = opened.checked.project
        check_project(saved, project.name, {name: spec.kind.value for name, spec in project.connections.items()})
        check_databases(saved, opened.sessions)
        refuse_destructive(saved.plan, allowed)
        states = states_of(opened.checked, opened.ir, opened.sessions, selection(saved.select, opened))
        yes = False
    else:
        opened, saved = _planned(arguments, selected, environment, allowed, limits)
        states = saved.plan.states
        if saved.plan.empty:
            yes = True
        elif not yes and not _agreed():
            say(_UNDONE)
            return 1
    request = Request(
        opened.checked, opened.ir, opened.sessions, saved=saved, watcher=_Talk(), limits=limits, looked_at=not yes
    )
    chosen = selection(saved.select, opened)
    loads = [each for each in opened.ir.pipelines if not chosen or each.name in chosen]
    for done in carry_out(request):
        out(f"{printable(done.connection)}: version {done.version}, {done.statements} statements, {done.seconds:.2f} s")
    make_places(loads, opened.sessions)
    opened.sessions.close()
    if opened.checked.project.run_log.connection is not None:
        make_run_log(opened)
    for words in refusals(states):
        say(printable(words))
    return 0


def _plan_file(arguments: tuple[str, ...]) -> Path | None:
    """The saved plan among the arguments: a file alone that is no spec."""
    path = Path(arguments[0]) if len(arguments) == 1 else None
    return path if path is not None and path.is_file() and path.suffix not in (".yaml", ".yml") else None


def _planned(
    arguments: tuple[str, ...], selected: tuple[str, ...], environment: str | None, allowed: tuple[str, ...],
    limits: Limits,
) -> tuple[OpenProject, SavedPlan]:  # fmt: skip
    paths, names = specs_and_names(arguments)
    opened = open_project(paths, environment, _UNDONE, checker=checker(own=True), lock_wait=limits.table_lock)
    chosen = named((*names, *selected), opened)
    plan = make_plan(opened.checked, opened.ir, opened.sessions, selection(chosen, opened))
    out(migration_text(plan, style_for(sys.stdout)))
    refuse_destructive(plan, allowed)
    specs = tuple(str(path) for path in paths)
    return opened, SavedPlan(plan, specs, environment, chosen)


def _agreed() -> bool:
    return agreed("Apply?", "apply without asking with `--yes`, or save the plan with `plan --out`")
