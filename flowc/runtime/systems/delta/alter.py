"""Changes of Delta tables themselves, each one commit: columns, comments, the whole table written anew, its end.

A rewrite streams the rows of the version that was looked at, and fails where another commit came since. What is
dropped leaves its place by a rename, so that readers find it whole or not at all, and is deleted after that.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.catalog import Column, TableName
from flowc.errors import DataError, EngineError
from flowc.migration import CommitKind, TableCommit
from flowc.runtime.extras import driver
from flowc.runtime.names import quoted
from flowc.runtime.systems.delta.bench import Bench
from flowc.runtime.systems.delta.tables import Lake, described, new_schema, overtaken, require_writable, speaking

DROPPED = "dropped"
"""Where tables go that are about to be deleted, beside flowc's own files in the lake."""


def alter(commit: TableCommit, lake: Lake, bench: Bench, found: Any | None) -> None:
    """Makes the commit. `found` is the table as it was looked at, whose rows `bench` shows; None where there is none.

    Raises:
        TransientError: another writer was first.
        DataError: the table refuses rows.
        EngineError: the table has what flowc cannot keep, or holds others.
    """
    name = commit.table.name
    if commit.kind is CommitKind.DROP:
        _drop(lake, name)
        return
    if (found is None) != (commit.kind is CommitKind.CREATE):
        raise overtaken(name)
    if found is not None:
        require_writable(found, name)
    with speaking(name):
        _COMMITS[commit.kind](commit, lake, bench, found)


def _once() -> Any:
    """A commit that is not tried again on top of another writer's."""
    return driver("deltalake", "delta").CommitProperties(max_commit_retries=0)


def _create(commit: TableCommit, lake: Lake, bench: Bench, _: Any) -> None:
    deltalake, table = driver("deltalake", "delta"), commit.table
    deltalake.DeltaTable.create(
        str(lake.path(table.name)), new_schema(table, bench.schema(commit.rows)), description=table.comment,
        partition_by=list(table.partition_by) or None, commit_properties=_once(),
    )  # fmt: skip


def _add_column(commit: TableCommit, _: Lake, bench: Bench, found: Any) -> None:
    deltalake = driver("deltalake", "delta")
    fields = new_schema(commit.table, bench.schema(commit.rows))
    found.alter.add_columns([deltalake.Field.from_arrow(field) for field in fields], commit_properties=_once())


def _drop_not_null(commit: TableCommit, _: Lake, __: Bench, found: Any) -> None:
    found.alter.drop_column_not_null(commit.table.columns[0].name, commit_properties=_once())


def _comment_column(commit: TableCommit, _: Lake, __: Bench, found: Any) -> None:
    (column,) = commit.table.columns
    found.alter.set_column_metadata(column.name, {"comment": column.comment or ""}, commit_properties=_once())


def _comment_table(commit: TableCommit, _: Lake, __: Bench, found: Any) -> None:
    found.alter.set_table_description(commit.table.comment or "", commit_properties=_once())


def _rewrite(commit: TableCommit, _: Lake, bench: Bench, found: Any) -> None:
    if described(found, commit.table.name).columns != commit.was:
        raise overtaken(commit.table.name)
    schema = _schema(commit, bench.schema(commit.rows), pa.schema(found.schema().to_arrow()))
    _require_partitions(commit, bench, schema)
    driver("deltalake", "delta").write_deltalake(
        found, bench.stream(commit.rows, schema), mode="overwrite", schema_mode="overwrite",
        partition_by=list(commit.table.partition_by), commit_properties=_once(),
    )  # fmt: skip


def _schema(commit: TableCommit, made: pa.Schema, live: pa.Schema) -> pa.Schema:
    """The schema of the table anew: what other engines noted on its columns stays."""
    old = {new: old for old, new in commit.renamed}
    return pa.schema([_field(c, made.field(c.name).type, live, old.get(c.name, c.name)) for c in commit.table.columns])


def _field(column: Column, kind: pa.DataType, live: pa.Schema, was: str) -> pa.Field:
    noted = dict(live.field(was).metadata or {}) if was in live.names else {}
    comment = {b"comment": column.comment.encode()} if column.comment else {}
    return pa.field(column.name, kind, column.nullable, noted | comment or None)


def _require_partitions(commit: TableCommit, bench: Bench, schema: pa.Schema) -> None:
    """Raises DataError for an empty text in a partition, which Delta reads as NULL."""
    for name in commit.table.partition_by:
        rows = f"SELECT count(*) FROM ({commit.rows}) AS q WHERE q.{quoted(name)} = ''"
        if pa.types.is_string(schema.field(name).type) and bench.number(rows):
            message = f"column `{name}`: `` does not fit a partition of `{commit.table.name}`, which reads it as NULL"
            raise DataError(message, code="value-does-not-fit", help="make it NULL, or give it a value")


_COMMITS: Mapping[CommitKind, Callable[[TableCommit, Lake, Bench, Any], None]] = {
    CommitKind.CREATE: _create,
    CommitKind.ADD_COLUMN: _add_column,
    CommitKind.DROP_NOT_NULL: _drop_not_null,
    CommitKind.COMMENT_COLUMN: _comment_column,
    CommitKind.COMMENT_TABLE: _comment_table,
    CommitKind.REWRITE: _rewrite,
}


def _drop(lake: Lake, name: TableName) -> None:
    """Deletes the folder of a table, and nothing that a link in it leads to."""
    folder, bin = lake.path(name), lake.own / DROPPED
    _require_own(folder, name, lake.folder)
    try:
        bin.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            os.rename(folder, bin / uuid.uuid4().hex)
        # What an interrupted drop has left goes too.
        shutil.rmtree(bin)
    except OSError as error:
        message = f"the folder of `{name}` cannot be deleted: {error.strerror}"
        raise EngineError(message, code="connection-failed", help="check the folder and its permissions") from error


def _require_own(folder: Path, name: TableName, lake: Path) -> None:
    """Raises EngineError for a folder that is not the table's alone, or lies elsewhere."""
    help = "delete it by hand, with what is to go"
    if folder.resolve() != lake.resolve().joinpath(*folder.relative_to(lake).parts):
        raise EngineError(f"`{name}` is a link to another folder", code="unsupported-table-feature", help=help)
    others = [log.parent for log in folder.rglob("_delta_log") if log.parent != folder]
    if others:
        message = f"the folder of `{name}` holds another table, in `{others[0].relative_to(lake)}`"
        raise EngineError(message, code="unsupported-table-feature", help=help)
