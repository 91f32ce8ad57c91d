"""Options of the test suite that must be known before any test is collected."""

from __future__ import annotations

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


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected outputs are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))
