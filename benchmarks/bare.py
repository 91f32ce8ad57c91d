"""The bare loops: each load written by hand with the fastest means of the engines, nothing around it.

python -m benchmarks.bare NAME ARGUMENT…
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import duckdb

from benchmarks.tables import WIDE_COLUMNS

ARROW_ROWS = 100_000

# What a DuckDB table of ten kinds needs from a text file.
_CSV_COLUMNS = (
    "{id: 'BIGINT', account: 'INTEGER', reading: 'DOUBLE', amount: 'DECIMAL(23,4)', note: 'VARCHAR', "
    "happened: 'TIMESTAMPTZ', day: 'DATE', flag: 'BOOLEAN', detail: 'JSON', labels: 'VARCHAR'}"
)


def duckdb_statements(path: str, *statements: str) -> None:
    """Runs statements on a DuckDB file, in one transaction."""
    connection = duckdb.connect(path)
    connection.begin()
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def sqlite_statements(path: str, *statements: str) -> None:
    """Runs statements on an SQLite file, in one transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("BEGIN", *statements, "COMMIT"):
        connection.execute(statement)
    connection.close()


def csv_to_duckdb(path: str, csv: str, columns: str) -> None:
    """DuckDB's own reader: `INSERT … SELECT FROM read_csv`, types declared, order of rows not kept."""
    connection = duckdb.connect(path)
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"INSERT INTO flights SELECT * FROM read_csv('{csv}', header = true, columns = {columns})")
    connection.close()


def load_data(dsn: str, file: str) -> None:
    """MySQL's own reader of files, in one transaction."""
    import pymysql

    parts = urlsplit(dsn)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port, user=parts.username, password=parts.password or "",
        database=parts.path.strip("/"), local_infile=True,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE flights CHARACTER SET utf8mb4")
    connection.commit()
    connection.close()


def adbc_to_duckdb(dsn: str, path: str) -> None:
    """ADBC's reader of PostgreSQL (binary COPY inside) into DuckDB's INSERT."""
    from adbc_driver_postgresql import dbapi

    # ADBC hands numeric and jsonb on as text; DuckDB casts them.
    query = (
        "SELECT id, account, reading, amount::text AS amount, note, happened, day, flag, detail::text AS detail, labels"
    )
    connection = duckdb.connect(path)
    with dbapi.connect(dsn) as source, source.cursor() as cursor:
        cursor.execute(f"{query} FROM wide")
        reader = cursor.fetch_record_batch()  # noqa: F841 - DuckDB finds it by name
        connection.execute("INSERT INTO wide SELECT * FROM reader")
    connection.close()


def csv_stream_to_duckdb(path: str) -> None:
    """CSV from the standard input (psql's COPY) into DuckDB; labels come as JSON."""
    connection = duckdb.connect(path)
    names = WIDE_COLUMNS.replace("labels", "from_json(labels, '[\"VARCHAR\"]')")
    read = f"read_csv('/dev/stdin', header = false, columns = {_CSV_COLUMNS})"
    connection.execute(f"INSERT INTO wide SELECT {names} FROM {read}")
    connection.close()


def duckdb_to_pgpq(path: str, dsn: str) -> None:
    """DuckDB's Arrow batches, encoded by pgpq, into binary COPY."""
    import pgpq
    import psycopg
    from pgpq import encoders, schema

    source = duckdb.connect(path, read_only=True)
    reader = source.sql("SELECT * REPLACE (detail::VARCHAR AS detail) FROM wide").to_arrow_reader(ARROW_ROWS)
    fields = {field.name: pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in reader.schema}
    detail = reader.schema.field("detail")
    fields["detail"] = encoders.StringEncoderBuilder.new_with_output(detail, schema.Jsonb())
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(reader.schema, fields)
    statement = f"COPY wide ({WIDE_COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with psycopg.connect(dsn) as target, target.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(encoder.write_header())
        for batch in reader:
            copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())


def duckdb_to_csv(path: str) -> None:
    """DuckDB's table as CSV on the standard output, arrays as PostgreSQL writes them; for psql's COPY."""
    source = duckdb.connect(path, read_only=True)
    rows = "SELECT * REPLACE ('{' || array_to_string(labels, ',') || '}' AS labels) FROM wide"
    source.execute(f"COPY ({rows}) TO '/dev/stdout' (FORMAT csv, HEADER false)")


def duckdb_to_delta(path: str, table: str) -> None:
    """deltalake's writer, fed with DuckDB's own Arrow stream."""
    from deltalake import write_deltalake

    source = duckdb.connect(path, read_only=True)
    write_deltalake(table, source.sql("SELECT * FROM rows").to_arrow_reader(ARROW_ROWS))


def merge_to_delta(path: str, table: str) -> None:
    """deltalake's merge: rows that differ are updated, new ones inserted."""
    from deltalake import DeltaTable

    source = duckdb.connect(path, read_only=True)
    rows = source.sql("SELECT * FROM rows").to_arrow_reader(ARROW_ROWS)
    merger = DeltaTable(table).merge(rows, "t.id = s.id", source_alias="s", target_alias="t")
    differs = " OR ".join(f"(t.{name} IS DISTINCT FROM s.{name})" for name in ("name", "amount", "number"))
    merger.when_matched_update_all(differs).when_not_matched_insert_all().execute()


LOOPS: dict[str, Callable[..., None]] = {
    function.__name__: function
    for function in (
        duckdb_statements,
        sqlite_statements,
        csv_to_duckdb,
        adbc_to_duckdb,
        csv_stream_to_duckdb,
        duckdb_to_pgpq,
        duckdb_to_csv,
        duckdb_to_delta,
        merge_to_delta,
        load_data,
    )
}


def command(name: str, *arguments: str) -> list[str]:
    """The command line that runs one of them as a process of its own."""
    return [sys.executable, "-m", "benchmarks.bare", LOOPS[name].__name__, *arguments]


if __name__ == "__main__":
    LOOPS[sys.argv[1]](*sys.argv[2:])
