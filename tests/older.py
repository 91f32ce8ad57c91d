"""flowc's own tables as older versions made and filled them.

Before there were projects, before positions were text, and before segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from flowc.runtime.names import literal
from tests.stores import Store

_KEY, _SHORT, _SHORTER = {"mysql": "VARCHAR(255)"}, {"mysql": "VARCHAR(128)"}, {"mysql": "VARCHAR(64)"}
_TEXT = {"mysql": "LONGTEXT"}
_TIME = {"postgres": "TIMESTAMPTZ", "duckdb": "TIMESTAMPTZ", "mysql": "DATETIME(6)"}
_BINARY = {"postgres": "BYTEA", "mysql": "LONGBLOB"}
_OPTIONS = {"mysql": " ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE utf8mb4_bin"}
_TABLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "migrations": (
        "version n!, plan t!, status t!, applied n!, total n!, started_at d!, finished_at d, owner t!, flowc t!, "
        "error t, snapshot t",
        ("version",),
    ),
    "migration_steps": (
        "version n!, step n!, hash t!, statement t!, started_at d!, finished_at d", ("version", "step"),
    ),
    "watermarks": ("pipeline k!, target k!, column_name t!, value t!, loaded_at d!", ("pipeline", "target")),
    "positions": (
        "stream k!, target k!, source k!, partition_number n!, next_offset n!, epoch n!, log_id t!",
        ("stream", "target", "source", "partition_number"),
    ),
    "checkpoints": ("stream k!, epoch n!, intended n!, body t!", ("stream",)),
    "epochs": ("stream k!, epoch n!, body t!", ("stream", "epoch")),
    "state": ("stream k!, operator k!, group_number n!, data b!", ("stream", "operator", "group_number")),
    "facts": ("stream k!, name k!, body t!", ("stream", "name")),
}  # fmt: skip
_GROUPS = ("project k!, stream_name k!, operator k!, group_number n!, data b!",
           ("project", "stream_name", "operator", "group_number"))  # fmt: skip
_NOW = {"plan": "plan_id", "stream": "stream_name", "pipeline": "pipeline_name",
        "partition_number": "partition_name", "next_offset": "next_position"}  # fmt: skip
_NUMBERS = ("partition_number", "next_offset")
_NUMBERED = (
    "project p!, stream_name k!, target k!, source s!, partition_number n!, next_offset n!, epoch n!, log_id t!",
    ("project", "stream_name", "target", "source", "partition_number"),
)


def own(store: Store, name: str) -> str:
    """How one of flowc's own tables is called there."""
    return f"flowc.{name}" if store.kind in ("postgres", "duckdb") else f"flowc_{name}"


def make_numbered(store: Store) -> None:
    """Turns the table of positions into that of the version before, whose positions are numbers."""
    make_older(store, ("positions",), {"positions": _NUMBERED})


def make_older(store: Store, names: Sequence[str], tables: Mapping[str, tuple[str, tuple[str, ...]]] = _TABLES) -> None:
    """Turns those of the tables into what an older version would have there, unless others are given: of no project."""
    for name in names:
        columns, key = tables[name]
        made = [column.split() for column in columns.split(", ")]
        now = ", ".join(f"{_now(store, c)} AS {_quoted(store, c)}" for c, _ in made)
        table, copy = own(store, name), f"{own(store, name)}_copy"
        spelled = ", ".join(f"{_quoted(store, column)} {_type(store, kind)}" for column, kind in made)
        names_ = ", ".join(_quoted(store, column) for column, _ in made)
        keyed = ", ".join(_quoted(store, column) for column in key)
        store.run(
            f"CREATE TABLE {copy} AS SELECT {now} FROM {table}",
            f"DROP TABLE {table}",
            f"CREATE TABLE {table} ({spelled}, PRIMARY KEY ({keyed})){_OPTIONS.get(store.kind, '')}",
            f"INSERT INTO {table} SELECT {names_} FROM {copy}",
            f"DROP TABLE {copy}",
        )


def make_groups(store: Store, groups: Iterable[tuple[str, str, str, int, bytes]]) -> None:
    """Has the state kept by groups: of a project, a stream and an operator, a number and bytes (see `group`)."""
    columns, key = _GROUPS
    spelled = ", ".join(f"{_quoted(store, c)} {_type(store, kind)}" for c, kind in map(str.split, columns.split(", ")))
    keyed = ", ".join(_quoted(store, column) for column in key)
    table = own(store, "state")
    store.run(
        f"DROP TABLE {own(store, 'segments')}",
        f"CREATE TABLE {table} ({spelled}, PRIMARY KEY ({keyed})){_OPTIONS.get(store.kind, '')}",
        f"""UPDATE {own(store, "checkpoints")} SET body = replace(body, '"2:', '"')""",
    )
    for *texts, number, data in groups:
        names = ", ".join(literal(text, store.kind) for text in texts)
        store.run(f"INSERT INTO {table} VALUES ({names}, {number}, {_BYTES[store.kind].format(data.hex())})")


_BYTES = {
    "sqlite": "X'{}'", "mysql": "X'{}'", "duckdb": "from_hex('{}')", "postgres": "decode('{}', 'hex')",
}  # fmt: skip


def group(rows: Sequence[tuple[int, int, int]]) -> bytes:
    """A group of `dedupe`: the upper and lower 64 bits of keys, and event times."""
    schema = pa.schema([("key", pa.binary(16)), ("at", pa.int64())], {"flowc": "dedupe", "format": "1"})
    keys = [hi.to_bytes(8, "little") + lo.to_bytes(8, "little") for hi, lo, _ in rows]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(
            pa.RecordBatch.from_arrays([pa.array(keys, pa.binary(16)), [at for *_, at in rows]], schema=schema)
        )
    return bytes(sink.getvalue())


def _now(store: Store, name: str) -> str:
    """A column as it is now, in a form that goes into the older one."""
    now = _quoted(store, _NOW.get(name, name))
    return f"CAST({now} AS {'SIGNED' if store.kind == 'mysql' else 'BIGINT'})" if name in _NUMBERS else now


def _quoted(store: Store, name: str) -> str:
    return f"`{name}`" if store.kind == "mysql" else f'"{name}"'


def _type(store: Store, kind: str) -> str:
    words = {"n": "BIGINT", "t": _TEXT.get(store.kind, "TEXT"), "k": _KEY.get(store.kind, "TEXT")}
    words |= {
        "s": _SHORT.get(store.kind, "TEXT"),
        "p": _SHORTER.get(store.kind, "TEXT"),
        "d": _TIME.get(store.kind, "TEXT"),
        "b": _BINARY.get(store.kind, "BLOB"),
    }
    return words[kind[0]] + (" NOT NULL" if kind.endswith("!") else "")
