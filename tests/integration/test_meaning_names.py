"""Names of tables and columns through whole runs: words, signs, scripts, cases, lengths, from and to every engine."""

import json

import pytest

from tests.stores import KINDS, SERVERS, Store, counts

COLUMNS = (
    "select", "order by", 'we "ird', "ünï", "a$b", "$1", "x" * 63, "back`tick", "Per%cent", "%s", "{brace}", "{{x}}",
    ":colon", "?q", "a.b", "'q'", "a\\b", "日本語", "-- c", "/* c */", "UPPER", "#h", "@v",
)  # fmt: skip
SOURCE, TARGET = 'Odd "tab`le" $x ü', 'Group "by`" $y 表'
PAIRS = [(kind, kind) for kind in KINDS] + [(KINDS[i - 1], kind) for i, kind in enumerate(KINDS)]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def opened(request: pytest.FixtureRequest, folder, kind: str, file: str) -> Store:
    return Store(kind, folder, request.getfixturevalue(kind) if kind in SERVERS else "", file=file)


def written(project, source: Store, target: Store, rest: dict) -> None:
    text = json.dumps({"connections": {"a": "A", "b": "B"}, **rest}, ensure_ascii=False)
    project.write("specs/p.yaml", text.replace('"A"', source.connection).replace('"B"', target.connection))


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_any_name_is_a_name(request, project, here, there):
    source, target = (opened(request, project.path, kind, file) for kind, file in ((here, "a"), (there, "b")))
    kinds = {name: "bigint" if i < 2 else "varchar(20)" for i, name in enumerate(COLUMNS)}
    keys, table = list(COLUMNS[:2]), quoted(SOURCE)
    source.run(
        f"CREATE TABLE {table} (" + ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items()) + ")",
        f"INSERT INTO {table} VALUES (" + ", ".join("1" if i < 2 else f"'v{i}'" for i in range(len(COLUMNS))) + ")",
    )
    pipelines = {
        "m": {"from": "a", "table": table, "to": "t", "mode": "merge", "incremental": {"column": keys[1]}},
        "h": {"from": "a", "table": table, "to": {"connection": "b", "table": "h", "keys": keys}, "mode": "scd2"},
    }
    declared = {"connection": "b", "name": TARGET, "columns": kinds, "primary_key": keys}
    written(project, source, target, {"tables": {"t": declared}, "pipelines": pipelines})
    first = project.flowc("run", "--once", "--json")
    assert first.code == 0, first.out + first.err
    source.run(f"UPDATE {table} SET {quoted(COLUMNS[2])} = 'new'")
    again = project.flowc("run", "--once", "--json")
    assert counts(again) == {"m": (1, 0, 1, 0, 0), "h": (1, 1, 1, 0, 0)}, again.out
    shown = ", ".join(quoted(name) for name in COLUMNS)
    wanted = (1, 1, "new", *(f"v{i}" for i in range(3, len(COLUMNS))))
    assert target.rows(f"SELECT {shown} FROM {quoted(TARGET)}") == [wanted]
    assert target.rows(f"SELECT {shown} FROM h WHERE is_current") == [wanted]


TWO = {"p": {"from": "a", "table": "raw", "to": {"connection": "b", "table": "t"}, "mode": "append"}}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_differ_in_case_alone(request, project, kind):
    source = opened(request, project.path, "postgres", "a")
    target = source if kind == "postgres" else opened(request, project.path, kind, "b")
    source.run('CREATE TABLE raw ("Id" BIGINT, id BIGINT)', "INSERT INTO raw VALUES (1, 2)")
    written(project, source, target, {"pipelines": TWO})
    done = project.flowc("run", "--once")
    if kind == "postgres":
        assert done.code == 0, done.err
        assert target.rows('SELECT "Id", id FROM t') == [(1, 2)]
    else:
        assert done.code == 1
        assert "output columns `Id` and `id` of `p` differ only in case" in done.err


@pytest.mark.parametrize("kind", KINDS)
def test_tables_that_differ_in_case_alone(request, project, kind):
    store = opened(request, project.path, kind, "a")
    declared = {key: {"connection": "b", "name": key, "columns": {"id": "bigint"}} for key in ("Case", "case")}
    pipelines = {
        f"p{n}": {"from": "a", "sql": f"SELECT {n} AS id", "to": key, "mode": "append"}
        for n, key in enumerate(declared)
    }
    written(project, store, store, {"tables": declared, "pipelines": pipelines})
    done = project.flowc("run", "--once")
    if kind in ("sqlite", "duckdb"):
        assert "error[duplicate-table]: tables `Case` and `case` are both `case`" in done.out + done.err
    else:
        assert done.code == 0, done.err
        assert (store.rows('SELECT id FROM "Case"'), store.rows('SELECT id FROM "case"')) == ([(0,)], [(1,)])


LONGEST = {"sqlite": 200, "duckdb": 200, "postgres": 63, "mysql": 64}


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_never_cut(request, project, kind):
    store = opened(request, project.path, kind, "a")
    longest = "n" * LONGEST[kind]
    for name, fits in ((longest, True), (longest + "x", kind in ("sqlite", "duckdb")), ("é" * 32, kind != "postgres")):
        for declared, table, column in ((True, name, "id"), (True, "t", name), (False, name, "id")):
            kept = {"connection": "b", "name": table, "columns": {column: "bigint"}}
            target = "t" if declared else {"connection": "b", "table": table}
            sql = f'SELECT 1 AS "{column}"'
            pipelines = {"p": {"from": "a", "sql": sql, "to": target, "mode": "append"}}
            if fits:
                store.run(f'DROP TABLE IF EXISTS "{table}"')
            written(project, store, store, {**({"tables": {"t": kept}} if declared else {}), "pipelines": pipelines})
            done = project.flowc("run", "--once")
            assert done.code == (0 if fits else 1), (name, declared, done.out, done.err)
            assert fits or "name-too-long" in done.out + done.err, done.err
            assert not fits or store.rows(f'SELECT "{column}" FROM "{table}"') == [(1,)]


@pytest.mark.parametrize("kind", SERVERS)
def test_names_of_indexes_are_never_cut(request, project, kind):
    """Those that flowc makes fit and differ; those that are declared are refused where they do not fit."""
    store = opened(request, project.path, kind, "a")
    columns = ["é" * 20 + end for end in ("a", "b")]
    kept = {
        "connection": "b",
        "name": "long_" + "n" * 40,
        "columns": dict.fromkeys(columns, "bigint"),
        "indexes": [{"columns": [column]} for column in columns],
    }
    written(project, store, store, {"tables": {"t": kept}})
    assert project.flowc("apply", "--yes").code == 0
    again = project.flowc("plan")
    assert (again.code, "no changes" in again.out.lower()) == (0, True), again.out + again.err
    written(project, store, store, {"tables": {"t": {**kept, "indexes": [{"columns": columns, "name": "i" * 65}]}}})
    refused = project.flowc("lint")
    assert refused.code == 1
    assert "error[name-too-long]" in refused.out + refused.err


@pytest.mark.parametrize("written_as", [{"from": "a", "table": "x" * 64}, {"table": "x" * 64}])
def test_a_source_in_a_word_has_a_name_that_fits(request, project, written_as):
    store = opened(request, project.path, "postgres", "a")
    pipelines = {"p": {**written_as, "to": {"connection": "b", "table": "t"}, "mode": "append"}}
    written(project, store, store, {"pipelines": pipelines})
    refused = project.flowc("lint")
    assert refused.code == 1
    assert "error[name-too-long]" in refused.out + refused.err
