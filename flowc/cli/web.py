"""`flowc web`: pages of a project, in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import click

from flowc.cli.arguments import TOKENS, environment_option, host_option, run_log_option, specs_and_names
from flowc.cli.opened import open_project
from flowc.cli.scheduling import until_signal
from flowc.errors import UsageError
from flowc.runtime.extras import driver


def web_installed() -> None:
    """Raises FlowcError where what serves pages is not installed."""
    for module in ("starlette", "uvicorn"):
        driver(module, "web")


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]...")
@click.option("--listen", "address", default="127.0.0.1:8099", metavar="HOST:PORT", help="Default: 127.0.0.1:8099.")
@click.option("--daemon", "daemons", multiple=True, metavar="URL", help="A `flowc run --http` whose streams are shown.")
@click.option(
    "--token-file", type=click.Path(path_type=Path), metavar="FILE", help="Lines `ROLE: TOKEN`; or FLOWC_WEB_TOKENS."
)
@host_option
@click.option("--trusted-proxy-header", "header", metavar="NAME", help="The header in which a proxy tells the role.")
@click.option("--trusted-proxy", "proxy", metavar="ADDRESS", help="The IP address that this proxy asks from.")
@environment_option
@run_log_option
def command(
    specs: tuple[str, ...], address: str, daemons: tuple[str, ...], token_file: Path | None, hosts: tuple[str, ...],
    header: str | None, proxy: str | None, environment: str | None, run_log: str | None,
) -> int:  # fmt: skip
    """Show pipelines, streams, runs, lineage, plan and drift in a browser, until a signal comes.

    The specs are compiled once; pages show what runs have stored. Without tokens everybody who gets there may look, and
    only this machine does: it listens elsewhere with tokens alone. A token gives the role `viewer` (looks), `operator`
    (also runs pipelines, pauses and resumes schedules, plans) or `admin` (also replays dead letters).
    """
    paths, names = specs_and_names(specs)
    if names:
        raise UsageError(f"`{names[0]}` is no path of specs", code="missing-specs", help="the whole project is shown")
    web_installed()
    from flowc.cli.serving import WebOptions, serving

    tokens = os.environ.pop(TOKENS, None)  # which is nothing for the runs that are begun here
    options = WebOptions(
        address, token_file, hosts, header=header, proxy=proxy, daemons=daemons, run_log=run_log, tokens=tokens
    )
    opened = open_project(paths, environment, "nothing is served")
    with until_signal() as stop, serving(opened, paths, environment, options, ended=stop.set):
        stop.wait()
    return 0
