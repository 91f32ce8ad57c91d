"""The entry point: finds the command, loads only its module, and turns every end into an exit code."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn, cast

import click

from flowc import __version__
from flowc.cli import COMPLETING
from flowc.cli.console import reveal, say, style_for
from flowc.cli.streams import Unwritten, own_streams, unwritten
from flowc.diagnostics import did_you_mean
from flowc.errors import FlowcError, UsageError, no_memory, unusable_file
from flowc.render.failure import bug, failure
from flowc.runtime.exits import refuse_exits
from flowc.runtime.interrupts import end_at_the_second

# Name: (module of flowc.cli, its one line). A module is loaded when its command runs; `--help` loads none.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "Make a project that runs."),
    "lint": ("lint", "Check specs without connecting to anything."),
    "compile": ("compile", "Show what pipelines and streams compile to: IR, SQL, plan."),
    "graph": ("graph", "Show how data flows between tables, files and topics, and their columns."),
    "plan": ("plan", "Show what `apply` would change, in databases and in loads."),
    "apply": ("apply", "Make databases and loads as the specs, or a saved plan, say."),
    "project": (
        "projects",
        "Give what databases keep of a project to its new name, or a table of it to another project.",
    ),
    "drift": ("drift", "Show what changed in databases since the last apply, and not by flowc."),
    "import": (
        "import_",
        "Write specs for tables that exist in CONNECTION: the named TABLES, or all that are not declared.",
    ),
    "run": ("run", "Run streams until a signal comes; with --once, run pipelines and streams once."),
    "run-due": ("run_due", "Run what is due by its schedule, once: for a tick of cron."),
    "scheduler": (
        "scheduler",
        "Run pipelines by their schedules until a signal comes; of several, one leads.",
    ),
    "schedule": ("schedule", "Show when pipelines are due, and pause or resume them."),
    "alerts": ("alerts", "Test who is told when something goes wrong."),
    "runs": ("runs", "List and show runs of pipelines, and how their checks came out."),
    "logs": ("logs", "Show what runs of pipelines said."),
    "dlq": ("dlq", "List, show, replay and purge dead letters of streams."),
    "web": ("web", "Show pipelines, streams, runs, lineage, plan and drift in a browser, until a signal comes."),
    "rewind": ("rewind", "Move a stream to another place of its sources, or a load to another watermark."),
    "status": (
        "status",
        "Show where streams are (positions, lag, dead letters), watermarks of loads, what is due, and what is fresh.",
    ),
    "preview": ("preview", "Run one pipeline in a transaction that is rolled back."),
    "validate": ("validate", "Check pipelines against the live systems."),
    "test": ("test", "Run the tests of pipelines and streams, without any server."),
    "connections": ("connections", "List, check and set connections."),
    "secrets": ("secrets", "Check that secrets resolve."),
    "doctor": ("doctor", "Check this installation and its connections."),
    "explain": ("explain", "Explain the code of a diagnostic."),
    "completion": ("completion", "Print the script that has SHELL complete commands, options and names."),
}

# Commands that only flowc itself types.
HIDDEN = {"work": "work"}


LOOKING = ("lint", "compile", "graph", "schedule", "runs", "logs", "status", "connections")
"""Commands that run no loads and no functions of users. numpy, which pyarrow loads, starts no threads for them."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = COMMANDS.get(cmd_name, (HIDDEN.get(cmd_name),))[0]
        if known is None:
            return None
        module = import_module(f"flowc.cli.{known}")
        return cast(click.Command, module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in {**COMMANDS, **HIDDEN} and not args[0].startswith("-"):
            helps = did_you_mean(args[0], COMMANDS) or ("list the commands with `flowc --help`",)
            raise UsageError(f"there is no command `{args[0]}`", code="unknown-command", help=helps[0])
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="flowc %(version)s")
@click.option("--debug", is_flag=True, help="Show a traceback when flowc itself fails.")
def cli(debug: bool) -> None:
    """Compile YAML and SQL into loads that are safe to repeat.

    An argument that is an existing path is SPECS (a folder or a file, `specs` when left out); any other is the NAME
    of a pipeline or a stream, or a selector of several: tag:TAG, +NAME (and all upstream of it), NAME+ (downstream).

    Exit codes: 0 fine; 1 the specs have errors, or a run or check failed; 2 flowc could not do its work.
    """


def main() -> None:
    """Runs the command line and exits."""
    if COMPLETING in os.environ:
        _complete(os.environ[COMPLETING])
    own_streams()
    given = sys.argv[1:]
    arguments = [argument for argument in given if argument != "--debug"]
    lints = arguments[:1] == ["lint"]
    if arguments[:1] and arguments[0] in LOOKING:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Compiling makes many objects and keeps nearly all of them: looking for garbage took a third of a lint's time.
    gc.set_threshold(2_000_000 if lints else 200_000, 20, 100)
    end_at_the_second()
    if callable(signal.getsignal(signal.SIGINT)):  # a job in the background of a script ignores Ctrl-C
        signal.signal(signal.SIGTERM, _as_ctrl_c)
    refuse_exits()
    code = run(arguments, debug=arguments != given)
    if lints:  # which holds nothing open: the interpreter would look through all of them once more as it ends
        gc.freeze()
    _leave(code)


def _complete(instruction: str) -> NoReturn:
    """Answers a shell, and nobody else: what goes wrong is told nowhere."""
    from flowc.cli.completing import answer

    sys.stdout.buffer.write(answer(instruction).encode() + b"\n")
    _leave(0)


def _as_ctrl_c(_: int, frame: FrameType | None) -> None:
    """Whatever waits for Ctrl-C by now, SIGTERM means the same to it."""
    heard = signal.getsignal(signal.SIGINT)
    if callable(heard):
        heard(signal.SIGINT, frame)


def run(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Runs one command and returns its exit code. What went wrong is already shown."""
    try:
        return _run(arguments, debug=debug)
    finally:
        reveal()


def _run(arguments: Sequence[str], *, debug: bool) -> int:
    try:
        code = cli.main(args=list(arguments), prog_name="flowc", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return 130
    except BrokenPipeError:
        return 0
    except click.ClickException as error:
        return _show_refusal(error)
    except Exception as error:
        if debug:
            say(traceback.format_exc().rstrip())
            return 2
        if isinstance(error, Unwritten):
            error = unwritten(error)
        elif isinstance(error, MemoryError):
            error = no_memory(error)
        elif isinstance(error, OSError):
            error = unusable_file(error) if error.filename is not None else _homeless() or _full(error) or error
        return _show_failure(error) if isinstance(error, FlowcError) else _show_bug(error, arguments)
    return code if isinstance(code, int) else 0


def _homeless() -> UsageError | None:
    """What is wrong with a working folder that was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        message = "the working folder was removed"
        return UsageError(message, code="unusable-file", help="change into a folder that is there")
    return None


def _full(error: OSError) -> UsageError | None:
    """What is wrong with a file of which the system does not say which one it is."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return None
    message = f"a file cannot be written or read: {(error.strerror or 'failed').lower()}"
    help = "look for a disk that is full or damaged: the project's, that of `TMPDIR`, that of a database"
    return UsageError(message, code="unusable-file", help=help)


def _show_refusal(error: click.ClickException) -> int:
    words = io.StringIO()
    error.show(words)
    say(words.getvalue().rstrip("\n"))
    return 2


def _show_failure(error: FlowcError) -> int:
    say(failure(error, style_for(sys.stderr)))
    return 2


def _show_bug(error: Exception, arguments: Sequence[str]) -> int:
    say(bug(error, " ".join(arguments), style_for(sys.stderr)))
    return 2


def _leave(code: int) -> NoReturn:
    """Exits; a reader that went away, or a full disk, must not turn the interpreter's last flush into an error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
