"""The rows of a Delta table as they are, readable in the private database beside it.

DuckDB reads the Parquet files itself where it is sure to see the same rows as a reader of Delta: plain local files
whose columns have the very types of the table, in few partitions, each of which adds its values as constants. That is
many times faster and needs less memory. Any other table is read through its Arrow dataset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from flowc.errors import FlowcError
from flowc.loadplan import LIVE
from flowc.runtime.names import literal, quoted
from flowc.runtime.systems.delta.bench import Bench
from flowc.runtime.systems.delta.tables import dataset

_MOST_FILES, _MOST_PARTITIONS = 2_000, 200
_WILD = frozenset("*?[]")
_EMPTY = "flowc_empty"
_Values = tuple[Any, ...]


def show_live(bench: Bench, found: Any, folder: Path) -> None:
    """Makes the table, which lies in `folder`, readable as `LIVE`."""
    rows = dataset(found)
    bench.show(_EMPTY, rows.schema.empty_table())
    query = _query(bench, found, folder)
    if query is not None and _same_types(bench, query):
        bench.execute(f"CREATE TEMPORARY VIEW {quoted(LIVE)} AS {query}")
    else:
        bench.show(LIVE, rows)


def _query(bench: Bench, found: Any, folder: Path) -> str | None:
    """The rows of all files, each with the values of its partition; None where that cannot be said plainly."""
    names = list(found.metadata().partition_columns)
    files = _files(found, folder, names)
    if not files or len(files) > _MOST_PARTITIONS or sum(map(len, files.values())) > _MOST_FILES:
        return None
    if not all(map(_is_plain, (file for group in files.values() for file in group))):
        return None
    kinds = {row[0]: row[1] for row in bench.values(f"DESCRIBE SELECT * FROM {_EMPTY}")}
    return " UNION ALL ".join(
        _group(kinds, dict(zip(names, values, strict=True)), group) for values, group in files.items()
    )


def _files(found: Any, folder: Path, names: Sequence[str]) -> Mapping[_Values, list[str]]:
    """The table's files, by the values of their partition."""
    actions = pa.table(found.get_add_actions(flatten=True))
    paths = actions.column("path").to_pylist()
    values = zip(*(actions.column(f"partition.{name}").to_pylist() for name in names), strict=True)
    files: dict[_Values, list[str]] = {}
    for path, held in zip(paths, values if names else [()] * len(paths), strict=True):
        files.setdefault(held, []).append(str(folder / unquote(path)))
    return files


def _is_plain(file: str) -> bool:
    return not _WILD & set(file) and Path(file).is_file()


def _group(kinds: Mapping[str, str], constants: Mapping[str, Any], files: Sequence[str]) -> str:
    chosen = ", ".join(
        f"{_constant(constants[name], kind)} AS {quoted(name)}" if name in constants else quoted(name)
        for name, kind in kinds.items()
    )
    listing = ", ".join(literal(file) for file in files)
    return f"SELECT {chosen} FROM read_parquet([{listing}], union_by_name = true, hive_partitioning = false)"


def _constant(value: Any, kind: str) -> str:
    if value is None:
        return f"CAST(NULL AS {kind})"
    return f"CAST({literal(value.isoformat() if isinstance(value, date | datetime) else str(value))} AS {kind})"


def _same_types(bench: Bench, query: str) -> bool:
    """Whether the files hold every column as the table says. What DuckDB cannot read is not for it."""
    try:
        return list(bench.schema(query).types) == list(bench.schema(f"SELECT * FROM {_EMPTY}").types)
    except FlowcError:
        return False
