"""What a shell is told when somebody presses the Tab key behind `flowc`: commands, options, names in the specs.

It has to be there at once, and commands take a second to load. So they are told of in `commands.json`, which
`scripts/make_cli_reference.py` writes, and click completes commands that are made of that and do nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from flowc.cli import COMPLETING
from flowc.cli.specnames import Names, read_names

SHELLS = ("bash", "zsh", "fish")
SKETCH = Path(__file__).with_name("commands.json")

_PIPELINES = ("pipelines",)
_RUNNABLE = (*_PIPELINES, "streams")
_TAKES: Mapping[str, Sequence[str]] = {
    "compile": _RUNNABLE, "graph": _RUNNABLE, "run": _RUNNABLE, "status": _RUNNABLE, "rewind": _RUNNABLE,
    "preview": _RUNNABLE, "validate": _PIPELINES, "run-due": _PIPELINES, "scheduler": _PIPELINES,
    "schedule list": _PIPELINES, "schedule pause": _PIPELINES, "schedule resume": _PIPELINES,
    "runs list": _PIPELINES, "logs": _PIPELINES, "runs checks": _PIPELINES, "test": (*_RUNNABLE, "tests"),
    "plan": (*_RUNNABLE, "tables"), "apply": (*_RUNNABLE, "tables"), "project take": ("tables",),
    "dlq list": ("streams",), "dlq show": ("streams",), "dlq replay": ("streams",), "dlq purge": ("streams",),
    "connections check": ("connections",), "connections set": ("connections",), "import": ("connections",),
}  # fmt: skip
"""The sections of specs whose names a command takes as arguments."""
_OPTIONS: Mapping[str, Sequence[str]] = {
    "--env": ("environments",), "--select": (*_RUNNABLE, "tables"), "--run-log": ("connections",),
}  # fmt: skip
"""The same of options."""
_PLAIN = re.compile(r"[\w@%+=:./-]+")
"""Names that are one word to every shell; others have to be quoted by hand."""

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response type value word="${COMP_LINE:0:COMP_POINT}" before=""
    response=$(env COMP_WORDS="$word" %(complete_var)s=bash_complete "$1" 2>/dev/null)
    word="${word##*[[:space:]]}"
    # Bash takes what stands before a colon for another word, and puts what it gets behind it.
    [[ $COMP_WORDBREAKS == *:* && $word == *:* ]] && before="${word%%"${word##*:}"}"
    COMPREPLY=()
    while IFS=',' read -r type value; do
        if [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == plain ]]; then
            COMPREPLY+=("${value#"$before"}")
        fi
    done <<< "$response"
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Bash, whose line is read as a whole: its own words end at each colon, and selectors hold one."""

    source_template = _BASH

    def source(self) -> str:
        return self.source_template % self.source_vars()  # click's asks what version the bash on the PATH has

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_WORDS"]
        words = click.shell_completion.split_arg_string(line)
        return (words[1:], "") if line[-1:].isspace() else (words[1:-1], words[-1])


_COMPLETERS: Mapping[str, type[ShellComplete]] = {"bash": _Bash, "zsh": ZshComplete, "fish": FishComplete}


def script(shell: str) -> str:
    """What a shell is to run once."""
    return _COMPLETERS[shell](click.Group("flowc"), {}, "flowc", COMPLETING).source()


def answer(instruction: str) -> str:
    """What a shell is told; `instruction` is the value of `COMPLETING`. Empty where anything is wrong."""
    with suppress(Exception):  # a line that is being written and the specs behind it may be anything
        completer = _COMPLETERS[instruction.removesuffix("_complete")]
        return completer(
            _sketched("flowc", json.loads(SKETCH.read_text("utf-8")), ()), {}, "flowc", COMPLETING
        ).complete()
    return ""


def _sketched(name: str, told: Mapping[str, Any], path: Sequence[str]) -> click.Command:
    """A command that can be completed and does nothing."""
    options: list[click.Parameter] = [_option(*each) for each in told["options"]]
    if "commands" in told:
        inner = [_sketched(each, held, (*path, each)) for each, held in told["commands"].items()]
        return click.Group(name, {each.name or "": each for each in inner}, params=options, help=told["help"])
    kind = click.Choice(told["choices"]) if told.get("choices") else None
    complete = None if kind else partial(_names, _TAKES.get(" ".join(path), ()))
    words = click.Argument(["words"], nargs=-1, type=kind, shell_complete=complete)
    return click.Command(name, params=[*options, words], help=told["help"])


def _option(names: Sequence[str], help: str, takes: Sequence[str] | None) -> click.Option:
    """`takes` are the values that it may have; None of a flag, nothing where they are not listed."""
    declared = [*names, "given"]
    if takes is None:
        return click.Option(declared, is_flag=True, help=help)
    kind = click.Choice(takes) if takes else None
    sections = next((_OPTIONS[name] for name in names if name in _OPTIONS), None)
    complete: Callable[..., Any] | None = partial(_names, sections) if sections else None
    return click.Option(declared, type=kind, help=help, multiple=True, shell_complete=complete)


def _names(
    sections: Sequence[str], context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names in these sections of the specs, and files where none of them begins so."""
    given = context.params.get("words") or ()
    found = read_names([Path(word) for word in given if os.path.exists(word)]) if sections else Names({}, ())
    near = [each for each in _offered(sections, found, incomplete) if each.startswith(incomplete)]
    if not near and isinstance(parameter, click.Argument):
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(each) for each in near]


def _offered(sections: Sequence[str], found: Names, incomplete: str) -> Iterable[str]:
    """Names, and tags as selectors; with a `+` before them where one was written."""
    plus = "+" if incomplete.startswith("+") else ""
    names = dict.fromkeys(name for section in sections for name in found.sections.get(section, ()))
    tags = found.tags if {*sections} & {*_RUNNABLE} else ()
    yield from (plus + name for name in names if _PLAIN.fullmatch(name))
    yield from (f"{plus}tag:{tag}" for tag in tags if _PLAIN.fullmatch(tag))
