"""What of a folder of files is durable, and whose it is: one small file that is replaced as a whole.

```
<folder>/_flowc/<stream>.json            the last durable epoch, the files that came with it, the worker that owns it
<folder>/_flowc/<stream>/<worker>/<n>    files that are being written
```

    1 finish   every file is written whole under a name that no reader looks for, and is on the disk
    2 commit   the small file is replaced: from now on these files count
    3 rename   each gets its own name; what a crash left undone is done when the folder is opened again

A worker that was overtaken finds another owner and gets `Fenced`. Readers pass over folders that begin with `_`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowc.errors import EngineError, FlowcError
from flowc.runtime.contracts.target import Fenced, PutBack
from flowc.runtime.stores.folder import Folder
from flowc.runtime.stores.lock import FileLock

_FOLDER = "_flowc"


def _nothing(_: object) -> None:
    return


@dataclass
class FileLog:
    """The files of one stream in one folder."""

    folder: Path
    stream: str
    pause: Callable[[str], None] = _nothing
    was: str = ""
    """The name under which the stream was stored before its project was renamed."""
    owner: str = field(default="", init=False)
    epoch: int = field(default=0, init=False)
    """The last durable epoch, as this worker knows it."""
    _count: int = field(default=0, init=False)

    @property
    def label(self) -> str:
        """The stream's name as part of a file's."""
        safe = re.sub(r"[^\w.-]", "_", self.stream)
        return safe if safe == self.stream else f"{safe}-{hashlib.sha256(self.stream.encode()).hexdigest()[:8]}"

    @property
    def is_begun(self) -> bool:
        """Whether a worker has opened the folder."""
        return self._file.exists()

    def open(self) -> int:
        """Takes the folder over, finishes or removes what the worker before left; gives the last durable epoch."""
        Folder(self.folder).require(self._drafts)
        with speaking(self.folder), self._locked():
            if self.was and not self._file.exists():
                self._claim(FileLog(self.folder, self.was))
            state, self.owner, self._count = self._read(), uuid.uuid4().hex, 0
            self._rename(state["files"])
            shutil.rmtree(self._drafts, ignore_errors=True)
            (self._drafts / self.owner).mkdir(parents=True)
            self.epoch = int(state["epoch"])
            self._write(self.epoch, [])
        return self.epoch

    def look(self) -> int:
        """The last durable epoch, 0 for none."""
        own = self._file.exists() or not self.was
        return int((self._read() if own else FileLog(self.folder, self.was)._left(self.stream))["epoch"])

    def _claim(self, before: FileLog) -> None:
        """Goes on from what is written under the name that the stream had before; who goes on with that is stopped."""
        if not before._file.exists():
            return
        with before._locked():
            left = before._left(self.stream)
            if left["files"]:
                before._rename(left["files"])
            if left["epoch"]:
                before._replace({"moved_to": self.stream, "epoch": left["epoch"]})
                self._write(int(left["epoch"]), [])
                shutil.rmtree(before._drafts, ignore_errors=True)

    def _left(self, to: str) -> dict[str, Any]:
        """What was written under this name and is for another one to go on with; nothing where a third one does."""
        with suppress(ValueError, FileNotFoundError):
            found = json.loads(self._file.read_bytes())
            if "moved_to" in found:
                return {"epoch": found["epoch"] if found["moved_to"] == to else 0, "files": []}
        return self._read()

    def draft(self) -> Path:
        """A new name for a file that is being written."""
        self._count += 1
        return self._drafts / self.owner / f"{self._count}.part"

    def commit(self, epoch: int, files: Sequence[tuple[Path, str]]) -> None:
        """Makes finished files durable, each a draft and its path in the folder, up to that epoch.

        Raises:
            Fenced: another worker has taken the folder over.
        """
        moves = [(str(draft.relative_to(self._drafts)), name) for draft, name in files]
        with speaking(self.folder), self._locked():
            found = self._read()
            if found["epoch"] < self.epoch:
                raise PutBack(str(self.folder), found["epoch"], self.epoch)
            if found["owner"] != self.owner:
                raise Fenced(f"another worker writes the files of stream `{self.stream}` in `{self.folder}`")
            self.pause("finished")
            self._write(epoch, moves)
            self.epoch = epoch
            self.pause("marked")
            self._rename(moves)
            self.pause("renamed")

    def leave(self) -> None:
        """Removes the files that are not finished; those that are durable and have no name yet get it by `open`."""
        if self.owner and not self._unnamed():
            shutil.rmtree(self._drafts / self.owner, ignore_errors=True)

    def _unnamed(self) -> bool:
        with suppress(FlowcError, OSError):
            return any((self._drafts / draft).exists() for draft, _ in self._read()["files"])
        return True  # whoever opens it next finds out

    @property
    def _drafts(self) -> Path:
        return self.folder / _FOLDER / self.label

    @property
    def _file(self) -> Path:
        return self.folder / _FOLDER / f"{self.label}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.folder, f"stream-{self.label}")
        lock.take()
        try:
            yield
        finally:
            lock.release()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_bytes())
            return {"owner": found["owner"], "epoch": found["epoch"], "files": found["files"]}
        except FileNotFoundError:
            return {"owner": "", "epoch": 0, "files": []}
        except (ValueError, KeyError, TypeError) as error:
            message = f"`{self._file}`, which says what stream `{self.stream}` has written, cannot be read: {error}"
            raise EngineError(message, code="unreadable-file", help="restore the folder as a whole") from error

    def _write(self, epoch: int, files: Sequence[tuple[str, str]]) -> None:
        self._replace({"owner": self.owner, "epoch": epoch, "files": files})

    def _replace(self, content: object) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".new")
        draft.unlink(missing_ok=True)  # with "x" it is no link to another file
        with draft.open("xb") as stream:
            stream.write(json.dumps(content).encode())
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._file)
        sync(self._file.parent)

    def _rename(self, files: Sequence[Sequence[str]]) -> None:
        folders: set[Path] = set()
        for draft, name in files:
            source, target = self._drafts / draft, self.folder / name
            if source.exists():
                Folder(self.folder).require(target.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
                folders.update((target.parent, target.parent.parent))
        for folder in folders:
            sync(folder)


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def speaking(folder: Path) -> Iterator[None]:
    """Turns failures of the file system, and of libraries that write files, into ours."""
    try:
        yield
    except FlowcError:
        raise
    except OSError as error:
        message = f"`{folder}` cannot be written: {error.strerror or error}"
        raise EngineError(
            message, code="unwritable-file", help="check the folder, its permissions and its space"
        ) from error
