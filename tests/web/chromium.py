"""A headless Chromium: Debian's, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for as long as the context; skips, saying what is missing, where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: Debian has it as package `chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
