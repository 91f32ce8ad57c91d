"""Cases that only `./scripts/test --long` runs: each is like another one that every run has, or tests the tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

EXTENDED = pytest.mark.extended


def with_extended(cases: Iterable[Any], extended: Iterable[Any]) -> list[Any]:
    """The parameters of a test: the `cases` of every run, and the `extended` ones."""
    marked = (pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=EXTENDED) for case in extended)
    return [*cases, *marked]
