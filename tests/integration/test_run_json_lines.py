"""JSON fields of any shape, from a file into the json columns of every database."""

from __future__ import annotations

import json

from tests.commands import Inside
from tests.stores import Store

SPEC = """
connections:
  inbox: {{ kind: files, uri: data }}
  w: {store}
tables:
  t: {{ connection: w, columns: {{ id: bigint primary key, payload: json }} }}
pipelines:
  p:
    from: {{ connection: inbox, path: a.jsonl, columns: {{ id: bigint, payload: json }} }}
    to: t
    mode: {mode}
"""
TEXTS = ('{"b": 1.50, "a": [12345678901234567890123, {"é": null}]}', "[1, [2]]", "1.50", '"text"', "true")


def test_any_shape_arrives(project: Inside, store: Store) -> None:
    project.write("data/a.jsonl", "".join(f'{{"id": {i}, "payload": {text}}}\n' for i, text in enumerate(TEXTS)))
    for mode in ("append", "merge", "truncate"):
        project.write("specs/p.yaml", SPEC.format(store=store.connection, mode=mode))
        if mode != "append":
            store.run("DELETE FROM t WHERE id > 2")
        done = project.flowc("run", "--once")
        assert done.code == 0, done.err
        found = [str(row[0]) for row in store.raw(f"SELECT CAST(payload AS {store.characters}) FROM t ORDER BY id")]
        if store.kind == "postgres":  # jsonb keeps values and digits, and orders keys by itself
            assert [json.loads(text, parse_float=str) for text in found] == [
                json.loads(text, parse_float=str) for text in TEXTS
            ]
        else:
            assert found == list(TEXTS)


def test_a_number_beyond_all_doubles_is_what_is_told(project: Inside, tmp_path) -> None:
    project.write("data/a.jsonl", '{"id": 1, "payload": 1e999}\n')
    spec = SPEC.format(store=Store("sqlite", tmp_path).connection, mode="append").replace(
        "payload: json", "payload: double"
    )
    project.write("specs/p.yaml", spec)
    assert "line 1: column `payload`: `1e999` does not fit its type `double`" in project.flowc("run", "--once").err


GUESSED = """
connections:
  inbox: {{ kind: files, uri: data }}
  w: {store}
pipelines:
  p: {{ from: {{ connection: inbox, path: a.jsonl }}, to: {{ connection: w, table: t }}, mode: append }}
"""
WITHIN = (
    '{"tags":["a",1.50]}', '{"tags":[1]}', '{"tags":{"b":1}}', '{"a/b":{"c":1,"c":"x"}}', '{"tags":null}', "{}", "null",
)  # fmt: skip


def test_objects_of_any_shape_arrive_where_no_type_is_declared(project: Inside, tmp_path) -> None:
    store = Store("sqlite", tmp_path)
    lines = [f'{{"id": {i}, "who/m": {text}, "n": [1, 2]}}\n' for i, text in enumerate(WITHIN)]
    project.write("data/a.jsonl", "\n".join(lines))
    project.write("specs/p.yaml", GUESSED.format(store=store.connection))
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    found = store.raw('SELECT id, "who/m", n FROM t ORDER BY id')
    wanted = [(i, None if text == "null" else text, "[1,2]") for i, text in enumerate(WITHIN)]
    assert [(row[0], row[1], row[2].replace(" ", "")) for row in found] == wanted


def test_an_object_and_a_list_in_one_field_are_told_with_their_line(project: Inside, tmp_path) -> None:
    project.write("data/a.jsonl", '{"who": {"tags": ["a", 1]}}\n{"who": {"tags": 2}}\n{"who": [1]}\n')
    project.write("specs/p.yaml", GUESSED.format(store=Store("sqlite", tmp_path).connection))
    words = "line 3: its field `who` holds a list, where lines before it hold an object"
    assert words in project.flowc("run", "--once").err
