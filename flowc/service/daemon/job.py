"""What a worker has to do, and how a process says that all of its workers gave up."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.service.daemon.suspects import Care
from flowc.stream import RestartPolicy

FINAL = 3
"""The exit code of a process with a worker that gave up: it has told why, and is not to be started again."""


@dataclass(frozen=True)
class Job:
    """What a worker has to do: a stream of a compiled project, as which of how many workers."""

    checked: CheckedSpec
    ir: Ir
    stream: str
    worker: int = 1
    workers: int = 1
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    wait: float = 0.0
    """Seconds before its first attempt: it is to wait longer than others whose process has started again."""
    sample: float = 0.0
    """The share of its epochs that are traced."""
    care: Care = field(default_factory=Care)
