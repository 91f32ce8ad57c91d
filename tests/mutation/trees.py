"""Copies of the tree that errors are put into, and runs of tests there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MARK = "FLOWC_MUTATION_RUN"
"""The variable by which the processes of a run are found again; some leave its process group."""


@dataclass(frozen=True)
class Tree:
    """A copy of the files that git knows, at `root`. Temporary files of its tests are beside it."""

    root: Path

    def pytest(self, arguments: Sequence[str], timeout: float | None, **environment: str) -> tuple[int, str]:
        """The exit code and output of pytest in the tree; -1 when it took longer than the timeout in seconds."""
        mark = uuid.uuid4().hex
        env = {**os.environ, **environment, "PYTHONPATH": str(self.root), _MARK: mark, "TMPDIR": str(self._temporary)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                command, cwd=self.root, env=env, stdout=output, stderr=output, start_new_session=True
            )
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout)
            code = -1 if process.poll() is None else process.returncode
            _end(mark)
            process.wait()
            output.seek(0)
            return code, output.read()

    @property
    def _temporary(self) -> Path:
        folder = self.root.parent / "temporary"
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def copied(source: Path = ROOT) -> Iterator[Tree]:
    """A copy of a tree, for as long as the context."""
    with tempfile.TemporaryDirectory(prefix="flowc-mutation-") as folder:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=source, capture_output=True, text=True, check=True)
        root = Path(folder, "tree")
        for name in filter(None, listed.stdout.split("\0")):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # deleted, and not yet committed
                shutil.copy2(source / name, target, follow_symlinks=False)
        yield Tree(root)


def _end(mark: str) -> None:
    """End what is left of a run."""
    for process, environment in _environments():
        if environment.get(_MARK) == mark:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _environments() -> Iterator[tuple[int, Mapping[str, str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            yield int(folder.name), dict(pair.partition("=")[::2] for pair in pairs)
