"""Asks before something is done that cannot be undone."""

from __future__ import annotations

import sys

import click

from flowc.cli.console import is_terminal
from flowc.errors import UsageError


def agreed(question: str, help: str) -> bool:
    """Whether the person says yes. Raises UsageError, with `help`, where there is nobody to ask."""
    if not is_terminal(sys.stdin):
        raise UsageError("there is nobody to ask", code="nobody-to-ask", help=help)
    return click.confirm(question, default=False, err=True)
