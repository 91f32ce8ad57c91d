"""Files that a spec names lie in its project, wherever links lead; of others, nothing is read or shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside

SECRET = "hunter2 is no SQL and no YAML: ["
SPECS = """
connections:
  wh: {{ kind: duckdb, path: wh.db }}
  bus: {{ kind: kafka, bootstrap_servers: "localhost:1" }}
  drop: {{ kind: files, uri: ./drop }}
functions:
  f: {{ python: "own.module:f", args: [bigint], returns: bigint }}
{more}
"""
PIPELINE = "pipelines: {{ p: {{ sql_file: '{path}', to: {{ connection: wh, table: t, mode: append }} }} }}"
QUERY = """pipelines:
  p:
    from: {{ a: {{ connection: wh, sql_file: '{path}' }} }}
    to: {{ connection: wh, table: t, mode: append }}"""
STREAM = """streams:
  s:
    source: {{ connection: bus, topic: t, columns: {{ id: bigint }} }}
    sql_file: '{path}'
    to: {{ connection: wh, table: t, mode: append }}"""
LOOKUP = """streams:
  s:
    source: {{ connection: bus, topic: t, columns: {{ id: bigint }} }}
    lookups: {{ l: {{ connection: wh, sql_file: '{path}' }} }}
    sql: SELECT id FROM source
    to: {{ connection: wh, table: t, mode: append }}"""


@pytest.fixture
def made(tmp_path: Path) -> Inside:
    (tmp_path / "project" / "drop").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.sql").write_text(SECRET)
    (tmp_path / "elsewhere" / "good.sql").write_text("SELECT 1 AS id")
    (tmp_path / "project" / "link.sql").symlink_to(tmp_path / "elsewhere" / "x.sql")
    (tmp_path / "project" / "folder").symlink_to(tmp_path / "elsewhere")
    return Inside(tmp_path / "project")


def _lint(made: Inside, more: str) -> str:
    made.write("specs/s.yaml", SPECS.format(more=more))
    done = made.flowc("lint")
    assert "hunter2" not in done.out + done.err
    return done.out


@pytest.mark.parametrize("entry", [PIPELINE, QUERY, STREAM, LOOKUP])
@pytest.mark.parametrize(
    "path", ["../elsewhere/x.sql", "link.sql", "folder/x.sql", "/proc/self/environ", "../../etc/passwd", "../nowhere"]
)
def test_sql_of_elsewhere_is_not_read(entry: str, path: str, made: Inside) -> None:
    said = _lint(made, entry.format(path=path))
    assert f"error[path-outside]: `{path}` leads out of the project" in said
    text = (made.path / "specs/s.yaml").read_text()
    line = text[: text.index(f"'{path}'")].count("\n") + 1
    assert f"specs/s.yaml:{line}:" in said
    assert said.count("error[") == 1, said


@pytest.mark.parametrize("allowed", ["../elsewhere", "../elsewhere/good.sql", "{absolute}", "folder"])
@pytest.mark.parametrize("path", ["../elsewhere/good.sql", "folder/good.sql"])
def test_what_is_listed_is_read(allowed: str, path: str, made: Inside) -> None:
    allowed = allowed.format(absolute=made.path.parent / "elsewhere")
    assert "error" not in _lint(made, f"allow_paths: ['{allowed}']\n" + PIPELINE.format(path=path))
    assert "path-outside" in _lint(made, f"allow_paths: ['{allowed}x']\n" + PIPELINE.format(path=path))


def test_links_that_stay_inside_are_followed(made: Inside) -> None:
    made.write("queries/a.sql", "SELECT 1 AS id")
    (made.path / "inside.sql").symlink_to("queries/a.sql")
    assert "error" not in _lint(made, PIPELINE.format(path="inside.sql"))
    assert "error[missing-file]" in _lint(made, PIPELINE.replace("'{path}'", '"in\\0side"').format())


def test_a_module_of_functions_is_a_file_of_the_project(made: Inside) -> None:
    made.write("../elsewhere/module.py", "def f(n):\n    return n\n")
    (made.path / "own").mkdir()
    (made.path / "own" / "module.py").symlink_to(made.path.parent / "elsewhere" / "module.py")
    said = _lint(made, "")
    assert "error[path-outside]: `own/module.py` leads out of the project" in said
    assert f"by a link to `{made.path.parent / 'elsewhere'}" in said
    assert "`allow_paths: [../elsewhere]`" in said
    assert "error" not in _lint(made, "allow_paths: [../elsewhere]")


def test_specs_that_are_links_out_are_not_read(made: Inside) -> None:
    (made.path / "specs").mkdir()
    (made.path / "specs" / "x.yaml").symlink_to(made.path.parent / "elsewhere" / "x.sql")
    assert "error[path-outside]: `specs/x.yaml` is a link that leads out of the project" in _lint(made, "")
    (made.path / "specs" / "x.yaml").unlink()
    made.write(".flowc/connections.yaml", "").unlink()
    (made.path / ".flowc" / "connections.yaml").symlink_to(made.path.parent / "elsewhere" / "x.sql")
    said = _lint(made, "")
    assert "error[path-outside]: `.flowc/connections.yaml` leads through a link out of the project" in said
    assert f"`allow_paths: ['{made.path.parent / 'elsewhere'}']`" in said
    assert "hunter2" not in said


def test_the_folder_of_flowc_may_be_a_link_to_a_volume(made: Inside) -> None:
    volume = made.path.parent / "elsewhere"
    (made.path / ".flowc").symlink_to(volume)
    assert "error" not in _lint(made, "")
    made.write(".flowc/connections.yaml", "connections: { more: { kind: sqlite, path: more.db } }")
    assert "path-outside" in _lint(made, "")
    used = PIPELINE.replace("connection: wh", "connection: more").format(path="link.sql")
    (made.path / "link.sql").unlink()
    made.write("link.sql", "SELECT 1 AS id")
    assert "error" not in _lint(made, f"allow_paths: ['{volume}']\n{used}")


PLACES = {
    "load": "pipelines: {{ p: {{ from: wh, sql: SELECT 1 AS id, to: {{ connection: drop, path: '{path}', format: csv, "
    "mode: append }} }} }}",
    "source": "pipelines: {{ p: {{ from: {{ connection: drop, path: '{path}', format: csv }}, to: {{ connection: wh, "
    "table: t, mode: append }} }} }}",
    "stream": "streams: {{ s: {{ source: {{ connection: drop, path: '{path}', format: csv, columns: {{ id: bigint }} "
    "}}, to: {{ connection: wh, table: t, mode: append }} }} }}",
    "target": "streams: {{ s: {{ source: {{ connection: bus, topic: t, columns: {{ id: bigint }} }}, to: [{{ "
    "connection: drop, path: '{path}', format: csv }}] }} }}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x", "*/../../../x", ".."])
def test_paths_of_a_connection_stay_below_its_folder(place: str, path: str, made: Inside) -> None:
    said = _lint(made, PLACES[place].format(path=path))
    assert f"error[path-outside]: `{path}` leads out of the folder of connection `drop`" in said
    assert "error" not in _lint(made, PLACES[place].format(path="a/../x"))


@pytest.mark.parametrize("here", [".", "specs", "specs/deep"])
def test_a_path_that_starts_at_its_spec_is_told_where_paths_start(here: str, made: Inside) -> None:
    made.write("sql/x.sql", "SELECT 1 AS id")
    made.write("specs/deep/s.yaml", SPECS.format(more=PIPELINE.format(path="../../sql/x.sql")))
    done = Inside(made.path / here).flowc("lint")
    assert "error[path-outside]: `../../sql/x.sql` leads out of the project" in done.out
    assert "paths start at the project's root, and not at the spec: `sql/x.sql`" in done.out


def test_every_project_that_is_named_is_reached(tmp_path: Path) -> None:
    made = Inside(tmp_path)
    made.write("one/specs/s.yaml", SPECS.format(more="").replace("functions:\n  f:", "functions:\n  g:"))
    made.write("two/specs/s.yaml", PIPELINE.format(path="../two/q.sql"))
    made.write("two/q.sql", "SELECT 1 AS id")
    assert made.flowc("lint", "one/specs", "two/specs").out.count("error") == 0
    made.write("two/specs/s.yaml", PIPELINE.format(path="../three/q.sql"))
    made.write("three/q.sql", SECRET)
    done = made.flowc("lint", "one/specs", "two/specs")
    assert "error[path-outside]: `../three/q.sql`" in done.out
    assert "hunter2" not in done.out
