"""Finding and reading the files of a project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flowc.compiler.front.reach import Reach
from flowc.diagnostics import Reporter
from flowc.source import SourceFile, Span

SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 64 * 2**20


def find(paths: Sequence[Path], reporter: Reporter) -> list[Path]:
    """The spec files below the paths, each once, in order; a path without any is reported."""
    found: dict[Path, None] = {}
    for path in paths:
        before = len(found)
        for file in _below(path, reporter):
            found.setdefault(file)
        if len(found) == before and path.is_dir():
            helps = ("name a folder that holds `*.yaml` files, or make a project with `flowc init`",)
            reporter.error("no-specs", f"no spec files in `{display(path)}`", helps=helps)
    return list(found)


def _below(path: Path, reporter: Reporter) -> list[Path]:
    if path.is_dir():
        reach = Reach(project_root([path]), (str(path.absolute()),))
        return [file for file in sorted(_walk(path)) if is_own(file, reach, reporter) and is_readable(file, reporter)]
    if path.exists():
        return [path]
    helps = ("name a spec file or a folder of spec files",)
    reporter.error("no-specs", f"`{display(path)}` does not exist", helps=helps)
    return []


def is_own(path: Path, reach: Reach, reporter: Reporter) -> bool:
    """Whether a file that was found in a folder lies where its project may reach; a link that leads out is reported."""
    if reach.holds(path.absolute()):
        return True
    helps = ("copy the file into the folder, or name it in the command",)
    reporter.error("path-outside", f"`{display(path)}` is a link that leads out of the project", helps=helps)
    return False


def is_readable(path: Path, reporter: Reporter) -> bool:
    """Whether this is a file, as its name says: reading a pipe or a device that lies among others might never end."""
    if path.is_file() or path.is_dir() or not path.exists():
        return not path.is_dir()
    reporter.error("unreadable-file", f"`{display(path)}` cannot be read: it is not a file")
    return False


def _walk(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.extend(Path(parent, name) for name in files if name.endswith(SUFFIXES) and not name.startswith("."))
    return found


def project_root(paths: Sequence[Path]) -> Path:
    """The folder that holds the specs folder: the nearest one named `specs`, else the folder that was named."""
    first = paths[0].absolute() if paths else Path.cwd() / "specs"
    folder = first if first.is_dir() else first.parent
    if (folder / "specs").is_dir() and not any(file.suffix in SUFFIXES for file in folder.iterdir()):
        return folder
    specs = next((parent for parent in (folder, *folder.parents) if parent.name == "specs"), folder)
    return specs.parent


def specs_around(here: Path) -> Path | None:
    """The folder `specs` of the project around an absolute path: there, or in the nearest folder above."""
    above = (folder / "specs" for folder in (here, *here.parents))
    return next((path for path in above if path.is_dir()), None)


def display(path: Path) -> str:
    """The path as a person should see it: relative where it lies below the working folder or in the project around."""
    here, full = Path.cwd(), Path(os.path.normpath(path.absolute()))
    if full.is_relative_to(here):
        return full.relative_to(here).as_posix()
    specs = specs_around(here)
    inside = specs is not None and full.is_relative_to(specs.parent)
    return Path(os.path.relpath(full, here)).as_posix() if inside else str(path)


def read_text(path: Path, reporter: Reporter, *, span: Span | None = None) -> SourceFile | None:
    """The text of a file without its byte order mark; None when it cannot be read, which is then reported."""
    shown = display(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reporter.error("unreadable-file", f"`{shown}` cannot be read: {(error.strerror or 'failed').lower()}", span)
        return None
    if len(data) > MAX_BYTES:
        limit = f"{MAX_BYTES // 2**20} MiB"
        reporter.error("file-too-large", f"`{shown}` is larger than {limit}", span, helps=("split the file",))
        return None
    return _decode(shown, data, reporter)


def _decode(shown: str, data: bytes, reporter: Reporter) -> SourceFile | None:
    try:
        return SourceFile(shown, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        file = SourceFile(shown, before + data[error.start :].decode("utf-8", errors="replace"))
        byte = data[error.start]
        helps = ("save the file as UTF-8",)
        place = Span(file, len(before), len(before) + 1)
        reporter.error("not-utf8", f"the file is not UTF-8: byte 0x{byte:02x} cannot be read", place, helps=helps)
        return None
