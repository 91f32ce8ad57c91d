"""Runs a command beside the services: `python -m tests.services pytest -q`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.services import SERVICES, MissingService, service, variable


def main(arguments: Sequence[str]) -> int:
    """Runs the command given, and returns its exit code; with `--check` and names, whether those services are there."""
    given = list(arguments)
    checked = given[1:] if given[:1] == ["--check"] else []
    environment = dict(os.environ)
    # A server may be tied to the thread that started it, so these live until all are stopped.
    with ThreadPoolExecutor(len(SERVICES)) as pool, ExitStack() as stack:

        def start(name: str) -> None:
            try:
                environment[variable(name)] = stack.enter_context(service(name))
                sys.stderr.write(f"{name}: ready\n")
            except MissingService as missing:
                sys.stderr.write(f"{name}: {missing}\n")

        list(pool.map(start, checked or SERVICES))
        if given[:1] == ["--check"]:
            return 0 if all(variable(name) in environment for name in checked or SERVICES) else 1
        return subprocess.run(given, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
