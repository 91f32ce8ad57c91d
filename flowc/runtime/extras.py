"""Drivers that are not part of the core install."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from flowc.errors import FlowcError


def driver(module: str, extra: str) -> Any:
    """The module of a driver.

    Raises:
        FlowcError: it is not installed; the help is the command that installs it.
    """
    try:
        found: ModuleType = importlib.import_module(module)
    except ImportError as error:
        message = f"`{module.partition('.')[0]}` is not installed, and {extra} needs it"
        raise FlowcError(message, code="missing-extra", help=f"pip install 'flowc[{extra}]'") from error
    return found
