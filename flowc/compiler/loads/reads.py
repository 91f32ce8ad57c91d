"""What a pipeline reads, as data for the runtime, with the bound of an incremental load."""

from __future__ import annotations

from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS, RUNNER
from flowc.compiler.front.streamkinds import is_folder
from flowc.compiler.ir import Source, Sql
from flowc.compiler.quote import ident, table
from flowc.compiler.systems.datafusion.arithmetic import arithmetic
from flowc.formats import CSV, columnar
from flowc.loadplan import EngineRead, FilesRead, QueryRead, Read, TableRead


def read_of(node: Sql | Source) -> Read:
    """How the rows of a node are read."""
    if isinstance(node, Source):
        return _source_read(node)
    if node.engine == RUNNER:
        inputs = tuple((source.name, _source_read(source)) for source in node.inputs)
        return EngineRead(inputs, node.text, arithmetic(node.text), node.functions)
    return QueryRead(node.inputs[0].connection, node.text)


def _source_read(source: Source) -> QueryRead | FilesRead | TableRead:
    if source.path is not None:
        # The types of Parquet are its own, and need no telling.
        columns = None if source.found and columnar(source.format) else source.columns
        return FilesRead(
            source.connection,
            source.path,
            source.format or CSV,
            options=source.options,
            columns=columns,
            inferred=source.found,
            skips=source.skips,
        )
    if source.sql is not None:
        return QueryRead(source.connection, source.sql, source.source)
    if source.table is None:
        raise ValueError(f"source {source.id} has neither path, query nor table")
    if not queried(source.kind):
        return TableRead(source.connection, source.table)
    return QueryRead(source.connection, f"SELECT * FROM {table(source.table)}")


def queried(kind: str) -> bool:
    """Whether SQL runs on such a connection; else the engine reads its files or tables."""
    return not is_folder(kind) and not (kind in DIALECTS and DIALECTS[kind].attached)


def read_dialect(node: Sql | Source) -> Dialect:
    """The dialect in which conditions on a node are written."""
    kind = node.kind if isinstance(node, Source) else node.engine
    return DIALECTS[kind if queried(kind) else RUNNER]


def query_text(read: Read) -> str:
    """The query behind a read; files or a table alone are the engine's table `source`."""
    if isinstance(read, FilesRead | TableRead):
        return f"SELECT * FROM {ident('source')}"
    if isinstance(read, EngineRead) and read.sql is None:
        return f"SELECT * FROM {ident(read.inputs[0][0])}"
    return bare(read.sql or "")


def bare(sql: str) -> str:
    """A query without the semicolon that would end it inside another one."""
    return sql.strip().rstrip(";").rstrip()


def narrowed(read: Read, condition: str) -> Read:
    """The rows of a read for which a condition in its dialect holds."""
    return _around(read, f"SELECT * FROM (\n{query_text(read)}\n) AS flowc_source WHERE {condition}")


def repeated(read: Read, column: str, name: str) -> Read:
    """A read with one of its columns once more, under another name, as the last one."""
    again = f"flowc_source.{ident(column)} AS {ident(name)}"
    return _around(read, f"SELECT flowc_source.*, {again} FROM (\n{query_text(read)}\n) AS flowc_source")


def _around(read: Read, sql: str) -> Read:
    if isinstance(read, FilesRead | TableRead):
        return EngineRead((("source", read),), sql, arithmetic(sql))
    if isinstance(read, EngineRead):
        return EngineRead(read.inputs, sql, arithmetic(sql), read.functions)
    return QueryRead(read.connection, sql)
