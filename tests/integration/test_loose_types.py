"""Columns of types that flowc names only loosely: every value arrives unchanged, or the load refuses it.

Each cell is a table made by hand and a value that its column holds, or one that the engine would round, cut or reorder.
One run loads all cells of an engine.
"""

import csv
import json
import re

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.extended import with_extended
from tests.integration.loose_cells import BESIDE, CELLS, CHANGES, PARTS, SETUP, WHOLES
from tests.stores import Store, address, counts

pytestmark = pytest.mark.turns("store", 3)

REFUSED = {
    "value-does-not-fit", "value-refused", "type-mismatch", "incompatible-types", "constraint-violated",
    "query-refused",
}  # fmt: skip
TEXT = {"postgres": "CAST(k AS TEXT)", "mysql": "CAST(k AS CHAR)", "duckdb": "CAST(k AS VARCHAR)", "sqlite": "quote(k)"}
FORMS = ("jsonl", "csv", "parquet")
"""Of the files with texts; other values stand in JSON lines."""
MODES = {
    "append": ("", "mode: append"),
    "merge": (", PRIMARY KEY (i)", "mode: merge, keys: [i]"),
    "scd2": (", valid_from {z}, valid_to {z}, is_current BOOLEAN, row_hash VARCHAR(64)", "mode: scd2, keys: [i]"),
}
REFUSED_ELSEWHERE = re.compile(r"BIT|BIGNUM|VARIANT|JSON")
"""Parts of types that DuckDB cannot read from JSON, or of which it would cut a number."""
STARTED = {"merge", "scd2"}
"""Modes in which a second run finds the rows unchanged."""
STRICT = {"append", "merge"}
"""Modes whose columns have types that a STRICT table of SQLite takes."""


@pytest.fixture(params=CELLS)
def store(request, tmp_path):
    return Store(request.param, tmp_path, address(request, request.param))


def outcomes(done):
    """The code of the error of each load, None where it was carried out, by its number."""
    found = {}
    for loaded in done.json["pipelines"]:
        (target,) = loaded["targets"]
        errors = [*target["diagnostics"], *([target["error"]] if target["error"] else [])]
        found[int(loaded["name"][1:])] = errors[0]["code"] if errors else None
    return found


def tables(project, store, types, mode, source):
    """Tables whose column `k` has these types, and a spec that loads each from what `source` gives for its number."""
    more, how = MODES[mode]
    loads = []
    for n, spelled in enumerate(types):
        kind, strict, _ = spelled.partition(" STRICT")
        columns = f"i INTEGER NOT NULL, k {kind}{more.format(z=store.type('timestamptz'))}"
        store.run(f"CREATE TABLE t{n} ({columns}){strict if mode in STRICT else ''}")
        loads.append(f"  p{n}: {{ {source(n)}, to: {{ connection: w, table: t{n} }}, {how} }}")
    head = f"connections: {{ w: {store.connection}, a: {{ kind: files, uri: . }} }}\npipelines:\n"
    project.write("specs/p.yaml", head + "\n".join(loads) + "\n")


def loaded(project, store, wanted, mode):
    """Runs the loads, each of which writes the text that is wanted of it, or with None is refused."""
    done, wrong = outcomes(project.flowc("run", "--once", "--json")), []
    for n, kept in enumerate(wanted):
        rows = store.raw(f"SELECT {TEXT[store.kind]} FROM t{n}")
        refused = done[n] in REFUSED and not rows
        if not refused if kept is None else done[n] is not None or rows != [(kept,)]:
            wrong.append((n, kept, done[n], rows))
    if mode in STARTED:
        again = counts(project.flowc("run", "--once", "--json"))
        held = [n for n, kept in enumerate(wanted) if kept is not None]
        wrong += [(n, again[f"p{n}"]) for n in held if again[f"p{n}"] != (1, 0, 0, 0, 1)]
    return wrong


def shown(cells, wrong):
    """What went wrong, a line for each."""
    return "\n".join(f"{cells[n]}: {more}" for n, *more in wrong)


@pytest.mark.parametrize("mode", with_extended(("append",), ("merge", "scd2")))
def test_values_of_files_stay_or_are_refused(project, store, mode):
    cells = CELLS[store.kind]
    store.run(*SETUP.get(store.kind, ()))

    def source(n):
        _, declared, value, _ = cells[n]
        form = FORMS[n % len(FORMS)] if declared == "text" and value else "jsonl"
        path = store.folder / f"r{n}.{form}"
        if form == "parquet":
            pq.write_table(pa.table({"i": [1], "k": [value]}), path)
            return f"from: {{ connection: a, path: {path.name} }}"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["i", "k"], [1, value]]) if form == "csv" else json.dump(
                {"i": 1, "k": value}, file
            )
        return f"from: {{ connection: a, path: {path.name}, columns: {{ i: bigint, k: '{declared}' }} }}"

    tables(project, store, [cell[0] for cell in cells], mode, source)
    wrong = loaded(project, store, [cell[3] for cell in cells], mode)
    assert not wrong, shown(cells, wrong)


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_values_of_the_same_database_stay_or_are_refused(project, store, mode):
    cells = BESIDE[store.kind]
    store.run(*SETUP.get(store.kind, ()))

    def source(n):
        store.run(f"CREATE TABLE s{n} (i BIGINT, k {cells[n][0]})", f"INSERT INTO s{n} VALUES (1, {cells[n][2]})")
        return f"from: w, table: s{n}"

    tables(project, store, [cell[1] for cell in cells], mode, source)
    wrong = loaded(project, store, [cell[3] for cell in cells], mode)
    assert not wrong, shown(cells, wrong)


@pytest.mark.parametrize("file", ["store.duckdb", "other.duckdb"])
def test_values_of_the_very_type_stay(project, tmp_path, file):
    """Of one file, and of another one, where nested values arrive as JSON."""
    cells = [(whole.format(kind), made.format(f"({value})::{kind}")) for kind, value in PARTS for whole, made in WHOLES]
    made = {name: duckdb.connect(str(tmp_path / name)) for name in {"store.duckdb", file}}
    for n, (kind, value) in enumerate(cells):
        made[file].execute(f"CREATE TABLE s{n} (k {kind})")
        made[file].execute(f"INSERT INTO s{n} VALUES ({value}), (NULL)")
        made["store.duckdb"].execute(f"CREATE TABLE t{n} (k {kind})")
    for database in made.values():
        database.close()
    loads = [
        f"  p{n}: {{ from: a, table: s{n}, to: {{ connection: w, table: t{n} }}, mode: append }}"
        for n in range(len(cells))
    ]
    kinds = ", ".join(f"{n}: {{ kind: duckdb, path: {path} }}" for n, path in {"w": "store.duckdb", "a": file}.items())
    head = f"connections: {{ {kinds} }}\npipelines:\n"
    project.write("specs/p.yaml", head + "\n".join(loads) + "\n")
    done = outcomes(project.flowc("run", "--once", "--json"))
    with duckdb.connect(str(tmp_path / file)) as source, duckdb.connect(str(tmp_path / "store.duckdb")) as target:
        rows = "SELECT CAST(k AS VARCHAR) FROM {}{} ORDER BY k NULLS LAST"
        found = [
            (source.sql(rows.format("s", n)).fetchall(), target.sql(rows.format("t", n)).fetchall())
            for n in range(len(cells))
        ]
    wrong = []
    for n, (kind, value) in enumerate(cells):
        came, held = found[n]
        refused = not held and file != "store.duckdb" and REFUSED_ELSEWHERE.search(kind)
        if not refused if done[n] else came != held:
            wrong.append((kind, value, done[n], came, held))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("mode", ["merge", "scd2"])
def test_changes_of_values_are_written(project, tmp_path, mode):
    store = Store("duckdb", tmp_path)
    for n, (kind, *values) in enumerate(CHANGES):
        for place, value in enumerate(values):
            store.run(f"CREATE TABLE s{n}_{place} AS SELECT 1 AS i, ({value})::{kind} AS k")
    for place in (0, 1):
        if place == 0:
            tables(project, store, [cell[0] for cell in CHANGES], mode, lambda n: f"from: w, table: s{n}_0")
        else:
            spec = tmp_path / "specs/p.yaml"
            spec.write_text(spec.read_text().replace("_0,", "_1,"))
        done = counts(project.flowc("run", "--once", "--json"))
    held = "WHERE is_current" if mode == "scd2" else ""
    same = (
        "CAST(s.k AS VARCHAR) = CAST(t.k AS VARCHAR) AND CAST(to_json(s.k) AS VARCHAR) = CAST(to_json(t.k) AS VARCHAR)"
    )
    kept = [store.raw(f"SELECT {same} FROM s{n}_1 AS s, (FROM t{n} {held}) AS t") for n in range(len(CHANGES))]
    assert kept == [[(True,)]] * len(CHANGES), kept
    assert all(found[2] == 1 for found in done.values()), done
