"""Writes `docs/reference/cli.md` from the command line's own help: `python scripts/make_cli_reference.py [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from flowc.cli.main import cli

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
HEADER = """# The command line

<!-- Written by scripts/make_cli_reference.py from the commands' help. Change that, then run it. -->

Data goes to standard output, talk to standard error. Colour and progress appear only on a terminal, and `NO_COLOR` is
honoured. Tables are as wide as what they hold, and fold on a terminal that is too narrow; a cell shows up to 500
characters of a value, and JSON holds all of it. What a code in brackets means, `flowc explain CODE` says.
"""


def main() -> int:
    """Writes the file, or with `--check` says whether it is current."""
    text = reference()
    if "--check" not in sys.argv[1:]:
        OUTPUT.write_text(text, "utf-8")
        return 0
    current = OUTPUT.exists() and OUTPUT.read_text("utf-8") == text
    if not current:
        print(f"{OUTPUT.name} is not current: run scripts/make_cli_reference.py", file=sys.stderr)
    return 0 if current else 1


def reference() -> str:
    """The page."""
    sections = (f"## `{path}`\n\n```text\n{help}\n```\n" for path, help in pages(cli, "flowc", None))
    return "\n".join([HEADER, *sections])


def pages(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """Each command with its help, groups before what is in them."""
    # click keeps the first help option that it makes of a command, and its names come from the context of that moment.
    command._help_option = None
    context = click.Context(command, info_name=path.split()[-1], parent=parent, terminal_width=100)
    yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from pages(inner, f"{path} {name}", context)


if __name__ == "__main__":
    sys.exit(main())
