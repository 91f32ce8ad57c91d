"""Files that ship inside the package: JSON Schemas, the quick start, diagnostic pages."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def root(name: str) -> Path:
    """The folder `name` (`schemas`, `specs`, `docs`), from a wheel or from a checkout."""
    installed = _PACKAGE / "_resources" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
