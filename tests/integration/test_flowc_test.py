"""`flowc test`: rows in, rows out, on embedded databases, and what is said of a test that fails."""

from pathlib import Path

import pytest

from tests.commands import Inside

SPECS = """
connections:
  raw: { kind: mysql, url: "mysql://u:${NOBODY_SET_THIS}@nowhere.invalid/db" }
  warehouse: { kind: postgres, url: "${NOBODY_SET_THIS_EITHER}" }
  drop: { kind: files, uri: ./inbox, format: csv }
  bus: { kind: kafka, bootstrap_servers: "${NOR_THIS}" }
  lake: { kind: delta, uri: ./lake }
tables:
  wide:
    connection: lake
    columns: { id: bigint, tags: "text[]", doc: json, raw: binary, ok: boolean, day: date, u: uuid }
  dim:
    connection: warehouse
    schema: analytics
    columns: { id: bigint not null, email: { type: text, normalize: [lower, trim] }, score: "numeric(12,2)" }
    natural_key: [id]
pipelines:
  history:
    from: raw
    sql: SELECT `id`, IFNULL(email, 'none') AS email, score, at FROM customers
    to: { table: dim, mode: scd2 }
    event_time: at
  merged:
    from: raw
    sql: SELECT id, email, score FROM customers
    to: { connection: warehouse, table: analytics.merged, mode: merge, keys: [id], primary_key: [id] }
  counted:
    from: { connection: drop, path: "flights/*.csv" }
    sql: SELECT origin, count(*) AS n, sum(miles) AS miles FROM source GROUP BY origin
    to: { connection: warehouse, table: counted, mode: truncate }
  joined:
    from: { o: { connection: raw, table: orders }, r: { connection: drop, path: r.csv } }
    sql: SELECT o.id, r.name, o.at FROM o JOIN r ON o.region = r.code
    to: { connection: warehouse, table: joined, mode: append }
    expect: [{ not_null: [name] }]
  into_lake: { from: raw, sql: SELECT id FROM customers, to: { table: wide, mode: append } }
  two: { from: raw, sql: SELECT id FROM customers, to: [{ connection: raw, table: a }, { connection: raw, table: b }] }
  untranslated: { from: raw, sql: "SELECT id, now() AS at FROM customers", to: { connection: warehouse, table: t } }
  clock: { from: warehouse, sql: "SELECT id, now() AS at FROM customers", to: { connection: warehouse, table: t } }
  bytes:
    from: warehouse
    sql: SELECT id, CAST(repeat('ab', 40) AS bytea) AS b FROM customers
    to: { connection: warehouse, table: bytes }
streams:
  clean:
    source: { connection: bus, topic: events, columns: { user_id: bigint, amount: "numeric(12,2)", page: text } }
    sql: |
      SELECT s.user_id, s.amount * 2 AS twice, lower(page) AS page, s._event_ts AS at, u.country, now() AS n, _key,
             _partition, _offset
      FROM source s LEFT JOIN users u ON u.id = s.user_id WHERE amount > 0
    lookups: { users: { connection: raw, table: public.users } }
    to: { connection: warehouse, table: public.clean, mode: append }
  latest:
    source: { connection: bus, topic: events, columns: { user_id: bigint, amount: "numeric(12,2)" } }
    to: { connection: warehouse, table: latest, mode: merge, keys: [user_id] }
  firsts:
    source: { connection: bus, topic: events, columns: { user_id: bigint } }
    dedupe: { keys: [user_id], within: 10m }
    sql: SELECT user_id, _event_ts AS at FROM source
    to: { connection: warehouse, table: firsts, mode: append }
  raws:
    source: { connection: bus, topic: words, format: raw, columns: { value: text } }
    sql: SELECT value AS word, _topic AS topic FROM source
    to: { connection: warehouse, table: raws, mode: append }
  union:
    sources:
      o: { connection: bus, topic: o, columns: { id: bigint } }
      p: { connection: bus, topic: p, columns: { id: bigint } }
    to: { connection: warehouse, table: both, mode: append }
  onward:
    source: { connection: bus, topic: events, columns: { user_id: bigint, amount: "numeric(12,2)" } }
    sql: SELECT user_id, amount FROM source
    on_error: drop
    to: { connection: bus, topic: out, format: json }
  minutes:
    source: { connection: bus, topic: events, columns: { at: timestamptz }, event_time: at }
    sql: |
      SELECT window_end, window_end - window_start AS length
      FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start, window_end
    to: { connection: warehouse, table: minutes, mode: append }
tests:
"""


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def outcome(folder: Inside, tests: str, *arguments: str, specs: str = SPECS):
    folder.write("specs/project.yaml", specs + tests)
    return folder.flowc("test", *arguments)


PASSING = {
    "an scd2 load in the words of MySQL": """
  t:
    pipeline: history
    now: "2026-03-01T00:00:00Z"
    given:
      customers:
        - { id: 1, email: " A@X ", score: 1.5, at: "2026-01-01T00:00:00Z" }
        - { id: 1, email: null, score: 1.5, at: "2026-02-01T00:00:00Z" }
    expect:
      - { id: 1, email: none, is_current: true, valid_to: null }
      - { id: 1, email: a@x, is_current: false, score: 1.50, valid_to: "2026-02-01T01:00:00+01:00" }
""",
    "a merge into rows that are there": """
  t:
    pipeline: merged
    given:
      customers: [{ id: 1, email: new, score: 1 }]
      merged: [{ id: 1, email: old, score: 5 }, { id: 2, email: two, score: 5 }]
    expect: [{ id: 2, email: two }, { id: 1, email: new, score: 1 }]
""",
    "files": """
  t:
    pipeline: counted
    given: { source: [{ origin: JFK, miles: 10 }, { origin: JFK, miles: 20 }] }
    expect: [{ origin: JFK, n: 2, miles: 30 }]
""",
    "sources of two sorts": """
  t:
    pipeline: joined
    given:
      o: [{ id: 1, region: n, at: "2026-01-01T00:00:00Z" }]
      r: [{ code: n, name: North }]
    expect: [{ id: 1, name: North, at: "2026-01-01T01:00:00+01:00" }]
""",
    "a check that refuses": """
  t:
    pipeline: joined
    given: { o: [{ id: 1, region: n, at: "2026-01-01" }], r: [{ code: n, name: null }] }
    expect_error: not_null
""",
    "a stream with a lookup and a clock": """
  t:
    stream: clean
    now: "2026-01-01T00:00:00Z"
    given:
      source:
        - { user_id: 1, amount: 2.10, page: Home, _event_ts: "2026-01-01T00:00:10Z", _key: a }
        - { user_id: 2, amount: 1, page: A, _partition: 3, _offset: 17 }
        - { user_id: 3, amount: -1 }
        - { user_id: 5, amount: 1 }
      users: [{ id: 1, country: de }]
    expect:
      - { user_id: 2, country: null, at: "2026-01-01T00:00:00Z", _partition: 3, _offset: 17 }
      - { user_id: 1, twice: 4.2, page: home, at: "2026-01-01T00:00:10Z", country: de, _offset: 0 }
      - { user_id: 5, country: null, n: "2026-01-01T00:00:00Z" }
""",
    "a stream that merges into rows that are there": """
  t:
    stream: latest
    given:
      source: [{ user_id: 1, amount: 2 }, { user_id: 1, amount: 3.5 }]
      latest: [{ user_id: 1, amount: 1.25 }, { user_id: 9, amount: 9.25 }]
    expect: [{ user_id: 1, amount: 3.5 }, { user_id: 9, amount: "9.25" }]
""",
    "a stream that drops repeats": """
  t:
    stream: firsts
    given:
      source:
        - { user_id: 1, _event_ts: "2026-01-01T00:00:00Z" }
        - { user_id: 1, _event_ts: "2026-01-01T00:05:00Z" }
        - { user_id: 1, _event_ts: "2026-01-01T00:11:00Z" }
    expect:
      - { user_id: 1, at: "2026-01-01T00:00:00Z" }
      - { user_id: 1, at: "2026-01-01T00:11:00Z" }
""",
    "a stream into a topic, without its bad rows": """
  t:
    stream: onward
    given: { source: [{ user_id: x }, { user_id: 1, amount: 2 }] }
    expect: [{ user_id: 1, amount: 2 }]
""",
    "a Delta table with values of many types": """
  t:
    pipeline: into_lake
    given:
      customers: [{ id: 1 }]
      wide:
        - id: 9
          tags: [a, b]
          doc: { k: 1, l: [null] }
          raw: aGk=
          ok: true
          day: "2026-01-01"
          u: 123e4567-e89b-12d3-a456-426614174000
    expect:
      - { id: 1, tags: null }
      - { id: 9, tags: [a, b], doc: { l: [null], k: 1 }, raw: aGk=, ok: true, day: "2026-01-01" }
""",
    "raw messages": """
  t: { stream: raws, given: { source: [{ value: "hé" }] }, expect: [{ word: "hé", topic: words }] }
""",
    "sources put together": """
  t: { stream: union, given: { o: [{ id: 1 }], p: [{ id: 2 }] }, expect: [{ id: 2 }, { id: 1 }] }
""",
    "a bad message": """
  t: { stream: latest, given: { source: [{ user_id: x }] }, expect_error: does not fit }
""",
}


@pytest.mark.parametrize("test", PASSING.values(), ids=PASSING)
def test_it_passes(folder: Inside, test: str):
    done = outcome(folder, test)
    assert done.code == 0, done.out + done.err
    assert "1 test: 1 passed, 0 failed" in done.out


FAILING = {
    "another value": (
        "{ pipeline: counted, given: { source: [{ origin: JFK, miles: 1 }] }, expect: [{ origin: JFK, n: 2 }] }",
        ("- { origin: JFK, n: 2 }  expected at specs/project.yaml", "+ { origin: JFK, n: 1 }  is there: `n` differs"),
    ),
    "a row too many": (
        "{ pipeline: counted, given: { source: [{ origin: JFK, miles: 1 }] }, expect: [] }",
        ("+ { origin: JFK, n: 1, miles: 1 }  is there, and not expected",),
    ),
    "the same row once and not twice": (
        "{ pipeline: counted, given: { source: [{ origin: JFK, miles: 1 }] }, expect: [{ n: 1 }, { n: 1 }] }",
        ("- { n: 1 }  expected at",),
    ),
    "rows that are not given": ("{ pipeline: merged, given: {}, expect: [] }", ("error[not-testable]", "`customers`")),
    "a table of no columns": (
        "{ pipeline: merged, given: { customers: [] } }",
        ("error[not-testable]", "give it a row"),
    ),
    "a column that the target has not": (
        "{ stream: latest, given: { source: [] }, expect: [{ user: 1 }] }",
        ("error[unknown-column]: there is no column `user`",),
    ),
    "a value of another type": (
        "{ stream: latest, given: { source: [] }, expect: [{ user_id: many }] }",
        ("error[value-does-not-fit]", "`user_id`"),
    ),
    "no error": (
        "{ stream: latest, given: { source: [] }, expect_error: boom }",
        ("error[test-failed]: nothing failed", "at specs/project.yaml:"),
    ),
    "another error": (
        "{ stream: latest, given: { source: [{ user_id: x }] }, expect_error: boom }",
        ("error[value-does-not-fit]",),
    ),
    "several targets": (
        "{ pipeline: two, given: { customers: [{ id: 1 }] }, expect: [{ id: 1 }] }",
        ("error[not-testable]: pipeline `two` writes 2 targets",),
    ),
    "a time that cannot reach the SQL": (
        '{ pipeline: clock, now: "2026-01-01T00:00:00Z", given: { customers: [{ id: 1 }] } }',
        ("error[not-testable]: `now` does not reach the SQL",),
    ),
    "words that the engine of tests has not": (
        "{ pipeline: untranslated, given: { customers: [{ id: 1 }] } }",
        ("error[not-testable]", "does not compile for DuckDB", "`now` of mysql has no translation"),
    ),
    "rows without a column that the SQL reads": (
        "{ pipeline: merged, given: { customers: [{ id: 1, mail: a, score: 1 }] } }",
        ("error[query-refused]", "email", "at specs/project.yaml:"),
    ),
    "rows for nothing": (
        "{ pipeline: merged, given: { customers: [{ id: 1, email: a, score: 1 }], nobody: [] } }",
        ("error[unknown-table]", "`nobody`, which is not read"),
    ),
    "offsets that go back": (
        "{ stream: latest, given: { source: [{ user_id: 1, _offset: 3 }, { user_id: 1, _offset: 2 }] } }",
        ("error[not-testable]: `_offset` 2 comes after 3",),
    ),
    "offsets beyond all offsets": (
        "{ stream: latest, given: { source: [{ user_id: 1, _offset: 99999999999999999999 }] } }",
        ("error[not-testable]: `_offset` is no whole number from 0 to 4611686018427387903",),
    ),
}


@pytest.mark.parametrize(("test", "words"), FAILING.values(), ids=FAILING)
def test_it_fails_and_says_why(folder: Inside, test: str, words: tuple[str, ...]):
    done = outcome(folder, f"  t: {test}\n")
    assert done.code == 1, done.out + done.err
    assert "1 test: 0 passed, 1 failed" in done.out
    for word in words:
        assert word in done.out


def test_times_beyond_all_years_are_shown(folder: Inside):
    rows = "{ source: [{ at: 9999-12-31T23:59:58Z }, { at: 9999-12-31T23:58:59Z }] }"
    done = outcome(folder, f"  t: {{ stream: minutes, given: {rows}, expect: [{{ window_end: null }}] }}\n")
    assert (done.code, "1 test: 0 passed, 1 failed" in done.out) == (1, True), done.out + done.err
    assert "+ { window_end: 10000-01-01 00:00:00" in done.out
    steps = "[{ rows: [{ at: 9999-12-31T23:59:58Z }] }, { drain: , emits: [] }]"
    done = outcome(folder, f"  t: {{ stream: minutes, steps: {steps} }}\n", "--json")
    assert done.json["tests"][0]["steps"][0]["unexpected"][0]["window_end"].startswith("10000-01-01 00:00:00")


def test_what_cannot_be_compared_fails_its_own_test_alone(folder: Inside):
    rows = "given: { source: [{ at: 2026-01-01T00:00:00Z }] }"
    bad = f"  bad: {{ stream: minutes, {rows}, expect: [{{ length: 60 }}] }}\n"
    good = "  good: { stream: latest, given: { source: [{ user_id: 1 }] }, expect: [{ user_id: 1 }] }\n"
    done = outcome(folder, bad + good)
    assert done.code == 1, done.out + done.err
    assert "2 tests: 1 passed, 1 failed" in done.out
    for word in ("failed  bad", "specs/project.yaml:", "error[unsupported-type]: `length`"):
        assert word in done.out


def test_names_choose_and_json_tells_all(folder: Inside):
    both = """
  good: { stream: latest, given: { source: [{ user_id: 1 }] }, expect: [{ user_id: 1 }] }
  bad: { pipeline: counted, given: { source: [{ origin: JFK, miles: 1 }] }, expect: [{ origin: LGA, miles: 1 }] }
  long: { pipeline: bytes, given: { customers: [{ id: 1 }] }, expect: [] }
"""
    assert outcome(folder, both, "latest").code == 0
    done = outcome(folder, both, "--json")
    good, bad, long = done.json["tests"]
    assert long["unexpected"] == [{"id": 1, "b": "6162" * 40}]
    assert (done.code, good["status"], bad["status"], bad["subject"]) == (1, "ok", "failed", "counted")
    assert bad["missing"][0]["row"] == {"origin": "LGA", "miles": 1}
    assert bad["missing"][0]["nearest"] == {"origin": "JFK", "miles": 1}
    assert outcome(folder, both, "nothing").code == 2


def test_errors_in_specs_end_it(folder: Inside):
    done = outcome(folder, "  t: { stream: nosuch, given: {} }\n")
    assert done.code == 1
    assert "nothing was tested" in done.err


def test_nothing_is_left_behind(folder: Inside):
    outcome(folder, PASSING["a stream that drops repeats"])
    assert sorted(path.name for path in folder.path.iterdir() if path.name != "home") == ["specs"]
