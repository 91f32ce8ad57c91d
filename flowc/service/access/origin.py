"""Who runs flowc, and of which commit of the project: what people look for in a history."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

_SECONDS = 5.0
"""How long git may take; a run does not wait longer to learn its commit."""
_CODE = ("*.yaml", "*.yml", "*.sql", "*.py")
"""Files of a project that change what it does."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The user of the operating system, and the short hash of the commit, with `-dirty` where files differ from it."""

    user: str | None = None
    commit: str | None = None

    def __str__(self) -> str:
        return f"{self.user or '-'} ({self.commit})" if self.commit else self.user or "-"


def origin_of(root: str | os.PathLike[str]) -> Origin:
    """The origin of what this process does with the project in a folder."""
    return Origin(_user(), commit_of(os.fspath(root)))


def _user() -> str | None:
    """The name of the user, or the number where the machine has no name for it, as in many containers."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
    except (ImportError, AttributeError):
        return os.environ.get("USERNAME") or None


def commit_of(root: str) -> str | None:
    """The commit of a folder; None where it is in no repository, or git cannot tell.

    Files that git does not track make it dirty where they may be specs, SQL or functions.
    """
    found = _git(root, "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--", ".")
    lines = (found or "").splitlines()
    oid = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "")
    if not oid or oid.startswith("("):  # of a repository without a commit
        return None
    dirty = any(not line.startswith("#") for line in lines)
    dirty = dirty or bool(_git(root, "ls-files", "--others", "--exclude-standard", "--", *_CODE))
    return f"{oid[:8]}-dirty" if dirty else oid[:8]


def _git(root: str, *arguments: str) -> str | None:
    """What git prints, without a process that the repository's settings name; None where it fails."""
    settings = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", root, "-c", "core.fsmonitor=false", *arguments],
            capture_output=True, text=True, errors="replace", timeout=_SECONDS, env=settings, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
