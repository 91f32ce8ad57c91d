"""What sends alerts, and where they say that they come from."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime

from flowc.cli.console import out
from flowc.compiler.front.alerts import AlertSpec
from flowc.compiler.front.project import ProjectSpec
from flowc.service.access.secrets import Resolver
from flowc.service.alerts.alert import Alert
from flowc.service.alerts.kinds import Sender

_writing = threading.Lock()


def sender_of(spec: AlertSpec, resolver: Resolver) -> Sender:
    """The sender of alerts of a spec."""
    return Sender(spec, resolver, _write)


def place_of(project: ProjectSpec, environment: str | None) -> Alert:
    """An alert that says where this is, and nothing else yet."""
    return Alert("", "", "pipeline", message="", project=project.name, at=datetime.now(UTC), environment=environment)


def _write(text: str) -> None:
    with _writing:
        out(text)
        sys.stdout.flush()
