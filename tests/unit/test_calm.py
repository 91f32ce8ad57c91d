"""A log that does not repeat itself."""

from __future__ import annotations

import logging

import pytest

from flowc.runtime.calm import Calm


def test_the_same_words_pass_once_in_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    at, calm = [0.0], Calm()
    monkeypatch.setattr("flowc.runtime.calm.time.monotonic", lambda: at[0])

    def said(words: str) -> bool:
        return calm.filter(logging.LogRecord("kafka", logging.ERROR, "", 0, words, None, None))

    assert said("refused (after 1 ms)")
    assert not said("refused (after 2 ms)")
    assert said("closed")
    at[0] = 31.0
    assert said("refused (after 3 ms)")
    assert not said("refused")
