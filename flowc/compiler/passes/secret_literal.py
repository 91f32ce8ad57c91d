"""`secret-literal`: a password, token or key that stands in the spec itself."""

from __future__ import annotations

import re

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.alerts import AlertSpec, secret_keys, tells_sender
from flowc.compiler.front.kinds import Secret, secrets_of
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter
from flowc.masking import is_password


def secret_literal(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Warns of secrets that are written out: `url: postgres://u:hunter2@host/db`."""
    for connection in checked.project.connections.values():
        found = {secret.path for secret in secrets_of(connection.kind.value, connection.options) if _is_literal(secret)}
        for path in sorted(found):
            name = connection.name.value
            message = f"`{'.'.join(path)}` of connection `{name}` holds a secret in plain text"
            variable = re.sub(r"[^A-Z0-9]", "_", f"{name}_{path[-1]}".upper())
            helps = (f"put it into the environment and write `${{{variable}}}` in its place",)
            reporter.warning("secret-literal", message, connection.spans[path[0]], helps=helps)
    for alert in checked.project.alerts.values():
        _check_alert(alert, reporter)


def _check_alert(alert: AlertSpec, reporter: Reporter) -> None:
    name, known = alert.name.value, secret_keys(alert.kind.value)
    for key, value in alert.options.items():
        headers = value.items() if isinstance(value, dict) else ()
        written = [str(each) for header, each in headers if tells_sender(header)]
        written += [str(value)] if key in known else []
        if any("${" not in each for each in written):
            message = f"`{key}` of alert `{name}` holds a secret in plain text"
            helps = ("put it into the environment and write `${NAME}` in its place",)
            reporter.warning("secret-literal", message, alert.spans[key], helps=helps)


def _is_literal(secret: Secret) -> bool:
    """Whether the secret is written out, and no reference to one."""
    whole = secret.value == secret.text
    return "${" not in secret.value and (whole or is_password(secret.value))
