"""`flowc completion`: the script that has a shell complete flowc's commands."""

from __future__ import annotations

import click

from flowc.cli.completing import SHELLS, script
from flowc.cli.console import out


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that has SHELL complete commands, options and names.

    The script asks flowc at each press of the Tab key. Names of pipelines, streams, tables, connections and tags are
    read from the specs: nothing is compiled and nothing is connected to.

    In ~/.bashrc: eval "$(flowc completion bash)"

    In ~/.zshrc, behind compinit: eval "$(flowc completion zsh)"

    In ~/.config/fish/config.fish: flowc completion fish | source
    """
    out(script(shell).rstrip("\n"))
