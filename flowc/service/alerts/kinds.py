"""How each kind of alert is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flowc.compiler.front.alerts import AlertSpec, secret_keys, tells_sender
from flowc.errors import FlowcError, TransientError
from flowc.service.access.secrets import Resolver
from flowc.service.alerts.alert import RECOVERED, TEST, Alert
from flowc.service.alerts.http import post
from flowc.service.alerts.mail import send_mail
from flowc.service.alerts.undelivered import Undelivered

if TYPE_CHECKING:
    from flowc.compiler.sql.text.alertbodies import AlertBody

_JSON = {"Content-Type": "application/json"}
_EVENTS = "https://events.pagerduty.com/v2/enqueue"
_SUMMARY = 1_000
"""Characters of a summary that PagerDuty takes, and some."""
_LEAST = 8
"""Characters from which on a part of an address is kept secret by itself."""


@dataclass
class Sender:
    """Tells alerts in the way of one spec. Secrets are resolved for each; `write` writes a line to standard output."""

    spec: AlertSpec
    resolver: Resolver
    write: Callable[[str], None]
    _body: AlertBody | None = field(default=None, repr=False)

    def __call__(self, alert: Alert) -> None:
        """Tells an alert. Raises Undelivered."""
        kind = self.spec.kind.value
        try:
            options = self._options()
            _SENDERS[kind](self, alert, options)
        except Undelivered as error:
            raise Undelivered(self.resolver.redact(str(error)), again=error.again, after=error.after) from None
        except FlowcError as error:
            raise Undelivered(self.resolver.redact(error.message), again=isinstance(error, TransientError)) from None

    def _options(self) -> Mapping[str, Any]:
        """The options, with secrets in clear, which nothing shows from now on."""
        secret = secret_keys(self.spec.kind.value)
        kept = {*secret, "url"}
        options = {key: self._resolved(value, public=key not in kept) for key, value in self.spec.options.items()}
        masker = self.resolver.masker
        for key in secret & options.keys():
            masker.remember(options[key])
            if key != "url":
                masker.remember_secret(options[key])
        for part in _parts(str(options.get("url", ""))):
            masker.remember(part)
        for name, value in options.get("headers", {}).items():
            if tells_sender(name):
                masker.remember(value)
        return options

    def _resolved(self, value: Any, *, public: bool) -> Any:
        if isinstance(value, Mapping):
            return {str(key): self._resolved(each, public=False) for key, each in value.items()}
        if isinstance(value, list):
            return [self._resolved(each, public=public) for each in value]
        if not isinstance(value, str):
            return value
        return self.resolver.resolve(value, lambda _text, _place: public)

    def body(self, alert: Alert) -> bytes:
        """What a webhook gets."""
        if self.spec.body is None:
            return _json(alert.fields)
        from flowc.compiler.sql.text.alertbodies import AlertBody, BodyFault

        try:
            self._body = self._body or AlertBody(self.spec.body.text)
            return self._body.render(alert.fields).encode(errors="replace")
        except BodyFault as fault:
            raise Undelivered(f"its body cannot be made: {fault}") from None


def _parts(url: str) -> Iterator[str]:
    """The path of an address and its parts, as far as they are more than words: they may be what lets one write."""
    with suppress(ValueError):
        path = urlsplit(url).path
        yield from (part for part in (path, *path.split("/")) if len(part) >= _LEAST and any(map(str.isdigit, part)))


def _slack(_: Sender, alert: Alert, options: Mapping[str, Any]) -> None:
    text = f"*{_escaped(alert.title)}*\n{_escaped(alert.text)}"
    post(str(options["url"]), _json({"text": text}), _JSON)


def _escaped(text: str) -> str:
    """Slack reads `&`, `<` and `>` as its own, and names of users and channels between these."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _email(_: Sender, alert: Alert, options: Mapping[str, Any]) -> None:
    send_mail(alert, options)


def _pagerduty(_: Sender, alert: Alert, options: Mapping[str, Any]) -> None:
    event: dict[str, object] = {"routing_key": options["routing_key"], "dedup_key": alert.key, "client": "flowc"}
    if alert.kind == RECOVERED:
        event["event_action"] = "resolve"
    else:
        event["event_action"] = "trigger"
        event["payload"] = {
            "summary": f"{alert.title}: {alert.text}"[:_SUMMARY], "source": alert.project, "severity": alert.severity,
            "timestamp": alert.fields["at"], "component": alert.subject, "class": alert.kind,
            "custom_details": alert.fields,
        }  # fmt: skip
    post(str(options.get("url", _EVENTS)), _json(event), _JSON)
    if alert.kind == TEST:  # a test leaves no incident behind
        event = {key: value for key, value in event.items() if key != "payload"} | {"event_action": "resolve"}
        post(str(options.get("url", _EVENTS)), _json(event), _JSON)


def _webhook(sender: Sender, alert: Alert, options: Mapping[str, Any]) -> None:
    headers = {str(name): str(value) for name, value in options.get("headers", {}).items()}
    typed = any(name.lower() == "content-type" for name in headers)
    post(str(options["url"]), sender.body(alert), headers if typed else {**_JSON, **headers})


def _stdout(sender: Sender, alert: Alert, _: Mapping[str, Any]) -> None:
    sender.write(_json(alert.fields).decode())


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


_SENDERS: Mapping[str, Callable[[Sender, Alert, Mapping[str, Any]], None]] = {
    "slack": _slack, "email": _email, "pagerduty": _pagerduty, "webhook": _webhook, "stdout": _stdout,
}  # fmt: skip
