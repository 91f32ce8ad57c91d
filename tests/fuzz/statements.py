"""SQL in every dialect: statements of the corpora, changed token by token and mixed with each other."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import Any

from sqlglot import exp

from flowc.compiler.sql.denied import READS, RUNS, denied
from tests.fuzz.mutant import SPEC, Chance, Mutant, spec
from tests.lint_corpus import corpus as linted
from tests.translation import corpus as translated

ENGINES = ("postgres", "mysql", "sqlite", "duckdb", "datafusion")
TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|\s+|::|->>?|<=|>=|<>|\|\||.", re.DOTALL)
WRAPS = (
    "({})", "(SELECT {})", "CAST({} AS text)", "CAST({} AS numeric(38, 20))", "coalesce({}, NULL)", "CASE WHEN {} THEN 1 END", "NOT {}", "- {}",
    "{} IS NOT NULL", "[{}]", "ARRAY[{}]", "{}::date", "{} OVER ()", "{} IN (SELECT id FROM orders)", "EXISTS (SELECT {})", "{} AT TIME ZONE 'UTC'",
    "sum({})", "max({}) FILTER (WHERE true)", "lower({})", "substr({}, -1, 2)", "date_trunc('month', {})", "extract(epoch FROM {})", "interval {}",
    "json_extract({}, '$.a')", "unnest({})", "try_cast({} AS int)", "{} COLLATE nocase", "struct_pack(a := {})", "{} ->> 'a'", "concat({}, {})",
)  # fmt: skip
ODD = (
    "NULL", "''", "'%'", "'\U0001f600'", "1e308", "9223372036854775808", "0x1F", "-0", "1/0", "*", "orders.*", "?", "$1", ":a", "@x", "\\", "'", '"', "`", "--",
    "/*", ";", ",", "(", ")", "LATERAL", "RECURSIVE", "WITH a AS (SELECT 1)", "UNION ALL", "EXCEPT", "DISTINCT", "GROUP BY ALL", "ORDER BY 1", "LIMIT 0",
    "FETCH FIRST 1 ROW ONLY", "FOR UPDATE", "TABLESAMPLE (1)", "WINDOW w AS ()", "QUALIFY 1", "GROUPING SETS ((), (id))", "CROSS JOIN", "NATURAL JOIN items",
    "FULL JOIN items USING (id)", "VALUES (1)", "b'1'", "E'\\n'", "$$a$$", "N'a'", "_utf8'a'", "x'ff'", "date '2020-02-30'", "timestamp 'nonsense'",
    "interval '1' year", "current_timestamp", "now()", "random()", "id", "name", "amount", "placed_at", "pg_sleep(9)", "read_csv('/etc/passwd')",
    "load_file('/etc/passwd')", "getenv('FUZZ_SECRET')", "'\x1b[31m'", "'\u202e'", '"\x9b"', "DROP TABLE orders", "INSERT INTO orders SELECT 1",
)  # fmt: skip


@cache
def statements() -> list[str]:
    """Of all corpora, each in one dialect or another."""
    found = [case.sql for engine in ("datafusion", "duckdb", "sqlite") for case in linted.cases(engine)]
    return found + [case.sql for case in translated.cases()]


def swap(tokens: list[str], chance: Chance) -> None:
    i, j = chance.randrange(len(tokens)), chance.randrange(len(tokens))
    tokens[i], tokens[j] = tokens[j], tokens[i]


def drop(tokens: list[str], chance: Chance) -> None:
    at = chance.randrange(len(tokens))
    del tokens[at : at + chance.choice([1, 1, 2, 5])]


def wrap(tokens: list[str], chance: Chance) -> None:
    at = chance.randrange(len(tokens))
    end = at + chance.choice([1, 1, 1, 3, 6])
    tokens[at:end] = [chance.choice(WRAPS).replace("{}", "".join(tokens[at:end]))]


def odd(tokens: list[str], chance: Chance) -> None:
    at = chance.randrange(len(tokens))
    tokens[at : at + chance.choice([0, 1])] = [" ", chance.choice(ODD), " "]


def splice(tokens: list[str], chance: Chance) -> None:
    other = TOKEN.findall(chance.choice(statements()))
    at, start = chance.randrange(len(tokens)), chance.randrange(len(other))
    tokens[at : at + chance.choice([0, 1, 3])] = other[start : start + chance.choice([1, 3, 8, 30])]


@cache
def functions() -> list[str]:
    """Every function that the parser knows."""
    return sorted({name.lower() for function in exp.ALL_FUNCTIONS for name in function.sql_names()})


def call(tokens: list[str], chance: Chance) -> None:
    """A function with any number of arguments, most of which it does not take."""
    at, count = chance.randrange(len(tokens)), chance.choice([0, 1, 1, 2, 3, 4])
    given = ", ".join(chance.choice((*ODD, "id", "name", "1", "x -> x")) for _ in range(count))
    tokens[at : at + chance.choice([0, 1])] = [f" {chance.choice(functions())}({given}) "]


WRITING = (
    "WITH w AS (DELETE FROM orders RETURNING id) SELECT id FROM w", "WITH w AS (UPDATE orders SET id = 1 RETURNING id) SELECT id FROM w",
    "WITH w AS (INSERT INTO orders (id) VALUES (1) RETURNING id) SELECT id FROM w", "SELECT id INTO stolen FROM orders",
    "SELECT id FROM orders FOR UPDATE", "SELECT id FROM orders FOR KEY SHARE", "SELECT id FROM orders LOCK IN SHARE MODE",
    "SELECT nextval('s') AS id", "SELECT \"nextval\"('s') AS id", "SELECT lo_unlink(1) AS id",
    "SELECT set_config('role', 'x', false) AS id", "SELECT pg_advisory_lock(1) AS id", "SELECT get_lock('a', 1) AS id",
)  # fmt: skip
"""Queries that do more than read."""
AROUND = (
    "{}", "({})", "SELECT * FROM ({}) AS inner_one", "WITH outer_one AS ({}) SELECT * FROM outer_one", "SELECT id FROM items WHERE id IN ({})",
    "SELECT id FROM items UNION ALL ({})", "SELECT coalesce(({}), 1) AS id", "SELECT id FROM items, LATERAL ({}) AS beside", "{} LIMIT 1",
    "SELECT CASE WHEN EXISTS ({}) THEN 1 END AS id FROM items", "SELECT id FROM items ORDER BY ({})",
)  # fmt: skip


def writing(chance: Chance) -> str:
    """One of these at some depth, its words in some case and with comments between them."""
    sql = chance.choice(WRITING)
    for _ in range(chance.choice([0, 1, 1, 2])):
        sql = chance.choice(AROUND).replace("{}", sql)
    tokens = TOKEN.findall(sql)
    for _ in range(chance.choice([0, 0, 1, 2])):
        at = chance.randrange(len(tokens))
        quoted = tokens[at][:1] in "'\""
        tokens[at] = tokens[at] if quoted else chance.choice([str.upper, str.title, "{}/* */".format])(tokens[at])
    return "".join(tokens)


def ending(sql: str) -> dict[str, Any]:
    """Columns whose default ends what it is written into and goes on with a statement."""
    return {"id": {"type": "bigint", "default": f"0)); {sql}; SELECT ((1"}}


def calling(engine: str, chance: Chance) -> dict[str, Any]:
    """Columns whose default calls, at some depth, a function that is denied on the engine."""
    names = sorted(name for name, found in denied(engine).items() if found.group not in (RUNS, READS))
    around = chance.choice(
        ["{}", "({})", "coalesce({}, '1')", "GENERATED ALWAYS AS ({}) STORED", "CASE WHEN {} = 1 THEN 1 END"]
    )
    name = chance.choice([name for name in names if name != "nextval"])
    return {
        "id": {"type": "bigint", "default": around.format(f"{chance.choice([str.upper, str.title, str])(name)}('a')")}
    }


CHANGES = (swap, drop, wrap, wrap, odd, odd, splice, call)


def statement(chance: Chance) -> str:
    """A statement with up to a few changes."""
    tokens = TOKEN.findall(chance.choice(statements()))
    for _ in range(chance.choice([0, 1, 1, 1, 2, 4])):
        chance.choice(CHANGES)(tokens or [" "], chance)
    return "".join(tokens)


def mutant(chance: Chance) -> Mutant:
    engine, writes = chance.choice(ENGINES), chance.random() < 0.15
    sql = writing(chance) if writes else statement(chance)
    project = linted.project(engine, [linted.Case(sql, False, "", 1)])
    tables = project.get("tables", {})
    used = {name: table for name, table in tables.items() if name in sql}
    if tables:
        project["tables"] = used
    if writes and chance.random() < 0.3:
        home = [*project["connections"]][-1]
        columns = chance.choice([ending(sql), calling(project["connections"][home]["kind"], chance)])
        project["tables"] = {"broken_out": {"connection": home, "columns": columns}}
        project["pipelines"]["s1"]["sql"] = "SELECT 1 AS id"
    _embellish(project["pipelines"]["s1"], chance)
    made = spec(json.dumps(project, ensure_ascii=chance.random() < 0.5), plan=engine in ("duckdb", "sqlite"))
    return replace(made, demands=_reads) if writes else made


def _reads(project: Any, _mutant: Mutant, _chance: Chance) -> None:
    """Lint has passed what writes."""
    project.note("writes", ("lint",), (project.path / SPEC).read_text("utf-8", "replace"))


def _embellish(pipeline: dict[str, Any], chance: Chance) -> None:
    """Other uses of the same query."""
    mode = chance.choice([None, None, "append", "merge", "truncate", "scd2"])
    if mode:
        pipeline["to"]["mode"] = mode
    if mode in ("merge", "scd2") or chance.random() < 0.1:
        pipeline["to"]["keys"] = ["id"]
    if chance.random() < 0.1:
        pipeline["dialect"] = chance.choice(ENGINES)
    if chance.random() < 0.1:
        pipeline["derive"] = {"extra": chance.choice(["id + 1", *ODD])}
