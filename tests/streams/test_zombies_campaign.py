"""A short campaign of workers that wake up while a stream is edited or rewound (long: `benchmarks.crash.zombies`)."""

from __future__ import annotations

from benchmarks.crash.zombies import campaign


def test_workers_that_wake_up_late_change_nothing() -> None:
    assert campaign(range(78, 90), 1) == []
