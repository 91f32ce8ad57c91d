"""Which files a project may reach: those below its root, and those below what `allow_paths` names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowc.diagnostics import Reporter
from flowc.source import Span


@dataclass(frozen=True, slots=True)
class Reach:
    """Folders and files, wherever links lead. Relative paths start at the root."""

    root: Path
    allowed: Sequence[str] = ()

    def holds(self, path: str | Path) -> bool:
        """Whether what the path leads to lies below one of them."""
        try:
            real = Path(os.path.realpath(self.root / path))
        except ValueError:  # no file can have that name
            return True
        return any(real.is_relative_to(os.path.realpath(self.root / base)) for base in (".", *self.allowed))

    def check(self, path: str, span: Span, reporter: Reporter) -> bool:
        """Reports a path of a spec that leads elsewhere; True for one that does not."""
        if self.holds(path):
            return True
        real, written = os.path.realpath(self.root / path), os.path.normpath(Path(os.path.realpath(self.root), path))
        through = "" if real == written else f", by a link to `{real}`"
        folder = os.path.dirname(real) if os.path.isabs(path) else os.path.relpath(os.path.dirname(real), self.root)
        listing = f"move the file into the project, or list its folder in the project: `allow_paths: [{folder}]`"
        message = f"`{path}` leads out of the project `{self.root}`{through}"
        reporter.error("path-outside", message, span, helps=(self._from_root(path, span) or listing,))
        return False

    def _from_root(self, path: str, span: Span) -> str | None:
        """The mend for a path that starts at its spec file; None for one that does not."""
        meant = Path(os.path.realpath(Path(span.file.path).parent / path))
        if not meant.is_file() or not meant.is_relative_to(os.path.realpath(self.root)):
            return None
        right = meant.relative_to(os.path.realpath(self.root)).as_posix()
        return f"paths start at the project's root, and not at the spec: `{right}`"
