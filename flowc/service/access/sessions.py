"""The open databases of one run: one session for each place, however many connections name it.

A load writes through the place's session. What it streams out of a database comes through a second session of it, so
that a stream of rows never waits for the statement that consumes it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front import places
from flowc.compiler.front.spec import ConnectionSpec
from flowc.compiler.front.streamkinds import is_folder
from flowc.compiler.lowering.functioncode import code_of
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.loadplan import FunctionPlan
from flowc.runtime.contracts.database import Database, TableStore
from flowc.runtime.stores.private import make_private
from flowc.runtime.systems import open_database, runs
from flowc.service.access.locks import limit_waits
from flowc.service.access.options import OpenOptions, open_options
from flowc.service.access.secrets import Resolver
from flowc.systems import systems_with

if TYPE_CHECKING:
    from flowc.runtime.engine.functions import Function
    from flowc.runtime.stores.files import Files

CONTROL = "sqlite"
"""The kind of the database in which a lake's history is."""
_MEMORY, _READ = ":memory:", "read"
_PATIENCE = 2.0
"""Seconds that a file is waited for which one process has open at a time."""
Place = tuple[object, ...]


@dataclass
class Sessions:
    """Opens databases, and resolves their secrets, when they are first asked for."""

    connections: Mapping[str, ConnectionSpec]
    resolver: Resolver
    project: str = ""
    """The name of the project that is at work."""
    lock_wait: float | None = None
    """How many seconds statements wait for others; None as servers say, which is for ever."""
    _options: dict[str, OpenOptions] = field(default_factory=dict, repr=False)
    silent: dict[str, FlowcError] = field(default_factory=dict, repr=False)
    """Why connections gave no answer to one that only looks, which does not ask them twice."""
    _open: dict[tuple[Place, str], Database] = field(default_factory=dict, repr=False)

    def options(self, connection: str) -> OpenOptions:
        """The kind and options of a connection, with secrets in clear."""
        if connection not in self._options:
            self._options[connection] = open_options(self.connections[connection], self.resolver)
        return self._options[connection]

    def is_there(self, connection: str) -> bool:
        """Whether there is something to look at: opening a file that is missing would make it."""
        path = self.options(connection).values.get("path")
        return not isinstance(path, str) or path == _MEMORY or Path(path).exists()

    def target(self, connection: str) -> Database:
        """The session that writes."""
        return self._session(connection, "write")

    def source(self, connection: str) -> Database | Files:
        """What a load reads from: a session that writes nothing, or a folder of files."""
        options = self.options(connection)
        if is_folder(options.kind):
            from flowc.runtime.stores.files import Files

            return Files(options.values)
        # A database in memory is seen by its own session only.
        return self._session(connection, "write" if self.in_memory(connection) else _READ)

    def apart(self, connection: str) -> Database:
        """A session of its own that only reads, for another thread; the caller closes it."""
        options = self.options(connection)
        database = open_database(options.kind, options.values)
        database.forbid_writes()
        return database

    def in_memory(self, connection: str) -> bool:
        """Whether a connection is of a database that its own session alone sees."""
        return self.place(connection)[1] == _MEMORY

    def functions(self, plans: Sequence[FunctionPlan]) -> tuple[Function, ...]:
        """Functions of the project, imported. Raises UsageError where one is not there, or not as it was compiled."""
        from flowc.runtime.engine.functions import is_loaded, load_functions

        root = self.resolver.root
        for plan in plans:
            if plan.code and not is_loaded(plan, root) and code_of(root, plan.python) != plan.code:
                message = f"the code of function `{plan.name}` (`{plan.python}`) was edited since the specs were read"
                help = "start flowc again: it compares state with the code of functions when it reads the specs"
                raise UsageError(message, code="function-not-loaded", help=help)
        return load_functions(plans, root)

    def control(self, connection: str, *, make: bool = False) -> tuple[Database, str]:
        """Where the history and the locks of applied plans are, and its kind: the database itself, or a file of a lake.

        Without `make`, a file that is not there stands for an empty one.
        """
        target = self.target(connection)
        if not isinstance(target, TableStore):
            return target, target.kind
        file = target.control_file
        if make:
            file.parent.mkdir(parents=True, exist_ok=True)
            make_private(str(file))
        path = str(file) if make or file.exists() else _MEMORY
        key = (CONTROL, path), "write"
        if key not in self._open:
            self._open[key] = open_database(CONTROL, {"path": path})
        return self._open[key], CONTROL

    def same(self, left: str, right: str) -> bool:
        """Whether two connections are one session of one database."""
        return left == right or self.place(left) == self.place(right)

    def is_one(self, left: str, right: str) -> bool:
        """Whether two connections name one database, whoever their users are, and whatever schema is theirs."""
        return left == right or self.database(left).database == self.database(right).database

    def seen_by(self, connection: str, of: str, name: TableName) -> TableName:
        """What a session of a connection calls a table of another one of its database, whose schema may differ."""
        if name.schema is not None or connection == of:
            return name
        schema = self.database(of).schema
        if schema == self.database(connection).schema:
            return name
        return TableName(schema or DIALECTS[self.connections[of].kind.value].names.default_schema, name.name)

    def place(self, connection: str) -> Place:
        """What tells sessions apart: the file, or the server, user and database as the address says them."""
        options = self.options(connection)
        path = options.values.get("path", options.values.get("uri"))
        if path == _MEMORY:
            return options.kind, _MEMORY, connection
        if isinstance(path, str) and "path" in options.values:
            # Two names of one file are one place: a session that reads it would wait for the one that writes it.
            path = os.path.realpath(path)
        if path is not None:
            return options.kind, path
        parts = urlsplit(str(options.values.get("url", "")))
        user, _, host = parts.netloc.rpartition("@")
        return options.kind, host.lower(), user.partition(":")[0], parts.path, parts.query

    def database(self, connection: str) -> places.Place:
        """The database that a connection names, whoever its user is; as its text says where a secret is missing."""
        spec = self.connections[connection]
        try:
            options: Mapping[str, object] = self.options(connection).values
        except FlowcError:
            options = spec.options
        return places.place_of(connection, spec.kind.value, options, str(self.resolver.root))

    def redacted(self, error: FlowcError) -> FlowcError:
        """The error, with every secret that was resolved masked in its words."""
        error.mask(self.resolver.redact)
        return error

    def renew(self, connection: str) -> None:
        """Ends the session that writes, with all that statements have set in it; the next one asked for is new."""
        key = self.place(connection), "write"
        if key in self._open and _MEMORY not in key[0]:
            self._open.pop(key).close()

    def close(self) -> None:
        """Closes all of them; what was not committed is rolled back."""
        for database in self._open.values():
            database.close()
        self._open.clear()

    def _session(self, connection: str, role: str) -> Database:
        key = self.place(connection), role
        if key not in self._open:
            options = self.options(connection)
            database = _opened(options)
            limit_waits(database, self.lock_wait)
            if role == _READ:
                database.forbid_writes()
            self._open[key] = database
        return self._open[key]


def _opened(options: OpenOptions) -> Database:
    """An open session; a file that one process has open at a time is waited for, as others may only look at it."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return open_database(options.kind, options.values)
        except TransientError:
            if not DIALECTS[options.kind].sharing.one_process or time.monotonic() > until:
                raise
            time.sleep(0.05)


def runnable(kind: str) -> bool:
    """Whether this version can open a connection of that kind."""
    return is_folder(kind) or runs(kind)


def not_runnable(pipeline: str, what: str) -> UsageError:
    """The refusal to run what a later version brings."""
    message = f"`{pipeline}` cannot run yet: {what}"
    known = ", ".join(f"`{kind}`" for kind in sorted(systems_with("runtime", "session")))
    return UsageError(
        message, code="not-runnable-yet", help=f"this version loads from `files` and {known} into {known}"
    )
