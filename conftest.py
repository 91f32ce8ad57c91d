"""Options of the test suite that must be known before any test is collected."""

from __future__ import annotations

import os
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more of the machine than of flowc.
settings.register_profile("flowc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("flowc")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--update-golden`."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the output blocks of tests/golden instead of comparing them",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders tests for the workers of xdist, each of which begins with an equal part and ends with what others left.

    A part has files of all folders, so that some workers compute while others wait; first what takes long, and the
    short tests of `tests/unit` last, for all wait for the one who ends with a long test.
    """
    parts = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items.sort(key=lambda item: crc32(item.path.name.encode()))
    kinds = [[item for item in items if _kind(item) == kind] for kind in range(3)]
    items[:] = [
        item
        for part in range(parts)
        for tests in kinds
        for item in tests[len(tests) * part // parts : len(tests) * (part + 1) // parts]
    ]


def _kind(item: pytest.Item) -> int:
    """Tests of a lower one are run before those of a higher one."""
    if item.get_closest_marker("long"):
        return 0
    return 2 if item.path.parent.name == "unit" else 1


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected outputs are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))
