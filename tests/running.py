"""Servers for fixtures: running as long as the test, or skipped with what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import pytest

from tests.services import MissingService

T = TypeVar("T")


def running(context: AbstractContextManager[T]) -> Iterator[T]:
    """What the context gives; skips, saying what is missing, where it cannot be had."""
    try:
        made = context.__enter__()
    except MissingService as missing:
        pytest.skip(str(missing))
    yield made
    context.__exit__(None, None, None)
