"""Loads from one database, or from files, into another, against the same by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shlex import join

import duckdb

from benchmarks import bare, tables
from benchmarks.context import REPOSITORY, Context, flowc, flowc_environment
from benchmarks.measure import Side, SideFailed, compare, shell
from benchmarks.report import Row, speed_row

ROWS = 5_000_000
BY_HAND = {"PYTHONPATH": str(REPOSITORY)}


def postgres_to_postgres(context: Context) -> Iterator[Row]:
    """Ten mixed columns between two databases of one server, against `COPY … TO | COPY … FROM`, both binary."""
    rows, server = context.rows(ROWS), context.postgres
    _wide_on_postgres(context, "wide_source", rows)
    out = server.client("wide_source", "COPY wide TO STDOUT (FORMAT BINARY)")
    into = server.client("wide_target", "COPY wide FROM STDIN (FORMAT BINARY)")
    urls = {"source": server.dsn("wide_source"), "target": server.dsn("wide_target")}
    root = context.project("postgres_to_postgres", _copy_spec("postgres", "postgres", urls))

    def empty() -> None:
        server.create("wide_target")
        server.execute(tables.WIDE_POSTGRES, database="wide_target")

    sides = [Side("binary COPY | COPY", shell(f"{join(out)} | {join(into)}"), empty)]
    check = alike(
        server.value(tables.WIDE_CHECK, "wide_source"), lambda: server.value(tables.WIDE_CHECK, "wide_target")
    )
    results = compare(flowc_copy(root, empty), sides, context.rounds, check)
    server.drop("wide_source", "wide_target")
    yield speed_row(f"postgres -> postgres, {rows:,} x 10", results, rows, wanted=0.60, below_mib=400)


def postgres_to_duckdb(context: Context) -> Iterator[Row]:
    """Ten mixed columns from PostgreSQL into a DuckDB file, against the better of two loops by hand."""
    rows, server = context.rows(ROWS), context.postgres
    _wide_on_postgres(context, "wide_source", rows)
    dsn = server.dsn("wide_source")
    root = context.project(
        "postgres_to_duckdb", _copy_spec("postgres", "duckdb", {"source": dsn, "target": "wide.duckdb"})
    )
    file = root / "wide.duckdb"

    def empty() -> None:
        fresh_duckdb(file, tables.WIDE_DUCKDB)

    names = tables.WIDE_COLUMNS.replace("labels", "array_to_json(labels)")
    text = f"COPY (SELECT {names} FROM wide) TO STDOUT (FORMAT csv)"
    piped = f"{join(server.client('wide_source', text))} | {join(bare.command('csv_stream_to_duckdb', str(file)))}"
    sides = [
        Side("ADBC -> INSERT", bare.command("adbc_to_duckdb", dsn, str(file)), empty, env=BY_HAND),
        Side("CSV COPY | read_csv", shell(piped), empty, env=BY_HAND),
    ]
    check = alike(server.value(tables.WIDE_CHECK, "wide_source"), lambda: duckdb_value(file, tables.WIDE_CHECK))
    results = compare(flowc_copy(root, empty), sides, context.rounds, check)
    server.drop("wide_source")
    yield speed_row(f"postgres -> duckdb, {rows:,} x 10", results, rows, wanted=0.60)


def duckdb_to_postgres(context: Context) -> Iterator[Row]:
    """Ten mixed columns from a DuckDB file into PostgreSQL, against the better of two loops by hand."""
    rows, server = context.rows(ROWS), context.postgres
    dsn = server.dsn("wide_target")
    root = context.project(
        "duckdb_to_postgres", _copy_spec("duckdb", "postgres", {"source": "wide.duckdb", "target": dsn})
    )
    file = root / "wide.duckdb"
    fresh_duckdb(file, tables.WIDE_DUCKDB, tables.fill_wide_duckdb(rows))

    def empty() -> None:
        server.create("wide_target")
        server.execute(tables.WIDE_POSTGRES, database="wide_target")

    into = server.client("wide_target", "COPY wide FROM STDIN (FORMAT csv)")
    sides = [
        Side("Arrow -> pgpq -> binary COPY", bare.command("duckdb_to_pgpq", str(file), dsn), empty, env=BY_HAND),
        Side(
            "COPY TO csv | COPY FROM",
            shell(f"{join(bare.command('duckdb_to_csv', str(file)))} | {join(into)}"),
            empty,
            env=BY_HAND,
        ),
    ]
    check = alike(duckdb_value(file, tables.WIDE_CHECK), lambda: server.value(tables.WIDE_CHECK, "wide_target"))
    results = compare(flowc_copy(root, empty), sides, context.rounds, check)
    server.drop("wide_target")
    yield speed_row(f"duckdb -> postgres, {rows:,} x 10", results, rows, wanted=0.60)


def csv_to_duckdb(context: Context) -> Iterator[Row]:
    """One CSV file of seven columns into a DuckDB file, against DuckDB's own `INSERT … SELECT FROM read_csv(…)`."""
    rows = context.rows(ROWS)
    root = context.project("csv_to_duckdb", CSV_SPEC)
    file, csv = root / "flights.duckdb", root / "flights.csv"
    duckdb.sql(f"COPY ({flights(rows)}) TO '{csv}' (HEADER)")

    def empty() -> None:
        fresh_duckdb(file, CSV_TABLE)

    hand = bare.command("csv_to_duckdb", str(file), str(csv), CSV_COLUMNS)
    check = alike(f"{rows} {rows * (rows + 1) // 2}", lambda: duckdb_value(file, CSV_CHECK))
    sides = [Side("INSERT … FROM read_csv", hand, empty, env=BY_HAND)]
    results = compare(flowc_copy(root, empty), sides, context.rounds, check)
    csv.unlink()
    yield speed_row(f"csv -> duckdb, {rows:,} x 7", results, rows, wanted=0.60)


CSV_CHECK = "SELECT count(*)::text || ' ' || sum(id)::text FROM flights"
CSV_TABLE = """\
CREATE TABLE flights (id BIGINT NOT NULL, carrier VARCHAR, day DATE, departed TIMESTAMP, delay INTEGER,
                      distance DOUBLE, note VARCHAR)"""
CSV_COLUMNS = (
    "{id: 'BIGINT', carrier: 'VARCHAR', day: 'DATE', departed: 'TIMESTAMP', delay: 'INTEGER', "
    "distance: 'DOUBLE', note: 'VARCHAR'}"
)
CSV_SPEC = """\
connections:
  drop: { kind: files, uri: ., format: csv }
  target: { kind: duckdb, path: flights.duckdb }
tables:
  flights:
    connection: target
    columns:
      id: bigint not null
      carrier: text
      day: date
      departed: timestamp
      delay: integer
      distance: double
      note: text
pipelines:
  copy:
    from:
      connection: drop
      path: flights.csv
      columns:
        { id: bigint, carrier: text, day: date, departed: timestamp, delay: integer, distance: double, note: text }
    sql: SELECT id, carrier, day, departed, delay, distance, note FROM source
    to: flights
    mode: append
"""


def flights(rows: int) -> str:
    """A query of DuckDB that makes so many rows of seven columns."""
    return f"""\
SELECT g AS id, 'C' || g % 31 AS carrier, DATE '2013-01-01' + (g % 365)::INTEGER AS day,
       TIMESTAMP '2013-01-01 00:00:00' + to_seconds(g * 61 % 31536000) AS departed,
       CASE WHEN g % 50 <> 0 THEN (g * 37 % 240 - 20)::INTEGER END AS delay,
       round(g * 7919 % 250000 / 100, 2) AS distance,
       'tail ' || g * 104729 % 9973 AS note
FROM range(1, {rows} + 1) AS r(g)"""


def fresh_duckdb(file: Path, *statements: str) -> None:
    """Makes a DuckDB file anew and runs statements on it."""
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()
    with duckdb.connect(str(file)) as connection:
        for statement in statements:
            connection.execute(statement)


def duckdb_value(file: Path, query: str) -> object:
    """The first value of a query's first row."""
    with duckdb.connect(str(file), read_only=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def flowc_copy(root: Path, prepare: Callable[[], None]) -> Side:
    """flowc's side: the pipeline `copy` of a project."""
    return Side("flowc", flowc("run", "copy", "--once", "--json"), prepare, root, flowc_environment())


def alike(wanted: object, found: Callable[[], object]) -> Callable[[str], None]:
    """A check that each side leaves what is wanted in the target."""

    def check(side: str) -> None:
        if (value := found()) != wanted:
            raise SideFailed(f"{side} left {value} in the target, not {wanted}")

    return check


def _wide_on_postgres(context: Context, database: str, rows: int) -> None:
    context.postgres.create(database)
    statements = (tables.WIDE_POSTGRES, tables.fill_wide_postgres(rows), "VACUUM ANALYZE wide", "CHECKPOINT")
    context.postgres.execute(*statements, database=database)


def _copy_spec(source: str, target: str, places: dict[str, str]) -> str:
    return f"""\
connections:
  source: {_connection(source, places["source"])}
  target: {_connection(target, places["target"])}
tables:
  wide:
    connection: target
    columns:
{tables.WIDE_SPEC}
pipelines:
  copy:
    from: source
    sql: SELECT {tables.WIDE_COLUMNS} FROM wide
    to: wide
    mode: append
"""


def _connection(kind: str, place: str) -> str:
    return f'{{ kind: {kind}, {"url" if kind == "postgres" else "path"}: "{place}" }}'


CASES: Sequence[Callable[[Context], Iterator[Row]]] = (
    postgres_to_postgres,
    csv_to_duckdb,
    postgres_to_duckdb,
    duckdb_to_postgres,
)
