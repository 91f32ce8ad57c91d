"""What lint passes is taken by what comes after it, and what it says does nothing to who shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.controls import UNSAFE
from tests.commands import Inside

HEAD = "connections: { db: { kind: duckdb, path: a.duckdb }, out: { kind: files, uri: x } }\n"


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def test_lint_refuses_what_normalisers_make_of_a_column_where_it_cannot_fit(folder: Inside):
    folder.write(
        "specs/a.yaml",
        HEAD
        + """tables:
  s: { connection: db, columns: { id: text } }
  u: { connection: db, columns: { id: { type: "numeric(12,2)", normalize: [{ regex_replace: { pattern: x } }] } } }
pipelines:
  normalized_to_text: { from: db, sql: SELECT 1 AS id, to: u }
  fine: { from: db, sql: SELECT CAST(id AS numeric) AS id FROM s, to: { connection: db, table: v } }
""",
    )
    found = folder.flowc("lint", "--format", "json")
    assert found.code == 1
    assert [(each["code"], each["line"]) for each in found.json] == [("incompatible-types", 6)]
    assert folder.flowc("compile").err.count("incompatible-types") == 1


@pytest.mark.parametrize("target", ["{ connection: out, path: a.csv }", "{ connection: snow, table: t }"])
def test_a_load_that_a_later_version_runs_is_said_to_be_one(folder: Inside, target: str):
    snow = "environments: {}\n"
    head = HEAD.replace("}\n", ', snow: { kind: snowflake, account: a, user: u, password: "${P}", database: d } }\n')
    folder.write(
        "specs/a.yaml", head + snow + f"pipelines: {{ p: {{ from: db, sql: SELECT 1 AS id, to: {target} }} }}\n"
    )
    assert folder.flowc("lint").code == 0
    compiled = folder.flowc("compile")
    assert compiled.code == 1
    assert "error[not-runnable-yet]: the load of `p` cannot run yet" in compiled.err


@pytest.mark.parametrize("form", ["text", "concise", "json", "github", "sarif"])
def test_no_form_of_lint_shows_characters_that_act(folder: Inside, form: str):
    folder.write(
        "specs/a.yaml", HEAD + 'pipelines: { p: { from: db, sql: SELECT 1 AS id, to: "\\u202e\\x9b31m\\x7f" } }\n'
    )
    found = folder.flowc("lint", "--format", form)
    assert found.code == 1
    assert UNSAFE.findall(found.out.replace("\n", "")) == []
    if form == "json":
        assert found.json[0]["message"] == "there is no table `\u202e\x9b31m\x7f`"


def test_a_saved_plan_shows_no_characters_that_act(folder: Inside):
    folder.write(
        "specs/a.yaml",
        HEAD + "pipelines: { p: { from: db, sql: \"SELECT '\\u202e' AS id\", to: { connection: db, table: t } } }\n",
    )
    assert folder.flowc("plan", "--out", "kept.json").code == 0
    assert UNSAFE.findall((folder.path / "kept.json").read_text("utf-8").replace("\n", "")) == []
    assert folder.flowc("apply", "kept.json", "--yes").code == 0


@pytest.mark.parametrize(
    "spec",
    [
        "{{connections': {0}, tables: {{t: {{}}}}}}",
        "[{0}]",
        "{{conections: {0}, environments: {{prod: {{cons: {0}}}}}}}",
    ],
)
def test_secrets_are_hidden_where_connections_is_misspelled(folder: Inside, spec: str):
    connection = '{ pg: { kind: postgres, url: "postgres://u:a\'b\\"c@h/d", password: hunter2 } }'
    folder.write("specs/a.yaml", spec.format(connection))
    found = folder.flowc("lint")
    assert found.code == 1
    assert "postgres" in found.out
    assert not [each for each in ("a'b", "hunter2") if each in found.out]


def test_a_table_whose_name_holds_nul_is_refused_at_its_place(folder: Inside):
    target = '{ connection: db, table: "a\\0b" }'
    pipeline = f"{{ from: db, sql: SELECT 1 AS id, to: {target}, expect: [{{ not_null: [id] }}] }}"
    folder.write("specs/a.yaml", f"{HEAD}pipelines: {{ p: {pipeline} }}\n")
    found = folder.flowc("lint", "--json")
    errors = [(each["code"], each["line"]) for each in found.json if each["severity"] == "error"]
    assert (found.code, errors) == (1, [("control-character", 2)])
