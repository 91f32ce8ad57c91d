"""Writes `docs/reference/cli.md` and what shells complete, from the command line's own help.

`python scripts/make_cli_reference.py [--check]`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from flowc.cli.completing import SKETCH
from flowc.cli.main import cli

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
HEADER = """# The command line

<!-- Written by scripts/make_cli_reference.py from the commands' help. Change that, then run it. -->

Data goes to standard output, talk to standard error. Colour and progress appear only on a terminal, and `NO_COLOR` is
honoured. Tables are as wide as what they hold, and fold on a terminal that is too narrow; a cell shows up to 500
characters of a value, and JSON holds all of it. What a code in brackets means, `flowc explain CODE` says.
"""


def main() -> int:
    """Writes the files, or with `--check` says whether they are current."""
    made = {OUTPUT: reference(), SKETCH: sketch()}
    if "--check" not in sys.argv[1:]:
        for file, text in made.items():
            file.write_text(text, "utf-8")
        return 0
    old = [file for file, text in made.items() if not file.exists() or file.read_text("utf-8") != text]
    for file in old:
        print(f"{file.name} is not current: run scripts/make_cli_reference.py", file=sys.stderr)
    return 1 if old else 0


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


def sketch() -> str:
    """The commands as shells complete them, as JSON with a line for each option."""
    return json.dumps(_told(cli), indent=1, ensure_ascii=False) + "\n"


def _told(command: click.Command) -> dict[str, object]:
    command._help_option = None
    context = click.Context(command, help_option_names=["-h", "--help"])
    parameters = command.get_params(context)
    told: dict[str, object] = {
        "help": command.get_short_help_str(100),
        "options": [_option(each) for each in parameters if isinstance(each, click.Option) and not each.hidden],
    }
    if isinstance(command, click.Group):
        inner = {name: command.get_command(context, name) for name in command.list_commands(context)}
        return told | {"commands": {name: _told(each) for name, each in inner.items() if each is not None}}
    kinds = [each.type for each in parameters if isinstance(each, click.Argument)]
    choices = next((list(map(str, kind.choices)) for kind in kinds if isinstance(kind, click.Choice)), [])
    return told | ({"choices": choices} if choices else {})


def _option(option: click.Option) -> list[object]:
    takes = list(map(str, option.type.choices)) if isinstance(option.type, click.Choice) else []
    return [option.opts, option.help or "", None if option.is_flag else takes]


if __name__ == "__main__":
    sys.exit(main())
