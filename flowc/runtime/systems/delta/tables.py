"""Delta tables in a folder: where they lie, whether flowc can keep their promises, and their columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as datasets

from flowc.catalog import Column, Table, TableName, names_word
from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.locations import local_path
from flowc.runtime.arrow import data_type
from flowc.runtime.extras import driver
from flowc.runtime.options import text
from flowc.runtime.stores.folder import Folder
from flowc.runtime.systems.delta.words import is_full, missing_words, plain_words

_READER_FEATURES = frozenset({"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"})
_WRITER_FEATURES = frozenset({"appendOnly", "invariants", "checkConstraints", "changeDataFeed", "timestampNtz"})
_MADE_VALUES = ("delta.generationExpression", "delta.identity.start", "delta.identity.step", "CURRENT_DEFAULT")
_CHECK, _APPEND_ONLY = "delta.constraints.", "delta.appendOnly"
_APPENDED = ("the rule that rows are only appended",)
# What the library cannot open in a path.
_UNREADABLE = frozenset("\\[]^|")
_REFUSED = re.compile(r"invalid data|invariant|constraint|validation check|append.only", re.IGNORECASE)


class Lake:
    """A folder of Delta tables on this machine: `schema.table` is the table in `schema/table`."""

    def __init__(self, options: Mapping[str, object]) -> None:
        uri = text(options, "uri") or "."
        self.folder = Path(text(options, "root") or "") / local_path(uri, "`uri`")

    @property
    def own(self) -> Path:
        """Where flowc keeps what is of the whole lake. Raises DataError for a link that leads out of it."""
        return Folder(self.folder).require(self.folder / "_flowc")

    def path(self, name: TableName) -> Path:
        """The folder of a table.

        Raises:
            UsageError: the name is none for a folder below this one.
            DataError: it is a link out of this one.
        """
        parts = (*([name.schema] if name.schema else []), name.name)
        if any(part in ("", ".", "..") or part.startswith("_") or "/" in part for part in parts):
            message = f"`{name}` cannot be the name of a folder in `{self.folder}`"
            raise UsageError(message, code="unusable-table-name", help="use letters, digits and `_` after a letter")
        path = self.folder.joinpath(*parts)
        Folder(self.folder).require(path / "_delta_log")
        if strange := sorted(char for char in set(str(path)) if char in _UNREADABLE or not char.isprintable()):
            message = f"`{path}` cannot be the folder of a Delta table: its name holds {strange[0]!r}"
            raise UsageError(message, code="unusable-table-name", help="use letters, digits, `_` and `-`")
        return path

    def require_own(self, name: TableName, found: Any | None) -> None:
        """Raises DataError where what a table is read from, or written to, is a link out of this folder."""
        actions = [] if found is None else pa.table(found.get_add_actions()).column("path").to_pylist()
        Folder(self.folder).require_links(self.path(name), map(unquote, actions))

    def names(self) -> tuple[TableName, ...]:
        """The tables in the folder and in the folders below it."""
        logs = sorted((*self.folder.glob("*/_delta_log"), *self.folder.glob("*/*/_delta_log")))
        parts = (log.parent.relative_to(self.folder).parts for log in logs)
        return tuple(TableName(part[0] if len(part) == 2 else None, part[-1]) for part in parts)

    def open(self, name: TableName) -> Any | None:
        """The table as it is now, or None where there is none.

        Raises:
            EngineError: it uses a feature of Delta that flowc cannot read.
        """
        deltalake, path = driver("deltalake", "delta"), self.path(name)
        with speaking(name):
            if not (path / "_delta_log").is_dir() or not deltalake.DeltaTable.is_deltatable(str(path)):
                return None
            found = deltalake.DeltaTable(str(path))
            _require_readable(found, name)
        return found


def _require_readable(found: Any, name: TableName) -> None:
    """Raises EngineError where reading would give other rows or values than the table has."""
    protocol, settings = found.protocol(), found.metadata().configuration
    strange = set(protocol.reader_features or ()) - _READER_FEATURES
    if settings.get("delta.columnMapping.mode", "none") != "none":
        strange.add("columnMapping")
    if strange:
        raise _unsupported(name, strange, "read")


def require_writable(found: Any, name: TableName) -> None:
    """Raises EngineError where a commit could not keep what the table promises."""
    strange = set(found.protocol().writer_features or ()) - _WRITER_FEATURES
    fields = pa.schema(found.schema().to_arrow())
    made = {key for field in fields for key in field.metadata or () if key.decode() in _MADE_VALUES}
    strange |= {key.decode() for key in made}
    strange |= {f"map column `{field.name}`" for field in fields if _holds_map(field.type)}
    parts = (fields.field(name) for name in found.metadata().partition_columns)
    strange |= {f"partitions by `{field.name}`, a {field.type}" for field in parts if _is_lost_in_folders(field.type)}
    if strange:
        raise _unsupported(name, strange, "write")


def _is_lost_in_folders(kind: pa.DataType) -> bool:
    """Whether the library writes values of partitions in a form that it does not read back."""
    return any(lost(kind) for lost in (pa.types.is_floating, pa.types.is_decimal, pa.types.is_binary))


def _holds_map(kind: pa.DataType) -> bool:
    return pa.types.is_map(kind) or any(_holds_map(kind.field(i).type) for i in range(kind.num_fields))


def _unsupported(name: TableName, features: set[str], verb: str) -> EngineError:
    message = f"table `{name}` uses what flowc cannot {verb}: {', '.join(sorted(features))}"
    help = "rewrite the table without it (deletion vectors: REORG … APPLY (PURGE)), or use another table"
    return EngineError(message, code="unsupported-table-feature", help=help)


def described(found: Any, name: TableName) -> Table:
    """What flowc knows of a table: Delta keeps no keys, no indexes and no defaults."""
    fields, metadata = pa.schema(found.schema().to_arrow()), found.metadata()
    settings = metadata.configuration
    columns = tuple(
        Column(f.name, data_type(f), f.nullable, None, _comment(f), bound=tuple(_bound(f, settings))) for f in fields
    )
    return Table(
        name, columns, comment=metadata.description or None, beyond=_APPENDED * (settings.get(_APPEND_ONLY) == "true"),
        partition_by=tuple(metadata.partition_columns),
    )  # fmt: skip


def _bound(field: pa.Field, settings: Mapping[str, str]) -> Iterator[str]:
    """The conditions on rows that name a column."""
    if b"delta.invariants" in (field.metadata or {}):
        yield f"the invariant of {field.name}"
    for key, condition in settings.items():
        if key.startswith(_CHECK) and names_word(condition, field.name):
            yield f"CHECK {key.removeprefix(_CHECK)}"


def _comment(field: pa.Field) -> str | None:
    found = (field.metadata or {}).get(b"comment")
    return found.decode() if found else None


def new_schema(table: Table, stored: pa.Schema) -> pa.Schema:
    """The schema of a table to be: types as stored, and what the spec says of its columns."""
    return pa.schema(
        [
            pa.field(c.name, stored.field(c.name).type, c.nullable, {"comment": c.comment} if c.comment else None)
            for c in table.columns
        ]
    )


@contextmanager
def speaking(name: TableName) -> Iterator[None]:
    """Turns failures of the library, and of the files beneath it, into ours."""
    exceptions = driver("deltalake.exceptions", "delta")
    try:
        yield
    except FlowcError:
        raise
    except exceptions.CommitFailedError as error:
        words = plain_words(error)
        raise (_failure(name, words, error) if _REFUSED.search(words) else overtaken(name, words)) from error
    except (exceptions.DeltaError, OSError, ValueError, pa.ArrowException) as error:
        raise _failure(name, plain_words(error), error) from error


def overtaken(name: TableName, words: str = "") -> TransientError:
    """Another writer was first."""
    message = f"another writer changed `{name}` meanwhile"
    return TransientError(
        message, code="write-conflict", help="nothing was changed; run it again", details=(words,) if words else ()
    )


def _failure(name: TableName, words: str, error: Exception) -> FlowcError:
    if "already exists" in words:
        return overtaken(name, words)
    if _REFUSED.search(words):
        return DataError(f"`{name}` refuses the rows: {words}", code="constraint-violated")
    if (missing := missing_words(error)) is not None:
        message = f"table `{name}` cannot be read: {missing}"
        return EngineError(message, code="unreadable-file", help="bring the files back from a copy of the table")
    if is_full(error):
        message = f"the files of `{name}` cannot be written: {words}"
        return EngineError(message, code="unwritable-file", help="make room on its disk")
    if isinstance(error, OSError):
        return EngineError(f"the files of `{name}` cannot be reached: {words}", code="connection-failed")
    return EngineError(f"`{name}`: {words}", code="query-refused")


def dataset(found: Any) -> Any:
    """The rows of an open table as an Arrow dataset, in which values of partitions alone tell what is in a file.

    What the log says of the least and greatest values of a file is no bound: other writers cut times to milliseconds,
    and long decimals stand there as doubles. Readers would leave out files with rows that they look for.
    """
    whole, parts = found.to_pyarrow_dataset(), found.metadata().partition_columns
    fragments = [
        one.format.make_fragment(one.path, one.filesystem, _partition(one.partition_expression, parts, whole.schema))
        for one in whole.get_fragments()
    ]
    return datasets.FileSystemDataset(fragments, whole.schema, whole.format, whole.filesystem)


def _partition(expression: Any, names: Sequence[str], schema: pa.Schema) -> Any:
    """The part of a file's expression that is about its partition."""
    held = datasets.get_partition_keys(expression) if names else {}
    if any(name not in held for name in names):
        return expression
    parts = [
        datasets.field(name).is_null()
        if held[name] is None
        else datasets.field(name) == pa.scalar(held[name], schema.field(name).type)
        for name in names
    ]
    return reduce(and_, parts) if parts else None
