"""Bodies of alerts: Jinja templates in the sandbox of SQL templates, which know `alert` and `tojson`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError

from flowc.compiler.sql.text.sandbox import Sandbox, TooMuchWork, Work
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import MappedText

_ROOT = "alert"
_FAULTS = (
    TemplateError, TooMuchWork, ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError,
    MemoryError, SyntaxError,
)  # fmt: skip


class BodyFault(Exception):
    """What is wrong with a body, in words, and the code of it."""

    def __init__(self, message: str, code: str = "template-error", help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.help = code, help


class AlertBody:
    """A template of a body, for one thread. Raises BodyFault where it is none."""

    def __init__(self, text: str) -> None:
        self._sandbox = Sandbox()
        self._sandbox.add_filter("tojson", _to_json)
        try:
            tree = self._sandbox.parse(text)
            self._sandbox.bound(tree)
            compiled = self._sandbox.compiled(tree)
        except TemplateSyntaxError as error:
            raise BodyFault(_words(error.message or ""), "template-syntax") from None
        except _FAULTS as error:
            raise BodyFault(f"the template cannot be read: {_words(error)}") from None
        for name in sorted(compiled.undeclared - {_ROOT, *self._sandbox.globals}):
            raise BodyFault(
                f"`{name}` is not defined in bodies of alerts", "undefined-template-name",
                "a body knows `alert`, with its fields: `{{ alert.message | tojson }}`",
            )  # fmt: skip
        self._template = compiled.template

    def render(self, fields: Mapping[str, Any]) -> str:
        """The body of an alert with those fields. Raises BodyFault."""
        try:
            return self._sandbox.run(self._template, {_ROOT: dict(fields)}, Work())
        except UndefinedError as error:
            found = _words(error)
            near = did_you_mean(found.rpartition("'")[0].rpartition("'")[2], fields)
            help = near[0] if near else f"the fields of an alert are {', '.join(fields)}"
            raise BodyFault(f"the template fails: {found}", "undefined-template-name", help) from None
        except TooMuchWork as error:
            raise BodyFault(f"the template does too much work: {error}", "template-too-large") from None
        except _FAULTS as error:
            raise BodyFault(f"the template fails: {_words(error)}") from None


Sample = tuple[Mapping[str, Any], Mapping[str, Any]]


def check_body(body: MappedText, samples: Iterable[Sample], reporter: Reporter, *, json_body: bool) -> None:
    """Reports a body that cannot be made of one of these alerts, or, with `json_body`, makes no JSON of it.

    Each sample is a plain alert, of which most bodies can be made, and one that is harder.
    """
    try:
        template = AlertBody(body.text)
        for plain, hard in samples:
            _check_sample(template, plain, hard, json_body=json_body)
    except BodyFault as fault:
        span = body.span(0, len(body.text))
        reporter.error(fault.code, f"the body of an alert: {fault}", span, helps=(fault.help,) if fault.help else ())


def _check_sample(template: AlertBody, plain: Mapping[str, Any], hard: Mapping[str, Any], *, json_body: bool) -> None:
    """Raises BodyFault, for a single field where one is at fault."""
    if (found := _fault(template, hard, json_body)) is None:
        return
    if _fault(template, plain, json_body) is None:
        for name in (name for name, value in hard.items() if value != plain[name]):
            if fault := _fault(template, {**plain, name: hard[name]}, json_body):
                when = "is not known" if hard[name] is None else "holds quotes or line breaks"
                raise BodyFault(f"where `alert.{name}` {when}, {fault}", fault.code, fault.help)
    raise found


def _fault(template: AlertBody, fields: Mapping[str, Any], json_body: bool) -> BodyFault | None:
    try:
        made = template.render(fields)
        if json_body:
            _require_json(made)
    except BodyFault as fault:
        return fault
    return None


def _require_json(made: str) -> None:
    try:
        json.loads(made)
    except ValueError as error:
        help = (
            "write texts as `{{ alert.message | tojson }}`, without quotes; or say another `content-type` in `headers`"
        )
        raise BodyFault(f"it makes no JSON: {_words(error)}", help=help) from None


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _words(error: Exception | str) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text[:1].lower() + text[1:160]
