"""What forms do, and which role that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.requests import Request

from flowc.errors import UsageError
from flowc.web.gate import Visit
from flowc.web.guard import Role
from flowc.web.looks import Look, Looks
from flowc.web.works import Works

Act = Callable[[Request], None]
Routed = tuple[str, str, Role, Act, str]
"""The path of the page, the word behind it, the role that it takes, what is done, and what the page says then."""


@dataclass(frozen=True)
class Acts:
    """Acts of one project. What takes long goes on in `looks`, and runs in `runs`.

    An act raises KeyError for a name that there is not, and FlowcError where it cannot be done.
    """

    works: Works
    looks: Looks
    runs: Looks

    def routes(self) -> Iterator[Routed]:
        """All of them."""
        pipeline, stream = "/pipelines/{name}", "/streams/{name}"
        yield pipeline, "pause", Role.OPERATOR, lambda request: self._pause(request, paused=True), "paused"
        yield pipeline, "resume", Role.OPERATOR, lambda request: self._pause(request, paused=False), "resumed"
        yield pipeline, "run", Role.OPERATOR, self._run, "begun"
        yield stream, "look", Role.OPERATOR, self._look, "looking"
        yield stream, "replay", Role.ADMIN, self._replay, "replaying"
        yield "/plan", "", Role.OPERATOR, lambda _: self._begin("plan", self.works.plan), "looking"
        yield "/drift", "", Role.OPERATOR, lambda _: self._begin("drift", self.works.drift), "looking"

    def seen(self, stream: str, *, older: float, letters: bool) -> Look:
        """What the store of a stream said last; has it asked again where that is old, and disturbs nobody."""
        if not self.works.may_look(stream):
            return self.looks.last(f"store {stream}")
        return self.look(stream, older=older, letters=letters)

    def look(self, stream: str, *, older: float = 0.0, letters: bool) -> Look:
        """What the store of a stream said last; has it asked again where that is so many seconds old."""
        if letters:
            self.looks.begin(f"letters {stream}", lambda: self.works.letters(stream), older=older)
        return self.looks.begin(f"store {stream}", lambda: self.works.status(stream), older=older)

    def stored_letters(self, stream: str, *, older: float) -> int | None:
        """How many dead letters the store held when it was asked last, which is done again where that is old."""
        name = f"letters {stream}"
        if self.works.may_look(stream):
            self.looks.begin(name, lambda: self.works.letters(stream), older=older)
        letters = self.looks.last(name).value
        return None if letters is None else sum(count.letters for count in letters["counts"])

    def _pause(self, request: Request, *, paused: bool) -> None:
        self.works.set_paused(self._pipeline(request), paused=paused)

    def _run(self, request: Request) -> None:
        name = self._pipeline(request)
        if self.runs.last(f"run {name}").going:
            raise UsageError(f"a run of `{name}` goes on that was begun here", code="conflicting-options")
        self.runs.begin(f"run {name}", lambda: self.works.run(name))

    def _look(self, request: Request) -> None:
        name = self._stream(request)
        self.look(name, letters=self.works.checked.streams[name].sets_aside)

    def _replay(self, request: Request) -> None:
        name, visit = self._stream(request), _visit(request)
        code = visit.form.get("code") or None

        def work() -> str:
            report = self.works.replay(name, code)
            self.look(name, letters=True)
            return report

        if self.looks.last(f"replay {name}").going:
            raise UsageError(f"a replay of `{name}` goes on", code="conflicting-options")
        self.looks.begin(f"replay {name}", work)

    def _begin(self, name: str, work: Callable[[], str]) -> None:
        self.looks.begin(name, work)

    def _pipeline(self, request: Request) -> str:
        """The name in the path. Raises KeyError where no pipeline has it."""
        name: str = request.path_params["name"]
        if self.works.ir.pipeline(name) is None:
            raise KeyError(name)
        return name

    def _stream(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in self.works.checked.streams:
            raise KeyError(name)
        return name


def _visit(request: Request) -> Visit:
    visit: Visit = request.scope["flowc.visit"]
    return visit
