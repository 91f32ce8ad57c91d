"""Runs pytest, and what fails once more, alone: `python -m tests.again -n auto -q`.

What passes then is named last, as `flaky: NAME`, and is to be mended like a bug; what fails twice fails the run.
The last line before those names is pytest's closing line of the whole run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

MOST = 20
"""Failed tests that are run again; where more fail, it is not for being flaky."""
_TAIL = 65_536


def main(arguments: Sequence[str]) -> int:
    """Runs pytest with these arguments, then what failed; the exit code is that of the whole."""
    with tempfile.TemporaryDirectory(prefix="flowc-again-") as cache:
        code, closing = _run([*arguments, "-o", f"cache_dir={cache}"])
        failed = _failed(Path(cache))
    if code != 1 or not 0 < len(failed) <= MOST:
        return code
    flaky = [name for name in failed if _passes_alone(name)]
    sys.stdout.write("\n".join([closing, *(f"flaky: {name}" for name in flaky)]) + "\n")
    return int(len(flaky) < len(failed))


def _run(arguments: Sequence[str]) -> tuple[int, str]:
    """Pytest's exit code and its closing line; what it prints is passed on as it comes."""
    process = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    tail = b""
    while piece := os.read(process.stdout.fileno(), _TAIL):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        tail = (tail + piece)[-_TAIL:]
    lines = tail.decode(errors="replace").rstrip().splitlines()
    return process.wait(), lines[-1] if lines else ""


def _failed(cache: Path) -> list[str]:
    """The tests that failed in the run of that cache."""
    kept = cache / "v" / "cache" / "lastfailed"
    return list(json.loads(kept.read_text())) if kept.exists() else []


def _passes_alone(name: str) -> bool:
    sys.stdout.write(f"\n==> once more, alone: {name}\n")
    sys.stdout.flush()
    return _run(["-q", "-n", "0", "-p", "no:cacheprovider", name])[0] == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
