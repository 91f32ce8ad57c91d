"""What the tests of limits are to know of alerts and telemetry."""

from __future__ import annotations

_ALERT = "alerts: {{ a: {{ kind: {}, {}: @ }} }}"
_KINDS = (
    'slack, url: "${U}"', "email, host: h, from: f, to: [t]", 'pagerduty, routing_key: "${K}"', 'webhook, url: "${U}"',
    "stdout",
)  # fmt: skip
SERVICE = {
    **{
        f"traces_sink/oneOf/{n}/properties/sample": f"telemetry: {{ traces: {{ kind: {kind}, sample: @ }} }}"
        for n, kind in ((1, "stdout"), (2, "otlp"))
    },
    **{f"alert/oneOf/{n}/properties/restarts": _ALERT.format(kind, "restarts") for n, kind in enumerate(_KINDS)},
    "alert/oneOf/1/properties/port": _ALERT.format(_KINDS[1], "port"),
}
"""A spec for each number of these that the schema bounds, by its place in that."""
NOBODY_MEETS = {
    "service.alerts.": "how much of an alert is told, and how long it is tried, as its guide says",
    "web.": "how much of requests and of what daemons tell is read, as the guide of the pages says",
    "service.access.vaults": "how much of an answer of Vault is read, as the page of its code says",
    "service.telemetry.otlp": "how much of an answer of a collector is read, as its guide says",
    "compiler.loads.identity": "a longer name ends in its digest",
    "compiler.loads.record": "of more verdicts, only what was counted is recorded",
    "diagnostics:": "how much of a message is shown: a value may have millions of characters",
    "errors:": "how much of a message is shown",
    "render.diagnostics": "of more problems alike, their number is shown",
    "service.daemon.behind": "looks that are kept: fewer would make the lag a little less exact",
}
"""Constants that look like limits, by the start of their modules."""
