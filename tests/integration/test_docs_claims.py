"""What the guide on runs and the reference of types say in tables, tried by loads on every engine."""

from __future__ import annotations

import re

import pytest

from tests.commands import ROOT
from tests.stores import HALF, OTHER_HALF, counts

pytestmark = pytest.mark.turns("store", 2)

MODES = """
connections: {{ w: {connection} }}
tables:
  added: {{ connection: w, columns: {{ id: bigint, seen: timestamp, v: text }} }}
  once: {{ connection: w, columns: {{ id: bigint, seen: timestamp, v: text }} }}
  replaced: {{ connection: w, columns: {{ id: bigint, seen: timestamp, v: text }} }}
  merged: {{ connection: w, columns: {{ id: bigint primary key, seen: timestamp, v: text }} }}
  first: {{ connection: w, columns: {{ id: bigint primary key, seen: timestamp, v: text }} }}
  hard: {{ connection: w, columns: {{ id: bigint primary key, seen: timestamp, v: text }} }}
  soft: {{ connection: w, columns: {{ id: bigint primary key, seen: timestamp, v: text, deleted_at: timestamp }} }}
  kept: {{ connection: w, columns: {{ id: bigint, seen: timestamp, v: text }}, natural_key: [id] }}
  closed: {{ connection: w, columns: {{ id: bigint, seen: timestamp, v: text }}, natural_key: [id] }}
pipelines:
  added: {{ table: raw, to: added, mode: append }}
  once: {{ table: raw, to: once, mode: append, keys: [id], incremental: {{ column: seen }} }}
  replaced: {{ table: raw, to: replaced, mode: truncate }}
  merged: {{ table: raw, to: merged, mode: merge }}
  first: {{ table: raw, to: first, mode: merge, dedupe: {{ order_by: v desc }} }}
  hard: {{ table: raw, to: hard, mode: merge, deletes: hard }}
  soft: {{ table: raw, to: soft, mode: merge, deletes: soft }}
  kept: {{ table: raw, to: kept, mode: scd2, event_time: seen }}
  closed: {{ table: raw, to: closed, mode: scd2, event_time: seen, deletes: close }}
"""


@pytest.fixture
def day(project, store):
    """Runs all modes, or those pipelines, on these rows of the source: (id, day of January 2026, v)."""
    project.write("specs/p.yaml", MODES.format(connection=store.connection))
    store.run(f"CREATE TABLE raw (id BIGINT, seen {store.type('timestamp')}, v TEXT)")

    def sent(*rows, names=()):
        store.run("DELETE FROM raw")
        if rows:
            values = (f"({id}, '2026-01-{seen:02} 00:00:00', '{v}')" for id, seen, v in rows)
            store.run(f"INSERT INTO raw VALUES {', '.join(values)}")
        done = project.flowc("run", *names, "--once", "--json")
        assert done.code == (1 if failures(done) else 0)
        return done

    return sent


def failures(done) -> dict[str, str]:
    """The code of each load that failed."""
    targets = {p["name"]: p["targets"][0] for p in done.json["pipelines"]}
    return {name: found["error"]["code"] for name, found in targets.items() if found["status"] == "failed"}


@HALF
def test_the_modes_side_by_side(day, store):
    first = day((1, 1, "a"), (2, 1, "b"))
    assert set(counts(first).values()) == {(2, 2, 0, 0, 0)}
    again = counts(day((1, 1, "a"), (2, 1, "b")))
    assert again.pop("added") == (2, 2, 0, 0, 0)
    assert again.pop("replaced") == (2, 2, 0, 2, 0)
    assert set(again.values()) == {(2, 0, 0, 0, 2)}
    assert counts(day((1, 2, "A"), (3, 2, "c"))) == {
        "added": (2, 2, 0, 0, 0),
        "once": (2, 2, 0, 0, 0),
        "replaced": (2, 2, 0, 2, 0),
        "merged": (2, 1, 1, 0, 0),
        "first": (2, 1, 1, 0, 0),
        "hard": (2, 1, 1, 1, 0),
        "soft": (2, 1, 1, 1, 0),
        "kept": (2, 2, 1, 0, 0),
        "closed": (2, 2, 1, 1, 0),
    }
    # a row that is gone
    assert store.rows("SELECT id FROM merged") == store.rows("SELECT id FROM soft") == [(1,), (2,), (3,)]
    assert store.rows("SELECT id FROM hard") == store.rows("SELECT id FROM replaced") == [(1,), (3,)]
    assert store.rows("SELECT id FROM soft WHERE deleted_at IS NOT NULL") == [(2,)]
    assert store.rows("SELECT id FROM kept WHERE is_current") == [(1,), (2,), (3,)]
    assert store.rows("SELECT id FROM closed WHERE is_current") == [(1,), (3,)]
    # the key returns
    back = counts(day((1, 2, "A"), (2, 1, "b"), (3, 2, "c")))
    assert (back["hard"], back["soft"]) == ((3, 1, 0, 0, 2), (3, 0, 1, 0, 2))


@OTHER_HALF
def test_two_rows_of_one_key_a_null_in_it_and_an_empty_source(day, store):
    day((1, 1, "a"))
    twice = day((1, 2, "x"), (1, 2, "y"))
    repeated = dict.fromkeys(("once", "merged", "hard", "soft"), "duplicate-keys")
    assert failures(twice) == repeated | dict.fromkeys(("kept", "closed"), "conflicting-versions")
    found = counts(twice)
    assert (found["added"], found["replaced"]) == ((2, 2, 0, 0, 0), (2, 2, 0, 1, 0))
    assert found["first"] == (2, 0, 1, 0, 0)  # the row that `dedupe` drops is read and nothing else
    assert store.rows("SELECT v FROM first") == [("y",)]
    versions = counts(day((1, 2, "x"), (1, 3, "y")))
    assert versions["kept"] == (2, 2, 1, 0, 0)

    null = failures(day(("NULL", 9, "n")))
    assert null == dict.fromkeys(("once", "merged", "first", "hard", "soft", "kept", "closed"), "null-key")

    empty = day()
    assert failures(empty) == dict.fromkeys(("replaced", "hard", "soft", "closed"), "empty-source")
    assert counts(empty)["merged"] == (0, 0, 0, 0, 0)


def test_updated_versions_are_those_that_ended_began_earlier_or_were_corrected(day, store):
    day((1, 10, "a"), names=["kept"])
    assert counts(day((1, 20, "b"), names=["kept"]))["kept"] == (1, 1, 1, 0, 0)
    assert counts(day((1, 5, "a"), names=["kept"]))["kept"] == (1, 0, 1, 0, 0)
    assert counts(day((1, 20, "c"), names=["kept"]))["kept"] == (1, 0, 1, 0, 0)
    assert store.rows("SELECT v, valid_from FROM kept") == [("a", "2026-01-05 00:00:00"), ("c", "2026-01-20 00:00:00")]


TYPES = (ROOT / "docs" / "reference" / "types.md").read_text("utf-8")
TITLES = {"sqlite": "SQLite", "duckdb": "DuckDB", "postgres": "PostgreSQL"}


def rows_under(heading: str) -> list[list[str]]:
    """The cells of the table whose head begins so, the head first."""
    lines = TYPES[TYPES.index(heading) :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not re.match(r"[ |-]*$", line)]


def spelled(cell: str) -> str:
    """An engine's word for a type as its catalog says it."""
    word = re.search(r"`(.*)`", cell)
    return word[1].strip('"').replace("CHARACTER VARYING", "VARCHAR").upper() if word else cell


LIVE = {
    "sqlite": "SELECT upper(type) FROM pragma_table_info('t')",
    "duckdb": "SELECT data_type FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index",
    "postgres": "SELECT upper(format_type(atttypid, atttypmod)) FROM pg_attribute"
    " WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum",
}
SYNONYMS = {
    "CHARACTER VARYING": "VARCHAR", "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ", "TIME WITHOUT TIME ZONE": "TIME",
    " WITHOUT TIME ZONE": "", "DOUBLE PRECISION": "DOUBLE",
}  # fmt: skip


def plain(kind: str) -> str:
    for long, short in SYNONYMS.items():
        kind = kind.replace(long, short)
    return kind


@pytest.mark.parametrize("store", TITLES, indirect=True)
def test_a_table_has_the_types_that_the_reference_says(project, store):
    head, *lines = rows_under("| type | DuckDB")
    place = head.index(TITLES[store.kind])
    said = {line[0].strip("`"): line[place] for line in lines}
    declared = [kind for kind, cell in said.items() if cell != "—"]
    columns = ", ".join(f'c{i}: "{kind}"' for i, kind in enumerate(declared))
    nulls = ("NULL" if store.kind == "sqlite" else f"CAST(NULL AS {spelled(said[kind])})" for kind in declared)
    selected = ", ".join(f"{null} AS c{i}" for i, null in enumerate(nulls))
    spec = f"connections: {{ w: {store.connection} }}\ntables:\n  t: {{ connection: w, columns: {{ {columns} }} }}\n"
    project.write("specs/p.yaml", f'{spec}pipelines: {{ t: {{ sql: "SELECT {selected}", to: t, mode: append }} }}\n')
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    live = [plain(str(kind)) for (kind,) in store.raw(LIVE[store.kind])]
    assert live == [plain(spelled(said[kind])) for kind in declared]
    again = project.flowc("run", "--once", "--json")
    assert again.code == 0, again.out


@pytest.mark.parametrize("store", TITLES, indirect=True)
@pytest.mark.parametrize("kind", [line[0].strip("`") for line in rows_under("| type | DuckDB")[1:] if "—" in line])
def test_what_cannot_be_stored_is_an_error(project, store, kind):
    head, *lines = rows_under("| type | DuckDB")
    said = next(line for line in lines if line[0] == f"`{kind}`")[head.index(TITLES[store.kind])]
    spec = f"connections: {{ w: {store.connection} }}\ntables:\n  t: {{ connection: w, columns: {{ c: {kind} }} }}\n"
    project.write("specs/p.yaml", spec + 'pipelines: { t: { sql: "SELECT NULL AS c", to: t, mode: append } }\n')
    if said != "—":
        return  # the table above is tried whole in the test before
    done = project.flowc("run", "--once")
    assert done.code == (1 if said == "—" else 0), done.out + done.err
    assert ("unstorable-type" in done.out + done.err) is (said == "—")


STORED = {
    "boolean": ("boolean", "true", "integer"),
    "integers": ("bigint", "42", "integer"),
    "real": ("real", "0.5", "real"),
    "double": ("double", "0.5", "real"),
    "numeric of up to 15 digits": ("numeric(15,2)", "12.5", "real"),
    "numeric of more digits": ("numeric(20,4)", "12.5", "text"),
    "uuid": ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "text"),
    "binary": ("binary", "'\\x00ff'::bytea", "blob"),
    "date": ("date", "'2026-01-31'::date", "text"),
    "time": ("time", "'09:30'::time", "text"),
    "timestamp": ("timestamp", "'2026-01-31 09:30'::timestamp", "text"),
    "timestamptz": ("timestamptz", "'2026-01-31 10:30+01'::timestamptz", "text"),
    "json": ("json", """'["a", "b"]'::jsonb""", "text"),
    "arrays": ("text[]", "ARRAY['a', 'b']", "text"),
}
"""Words of the table's first column: a declared type, a value of PostgreSQL's, and SQLite's storage class."""


def test_sqlite_stores_values_as_the_reference_says(project, postgres, tmp_path):
    from tests.stores import Store

    source, target = Store("postgres", tmp_path, postgres), Store("sqlite", tmp_path)
    values = ", ".join(f"{value} AS c{i}" for i, (_, value, _) in enumerate(STORED.values()))
    source.run(f"CREATE TABLE raw AS SELECT {values}")
    columns = ", ".join(f'c{i}: "{kind}"' for i, (kind, _, _) in enumerate(STORED.values()))
    project.write(
        "specs/p.yaml",
        f"connections: {{ r: {source.connection}, w: {target.connection} }}\n"
        f"tables:\n  t: {{ connection: w, columns: {{ {columns} }} }}\n"
        "pipelines: { t: { from: r, table: raw, to: t, mode: append } }\n",
    )
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    lines = rows_under("| type | is stored as")[1:]
    for i, (word, (_, _, storage)) in enumerate(STORED.items()):
        [kind, said, example] = next(line for line in lines if re.search(rf"\b{word}\b", line[0].replace("`", "")))
        [(found, written)] = target.raw(f"SELECT typeof(c{i}), quote(c{i}) FROM t")
        assert found == storage, kind
        assert storage in said or kind.startswith("`text`"), kind
        shown = example.strip("`").lower()
        assert re.fullmatch(re.escape(shown).replace("…", ".*"), str(written).lower()), (kind, written)


def test_not_a_number_cannot_be_stored_in_sqlite(project, postgres, tmp_path):
    from tests.stores import Store

    source, target = Store("postgres", tmp_path, postgres), Store("sqlite", tmp_path)
    project.write(
        "specs/p.yaml",
        f"connections: {{ r: {source.connection}, w: {target.connection} }}\n"
        "tables: { t: { connection: w, columns: { n: double } } }\n"
        "pipelines: { t: { from: r, sql: \"SELECT 'NaN'::float8 AS n\", to: t, mode: append } }\n",
    )
    done = project.flowc("run", "--once", "--json")
    assert done.code == 1
    assert "NaN" in done.out or "nan" in done.out
