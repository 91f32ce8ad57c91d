"""Values and names arrive as they left, whatever the pair of engines, or the load says which cannot."""

import json

import pytest

from tests.stores import KINDS, Store, address

pytestmark = pytest.mark.turns("store", 2)

TYPES = {
    "d38": ("numeric(38,10)", "1234567890123456789012345678.0123456789"),
    "big": ("bigint", "-9223372036854775808"),
    "micro": ("timestamp", "'2026-01-01 10:00:00.123456'"),
    "day": ("date", "'0001-01-01'"),
    "clock": ("time", "'23:59:59.999999'"),
    "yes": ("boolean", "true"),
    "none": ("text", "NULL"),
    "empty": ("text", "''"),
    "odd": ("text", "'ä''\"\\ ☃ \t'"),
    "f": ("double precision", "0.1"),
    "u": ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"),
    "v3": ("varchar(3)", "'äöü'"),
}


PAIRS = [(a, b) for place, a in enumerate(KINDS) for b in KINDS[place % 2 :: 2]]
"""Every other pair; of single values, `test_types_matrix` tries those between."""


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_pairs(project, source, target, request):
    dsns = {source: address(request, source), target: address(request, target)}
    a, b = Store(source, project.path, dsns[source], file="a"), Store(target, project.path, dsns[target], file="b")
    declared = ", ".join(f"{n}: '{t}'" for n, (t, _) in TYPES.items())
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ a: {a.connection}, b: {b.connection} }}
tables:
  src: {{ connection: a, columns: {{ id: bigint primary key, {declared} }} }}
  dst: {{ connection: b, columns: {{ id: bigint primary key, {declared} }} }}
pipelines:
  make: {{ sql: "SELECT 1 AS id WHERE 1 = 0", to: src }}
  copy: {{ from: a, table: src, to: dst, mode: merge, depends_on: [make] }}
  loose: {{ from: a, table: src, to: {{ connection: b, table: loose }}, mode: append, depends_on: [make] }}
  hist:
    from: a
    table: src
    to: {{ connection: b, table: hist }}
    mode: scd2
    keys: [id]
    event_time: micro
    depends_on: [make]
""",
    )
    done = project.flowc("run", "make", "--once", "--json")
    assert done.code == 0, done.out + done.err
    quoted = {n: f"'{v}'" if n == "d38" and source == "sqlite" else v for n, (_, v) in TYPES.items()}
    quoted["u"] = quoted["u"].lower()
    if source == "mysql":  # whose literals know escapes
        quoted["odd"] = quoted["odd"].replace("\\", "\\\\")
    a.run(f"INSERT INTO src VALUES (1, {', '.join(quoted.values())})")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    text = ", ".join(f"CAST({n} AS {b.characters})" if n not in ("yes",) else n for n in TYPES)
    want = (
        "1234567890123456789012345678.0123456789",
        "-9223372036854775808",
        "2026-01-01 10:00:00.123456",
        "0001-01-01",
        "23:59:59.999999",
        1,
        None,
        "",
        "ä'\"\\ ☃ \t",
        "0.1",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "äöü",
    )
    for table in ("dst", "loose", "hist"):
        assert b.rows(f"SELECT {text} FROM {table}") == [want], table
    done = project.flowc("run", "--once", "--json")
    merged = {p["name"]: p["targets"][0]["counts"] for p in done.json["pipelines"]}
    assert merged["copy"]["unchanged"] == 1 == merged["hist"]["unchanged"]


RAW = 'ra"w x'
NAMES = [
    "select",
    "Case",
    "with space",
    'quo"te',
    "apo'strophe",
    "per%cent",
    "back\\slash",
    "semi;colon",
    "ünï",
    "a.b",
    "{brace}",
    "$1",
    ":p",
    "?",
]


def q(name):
    return '"' + name.replace('"', '""') + '"'


def test_names_are_only_names(project, store):
    columns = ", ".join(f"{json.dumps(n, ensure_ascii=False)}: bigint" for n in NAMES)
    plain = ", ".join(json.dumps(n, ensure_ascii=False) for n in NAMES)
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ w: {store.connection} }}
tables:
  t:
    connection: w
    name: 'Odd "table" x'
    columns: {{ "the key": bigint primary key, {columns} }}
  h:
    connection: w
    name: 'sel;ect'
    columns: {{ "the key": bigint, {columns} }}
    natural_key: ["the key"]
pipelines:
  "odd pipe'line": {{ table: 'ra"w x', to: t, mode: merge, deletes: hard, compare: [{plain}] }}
  inc:
    table: 'ra"w x'
    to: {{ connection: w, table: 'in c' }}
    keys: ["the key"]
    incremental: {{ column: 'quo"te' }}
    expect: [{{ not_null: [{plain}] }}, {{ unique: ["the key"] }}]
  h: {{ table: 'ra"w x', to: h, mode: scd2, deletes: close, ttl: 9d }}
""",
    )
    store.run(f'CREATE TABLE {q(RAW)} ("the key" BIGINT, {", ".join(q(n) + " BIGINT" for n in NAMES)})')
    store.run(f"INSERT INTO {q(RAW)} VALUES (1, {', '.join(map(str, range(len(NAMES))))})")
    for _ in range(2):
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
    assert store.rows("SELECT * FROM " + q('Odd "table" x')) == [(1, *range(len(NAMES)))]
    assert store.rows('SELECT * FROM "in c"') == [(1, *range(len(NAMES)))]
    assert store.rows('SELECT count(*) FROM "sel;ect"') == [(1,)]


def test_a_thousand_columns(project, store):
    n = 1000
    cols = ", ".join(f"c{i}: integer" for i in range(n))
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ w: {store.connection} }}
tables:
  t: {{ connection: w, columns: {{ id: bigint primary key, {cols} }} }}
pipelines:
  m: {{ table: raw, to: t, mode: merge }}
  x: {{ sql: "SELECT * FROM raw", to: {{ connection: w, table: x }}, keys: [id], incremental: {{ column: id }} }}
  h: {{ table: raw, to: {{ connection: w, table: h }}, mode: scd2, keys: [id] }}
""",
    )
    store.run(f"CREATE TABLE raw (id BIGINT, {', '.join(f'c{i} INTEGER' for i in range(n))})")
    store.run(f"INSERT INTO raw VALUES (1, {', '.join(map(str, range(n)))})")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out[:3000] + done.err[:3000]
    store.run("UPDATE raw SET c999 = -1")
    done = project.flowc("run", "m", "h", "--once", "--json")
    assert done.code == 0, done.out[:3000] + done.err[:3000]
    assert store.rows("SELECT id, c0, c999 FROM t") == [(1, 0, -1)]
    assert store.rows("SELECT id, c0, c999 FROM h WHERE is_current") == [(1, 0, -1)]
    assert store.rows("SELECT id, c0, c999 FROM h WHERE NOT is_current") == [(1, 0, 999)]
