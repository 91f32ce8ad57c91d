"""Decimals that SQLite keeps as texts are ordered and compared by their value, or not at all."""

import pytest

from tests.stores import Store, address, counts

HEAD = """
connections: {{ w: {target}, r: {source} }}
tables:
  t: {{ connection: w, columns: {{ id: bigint primary key, amount: "{kind}", v: text }} }}
pipelines:
  p:
    from: r
    sql: SELECT id, amount, v FROM raw
    to: t
    mode: merge
    {more}
"""
KIND = "numeric(20,2)"


@pytest.fixture(params=["sqlite", "duckdb"])
def source(request, project):
    store = Store(request.param, project.path, address(request, request.param), file="origin")
    store.run(
        f"CREATE TABLE raw (id BIGINT, amount {'DECIMAL TEXT(20,2)' if store.kind == 'sqlite' else KIND}, v TEXT)"
    )
    return store


@pytest.fixture
def target(project):
    return Store("sqlite", project.path)


def load(project, source, target, more, kind=KIND):
    spec = HEAD.format(target=target.connection, source=source.connection, more=more, kind=kind)
    project.write("specs/p.yaml", spec)
    return project.flowc("run", "--once", "--json")


CHECKS = {
    "amount >= 100": 1,
    "100 <= amount": 1,
    "amount BETWEEN 100 AND 12345678901234567": 2,
    "amount IN (9, 100, 12345678901234567.5)": 0,
    "amount <> 9.0": 1,
    "NOT amount < 9.5": 1,
    "coalesce(amount, 0) > 9": 1,
    "amount > id * 10": 1,
    "amount IS NOT NULL AND amount <= 12345678901234567.50": 0,
    "amount < 12345678901234567.51": 0,
    "CASE WHEN id > 0 THEN amount END < 12345678901234567.5": 1,
    "nullif(amount, 9) IS NOT NULL": 1,
    "nullif(amount, 9) > 9": 1,
    "coalesce(nullif(amount, 100), 1) > 8": 1,
    "CAST(amount AS REAL) * 2 > 18": 1,
    "amount > -9": 0,
    "likely(amount) >= 100": 1,
    "100 IN (amount, 9)": 2,
    "9.0 NOT IN (1, amount)": 1,
}


def test_checks_judge_by_value(project, source, target):
    source.run("INSERT INTO raw VALUES (1, '9.00', 'a'), (2, '100.00', 'b'), (3, '12345678901234567.50', 'c')")
    checks = ", ".join(f'{{ name: "{sql}", sql: "{sql}", severity: warn }}' for sql in CHECKS)
    done = load(project, source, target, f"expect: [{checks}]")
    assert done.code == 0, done.out + done.err
    found = done.json["pipelines"][0]["targets"][0]["expects"]
    assert {check["name"]: check["failed"] for check in found} == CHECKS


def test_the_greatest_is_kept(project, source, target):
    source.run(
        "INSERT INTO raw VALUES (1, '9.00', 'old'), (1, '10.00', 'new'), (2, '-9.00', 'new'), (2, '-10.00', 'old')"
    )
    done = load(project, source, target, 'keys: [id]\n    dedupe: { order_by: "amount DESC" }')
    assert done.code == 0, done.out + done.err
    assert target.rows("SELECT id, v FROM t") == [(1, "new"), (2, "new")]


LOSING = (
    "amount * 2 > 18", "(amount, id) > (9, 1)", "(amount, id) < (10, 1)", "(amount, id) IN ((9, 1), (10, 2))",
    "(SELECT amount) > 9",
)  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [*(f'expect: [{{ sql: "{sql}" }}]' for sql in LOSING), 'keys: [id]\n    dedupe: { order_by: "abs(amount)" }'],
)
def test_what_would_lose_digits_is_refused(project, source, target, more):
    source.run("INSERT INTO raw VALUES (1, '9.00', 'a')")
    done = load(project, source, target, more)
    assert done.code == 1
    assert "decimal-kept-as-text" in done.out + done.err


def test_a_normaliser_compares_by_value(project, source, target):
    source.run("INSERT INTO raw VALUES (1, '9.00', 'a'), (2, '100.00', 'b')")
    spec = HEAD.replace(
        '"{kind}"', '{{ type: "{kind}", normalize: [{{ sql: "CASE WHEN {{value}} >= 100 THEN 1 ELSE 0 END" }}] }}'
    )
    project.write("specs/p.yaml", spec.format(target=target.connection, source=source.connection, more="", kind=KIND))
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    assert target.rows("SELECT id, amount FROM t") == [(1, "0.00"), (2, "1.00")]


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM t", "SELECT * FROM t {% if incremental %} WHERE amount >= {{ watermark }} {% endif %}"]
)
@pytest.mark.parametrize("keys", ["keys: [id],", ""])
def test_a_cursor_goes_on_by_value(project, target, sql, keys):
    """From SQLite into SQLite, so that both the bound and the watermark are of texts."""
    target.run('CREATE TABLE t (id BIGINT, amount "DECIMAL TEXT(20,2)")')
    spec = [f"connections: {{ w: {target.connection} }}", "pipelines:", f'  p: {{ from: w, sql: "{sql}", {keys}']
    spec.append("    to: { connection: w, table: d }, mode: append, incremental: { column: amount } }")
    project.write("specs/p.yaml", "\n".join(spec))
    seen = 0
    for new in (["9.00", "9.50"], ["10.00", "99.00"], ["100.00", "12345678901234567.50"], ["12345678901234567.51"]):
        rows = [f"({seen + i}, '{amount}')" for i, amount in enumerate(new)]
        target.run(f"INSERT INTO t VALUES {', '.join(rows)}")
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        assert counts(done)["p"] == (len(new) + (seen > 0), len(new), 0, 0, int(seen > 0))
        seen += len(new)
    assert target.rows("SELECT value FROM flowc_watermarks") == [("12345678901234567.51",)]


def test_a_key_that_another_program_has_written_is_that_number(project, target):
    target.run('CREATE TABLE raw (k "DECIMAL TEXT(20,2)", v TEXT)', "INSERT INTO raw VALUES ('9', 'a'), ('10.0', 'b')")
    spec = (
        f"connections: {{ w: {target.connection} }}\npipelines:\n  p: {{ from: w, table: raw, mode: merge, keys: [k], "
    )
    project.write("specs/p.yaml", spec + "to: { connection: w, table: d } }")
    assert counts(project.flowc("run", "--once", "--json"))["p"] == (2, 2, 0, 0, 0)
    target.run("UPDATE raw SET k = k || '0' WHERE k = '10.0'", "UPDATE raw SET v = 'c' WHERE k = '9'")
    assert counts(project.flowc("run", "--once", "--json"))["p"] == (2, 0, 1, 0, 1)
    assert target.rows("SELECT * FROM d") == [("10.00", "b"), ("9.00", "c")]


QUERIES = {
    "SELECT id, amount FROM t WHERE amount > 9": "text, and compares",
    "SELECT id, amount FROM t ORDER BY amount DESC LIMIT 1": "text, and compares",
    "SELECT id, amount FROM t WHERE amount = 9": "text, and compares",
    "SELECT max(amount) AS amount FROM t": "text, and compares",
    "SELECT id, amount * 2 AS amount FROM t": "15 digits",
    "SELECT id, amount FROM t WHERE amount COLLATE flowc_decimal > '9.5'": None,
    "SELECT t.id, t.amount FROM t JOIN t AS o ON t.amount = o.amount": None,
    "SELECT id, CAST(amount AS REAL) * 2 AS amount FROM t WHERE amount IS NOT NULL": None,
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_sqlite_would_answer_by_characters_is_an_error(project, target, query):
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ w: {target.connection} }}
tables:
  t: {{ connection: w, columns: {{ id: bigint, amount: "{KIND}", n: bigint }} }}
pipelines:
  p: {{ from: w, sql: "{query}", to: {{ connection: w, table: d }}, mode: truncate }}
""",
    )
    done = project.flowc("lint")
    wrong = QUERIES[query]
    assert done.code == (1 if wrong else 0), done.out + done.err
    assert wrong is None or ("decimal-kept-as-text" in done.out + done.err and wrong in done.out + done.err)
