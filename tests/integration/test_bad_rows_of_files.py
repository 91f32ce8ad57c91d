"""Rows of files that cannot be read: they fail a load, are left out, or are kept, alone and counted."""

from __future__ import annotations

import json

import pytest

from tests.integration.test_files_odd import packed
from tests.stores import Store

SPEC = """
project: shop
connections:
  d: {{ kind: files, uri: in }}
  w: {store}
tables:
  t: {{ connection: w, columns: {{ id: bigint primary key, name: text }} }}
pipelines:
  p:
    from:
      connection: d
      path: "{path}"
      {source}
    to: t
    mode: {mode}
    {more}
"""
COLUMNS = "columns: { id: bigint not null, name: { type: text } }"
KEPT = "SELECT pipeline, file, line, error_code, row_text FROM {} ORDER BY file, line, row_text"
CSV = b'id,name\n1,a\nx,b\n2,"oops\n3,c,d\n4\n,e\n5,\xff\n6,"a\nb"\n7,"never\n8,z\n'
CSV_BAD = [
    (3, "value-does-not-fit", "x,b"),
    (4, "unreadable-file", '2,"oops'),
    (5, "unreadable-file", "3,c,d"),
    (6, "unreadable-file", "4"),
    (7, "missing-value", ",e"),
    (8, "unreadable-file", "5,\\xff"),
    (11, "unreadable-file", '7,"never'),
]
JSON = b'{"id": 1, "name": "a"}\n{"id": "x"}\n\nnope\n{"name": "e"}\n[1]\n'
JSON += b'{"id": 6, "name": "\\u00e9"}\n{"id": 7, "name": "\xff"}\n'
JSON_BAD = [
    (2, "value-does-not-fit", '{"id": "x"}'),
    (4, "unreadable-file", "nope"),
    (5, "missing-value", '{"name": "e"}'),
    (6, "unreadable-file", "[1]"),
    (8, "unreadable-file", '{"id": 7, "name": "\\xff"}'),
]
ARRAY = b'[\n{"id": 1,\n "name": "a"},\n{"id": "x"}, nope,\n\n{"id": 6, "name": "\xc3\xa9"}\n]\n'
ARRAY_BAD = [(4, "unreadable-file", "nope"), (4, "value-does-not-fit", '{"id": "x"}')]
FILES = {
    "a.csv": (CSV, CSV_BAD, [(1, "a"), (6, "a\nb"), (8, "z")]),
    "a.csv.zst": (CSV, CSV_BAD, [(1, "a"), (6, "a\nb"), (8, "z")]),
    "a.jsonl.gz": (JSON, JSON_BAD, [(1, "a"), (6, "é")]),
    "a.json": (ARRAY, ARRAY_BAD, [(1, "a"), (6, "é")]),
}


def write(project, store, more, *, path="a.csv", mode="merge", source=COLUMNS):
    connection = store if isinstance(store, str) else store.connection
    project.write("specs/p.yaml", SPEC.format(store=connection, path=path, source=source, mode=mode, more=more))


def put(project, name, data):
    (project.path / "in").mkdir(exist_ok=True)
    packed(project.path / "in" / name, data)


def run(project):
    done = project.flowc("run", "--once", "--json")
    return done.json["pipelines"][0]["targets"][0]


def lite(tmp_path):
    return Store("sqlite", tmp_path)


def test_they_are_kept_in_the_transaction_of_the_load(project, store):
    """In the default table: what a file holds now replaces what it held, also where a load is made again."""
    kept = "flowc.bad_rows" if store.kind in ("postgres", "duckdb") else "flowc_bad_rows"
    for name, (data, bad, good) in FILES.items():
        put(project, name, data)
        write(project, store, "on_bad_row: quarantine", path=name, mode="truncate")
        for _ in range(2):
            target = run(project)
            assert target["error"] is None
            assert (target["counts"]["read"], target["counts"]["bad"]) == (len(good), len(bad))
            assert [tuple(row) for row in store.rows("SELECT id, name FROM t ORDER BY id")] == good
            found = [tuple(row) for row in store.rows(KEPT.format(kept)) if row[1] == name]
            assert sorted(found) == sorted(("shop/p", name, *row) for row in bad)
    put(project, "a.json", b'[{"id": 1}]')
    assert run(project)["counts"]["bad"] == 0
    left = {row[1] for row in store.rows(KEPT.format(kept))}
    assert left == {"a.csv", "a.csv.zst", "a.jsonl.gz"}
    # A load that fails keeps nothing: neither rows nor bad ones.
    before = store.rows(KEPT.format(kept))
    put(project, "a.csv", CSV)
    write(project, store, 'on_bad_row: quarantine\n    after: ["SELECT no_such_column FROM t"]')
    assert run(project)["status"] == "failed"
    assert store.rows(KEPT.format(kept)) == before
    # Nor does a preview.
    put(project, "a.csv", CSV + b"9\n")
    write(project, store, "on_bad_row: quarantine")
    assert "8" in project.flowc("preview", "p").out
    assert store.rows(KEPT.format(kept)) == before


def test_they_are_kept_in_a_table_of_a_name(project, tmp_path):
    put(project, "a.csv", CSV)
    write(project, lite(tmp_path), "on_bad_row: quarantine\n    quarantine: { table: bad_ones }", mode="append")
    assert run(project)["counts"]["bad"] == 7
    assert len(lite(tmp_path).rows("SELECT * FROM bad_ones")) == 7


def test_they_are_kept_in_files_whole_or_not_at_all(project, tmp_path):
    put(project, "a.csv", CSV)
    put(project, "b.csv", b"id,name\n9,i\n")
    write(project, lite(tmp_path), "on_bad_row: quarantine\n    quarantine: { path: bad }", path="*.csv")
    for _ in range(2):
        assert run(project)["counts"]["bad"] == 7
        (file,) = (path for path in (tmp_path / "in" / "bad").rglob("*") if path.is_file())
        assert file == tmp_path / "in" / "bad" / "p" / "a.csv.bad.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert [(row["line"], row["error_code"], row["row_text"]) for row in rows] == CSV_BAD
    put(project, "a.csv", b"id,name\n1,a\n")
    assert run(project)["counts"]["bad"] == 0
    assert not [path for path in (tmp_path / "in" / "bad").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("more", "words"), [
    ("on_bad_row: skip", None),
    ("on_bad_row: skip\n    max_bad: 7", None),
    ("on_bad_row: skip\n    max_bad: 6", "there are more than 6 bad rows"),
    ("on_bad_row: skip\n    max_bad: 70%", None),
    ("on_bad_row: skip\n    max_bad: 69.9%", "7 of 10 rows are bad, and 69.9 % may be"),
    ("on_bad_row: fail", "line 4: a quote opens a value that ends amid text, 5 lines below"),
])  # fmt: skip
def test_so_many_are_left_out(project, tmp_path, more, words):
    put(project, "a.csv", CSV)
    write(project, lite(tmp_path), more)
    target = run(project)
    if words is None:
        assert target["counts"]["bad"] == 7
        assert [row[0] for row in lite(tmp_path).rows("SELECT id FROM t ORDER BY id")] == [1, 6, 8]
        assert "line 3 of `a.csv`: column `id`: `x` does not fit `bigint`" in target["notes"][0]
    else:
        assert words in target["error"]["message"] + str(target["error"].get("details"))


def test_a_file_of_bad_rows_alone_empties_no_table(project, tmp_path):
    put(project, "a.csv", b"id,name\n1,a\n")
    write(project, lite(tmp_path), "on_bad_row: skip", mode="truncate")
    assert run(project)["error"] is None
    put(project, "a.csv", b"id,name\n1;a\n2;b\n")
    assert run(project)["error"]["code"] == "too-many-bad-rows"
    assert len(lite(tmp_path).rows("SELECT * FROM t")) == 1


DEEP = "[" * 500 + "]" * 500


@pytest.mark.parametrize("columns", ["", ", columns: { id: bigint, n: text }"])
@pytest.mark.parametrize(("bad", "words"), [
    ('{"id": ' + "9" * 5000 + ', "n": "a"}', "column `id`: `999"),
    ('{"id": 2, "n": ' + "[" * 5000 + "}", "it is nested too deeply"),
    (f'{{"id": 2, "n": {DEEP}}}', "column `n`: `[[["),
    ('{"id": 2, "n": "\udcff"}', "it is not UTF-8 text"),
])  # fmt: skip
def test_what_is_wrong_with_json_is_told_without_words_of_python(project, columns, bad, words):
    rows = ['{"id": 1, "n": "a"}', bad] + ['{"id": 3, "n": "b"}'] * 2
    (project.path / "a.jsonl").write_bytes("\n".join(rows).encode("utf-8", "surrogateescape"))
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ d: {{ kind: files, uri: . }}, w: {{ kind: sqlite, path: w.db }} }}
pipelines:
  p:
    from: {{ connection: d, path: a.jsonl{columns} }}
    to: {{ connection: w, table: t }}
    mode: append
    on_bad_row: quarantine
""",
    )
    done = project.flowc("run", "--once")
    if columns or "column `id`" not in words:  # else it is a whole number as others are, of a wider type
        assert (done.code, f"line 2 of `a.jsonl`: {words}" in done.out + done.err) == (0, True)
    assert not any(word in done.out + done.err for word in ("sys.", "recursion", "codec"))


@pytest.mark.parametrize("depth", [150, 152, 498])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"k":', "}"), ('[{"k":', "}]")])
def test_types_are_made_of_so_many_levels(project, depth, begin, end):
    """More of them ended a load in words of Python; a column that is declared as `json` takes them."""
    times = depth // len(end)
    (project.path / "a.jsonl").write_text('{"id":1,"n":' + begin * times + '"x"' + end * times + "}\n")
    spec = """
connections: { d: { kind: files, uri: . }, w: { kind: sqlite, path: w.db } }
pipelines: { p: { from: { connection: d, path: a.jsonl COLUMNS }, to: { connection: w, table: t }, mode: append } }
"""
    project.write("specs/p.yaml", spec.replace("COLUMNS", ""))
    assert ("line 1: it is nested in more than 150 levels" in project.flowc("run", "--once").err) == (depth > 150)
    (project.path / "w.db").unlink(missing_ok=True)
    project.write("specs/p.yaml", spec.replace(" COLUMNS", ", columns: { id: bigint, n: json }"))
    assert project.flowc("run", "--once").code == 0


@pytest.mark.parametrize("name", list(FILES))
def test_types_are_inferred_from_the_good_rows(project, tmp_path, name):
    data = {
        "csv": b'id,name\n1,a\n2,"oops\n3\n4,d\n',
        "jsonl": b'{"id": 1}\nnope\n{"id": 4}\n',
        "json": b'[{"id": 1}, nope, {"id": 4}]',
    }
    put(project, name, data[name.split(".")[1]])
    write(project, lite(tmp_path), "on_bad_row: skip", path=name, source="read: {}")
    target = run(project)
    assert target["error"] is None
    assert [row[0] for row in lite(tmp_path).rows("SELECT id FROM t ORDER BY id")] == [1, 4]


ARRAYS = {
    "declared": (COLUMNS, b'[{"id": 1, "name": "a"}, {"id": "x"}, 3,\n{"id": 4}, {"id": 5} {}]',
                 [(1, 2), (1, 3), (2, 5)]),
    "inferred": ("read: { infer_rows: 1 }", b' [\n{"id": 1},{"id": 2.5},{"id": 3}, {"id": "x"}]', [(2, 2), (2, 4)]),
    "too long": (f"{COLUMNS}\n      read: {{ max_line: 1KB }}",
                 b'[{"id": 1}, {"name": "%s"}, {"id": 3}, nope]' % (b"x" * 5000), [(1, 2), (1, 4)]),
}  # fmt: skip


@pytest.mark.parametrize("way", ARRAYS)
def test_elements_of_an_array_are_counted(project, tmp_path, way):
    """All of them may stand on one line."""
    source, text, bad = ARRAYS[way]
    put(project, "a.json", text)
    write(project, lite(tmp_path), "on_bad_row: skip", path="a.json", source=source)
    target = run(project)
    assert target["error"] is None
    shown = [note.partition(" of ")[0] for note in target["notes"]]
    assert shown == [f"bad row: line {line}, element {element}" for line, element in bad]
    write(project, lite(tmp_path), "on_bad_row: quarantine", path="a.json", source=source)
    assert run(project)["error"] is None
    kept = lite(tmp_path).rows("SELECT line, error FROM flowc_bad_rows ORDER BY 2")
    assert [(line, str(error).partition(":")[0]) for line, error in kept] == [(a, f"element {b}") for a, b in bad]
    write(project, lite(tmp_path), "", path="a.json", source=source)
    assert f"line {bad[0][0]}, element {bad[0][1]}" in run(project)["error"]["message"]


def test_a_query_over_files_sees_the_good_rows(project, tmp_path):
    put(project, "a.csv", CSV)
    put(project, "b.jsonl", JSON)
    spec = SPEC.format(store=lite(tmp_path).connection, path="", source="", mode="merge", more="on_bad_row: skip")
    sources = "\n".join(
        f'      {name}: {{ connection: d, path: "{path}", {COLUMNS} }}'
        for name, path in (("a", "a.csv"), ("b", "b.jsonl"))
    )
    head, _, tail = spec.partition("    from:\n")
    sql = "    sql: SELECT a.id, b.name FROM a JOIN b ON a.id = b.id\n"
    project.write("specs/p.yaml", f"{head}    from:\n{sources}\n{sql}{tail[tail.index('    to:') :]}")
    target = run(project)
    assert (target["counts"]["read"], target["counts"]["bad"]) == (2, 12)


@pytest.mark.parametrize(("more", "words"), [
    ("on_bad_row: skip\n    deletes: hard", "`deletes: hard` would delete what a bad row holds"),
    ("max_bad: 5", "bad rows fail the load"),
    ("on_bad_row: skip\n    quarantine: { table: x }", "keeps no rows"),
    ("on_bad_row: fail\n    quarantine: { table: x }", "bad rows fail the load"),
])  # fmt: skip
def test_what_has_no_meaning_is_told(project, tmp_path, more, words):
    write(project, lite(tmp_path), more)
    done = project.flowc("lint")
    assert done.code == 1
    assert words in done.out + done.err


def test_it_is_for_text_files_and_beside_a_database(project, tmp_path):
    write(project, lite(tmp_path), "on_bad_row: skip", path="a.parquet")
    assert "is for rows of CSV and JSON files" in "".join(vars(project.flowc("lint"))[part] for part in ("out", "err"))
    write(project, "{ kind: delta, uri: lake }", "on_bad_row: quarantine")
    done = project.flowc("lint")
    assert "no table of bad rows can be kept beside" in done.out + done.err
    put(project, "a.csv", CSV)
    write(project, "{ kind: delta, uri: lake }", "on_bad_row: quarantine\n    quarantine: { path: bad }")
    assert run(project)["counts"]["bad"] == 7
    assert (tmp_path / "in" / "bad" / "p" / "a.csv.bad.jsonl").exists()


def test_what_is_kept_in_files_is_not_read_again(project, tmp_path):
    """Not where a pattern would find it, but where it says so."""
    put(project, "a.jsonl", b'{"id": 1}\nnope\n')
    kept = "on_bad_row: quarantine\n    quarantine: { path: bad }"
    write(project, lite(tmp_path), kept, path="**/*.jsonl", mode="truncate")
    for _ in range(2):
        counts = run(project)["counts"]
        assert (counts["read"], counts["bad"]) == (1, 1)
    write(project, lite(tmp_path), "", path="bad/**/*.bad.jsonl", mode="truncate", source="columns: { line: bigint }")
    query = "    sql: SELECT line AS id FROM source\n    to: t"
    spec = (project.path / "specs/p.yaml").read_text().replace("    to: t", query)
    project.write("specs/p.yaml", spec)
    assert run(project)["counts"]["read"] == 1
    assert lite(tmp_path).rows("SELECT id FROM t") == [(2,)]


@pytest.mark.parametrize("folder", ["../../out", "/out", "bad/../../out"])
def test_bad_rows_stay_below_the_folder_of_the_source(project, tmp_path, folder):
    write(project, lite(tmp_path), f"on_bad_row: quarantine\n    quarantine: {{ path: {folder} }}")
    done = project.flowc("lint")
    assert done.code == 1
    assert f"error[path-outside]: `{folder}` leads out of the folder of connection" in done.out
