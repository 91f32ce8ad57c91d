"""What a stream intended before it was edited: the next worker has the plan of then finish it, and begins behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from threading import Event

from flowc.compiler.lowering.functioncode import code_of
from flowc.errors import DataError, FlowcError, TransientError, UsageError
from flowc.runtime.contracts.epoch import Intent, after
from flowc.runtime.contracts.state import Restored
from flowc.runtime.contracts.target import Fenced, Held
from flowc.runtime.engine.functions import Function, stand_in
from flowc.runtime.streams.begin import intends
from flowc.runtime.streams.plantext import fingerprint, made_by
from flowc.runtime.streams.unfinished import FormerRun, is_fenced
from flowc.runtime.systems.shared.target import table_of
from flowc.service.access.sessions import Sessions
from flowc.service.streams.state import looked_at
from flowc.service.streams.targets import writers_of
from flowc.stream import StreamPlan

_log = logging.getLogger("flowc.state")

Made = Callable[[StreamPlan, Sequence[Function]], FormerRun]
"""Puts a run of a plan together, with the functions that it calls."""
_EDITED = "stream `%s` was edited: what it intended before the edit (%s) is finished first"
_UNDONE = "stream `%s` was edited, and the edit undone: what no target holds of %s is read again"
_Runs = Callable[[Sequence[Function]], AbstractContextManager[FormerRun]]


def finish_former(plan: StreamPlan, sessions: Sessions, made: Made, stopping: Event) -> None:
    """Finishes what another plan of the stream has intended, which most often is nothing; `stopping` cuts it off.

    Raises UsageError (`unfinished-epochs`) where that plan cannot be had any more, and what it fails with.
    """
    restored = looked_at(replace(plan, state=plan.state or plan.facts), sessions)
    found, words = unfinished(plan, restored), _EDITED
    if not found and _is_fenced(plan, restored, sessions):
        found, words = _made(restored), _UNDONE
    if not found or (not intends(plan) and _is_moved(plan, restored, sessions)):
        return
    former = former_plan(found, plan, sessions)
    _log.warning(words, plan.name, epochs(found))
    try:
        functions = partial(_functions, plan=plan, sessions=sessions)
        _finish(former, partial(_run, made, former, stopping), functions)
    except (TransientError, Fenced):
        raise
    except FlowcError as error:
        raise _unfinished(plan, found, error.message) from error


def _is_fenced(plan: StreamPlan, restored: Restored, sessions: Sessions) -> bool:
    """Whether another plan had begun to give up what this one has intended, before it was edited back to this one."""
    if not _made(restored) or not intends(plan):
        return False
    tables = filter(None, map(table_of, writers_of(plan, sessions, lambda _: None)))
    return any(is_fenced(table.look(), restored) for table in tables)


def _made(restored: Restored) -> tuple[Intent, ...]:
    """The epochs behind the checkpoint that a plan has intended."""
    return tuple(each for each in restored.intents if each.maker is not None)


def _is_moved(plan: StreamPlan, restored: Restored, sessions: Sessions) -> bool:
    """Whether the only target, which alone knows the positions by now, was moved since a store had intended epochs.

    The rewind gave them up: what the target holds is not what it had of them.
    """
    (writer,) = writers_of(plan, sessions, lambda _: None)
    held = writer.look()
    if table_of(writer) is None:  # a table is written through the session that the run goes on with
        writer.close()
    if held.epoch <= restored.checkpoint.epoch:
        return False
    written = (intent.ranges for intent in restored.intents if intent.number <= held.epoch)
    expected = after(chain.from_iterable(written), restored.checkpoint.positions)
    return held.epoch > restored.last or held.positions != expected


def unfinished(plan: StreamPlan, restored: Restored) -> tuple[Intent, ...]:
    """The epochs behind the checkpoint that another plan of the stream has intended."""
    own = fingerprint(plan)
    return tuple(each for each in _made(restored) if each.maker is not None and each.maker.fingerprint != own)


def epochs(intents: Sequence[Intent]) -> str:
    """How many, in words."""
    first, last = intents[0].number, intents[-1].number
    return f"epoch {first}" if first == last else f"epochs {first} to {last}"


def former_plan(intents: Sequence[Intent], plan: StreamPlan, sessions: Sessions) -> StreamPlan:
    """The plan that has intended epochs. Raises UsageError where this project cannot carry it out."""
    kept = intents[-1].maker
    former = made_by(kept) if kept is not None else None
    if former is None:
        raise _unfinished(plan, intents, "another version of flowc intended them")
    named = {source.connection for source in former.sources} | {target.connection for target in former.targets}
    named |= {lookup.connection for lookup in former.lookups}
    gone = sorted(named - sessions.connections.keys())
    if gone:
        raise _unfinished(plan, intents, f"connection `{gone[0]}` is gone")
    return former


def check_former(plan: StreamPlan, restored: Restored, held: Sequence[Held], sessions: Sessions) -> None:
    """As a run does when it begins. Raises UsageError where the former plan cannot finish what a target holds."""
    found = unfinished(plan, restored)
    former = former_plan(found, plan, sessions)
    last = max((there.epoch for there in held), default=0)
    try:
        _require_code(former, plan, sessions)
    except UsageError as error:
        if any(intent.number <= last for intent in restored.intents):
            raise _unfinished(plan, found, error.message) from error


def _functions(former: StreamPlan, plan: StreamPlan, sessions: Sessions) -> Sequence[Function]:
    """The functions of a plan that was kept. Raises UsageError where their code is not what it was."""
    _require_code(former, plan, sessions)
    return sessions.functions(former.functions)


def _require_code(former: StreamPlan, plan: StreamPlan, sessions: Sessions) -> None:
    """The stored plan does not choose what is imported: it is code of the project, or what the stream calls by now."""
    own = {each.python for each in plan.functions}
    for each in former.functions:
        code = code_of(sessions.resolver.root, each.python)
        if code != each.code or not (code or each.python in own):
            message = f"the code of function `{each.name}` (`{each.python}`) is not what it was"
            raise UsageError(message, code="function-not-loaded")


@contextmanager
def _run(made: Made, former: StreamPlan, stopping: Event, functions: Sequence[Function]) -> Iterator[FormerRun]:
    run = made(former, functions)
    run.stopping = stopping
    try:
        yield run
    finally:
        run.close()


def _finish(former: StreamPlan, made: _Runs, found: Callable[[StreamPlan], Sequence[Function]]) -> None:
    try:
        functions = found(former)
    except UsageError as error:
        with made(tuple(map(stand_in, former.functions))) as run:
            run.give_up(error)
        return
    try:
        with made(functions) as run:
            run.finish()
    except DataError as error:
        _log.warning("stream `%s`: %s; what no target holds is read again", former.name, error.message)
        with made(functions) as giving_up:
            giving_up.shut = run.last
            giving_up.give_up()


def _unfinished(plan: StreamPlan, intents: Sequence[Intent], why: str) -> UsageError:
    message = (
        f"stream `{plan.name}` was edited before all its targets and its state had {epochs(intents)}, and the plan "
        f"of before the edit cannot finish that: {why}"
    )
    help = (
        f"undo the edit, run the stream until it stands (`flowc run {plan.name} --once`), and edit it then; or "
        f"`flowc rewind {plan.name} --to held` or a time gives these epochs up, and shows what is read again"
    )
    return UsageError(message, code="unfinished-epochs", help=help)
