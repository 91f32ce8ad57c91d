"""The data: the same on every engine and every run, made by each engine's own SQL, never row by row in Python.

`wide` has ten columns of ten kinds; `narrow` has five; `target` and `incoming` are the two sides of a merge.
"""

from __future__ import annotations

WIDE_COLUMNS = "id, account, reading, amount, note, happened, day, flag, detail, labels"

WIDE_POSTGRES = """\
CREATE TABLE wide (id bigint NOT NULL, account int, reading float8, amount numeric(23,4), note text,
                   happened timestamptz, day date, flag bool, detail jsonb, labels text[])"""

WIDE_DUCKDB = """\
CREATE TABLE wide (id BIGINT NOT NULL, account INTEGER, reading DOUBLE, amount DECIMAL(23,4), note VARCHAR,
                   happened TIMESTAMPTZ, day DATE, flag BOOLEAN, detail JSON, labels VARCHAR[])"""

WIDE_SPEC = """\
      id: bigint not null
      account: integer
      reading: double
      amount: numeric(23,4)
      note: text
      happened: timestamptz
      day: date
      flag: boolean
      detail: json
      labels: text[]"""


def fill_wide_postgres(rows: int) -> str:
    """The statement that fills `wide` on PostgreSQL; every 17th note is NULL."""
    return f"""\
INSERT INTO wide SELECT g, (g * 7919 % 1000003)::int, sin(g) * 1000, (g * 104729 % 10000000000)::numeric / 10000,
       CASE WHEN g % 17 <> 0 THEN 'note ' || md5(g::text) END,
       timestamptz '2024-01-01 00:00+00' + g * interval '1.000123 s',
       date '2020-01-01' + (g % 1500)::int, g % 3 = 0, jsonb_build_object('k', g % 1000, 'tag', 'v' || g % 77),
       ARRAY['t' || g % 10, 'u' || g % 7]
FROM generate_series(1::bigint, {rows}) AS g"""


def fill_wide_duckdb(rows: int) -> str:
    """The statement that fills `wide` on DuckDB with the same kinds of values."""
    return f"""\
INSERT INTO wide SELECT g, g * 7919 % 1000003, sin(g) * 1000, ((g * 104729 % 10000000000) / 10000)::DECIMAL(23,4),
       CASE WHEN g % 17 <> 0 THEN 'note ' || md5(g::VARCHAR) END,
       TIMESTAMPTZ '2024-01-01 00:00+00' + to_microseconds(g * 1000123),
       DATE '2020-01-01' + (g % 1500)::INTEGER, g % 3 = 0, json_object('k', g % 1000, 'tag', 'v' || g % 77),
       ['t' || g % 10, 'u' || g % 7]
FROM range(1, {rows} + 1) AS r(g)"""


# The checksum that says two copies of `wide` are alike, on both engines.
WIDE_CHECK = (
    "SELECT count(*)::text || ' ' || sum(id)::text || ' ' || sum(amount)::text || ' ' || count(note)::text FROM wide"
)

NARROW_POSTGRES = (
    "CREATE TABLE narrow (id bigint PRIMARY KEY, account int, amount float8, name text, happened timestamptz)"
)


def fill_narrow_postgres(rows: int) -> str:
    """The statement that fills the five columns that ematix-flow can take across databases."""
    return f"""\
INSERT INTO narrow SELECT g, (g * 7919 % 1000003)::int, sin(g) * 1000, 'name ' || md5(g::text),
       timestamptz '2024-01-01 00:00+00' + g * interval '1.000123 s'
FROM generate_series(1::bigint, {rows}) AS g"""


NARROW_SPEC = """\
      id: bigint primary key
      account: integer
      amount: double
      name: text
      happened: timestamptz"""

# --- merge -----------------------------------------------------------------------------------------------------------

MERGE_TYPES = {
    "postgres": ("bigint", "text", "numeric(12,2)", "timestamptz", "text"),
    "duckdb": ("BIGINT", "VARCHAR", "DECIMAL(12,2)", "TIMESTAMPTZ", "VARCHAR"),
    "sqlite": ("BIGINT", "TEXT", "DECIMAL(12,2)", "TIMESTAMPTZ", "TEXT"),
}

MERGE_COLUMNS = ("id", "name", "amount", "updated", "status")

MERGE_SPEC = """\
      id: bigint primary key
      name: text
      amount: numeric(12,2)
      updated: timestamptz
      status: text"""

# Per engine: a series of numbers as the relation s(g), and a time from a number of seconds.
_SERIES = {
    "postgres": "generate_series(0::bigint, {last}) AS s(g)",
    "duckdb": "range(0, {last} + 1) AS s(g)",
    "sqlite": "(WITH RECURSIVE n(g) AS (SELECT 0 UNION ALL SELECT g + 1 FROM n WHERE g < {last}) SELECT g FROM n) AS s",
}
_TIME = {
    "postgres": "timestamptz '2024-01-01 00:00+00' + {seconds} * interval '1 second'",
    "duckdb": "TIMESTAMPTZ '2024-01-01 00:00+00' + to_seconds({seconds})",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S', 1704067200 + {seconds}, 'unixepoch') || '.000000+00:00'",
}


def create_merge(engine: str, rows: int) -> list[str]:
    """The statements that make `target` (five times `rows`) and `incoming` (`rows`) on an engine."""
    fields = list(zip(MERGE_COLUMNS, MERGE_TYPES[engine], strict=True))
    columns = ", ".join(f"{name} {type_}" for name, type_ in fields[1:])
    key = f"id {fields[0][1]}"
    return [
        f"CREATE TABLE target ({key} PRIMARY KEY, {columns})",
        f"CREATE TABLE incoming ({key} NOT NULL, {columns})",
        _target_rows(engine, 5 * rows),
        _incoming_rows(engine, rows),
    ]


def merge_counts(rows: int) -> dict[str, int]:
    """How many rows of `incoming` are to be inserted and updated, and how many are equal."""
    existing = rows * 9 // 10
    updated = existing // 9 * 5 + min(existing % 9, 5)
    return {"inserted": rows - existing, "updated": updated, "unchanged": existing - updated}


def _target_rows(engine: str, rows: int) -> str:
    values = _merge_values(engine, "g", "(g % 7) || ' old'")
    return f"INSERT INTO target SELECT g + 1, {values} FROM {_SERIES[engine].format(last=rows - 1)}"


def _incoming_rows(engine: str, rows: int) -> str:
    existing = rows * 9 // 10
    series = _SERIES[engine].format(last=rows - 1)
    shuffled = f"(SELECT g * 600011 % {rows} AS i FROM {series}) AS shuffled"
    keyed = f"(SELECT i, CASE WHEN i < {existing} THEN i * 5 ELSE {5 * rows} + i END AS k FROM {shuffled}) AS keyed"
    changed = f"i < {existing} AND i % 9 < 5"
    values = _merge_values(engine, "k", f"(k % 7) || CASE WHEN {changed} THEN ' new' ELSE ' old' END")
    return f"INSERT INTO incoming SELECT k + 1, {values} FROM {keyed}"


def _merge_values(engine: str, number: str, status: str) -> str:
    text = "TEXT" if engine == "sqlite" else "VARCHAR"
    cents = f"CAST(({number} * 104729 % 100000000) AS DECIMAL(12,2)) / 100"
    if engine == "duckdb":
        cents = f"CAST({cents} AS DECIMAL(12,2))"
    if engine == "sqlite":
        cents = f"({number} * 104729 % 100000000) / 100.0"
    return f"'customer ' || CAST({number} AS {text}), {cents}, {_TIME[engine].format(seconds=number)}, {status}"
