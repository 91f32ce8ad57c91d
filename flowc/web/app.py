"""The pages as an application: what is asked for, and what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from flowc import __version__
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.service.runs.failures import failure_of
from flowc.service.runs.records import STATUSES
from flowc.web.acts import Acts
from flowc.web.board import Board
from flowc.web.gate import BUG, LIVES, SIGN_IN, Gate, Visit, set_cookie
from flowc.web.guard import Guard, Role
from flowc.web.looks import Looks
from flowc.web.views import STATIC, templates
from flowc.web.waiting import Late, Waiting
from flowc.web.works import Works

Endpoint = Callable[[Request], Awaitable[Response]]
"""Answers in the event loop, where nothing slow is done."""
_SLOW_DOWN = 1.0
"""Seconds that an answer to a wrong token takes."""
_STORE = 30.0
"""Seconds for which what a store said of a stream is shown before it is asked again."""
_LOOK = "see on its page whether it was done, before you ask again"
_DAY = "public, max-age=86400"
NOTICES = {
    "paused": "Paused. What runs by now goes on.", "resumed": "Resumed.",
    "begun": "The run has been asked for; it is listed as soon as it has begun.",
    "replaying": "The replay has been asked for.", "looking": "It is being looked at.",
    "signed-out": "You are signed out.",
}  # fmt: skip
"""What pages say after an act, by the word in their address: nothing else of an address is ever shown so."""


@dataclass
class Site:
    """The pages of one project. `tell` hears of faults of flowc's own, which no page shows."""

    board: Board
    guard: Guard
    works: Works
    looks: Looks
    runs: Looks
    """Where runs go on that were begun here."""
    redact: Callable[[str], str]
    tell: Callable[[BaseException], None]

    def __post_init__(self) -> None:
        self._waiting = Waiting()
        self._templates = templates(self.redact)
        self._acts = Acts(self.works, self.looks, self.runs)

    def application(self) -> Gate:
        """The application, behind its gate."""
        pages = [
            Route("/", self._page(self.overview)),
            Route("/pipelines/{name}", self._page(self.pipeline)),
            Route("/streams/{name}", self._page(self.stream)),
            Route("/runs", self._page(self.runs_page)),
            Route("/runs/{run}", self._page(self.run)),
            Route("/lineage", self._page(self.lineage)),
            Route("/plan", self._page(self.plan)),
            Route("/drift", self._page(self.drift)),
        ]
        acts = [
            Route(f"{path}/{word}" if word else path, self._act(role, act, done), methods=["POST"])
            for path, word, role, act, done in self._acts.routes()
        ]
        others = [
            Route(LIVES, _lives),
            Route("/static/{name}", _static),
            Route(SIGN_IN, self.show_sign_in),
            Route(SIGN_IN, self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {404: self._lost, 405: self._refused, Exception: self._bug}
        app = Starlette(routes=[*acts, *pages, *others], exception_handlers=handlers)
        app.router.redirect_slashes = False
        return Gate(app, self.guard, self.tell)

    # Pages

    def overview(self, request: Request) -> Response:
        """Health, what is due, and streams."""
        page = self.board.overview(_number(request.query_params.get("page")))
        dead = {name: self._acts.stored_letters(name, older=_STORE) for name in self.board.facts.keeping}
        return self._shown(request, "overview.html", board=page, dead=dead, troubles=self.board.daemons.troubles)

    def pipeline(self, request: Request) -> Response:
        """A pipeline: its runs, its SQL, its lineage, its checks."""
        flow = self.board.facts.pipelines.get(request.path_params["name"])
        if flow is None:
            return self._missing(request)
        asked = self.runs.last(f"run {flow.name}")
        return self._shown(request, "pipeline.html", asked=asked, **self.board.pipeline(flow))

    def stream(self, request: Request) -> Response:
        """A stream: its watermarks, its state, its dead letters."""
        flow = self.board.facts.streams.get(request.path_params["name"])
        if flow is None:
            return self._missing(request)
        keeps, visit = flow.name in self.board.facts.keeping, _visit(request)
        store = self._acts.seen(flow.name, older=_STORE, letters=keeps)
        letters = self.looks.last(f"letters {flow.name}")
        replayed = self.looks.last(f"replay {flow.name}")
        return self._shown(
            request, "stream.html", store=store, letters=letters, replayed=replayed, keeps=keeps,
            sees_messages=visit.role >= Role.OPERATOR, troubles=self.board.daemons.troubles, **self.board.stream(flow),
        )  # fmt: skip

    def runs_page(self, request: Request) -> Response:
        """Runs, the newest first; those of one pipeline, of one status."""
        asked = {name: request.query_params.get(name, "")[:200] for name in ("pipeline", "status", "before")}
        if asked["status"] not in ("", *STATUSES) or not all(map(str.isprintable, asked.values())):
            return self._missing(request)
        runs, further = self.board.runs(asked["pipeline"], asked["status"], asked["before"])
        chosen = {name: asked[name] for name in ("pipeline", "status") if asked[name]}
        return self._shown(
            request, "runs.html", runs=runs, further=further, asked=asked, chosen=chosen, statuses=STATUSES,
            names=self.board.facts.pipelines,
        )  # fmt: skip

    def run(self, request: Request) -> Response:
        """One run: its targets, its error, and its words."""
        name = request.path_params["run"][:200]
        run = self.board.run(name) if name.isprintable() else None
        if run is None:
            return self._missing(request)
        return self._shown(request, "run.html", run=run, failure=failure_of(run.detail))

    def lineage(self, request: Request) -> Response:
        """What flows into what."""
        return self._shown(request, "lineage.html")

    def plan(self, request: Request) -> Response:
        """What `flowc apply` would change, as it was planned last."""
        return self._shown(request, "plan.html", look=self.looks.last("plan"), what="plan")

    def drift(self, request: Request) -> Response:
        """What changed outside of flowc, as it was compared last."""
        return self._shown(request, "plan.html", look=self.looks.last("drift"), what="drift")

    # Signing in and out

    async def show_sign_in(self, request: Request) -> Response:
        """The form that takes a token."""
        return self._shown(request, "sign_in.html", wrong=False)

    async def sign_in(self, request: Request) -> Response:
        """Gives the browser a session of the token's role, and a new id with it."""
        visit = _visit(request)
        token = visit.form.get("token", "")
        role = self.guard.role_of_token(token)
        if role is Role.NOBODY:
            await asyncio.sleep(_SLOW_DOWN)
            return self._shown(request, "sign_in.html", status=403, wrong=True)
        self.guard.end_session(visit.session)
        answer = RedirectResponse("/", 303)
        session = self.guard.new_session(role, token)
        answer.headers["Set-Cookie"] = set_cookie(request.scope, session, secure=visit.secure)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Ends the session."""
        self.guard.end_session(_visit(request).session)
        return RedirectResponse(f"{SIGN_IN}?done=signed-out", 303)

    # What they are made of

    def _page(self, make: Callable[[Request], Response]) -> Endpoint:
        """A page; where something is not there for it, a page that says so."""

        async def made(request: Request) -> Response:
            try:
                return await self._waiting.made(lambda: make(request))
            except FlowcError as error:
                return self._failed(request, error, 503 if isinstance(error, TransientError) else 500)

        return made

    def _act(self, role: Role, act: Callable[[Request], None], done: str) -> Endpoint:
        """Does something for those who may, and shows the page that it was asked for on."""

        async def acted(request: Request) -> Response:
            if _visit(request).role < role:
                denial = f"this takes the role `{role}`; you have `{_visit(request).role}`"
                return self._failed(request, UsageError(denial, code="access-denied"), 403)
            path = request.scope["path"]
            path = path.rpartition("/")[0] if request.path_params else path
            try:
                await self._waiting.made(lambda: act(request))
            except KeyError:
                return self._missing(request)
            except Late as error:
                message = f"{error.message}, and what you asked for may still be done"
                return self._failed(request, TransientError(message, code=error.code, help=_LOOK), 503)
            except FlowcError as error:
                return self._failed(request, error, 409)
            return RedirectResponse(f"{quote(path)}?done={done}", 303)

        return acted

    def _shown(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        visit, facts = _visit(request), self.board.facts
        notice = NOTICES.get(request.query_params.get("done", ""), "")
        text = self._templates.get_template(template).render(
            visit=visit, facts=facts, notice=notice, path=request.scope["path"], version=__version__,
            may_sign_in=not self.guard.open, **values,
        )  # fmt: skip
        return HTMLResponse(text, status)

    def _failed(self, request: Request, error: FlowcError, status: int) -> Response:
        error.mask(self.redact)
        return self._shown(request, "error.html", status=status, error=error)

    async def _lost(self, request: Request, _: Exception) -> Response:
        return self._missing(request)

    def _missing(self, request: Request) -> Response:
        error = UsageError("there is no such page", code="unknown-page", help="go back to the overview")
        return self._failed(request, error, 404)

    async def _refused(self, request: Request, _: Exception) -> Response:
        return PlainTextResponse("this page does not take that\n", 405)

    async def _bug(self, request: Request, error: Exception) -> Response:
        self.tell(error)
        return PlainTextResponse(BUG, 500)


def _visit(request: Request) -> Visit:
    visit: Visit = request.scope["flowc.visit"]
    return visit


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 6 else 1


async def _lives(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _static(request: Request) -> Response:
    asset = STATIC.get(request.path_params["name"])
    if asset is None:
        return PlainTextResponse("there is no such file\n", 404)
    return Response(asset[0], media_type=asset[1], headers={"Cache-Control": _DAY})
