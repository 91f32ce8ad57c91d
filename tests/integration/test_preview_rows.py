"""`preview` shows rows as they would be in the target, and what each would change; and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Folder, Inside

pytestmark = pytest.mark.turns("kind", 2)

KINDS = ("sqlite", "duckdb", "postgres", "mysql", "delta")
SPECS = """connections:
  files: {{ kind: files, uri: . }}
  target: {target}
tables:
  t:
    connection: target
    columns:
      id: bigint{key}
      name: {{ type: varchar(20), normalize: [trim, upper] }}
      amount: numeric(10,2)
pipelines:
  fill:
    from: {{ connection: files, path: rows.csv, columns: {{ id: bigint, name: text, amount: "numeric(10,2)" }} }}
    sql: SELECT id, name, amount FROM source
    to: t
    mode: {mode}
    {more}
"""
FIRST = "id,name,amount\n1, ann ,1.50\n2,bob,2\n3,cy,3\n"
SECOND = "id,name,amount\n1,ann,1.5\n2,bob,7\n4,dee,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Inside(tmp_path)
    folder.write("rows.csv", FIRST)
    return folder


def shown(folder: Folder, *options: str) -> list[tuple[str, dict[str, object], dict[str, object] | None]]:
    done = folder.flowc("preview", "fill", "--json", *options)
    assert done.code == 0, done.err + done.out
    return [(row["change"], row["row"], row.get("before")) for row in done.json["rows"]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_merge_shows_each_row_against_the_one_that_is_there(folder, targets, kind):
    folder.write(
        "specs/a.yaml", SPECS.format(target=targets[kind], key=" primary key", mode="merge", more="deletes: hard")
    )
    assert [change for change, _, _ in shown(folder)] == ["insert"] * 3
    assert folder.flowc("run", "--once").code == 0
    folder.write("rows.csv", SECOND)
    for _ in range(2):  # the second one shows the same: nothing was changed
        found = shown(folder)
        assert [(change, values["id"]) for change, values, _ in found] == [
            ("insert", 4), ("update", 2), ("unchanged", 1), ("delete", 3),
        ]  # fmt: skip
        assert found[0][1]["name"] == "DEE"
        assert float(found[1][1]["amount"]) == 7
        assert float(found[1][2]["amount"]) == 2
        assert found[3][1]["name"] == "CY"
    text = folder.flowc("preview", "fill").out
    assert "2.00 → 7.00" in text
    assert "nothing was changed" in folder.flowc("preview", "fill").err
    assert len(shown(folder, "--rows", "2")) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_shows_new_versions(folder, targets, kind):
    folder.write("specs/a.yaml", SPECS.format(target=targets[kind], key=" not null", mode="scd2", more="keys: [id]"))
    assert folder.flowc("run", "--once").code == 0
    folder.write("rows.csv", SECOND)
    assert [(change, values["id"]) for change, values, _ in shown(folder)] == [
        ("insert", 4), ("update", 2), ("unchanged", 1),
    ]  # fmt: skip


@pytest.mark.covering
@pytest.mark.parametrize("mode", ["append", "truncate"])
@pytest.mark.parametrize("kind", KINDS)
def test_other_modes_show_what_is_added(folder, targets, kind, mode):
    folder.write("specs/a.yaml", SPECS.format(target=targets[kind], key="", mode=mode, more=""))
    assert folder.flowc("run", "--once").code == 0
    found = shown(folder)
    assert sorted((change, values["id"], values["name"]) for change, values, _ in found) == [
        ("insert", 1, "ANN"), ("insert", 2, "BOB"), ("insert", 3, "CY"),
    ]  # fmt: skip


def test_columns_of_any_name_and_none_to_compare(folder, targets):
    folder.write("rows.csv", "id,flowc_change,t,s\n1,a,b,c\n")
    folder.write(
        "specs/a.yaml",
        """connections:
  files: { kind: files, uri: . }
  target: { kind: duckdb, path: target.duckdb }
tables:
  t: { connection: target, columns: { id: bigint primary key, flowc_change: text, t: text, s: text } }
  k: { connection: target, columns: { id: bigint primary key } }
pipelines:
  fill: { from: { connection: files, path: rows.csv }, sql: SELECT * FROM source, to: t, mode: merge }
  keys: { from: { connection: files, path: rows.csv }, sql: SELECT id FROM source, to: k, mode: merge }
""",
    )
    assert shown(folder) == [("insert", {"id": 1, "flowc_change": "a", "t": "b", "s": "c"}, None)]
    folder.flowc("run", "--once")
    assert folder.flowc("preview", "keys", "--json").json["rows"][0]["change"] == "unchanged"


def test_values_that_nobody_can_show_fail_no_preview(postgres: str, tmp_path: Path):
    project = Inside(tmp_path)
    project.write(
        "specs/project.yaml",
        f"""
connections: {{ wh: {{ kind: postgres, url: "{postgres}" }} }}
pipelines:
  ends:
    from: {{ connection: wh, sql: "SELECT 1 AS id, CAST('infinity' AS timestamptz) AS ends" }}
    to: {{ connection: wh, table: shown_ends }}
    mode: merge
    keys: [id]
""",
    )
    for command in (("preview", "ends"), ("run", "--once"), ("preview", "ends")):
        found = project.flowc(*command)
        assert found.code == 0, found.out + found.err


def test_a_column_cannot_act_on_a_terminal(folder):
    folder.write(
        "specs/a.yaml",
        r"""connections:
  target: { kind: duckdb, path: target.duckdb }
tables:
  t: { connection: target, columns: { "a\e[2J\u202eb": bigint } }
pipelines:
  fill: { from: target, sql: "SELECT 1 AS \"a\e[2J\u202eb\"", to: t, mode: append }
""",
    )
    done = folder.flowc("preview", "fill")
    assert done.code == 0, done.err
    assert "a␛[2J�b" in done.out
    assert "\x1b" not in done.out
