"""What of a folder of files is durable, and whose it is: one small file, which is replaced if it is unchanged.

```
<folder>/_flowc/<stream>.json            the log: owner, last durable epoch, its files, owners whose drafts may be left
<folder>/_flowc/<stream>/<worker>/<n>    drafts: files that are whole or being written, and do not count yet
```

    open    1 take     the log is replaced by one with this worker as owner; its epoch and files stay
            2 move     the files of the log get their names, where the worker before was cut off
            3 clear    the drafts of former owners are removed, and the log is replaced by one without files
    commit  1 finish   every file is written whole as a draft, and is on the disk or in the store
            2 mark     the log is replaced by one with the epoch and its files: from now on these count
            3 move     each file gets its own name

The log is replaced only where it is at the version that this worker has read or written last. So all changes of it are
in one order, and a worker that was overtaken, however late it wakes up, can change nothing and gets `Fenced`. No lock
is held. Between any two steps:

- A file has its own name only if a log names it, so plain readers see no file of an epoch that is not durable. They
  pass over folders that begin with `_`.
- The files of a log are moved before it is replaced by one that does not name them. A move may be done again and by
  two workers at once: a draft that is absent has been moved already, and a name that is taken stays as it is.
- A worker removes the drafts of former owners alone. None of these can commit, and what they committed is moved before.
  A worker that was overtaken knows no later one, so it removes no draft that may count yet.

In a folder a move is a rename. An object store copies the draft where the name is free, then deletes the draft. Two
things are weaker there. A reader that takes files away while two workers move them may see one again. Drafts that a
worker writes after it was overtaken stay where it is killed, and nobody reads them.

A call of a store that fails may have had its effect. The worker then opens the folder again, and the log tells. Where
reads may be late, what is read before a replacement need not be waited for: a log that was read late is not replaced.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowc.errors import EngineError, FlowcError, TransientError, UsageError
from flowc.runtime.contracts.store import Changed, Store
from flowc.runtime.contracts.target import Fenced, PutBack
from flowc.runtime.scratch import Scratch
from flowc.runtime.stores.folder import Folder

_FOLDER = "_flowc"
_TRIES = 10
"""How often a worker takes a folder over, where others change its log meanwhile or the store answers late."""


def _nothing(_: object) -> None:
    return


@dataclass
class FileLog:
    """The files of one stream in one folder of a store."""

    store: Store
    folder: str
    stream: str
    pause: Callable[[str], None] = _nothing
    was: str = ""
    """The name under which the stream was stored before its project was renamed."""
    owner: str = field(default="", init=False)
    epoch: int = field(default=0, init=False)
    """The last durable epoch, as this worker knows it."""
    _version: str | None = field(default=None, init=False)
    """The version of the log that this worker has written last."""
    _unmoved: bool = field(default=False, init=False)
    """Whether the log may name files that have no name of their own yet."""
    _count: int = field(default=0, init=False)
    _scratch: Scratch | None = field(default=None, init=False)
    """Where files are written for a store that has no folder."""

    @property
    def place(self) -> str:
        """The folder, for people."""
        return self.store.shown(self.folder)

    @property
    def label(self) -> str:
        """The stream's name as part of a file's."""
        safe = re.sub(r"[^\w.-]", "_", self.stream)
        return safe if safe == self.stream else f"{safe}-{hashlib.sha256(self.stream.encode()).hexdigest()[:8]}"

    @property
    def is_begun(self) -> bool:
        """Whether a worker has opened the folder."""
        return self._read_now()[1] is not None

    def open(self) -> int:
        """Takes the folder over, finishes or removes what the worker before left; gives the last durable epoch."""
        if not self.store.capabilities.conditional_writes:
            message = (
                f"`{self.place}` is in a store that replaces no file on condition, so workers cannot be told apart"
            )
            raise UsageError(message, code="not-runnable-yet", help="write into a folder, or into another store")
        with speaking(self.place):
            if self.was and not self.is_begun:
                self._claim(FileLog(self.store, self.folder, self.was))
            self.owner, self._count = uuid.uuid4().hex, 0
            state = self._taken()
            self.store.move(self._moves(state["files"]))
            for owner in state["left"]:
                self.store.delete(f"{self._drafts}/{owner}")
            self.epoch = int(state["epoch"])
            if state["files"] or state["left"]:
                self._advance(self.epoch, [])
            # Not later: a worker whose drafts were removed is not to write others, which nobody would remove.
            self._local.mkdir(parents=True, exist_ok=True)
            self._unmoved = False
        return self.epoch

    def _taken(self) -> dict[str, Any]:
        """The log, of which this worker is the owner now."""
        for _ in range(_TRIES):
            state, version = self._read()
            taken = {**state, "owner": self.owner, "left": [*state["left"], *filter(None, [state["owner"]])]}
            with suppress(Changed):
                self._put(taken, version)
                return taken
            time.sleep(self.store.capabilities.lag)
        message = f"`{self.place}` is being taken over by other workers of stream `{self.stream}`"
        raise TransientError(message, code="stream-fenced", help="run one worker for each stream")

    def look(self) -> int:
        """The last durable epoch, 0 for none."""
        state, version = self._read_now()
        if version is None and self.was:
            state, _ = FileLog(self.store, self.folder, self.was)._left(self.stream)
        return int(state["epoch"])

    def _claim(self, before: FileLog) -> None:
        """Goes on from what is written under the name that the stream had before; who goes on with that is stopped."""
        for _ in range(_TRIES):
            time.sleep(self.store.capabilities.lag)
            state, version = before._left(self.stream)
            before.store.move(before._moves(state["files"]))
            if not state["epoch"]:
                return
            with suppress(Changed):
                before._put({"moved_to": self.stream, "epoch": state["epoch"]}, version)
                break
        with suppress(Changed):  # another worker of this stream was first
            self._put({"owner": "", "epoch": state["epoch"], "files": [], "left": []}, None)
        self.store.delete(before._drafts)

    def _left(self, to: str) -> tuple[dict[str, Any], str | None]:
        """What was written under this name and is for another one to go on with; nothing where a third one does."""
        with suppress(ValueError, FileNotFoundError):
            content = self.store.get(self._file)
            found = json.loads(content.data)
            if "moved_to" in found:
                epoch = found["epoch"] if found["moved_to"] == to else 0
                return {"epoch": epoch, "files": [], "left": []}, content.version
        return self._read()

    def draft(self) -> Path:
        """A new path for a file that is being written."""
        self._count += 1
        return self._local / f"{self._count}.part"

    def finish(self, draft: Path) -> None:
        """Takes a draft that is whole into the store."""
        if self.store.local is None:
            self.store.upload(f"{self._drafts}/{self.owner}/{draft.name}", draft)
            draft.unlink()

    def commit(self, epoch: int, files: Sequence[tuple[Path, str]]) -> None:
        """Makes finished files durable, each a draft and its path in the folder, up to that epoch.

        Raises:
            Fenced: another worker has taken the folder over.
        """
        names = [(f"{self.owner}/{draft.name}", name) for draft, name in files]
        with speaking(self.place):
            self.pause("finished")
            self._unmoved = True
            self._advance(epoch, names)
            self.epoch = epoch
            self.pause("marked")
            self.store.move(self._moves(names))
            self._unmoved = False
            self.pause("renamed")

    def leave(self) -> None:
        """Removes the files that are not finished; those that are durable and have no name yet get it by `open`."""
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None
        with suppress(FlowcError, OSError):  # whoever opens it next removes them
            if self.owner and not (self._unmoved and self._is_named()):
                self.store.delete(f"{self._drafts}/{self.owner}")

    def _is_named(self) -> bool:
        """Whether the log names drafts of this worker: another one may have taken over what this one has marked."""
        return any(draft.startswith(f"{self.owner}/") for draft, _ in self._read_now()[0]["files"])

    @property
    def _local(self) -> Path:
        """The folder for files that are being written."""
        if self.store.local is not None:
            return Folder(self.store.local).require(self.store.local / self._drafts / self.owner)
        self._scratch = self._scratch or Scratch()
        return self._scratch.path / self.owner

    @property
    def _drafts(self) -> str:
        return self._key(f"{_FOLDER}/{self.label}")

    @property
    def _file(self) -> str:
        return self._key(f"{_FOLDER}/{self.label}.json")

    def _key(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name

    def _moves(self, files: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
        return [(f"{self._drafts}/{draft}", self._key(name)) for draft, name in files]

    def _read(self) -> tuple[dict[str, Any], str | None]:
        """The log, and its version; None where there is none."""
        try:
            content = self.store.get(self._file)
            found = json.loads(content.data)
            state = {name: found[name] for name in ("owner", "epoch", "files")}
        except FileNotFoundError:
            return {"owner": "", "epoch": 0, "files": [], "left": []}, None
        except (ValueError, KeyError, TypeError) as error:
            name = self.store.shown(self._file)
            message = f"`{name}`, which says what stream `{self.stream}` has written, cannot be read: {error}"
            raise EngineError(message, code="unreadable-file", help="restore the folder as a whole") from error
        return {**state, "left": found.get("left", [])}, content.version

    def _read_now(self) -> tuple[dict[str, Any], str | None]:
        """The log as it is when this is called, or later."""
        time.sleep(self.store.capabilities.lag)
        return self._read()

    def _advance(self, epoch: int, files: Sequence[tuple[str, str]]) -> None:
        """Replaces the log that this worker has written last.

        Raises:
            Fenced: another worker has replaced it, or it was put back.
        """
        try:
            self._put({"owner": self.owner, "epoch": epoch, "files": files, "left": []}, self._version)
        except Changed:
            now = self._read_now()[0]
            if now["epoch"] < self.epoch:
                raise PutBack(self.place, now["epoch"], self.epoch) from None
            raise Fenced(f"another worker writes the files of stream `{self.stream}` in `{self.place}`") from None

    def _put(self, state: dict[str, Any], version: str | None) -> None:
        """Writes the log in place of a version of it.

        Raises:
            Changed: it has another one by now, which this call has not written.
        """
        data = json.dumps(state).encode()
        try:
            self._version = self._written(data, version)
        except (Changed, FileExistsError) as error:
            time.sleep(self.store.capabilities.lag)
            with suppress(FileNotFoundError):
                content = self.store.get(self._file)
                if content.data == data:  # a client that repeats what has failed after its effect
                    self._version = content.version
                    return
            raise Changed(self.store.shown(self._file)) from error

    def _written(self, data: bytes, version: str | None) -> str:
        if version is None:
            return self.store.create(self._file, data)
        return self.store.replace(self._file, data, version)


@contextmanager
def speaking(place: str) -> Iterator[None]:
    """Turns failures of the file system, and of libraries that write files, into ours."""
    try:
        yield
    except FlowcError:
        raise
    except OSError as error:
        message = f"`{place}` cannot be written: {error.strerror or error}"
        raise EngineError(
            message, code="unwritable-file", help="check the folder, its permissions and its space"
        ) from error
