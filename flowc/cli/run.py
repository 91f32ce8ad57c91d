"""`flowc run`: pipelines and streams on live systems."""

from __future__ import annotations

import click

from flowc.api.running import reread_of
from flowc.cli.arguments import environment_option, format_option, http_option, run_log_option, specs_and_names
from flowc.cli.opened import where
from flowc.cli.scheduling import become_worker
from flowc.cli.streaming import run_named
from flowc.errors import UsageError


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option("--once", is_flag=True, help="Run pipelines once; let streams catch up; then exit.")
@click.option("--drain", is_flag=True, help="As --once, and the end of the sources counts as the end of the input.")
@click.option("--full", is_flag=True, help="Load the named pipelines anew: all that their sources hold.")
@click.option("--from", "since", metavar="VALUE", help="Load the named pipelines again from this cursor on.")
@click.option("--to", "until", metavar="VALUE", help="Load them again up to this cursor, without it.")
@click.option("--missing", is_flag=True, help="With --from and --to: only due times without a success.")
@click.option(
    "--run-id", metavar="ID", help="Pass by targets that an earlier run of this ID has loaded: for retries of a job."
)
@format_option(what="the report of a run with --once")
@http_option
@click.option(
    "--web", metavar="HOST:PORT", help="Serve the pages of `flowc web` there; tokens as FLOWC_WEB_TOKENS says."
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How the log is written.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.option("--pipeline", "exact", hidden=True)
@environment_option
@run_log_option
def command(
    specs: tuple[str, ...],
    once: bool,
    drain: bool,
    full: bool,
    since: str | None,
    until: str | None,
    missing: bool,
    run_id: str | None,
    form: str,
    http: str | None,
    hosts: tuple[str, ...],
    web: str | None,
    log_format: str,
    log_level: str,
    environment: str | None,
    run_log: str | None,
    exact: str | None,
) -> int:
    """Run streams until a signal comes; with --once, run pipelines and streams once.

    SPECS are files or folders (default `specs`), NAMEs streams or pipelines (default all), or selectors of them.
    Without --once this is the daemon: a worker process for each stream (one for those that share a DuckDB file), which
    begins again when a server fails or the worker dies, and beside them pipelines when they are due. SIGTERM and Ctrl-C
    finish the epochs in hand; a second signal ends everything at once. Exit code 1 when a stream gave up.

    With --once, streams catch up with the end of their sources as it is now, and pipelines run in dependency order;
    streams come first, but for those that look up what a pipeline writes. Each target of a pipeline is loaded in one
    transaction of its own; a pipeline whose upstream failed is skipped. An error in the specs stops the run before
    anything is read; with NAMEs, only errors that concern them do. Exit code 1 when anything failed. With --drain,
    what streams hold back until more comes (windows that are open) is written as well.

    Incremental loads go on at their watermarks. With --from and --to, the named pipelines load a part again, wherever
    that is: merges update, appends add what is missing, and watermarks stay. With --full they load everything:
    merges update, appends replace all rows of their tables, and the watermark is set anew. Both imply --once.
    With --missing, --from and --to are times, and the part of each due time between them is loaded for which no run
    has succeeded by what the run log says: what came since the due time before.

    Without a schedule, each run loads all of its targets. With --run-id, all runs of one ID are attempts of the same
    run: each loads the targets that those before it have not loaded.
    """
    become_worker()
    paths, names = specs_and_names(specs)
    names = [exact] if exact is not None else names
    reread = reread_of(names, since, until, full=full, missing=missing)
    if not (once or drain or reread):
        given = "--json" if form == "json" else "--run-id" if run_id is not None else None
        if given is not None:
            message = f"`{given}` is for a run that ends"
            raise UsageError(message, code="conflicting-options", help="add `--once`, or use `--log-format json`")
        from flowc.cli.daemon import DaemonOptions, run_daemon

        return run_daemon(
            paths, names, environment, DaemonOptions(http, log_format, log_level, run_log=run_log, web=web, hosts=hosts)
        )
    return run_named(
        where(paths, environment), names, json=form == "json", drain=drain, reread=reread, missing=missing,
        run_log=run_log, run_id=run_id,
    )  # fmt: skip
