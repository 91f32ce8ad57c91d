"""`flowc plan`: what `apply` would change."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from flowc.api.opening import named, selection
from flowc.cli.arguments import environment_option, format_option, specs_and_names
from flowc.cli.console import concealed, out, say, style_for
from flowc.cli.opened import OpenProject, open_project
from flowc.cli.scheduling import edited_schedules
from flowc.controls import json_text
from flowc.migration import MigrationPlan
from flowc.render.migration import migration_text, versions_text
from flowc.render.migration_json import migration_object
from flowc.render.migration_markdown import migration_markdown
from flowc.render.migration_sql import migration_sql
from flowc.render.runs import edits_text
from flowc.render.style import printable
from flowc.service.changes.plans import make_plan, plan_hash, read_versions, with_failures
from flowc.service.changes.rollback import plan_rollback, rollback_target
from flowc.service.changes.saved import SavedPlan, identities_of, write_plan
from flowc.service.checking import checker
from flowc.service.runs.edits import ScheduleEdit


@click.command()
@click.argument("arguments", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option(
    "--select",
    "selected",
    multiple=True,
    metavar="NAME",
    help="Only this table, pipeline or stream, or what a selector chooses, and its needs.",
)
@format_option("sql", "markdown")
@click.option("--sql", "form", flag_value="sql", help="Print the statements alone, as a script: `--format sql`.")
@click.option(
    "--markdown", "form", flag_value="markdown", help="Print a comment for pull requests: `--format markdown`."
)
@click.option("--out", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan for `apply FILE`.")
@click.option("--rollback-to", "rollback", metavar="VERSION", help="Plan back to this applied version of a database.")
@click.option("--history", is_flag=True, help="List the versions that were applied, and plan nothing.")
@click.option(
    "--detailed-exitcode",
    "detailed",
    is_flag=True,
    help="Exit with 2 when there are changes, or a load or stream cannot run.",
)
@environment_option
def command(
    arguments: tuple[str, ...], selected: tuple[str, ...], form: str, file: Path | None,
    rollback: str | None, history: bool, detailed: bool, environment: str | None,
) -> int:  # fmt: skip
    """Show what `apply` would change, in databases and in loads.

    Compares the specs with the live tables and with what was applied last. Reads, asks the data whether each change
    can work, and changes nothing. Tells of streams what becomes of what they remember. Exit code 0; with
    `--detailed-exitcode`, 2 when there are changes, or when a load or a stream cannot run.
    """
    paths, names = specs_and_names(arguments)
    opened = open_project(paths, environment, "nothing was planned", checker=checker(own=True))
    if history:
        out(versions_text(read_versions(opened.checked, opened.ir, opened.sessions), style_for(sys.stdout)))
        return 0
    chosen = named((*names, *selected), opened)
    plan, version = _planned(opened, chosen, rollback)
    edits = edited_schedules(opened) if rollback is None and not chosen else []
    identities = identities_of(plan, opened.sessions) if file is not None else {}
    opened.sessions.close()
    identity = plan_hash(plan)
    if file is not None:
        specs = tuple(str(path) for path in paths)
        write_plan(file, SavedPlan(plan, specs, environment, select=chosen, rollback=version, identities=identities))
        say(printable(f"wrote {file}; carry it out with `flowc apply {file}`"))
    text = _shown(plan, identity, edits, form)
    out(text)
    if form == "sql" and concealed(text) != text:
        say(_MASKED)
    return 2 if detailed and not plan.clean else 0


_MASKED = """warning: a secret is also part of these statements, and masked in them: do not run them as they are
  help: `flowc apply` runs them whole; a secret that is no common word leaves them alone"""


def _shown(plan: MigrationPlan, identity: str, edits: Sequence[ScheduleEdit], form: str) -> str:
    """The plan in the form that was asked for."""
    if form == "json":
        return json_text(migration_object(plan, identity, edits))
    if form == "sql":
        return migration_sql(plan)
    if form == "markdown":
        return migration_markdown(plan)
    style = style_for(sys.stdout)
    return "\n\n".join(filter(None, (migration_text(plan, style, edited=bool(edits)), edits_text(edits, style))))


def _planned(opened: OpenProject, chosen: tuple[str, ...], rollback: str | None) -> tuple[MigrationPlan, int | None]:
    """The plan, and the version that it goes back to."""
    if rollback is None:
        select = selection(chosen, opened)
        plan = make_plan(opened.checked, opened.ir, opened.sessions, select)
        return with_failures(plan, opened.checked, opened.ir, opened.sessions, select), None
    connection, version = rollback_target(opened.checked, opened.ir, opened.sessions, rollback)
    return plan_rollback(opened.ir, opened.sessions, connection, version), version
