"""The record of calls that an instrumented tree writes. It imports little, as every process of flowc imports it."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = "FLOWC_MUTATION_TRACE"
"""The variable of the folder that has the records."""
seen: set[str] = set()
"""The functions that this process has recorded for the test that runs."""
current: list[str] = []
"""The test that runs in this process."""


def call(function: str) -> None:
    """Record a call, once in each test and process."""
    if function in seen or FOLDER not in os.environ:
        return
    seen.add(function)
    if test := _test():
        with open(f"{os.environ[FOLDER]}/calls.{os.getpid()}.tsv", "a") as file:
            file.write(f"{test}\t{function}\n")


def _test() -> str:
    """The test that runs: this process's, or that of the nearest ancestor that has one."""
    if current:
        return current[0]
    process = os.getpid()
    while process > 1:
        try:
            return Path(os.environ[FOLDER], f"test.{process}").read_text("utf-8")
        except OSError:
            process = _parent(process)
    return ""


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


os.register_at_fork(after_in_child=current.clear)
