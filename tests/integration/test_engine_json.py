"""JSON in SQL that flowc's own engine runs, against PostgreSQL: what makes it, and what takes it apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.commands import Inside
from tests.stores import Store

ROWS = (
    {"id": 1, "name": 'a"b\\c\n', "price": 1.50, "half": 0.5, "at": "2024-05-06T07:08:09.120Z", "day": "2024-02-29"},
    {"id": 2, "name": None, "price": None, "half": 1e20, "at": None, "day": None},
    {
        "id": 3,
        "name": "é\u2028",
        "price": 1234567890.12,
        "half": -0.0,
        "at": "2024-05-06T00:00:00Z",
        "day": "1970-01-01",
    },
)
COLUMNS = "id bigint, name text, price numeric(12,2), half double precision, at timestamptz, day date"
MADE = (
    "jsonb_agg(jsonb_build_object('id', id, 'name', name, 'price', price, 'at', at, 'day', day) ORDER BY id)",
    "json_agg(json_build_object('half', half, 'none', NULL, 'yes', true, 'sum', id + 1) ORDER BY id)",
    "jsonb_agg(price ORDER BY id DESC)",
    "jsonb_agg(DISTINCT id / 2 ORDER BY id / 2)",
    "jsonb_agg(id ORDER BY id) FILTER (WHERE id > 1)",
    "coalesce(jsonb_agg(id) FILTER (WHERE id > 9), '[]'::jsonb)",
    "jsonb_object_agg(id, name)",
    "json_object_agg(coalesce(name, 'none'), at)",
    "to_jsonb(max(at))",
    "to_jsonb(count(*) > 2)",
    "to_json(array_agg(name ORDER BY id))",
    "jsonb_build_array(count(*), 'x', NULL, max(price), array_agg(id ORDER BY id), jsonb_build_array())",
    "jsonb_build_object(min(day)::text, jsonb_build_object(), 'in', jsonb_agg(jsonb_build_array(id, day) ORDER BY id))",
    "jsonb_build_object('json', '{\"a\": [1, {\"b\": null}]}'::jsonb, 'text', '{\"a\": 1}')",
    "row_to_json(row(count(*), max(name)))",
    "jsonb_build_object('nan', 'NaN'::float8, 'inf', '-Infinity'::float8, 'time', TIME '01:02:03.5')",
    "to_jsonb(max(jsonb_build_object('a', jsonb_build_object('b', 7)) -> 'a' ->> 'b'))",
)

ODD = (
    '{"a": 1, "b": {"c": [1.50, {"d": "x"}, null]}, "e": "é\\u00e9\\n\\"q\\"", "f": null, "": "empty", "a.b": 2}',
    ' {"a": "text", "a": "twice"} ',
    '[1, [2, 3], {"a": "in"}, "s", null, true]',
    '"scalar"',
    "12345678901234567890123456789.10",
    "null",
    "[]",
    "{}",
    '{"a": [], "b": {}, "\\u0061b": 7, "it\'s": 8, "q\\"": 9, "1": "one"}',
    '{"a": {"b": {"a": [[["deep"]]]}}, "n": -1.5E+3, "t": true}',
    None,
)
TAKEN = (
    "j -> 'a'", "j ->> 'a'", "j -> 'b' -> 'c'", "j -> 'b' ->> 'c'", "j -> 'b' -> 'c' -> 0", "j -> 'b' -> 'c' ->> -2",
    "j ->> 0", "j -> 1", "j -> -1", "j ->> -1", "j ->> 99", "j -> 1 ->> 1", "j ->> 'e'", "j ->> 'f'", "j -> 'f'",
    "j ->> ''", "j ->> 'a.b'", "j -> '0'", "j ->> '1'", "j ->> 'ab'", "j ->> 'it''s'", "j ->> 'q\"'", "j ->> 't'",
    "j ->> 'n'", "j #> '{a,b}'", "j #>> '{b,c,0}'", "j #>> '{b,c,-1}'", "j #>> ARRAY['b','c','1','d']", "j #>> '{1,0}'",
    "j #>> '{a,b,a,0,0,0}'", "j #> '{}'", "j #>> '{}'", "jsonb_extract_path_text(j, 'b', 'c', '0')",
    "jsonb_extract_path(j, '2', 'a')", "j ->> ('a' || '.b')", "((j ->> 'a') IS NULL)::text",
    "coalesce(j ->> 'a', 'none')",
    "j -> id::integer", "CASE WHEN id = 1 THEN (j -> 'b' -> 'c' ->> 0)::numeric(9,2)::text END",
)  # fmt: skip


DECLARED = 'id: bigint, name: text, price: "numeric(12,2)", half: double, at: timestamptz, day: date, j: json'


def _value(text: object) -> Any:
    """A JSON value with the digits of its numbers; `1.50` and `1.5` are the same, as in jsonb."""
    return None if text is None else json.loads(str(text), parse_float=Decimal, parse_int=Decimal)


def _run(project: Inside, expressions: Sequence[str], kind: str, lines: Sequence[str], more: str = "") -> list[Any]:
    """The rows of SQL over a file of these lines, by `id`."""
    (project.path / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    names = [f"e{place}" for place in range(len(expressions))]
    sql = ", ".join(f"{e} AS {name}" for e, name in zip(expressions, names, strict=True)).replace("\n", " ")
    columns = "".join(f"\n      {name}: {kind}" for name in names)
    project.write(
        "specs/all.yaml",
        f"""
connections:
  drop: {{ kind: files, uri: . }}
  wh: {{ kind: duckdb, path: wh.duckdb }}
tables:
  out:
    connection: wh
    columns:{columns}
pipelines:
  p:
    from: {{ source: {{ connection: drop, path: rows.jsonl, format: jsonl, columns: {{ {DECLARED} }} }} }}
    dialect: postgres
    sql: |
      SELECT {sql} FROM source {more}
    to: {{ connection: wh, table: out, mode: append }}
""",
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    return Store("duckdb", project.path, file="wh").raw("SELECT * FROM out ORDER BY rowid")


def test_json_that_sql_makes_is_postgresqls(project: Inside, postgres: str) -> None:
    (made,) = _run(project, MADE, "json", [json.dumps(row) for row in ROWS])
    with psycopg.connect(postgres, options="-c timezone=UTC") as connection:
        connection.execute(f"CREATE TEMP TABLE source ({COLUMNS})")
        for row in ROWS:
            connection.execute("INSERT INTO source VALUES (%s, %s, %s, %s, %s, %s)", list(row.values()))
        for expression, text in zip(MADE, made, strict=True):
            (wanted,) = connection.execute(f"SELECT ({expression})::text FROM source").fetchone() or (None,)
            assert _value(text) == _value(wanted), expression


def test_parts_of_json_are_postgresqls(project: Inside, postgres: str) -> None:
    lines = [f'{{"id": {i % 3}, "j": {text or "null"}}}' for i, text in enumerate(ODD) if text != "null"]
    made = _run(project, TAKEN, "text", lines)
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TEMP TABLE source (place integer, id bigint, j jsonb)")
        kept = [text for text in ODD if text != "null"]
        for place, text in enumerate(kept):
            connection.execute("INSERT INTO source VALUES (%s, %s, %s)", (place, ODD.index(text) % 3, text))
        for place, expression in enumerate(TAKEN):
            wanted = connection.execute(f"SELECT ({expression})::text FROM source ORDER BY place").fetchall()
            alike = str if "->>" in expression or "#>>" in expression or "_text" in expression else _value
            found = [None if row[place] is None else alike(row[place]) for row in made]
            assert found == [None if text is None else alike(text) for (text,) in wanted], expression


FLAGSHIP = (
    "array_agg(named_struct('strike', strike, 'bid', bid, 'delta', delta(strike, bid), 'at', at,"
    " 'tags', array[strike, NULL]))",
    "jsonb_agg(jsonb_build_object('strike', strike, 'bid', bid, 'delta', delta(strike, bid), 'at', at,"
    " 'tags', array[strike, NULL]))",
)
CHAIN = [
    {
        "strike": 7,
        "bid": Decimal("1.50"),
        "delta": Decimal("8.5"),
        "at": "2024-05-06T07:08:09+00:00",
        "tags": [7, None],
    },
    {"strike": 8, "bid": None, "delta": None, "at": None, "tags": [8, None]},
]


@pytest.mark.covering
@pytest.mark.parametrize("sql", FLAGSHIP, ids=["array_agg", "jsonb_agg"])
def test_a_chain_with_a_function_of_the_project_goes_into_a_json_column(
    project: Inside, store: Store, sql: str
) -> None:
    project.write(
        "own.py",
        "import pyarrow.compute as pc\n\ndef delta(a, b):\n    return pc.add(a, b.cast('double')).cast('double')\n",
    )
    lines = ({"strike": 7, "bid": "1.50", "at": "2024-05-06T07:08:09Z"}, {"strike": 8})
    project.write("chain.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    project.write(
        "specs/all.yaml",
        f"""
connections:
  drop: {{ kind: files, uri: . }}
  wh: {store.connection}
functions:
  delta: {{ python: "own:delta", args: [bigint, numeric], returns: double }}
tables:
  chains: {{ connection: wh, columns: {{ id: bigint, doc: json }} }}
pipelines:
  p:
    from:
      source:
        connection: drop
        path: chain.jsonl
        format: jsonl
        columns: {{ strike: bigint, bid: "numeric(9,2)", at: timestamptz }}
    dialect: postgres
    sql: |
      SELECT 1 AS id, {sql} AS doc FROM source
    to: {{ connection: wh, table: chains, mode: append }}
""",
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    ((doc,),) = store.raw("SELECT doc FROM chains")
    assert _value(doc if isinstance(doc, str) else json.dumps(doc)) == CHAIN


def _over_lines(project: Inside, lines: str, kind: str, sql: str) -> Any:
    project.write("rows.jsonl", lines)
    project.write(
        "specs/all.yaml",
        f"""
connections:
  drop: {{ kind: files, uri: . }}
  wh: {{ kind: sqlite, path: wh.sqlite }}
pipelines:
  p:
    from: {{ source: {{ connection: drop, path: rows.jsonl, format: jsonl, columns: {{ o: "{kind}" }} }} }}
    dialect: postgres
    sql: SELECT {sql} FROM source
    to: {{ connection: wh, table: out, mode: append }}
""",
    )
    return project.flowc("run", "--once")


def test_parts_of_declared_structs_are_read_by_their_paths(project: Inside) -> None:
    lines = '{"o": {"user": {"id": 7, "n": 1.50}, "tags": ["a"], "more": 1}}\n{"o": null}\n{"o": {"user": null}}\n'
    kind = "struct(user struct(id bigint, n numeric(9,2)), tags text[])"
    sql = "o.user.id AS id, (o).user.n AS n, o.tags[1] AS tag, o -> 'user' ->> 'n' AS text, o ->> 'tags' AS tags"
    done = _over_lines(project, lines, kind, sql)
    assert done.code == 0, done.err
    made = Store("sqlite", project.path, file="wh").raw("SELECT * FROM out ORDER BY rowid")
    assert made == [(7, 1.5, "a", "1.50", '["a"]'), (None,) * 5, (None,) * 5]


def test_lists_of_declared_structs_are_read(project: Inside) -> None:
    done = _over_lines(
        project, '{"o": [{"a": 1}, {"a": null}]}\n{"o": []}\n', "struct(a bigint)[]", "o[1].a AS a, o AS o"
    )
    assert done.code == 0, done.err
    made = Store("sqlite", project.path, file="wh").raw("SELECT * FROM out ORDER BY rowid")
    assert [(a, json.loads(o)) for a, o in made] == [(1, [{"a": 1}, {"a": None}]), (None, [])]


def test_json_inside_of_declared_structs_stays_json(project: Inside) -> None:
    line = '{"o": {"x": 1, "y": [1, {"z": 1.50}], "many": ["t", {"a": null}]}}\n'
    kind = "struct(x bigint, y json, many json[])"
    done = _over_lines(project, line, kind, "o AS o, o.y AS y, to_jsonb(o) ->> 'y' AS made")
    assert done.code == 0, done.err
    ((whole, part, made),) = Store("sqlite", project.path, file="wh").raw("SELECT * FROM out")
    assert json.loads(whole) == json.loads(line)["o"]
    assert [json.loads(part), json.loads(made)] == [[1, {"z": 1.5}]] * 2


def test_a_part_that_does_not_fit_names_its_line(project: Inside) -> None:
    done = _over_lines(project, '{"o": {"a": 1}}\n{"o": {"a": "x"}}\n', "struct(a bigint)", "o.a AS a")
    assert done.code != 0
    assert "line 2: column `o`" in done.err, done.err
