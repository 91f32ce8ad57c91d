"""`secret-literal`: a password, token or key that stands in the spec itself."""

from __future__ import annotations

import re

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.alerts import AlertSpec, secret_keys, tells_sender
from flowc.compiler.front.kinds import Secret, secrets_of
from flowc.compiler.front.project import SinkSpec
from flowc.compiler.front.spec import ConnectionSpec
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter
from flowc.masking import SHORT, is_password, secret_places
from flowc.source import Span

_REFER = "put it into the environment and write `${{{variable}}}` in its place"
_LENGTHEN = f"choose one of 12 characters or more: one of fewer than {SHORT} is not masked in output"


def secret_literal(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Warns of secrets that are written out: `url: postgres://u:hunter2@host/db`."""
    for connection in checked.project.connections.values():
        _check_connection(connection, reporter)
    for alert in checked.project.alerts.values():
        _check_alert(alert, reporter)
    for name, sink in checked.project.telemetry.sinks():
        _check_sink(name, sink, reporter)


def _check_connection(connection: ConnectionSpec, reporter: Reporter) -> None:
    """Warns of each key that holds a secret, once: of one that is too short to be masked in output, with that code."""
    name = connection.name.value
    secrets = [secret for secret in secrets_of(connection.kind.value, connection.options) if _is_literal(secret)]
    short = {secret.path for secret in secrets if 0 < len(secret.value) < SHORT}
    for path in sorted({secret.path for secret in secrets}):
        variable = re.sub(r"[^A-Z0-9]", "_", f"{name}_{path[-1]}".upper())
        code, words, helps = "secret-literal", "holds a secret in plain text", [_REFER.format(variable=variable)]
        if path in short:
            code, words, helps = "short-secret", "is too short to be a secret", [_LENGTHEN, *helps]
        message = f"`{'.'.join(path)}` of connection `{name}` {words}"
        reporter.warning(code, message, connection.spans[path[0]], helps=helps)


def _check_alert(alert: AlertSpec, reporter: Reporter) -> None:
    name, known = alert.name.value, secret_keys(alert.kind.value)
    for key, value in alert.options.items():
        headers = value.items() if isinstance(value, dict) else ()
        written = [str(each) for header, each in headers if tells_sender(header)]
        written += [str(value)] if key in known else []
        if any("${" not in each for each in written) or _holds_password(value):
            _warn(f"`{key}` of alert `{name}`", alert.spans[key], reporter)


def _check_sink(name: str, sink: SinkSpec, reporter: Reporter) -> None:
    if any("${" not in value for value in sink.headers.values()):
        _warn(f"`headers` of {name}", sink.spans["headers"], reporter)
    if _holds_password(sink.endpoint):
        _warn(f"`endpoint` of {name}", sink.spans["endpoint"], reporter)


def _warn(what: str, span: Span, reporter: Reporter) -> None:
    helps = ("put it into the environment and write `${NAME}` in its place",)
    reporter.warning("secret-literal", f"{what} holds a secret in plain text", span, helps=helps)


def _holds_password(address: object) -> bool:
    """Whether an address holds one that is written out."""
    secrets = (address[slice(*place)] for place in secret_places(address)) if isinstance(address, str) else ()
    return any("${" not in secret and is_password(secret) for secret in secrets)


def _is_literal(secret: Secret) -> bool:
    """Whether the secret is written out, and no reference to one."""
    whole = secret.value == secret.text
    return "${" not in secret.value and (whole or is_password(secret.value))
