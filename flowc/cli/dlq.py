"""`flowc dlq`: the messages that streams could not read, compute or write."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click

from flowc.cli.arguments import environment_option, format_option, specs_and_names
from flowc.cli.asking import agreed
from flowc.cli.console import out, say, style_for
from flowc.cli.onestream import known_stream, one_stream
from flowc.cli.opened import OpenProject, open_project
from flowc.compiler.streamplan.letters import Chosen
from flowc.controls import json_text
from flowc.durations import parse_duration
from flowc.errors import UsageError
from flowc.render.deadletters import (
    absent_text,
    counts_objects,
    counts_text,
    letter_object,
    letters_text,
    replayed_object,
    replayed_text,
)
from flowc.render.failure import failure
from flowc.render.style import printable
from flowc.service.streams.deadletters import DeadLetters, dead_letters, keeping
from flowc.service.streams.letterreplay import replay

_DURATION = re.compile(r"[0-9]+(\.[0-9]+)?(ms|s|m|h|d)")
_codes_option = click.option("--code", "codes", multiple=True, metavar="CODE", help="Only those of this error code.")


@click.group()
def command() -> None:
    """List, show, replay and purge dead letters of streams."""


@command.command("list")
@click.argument("specs", nargs=-1, metavar="[SPECS]... [STREAM]...")
@format_option(what="one JSON list")
@environment_option
def list_(specs: tuple[str, ...], form: str, environment: str | None) -> None:
    """Count dead letters for each stream and error code.

    Parked ones were replayed as often as `max_attempts` says, and failed each time.
    """
    paths, names = specs_and_names(specs)
    opened = open_project(paths, environment, "nothing was counted", names=names, takes=keeping)
    found = [_of(name, opened) for name in opened.names or keeping(opened.checked)]
    counted = [(letters, letters.counts()) for letters in found]
    opened.sessions.close()
    if form == "json":
        out(json_text(counts_objects(counted)))
        return
    out(counts_text(counted, style_for(sys.stdout)))
    if not any(counts for _, counts in counted):
        say("no dead letters" if found else "no stream keeps dead letters: `on_error: dlq` has a stream keep them")


@command.command("show")
@click.argument("specs", nargs=-1, metavar="[SPECS]... STREAM")
@click.option(
    "--limit", default=20, metavar="N", type=click.IntRange(1, 1_000_000), help="Show at most N. Default: 20."
)
@_codes_option
@format_option(what="one JSON list")
@environment_option
def show(specs: tuple[str, ...], limit: int, codes: tuple[str, ...], form: str, environment: str | None) -> None:
    """Show the oldest dead letters of a stream: where each stood, why it is dead, and its bytes."""
    opened, letters = _one(specs, environment, "dlq show", "nothing was shown")
    found = letters.shown(limit, codes)
    more = letters.count(codes) - limit if len(found) == limit else 0
    if not {*codes} <= {letter["error_code"] for letter in found}:
        _say_absent(letters, codes)
    opened.sessions.close()
    if form == "json":
        out(json_text([letter_object(letter) for letter in found]))
        return
    out(letters_text(found, style_for(sys.stdout), more))
    if not found and not codes:
        say("no dead letters")


@command.command("replay")
@click.argument("specs", nargs=-1, metavar="[SPECS]... STREAM")
@_codes_option
@click.option("--parked", is_flag=True, help="Replay also those that failed as often as `max_attempts` says.")
@format_option()
@environment_option
def replay_(specs: tuple[str, ...], codes: tuple[str, ...], parked: bool, form: str, environment: str | None) -> int:
    """Send dead letters of a stream through its SQL into its targets once more.

    Each letter that comes through is written once and removed; one that fails again stays, with the new error and one
    attempt more. The stream's own worker may run meanwhile; where `dedupe` has to judge letters, it is interrupted,
    and goes on. Exit code 1 when letters failed again.
    """
    opened, letters = _one(specs, environment, "dlq replay", "nothing was replayed")
    if codes:
        letters.demand_table("replayed in part")
        _say_absent(letters, codes)
    report = replay(letters, opened.checked, opened.ir, Chosen(codes), parked=parked)
    opened.sessions.close()
    out(json_text(replayed_object(report)) if form == "json" else replayed_text(report))
    if report.error is not None and form != "json":
        sys.stdout.flush()
        say(failure(report.error, style_for(sys.stderr)))
    return 1 if report.error is not None or report.failed else 0


@command.command("purge")
@click.argument("specs", nargs=-1, metavar="[SPECS]... STREAM")
@click.option("--older-than", "age", metavar="AGE", help="Only those that failed longer ago, for instance 30d.")
@_codes_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@environment_option
def purge(specs: tuple[str, ...], age: str | None, codes: tuple[str, ...], yes: bool, environment: str | None) -> int:
    """Remove dead letters of a stream for good."""
    chosen = Chosen(codes, _before(age))
    opened, letters = _one(specs, environment, "dlq purge", "nothing was removed")
    count = letters.purgeable(chosen)
    _say_absent(letters, codes)
    if count and not yes and not agreed(f"Remove {count} dead letters of `{letters.stream}`?", "use `--yes`"):
        say("nothing was removed")
        return 1
    removed = letters.purge(chosen) if count else 0
    opened.sessions.close()
    out(printable(f"{letters.stream}: {removed} removed"))
    return 0


def _say_absent(letters: DeadLetters, codes: Sequence[str]) -> None:
    """Says which of the codes that were asked for no letter has."""
    there = [count.code for count in letters.counts()] if codes else []
    for code in codes:
        if code not in there:
            say(printable(absent_text(letters.stream, code, there)))


def _before(age: str | None) -> datetime | None:
    if age is None:
        return None
    help = "for instance 30d, 12h or 90m"
    if not _DURATION.fullmatch(age):
        raise UsageError(f"`{age}` is no duration", code="unreadable-argument", help=help)
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(age))
    except OverflowError:
        message = f"`{age}` is longer ago than any date"
        raise UsageError(message, code="unreadable-argument", help=help) from None


def _one(specs: Sequence[str], environment: str | None, words: str, undone: str) -> tuple[OpenProject, DeadLetters]:
    opened, name = one_stream(specs, environment, words, undone)
    return opened, _of(name, opened)


def _of(name: str, opened: OpenProject) -> DeadLetters:
    return dead_letters(opened.checked, opened.ir, known_stream(name, opened), opened.sessions)
