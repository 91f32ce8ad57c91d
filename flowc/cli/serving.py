"""Puts `flowc web` together: the project, who may do what, and the server. It alone imports that."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from flowc.cli.arguments import RUN_LOG, TOKENS
from flowc.cli.console import concealed, say, style_for
from flowc.cli.opened import OpenProject
from flowc.errors import UsageError
from flowc.render.failure import bug
from flowc.service.access.hosts import host_names
from flowc.service.access.secrets import Resolver
from flowc.service.access.sessions import Sessions
from flowc.service.runs.due import limits_of, scheduled
from flowc.service.runs.executors import Project
from flowc.service.runs.masking import Masking
from flowc.service.runs.opening import run_log
from flowc.web.app import Site
from flowc.web.board import Board
from flowc.web.daemons import Daemons, Status, status_at
from flowc.web.facts import facts_of
from flowc.web.guard import Guard, Proxy, Token, check_binding, is_address, is_header, tokens_of
from flowc.web.looks import Looks
from flowc.web.server import Server, listening
from flowc.web.works import Works

_RUNS = 4
"""Runs that go on at a time which pages have begun."""
_WAIT = 5.0
"""Seconds that what pages have done waits for locks of others."""


@dataclass(frozen=True)
class WebOptions:
    """Where pages are served, and to whom. `tokens` is what the environment says of them."""

    address: str
    token_file: Path | None = None
    hosts: tuple[str, ...] = ()
    header: str | None = None
    proxy: str | None = None
    daemons: tuple[str, ...] = ()
    run_log: str | None = None
    tokens: str | None = field(default=None, repr=False)
    option: str = "--listen"
    """The option that gave the address."""


@contextmanager
def serving(
    opened: OpenProject, paths: Sequence[Path], environment: str | None, options: WebOptions,
    *, statuses: Sequence[Status] = (), ended: Callable[[], None] = lambda: None,
) -> Iterator[Server]:  # fmt: skip
    """Serves pages for as long as the context; `ended` hears where that ends before. `statuses` tell of daemons."""
    guard = _guard(options, opened.sessions.resolver)
    daemons = Daemons([*statuses, *map(status_at, options.daemons)])
    with ExitStack() as stack:
        at, host = listening(options.address, options.option)
        stack.callback(at.close)
        check_binding(host, guard)
        site = _site(opened, paths, environment, options=options, guard=guard, daemons=daemons)
        server = Server(site.application(), at)
        closed = threading.Thread(target=site.board.log.close, daemon=True)  # which a page may hold that waits
        for close in (lambda: closed.join(1), closed.start, site.works.stop, site.looks.close, site.runs.close):
            stack.callback(close)
        stack.callback(daemons.stop)
        daemons.start()
        server.start(ended)
        stack.callback(server.stop)
        say(f"http://{f'[{host}]' if ':' in host else host or 'localhost'}:{server.port}")
        yield server


def _site(
    opened: OpenProject, paths: Sequence[Path], environment: str | None, *, options: WebOptions, guard: Guard,
    daemons: Daemons,
) -> Site:  # fmt: skip
    checked, ir, shared = opened.checked, opened.ir, opened.sessions
    project, resolver, pipelines = checked.project, shared.resolver, scheduled(ir.pipelines)
    looking = run_log(project, resolver, options.run_log, looks=True)
    board = Board(facts_of(checked, ir, datetime.now(UTC)), looking, pipelines, limits_of(project), daemons)
    works = Works(
        checked, ir, lambda: Sessions(project.connections, resolver, shared.project, _WAIT),
        log=lambda: run_log(project, resolver, options.run_log), scheduled={each.name: each for each in pipelines},
        project=Project(tuple(str(path.resolve()) for path in paths), environment, os.getcwd()),
        redact=Masking(shared, ir.pipelines),
        environ={**os.environ, **({RUN_LOG: options.run_log} if options.run_log is not None else {})},
    )  # fmt: skip
    looks, runs = Looks(resolver.redact, _tell), Looks(resolver.redact, _tell, _RUNS)
    return Site(board, guard, works, looks=looks, runs=runs, redact=concealed, tell=_tell)


def _guard(options: WebOptions, resolver: Resolver) -> Guard:
    """Who may do what. Raises UsageError for options that do not go together, or cannot be used."""
    if (options.header is None) != (options.proxy is None):
        message = "`--trusted-proxy-header` and `--trusted-proxy` go together"
        raise UsageError(message, code="conflicting-options", help="say which header, and whose")
    if options.proxy is not None and not is_address(options.proxy):
        message = f"`{options.proxy}` is no IP address of a proxy"
        raise UsageError(message, code="unusable-option", help="--trusted-proxy 127.0.0.1")
    if options.header is not None and not is_header(options.header):
        message = f"`{options.header}` is no name of a header"
        raise UsageError(message, code="unusable-option", help="--trusted-proxy-header X-Flowc-Role")
    proxy = Proxy(options.header, options.proxy) if options.header and options.proxy else None
    return Guard(_tokens(options, resolver), proxy, host_names(options.hosts))


def _tokens(options: WebOptions, resolver: Resolver) -> tuple[Token, ...]:
    found: list[Token] = []
    if options.token_file is not None:
        try:
            text = options.token_file.read_text("utf-8")
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or "it is not text").lower()
            message = f"the tokens in `{options.token_file}` cannot be read: {reason}"
            raise UsageError(message, code="unreadable-secret", help="correct `--token-file`") from None
        found += tokens_of(text, lambda token: _secret(token, resolver))
        if not found:
            message = f"there are no tokens in `{options.token_file}`"
            raise UsageError(message, code="unreadable-secret", help="write lines such as `operator: TOKEN`")
    if options.tokens is not None:
        given = tokens_of(options.tokens, lambda token: _secret(token, resolver))
        if not given:  # whoever sets it wants nobody else to look
            message = f"there are no tokens in the variable `{TOKENS}`"
            raise UsageError(message, code="unreadable-secret", help="set it to `operator: TOKEN`, or unset it")
        found += given
    return tuple(found)


def _secret(token: str, resolver: Resolver) -> str:
    value = resolver.resolve(token)
    resolver.masker.remember_secret(value)
    return value


def _tell(error: BaseException) -> None:
    """Tells whoever runs the server of a fault of flowc's own."""
    say(bug(error, "web", style_for(sys.stderr)))
    say("".join(traceback.format_exception(error)))
