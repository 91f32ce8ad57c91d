"""Where a connection comes from: every layer, the order of them, and that a DSN is never kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler.front.connections import find_connection, variable_name
from flowc.compiler.front.project import ProjectSpec
from tests.unit.project import found, load

SPEC = (
    "connections: { db: { kind: sqlite, path: project.db } }\n"
    "environments: { prod: { connections: { db: { kind: sqlite, path: prod.db } } } }\n"
)


def layer(folder: Path, path: str) -> None:
    file = folder / ".flowc" / "connections.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"connections: {{ db: {{ kind: sqlite, path: {path} }}, {folder.name}: {{ kind: sqlite, path: {path} }} }}"
    )


def project(tmp_path: Path, *, env: dict[str, str] | None = None, environment: str | None = None) -> ProjectSpec:
    spec, diagnostics = load(tmp_path, SPEC, env=env or {}, environment=environment)
    assert diagnostics == []
    assert spec is not None
    return spec


def test_every_layer_in_its_order(tmp_path: Path) -> None:
    home = tmp_path / "home"
    layer(home, "home.db")
    layer(tmp_path, "local.db")
    env = {"HOME": str(home), "FLOWC_DSN_DB": "postgres://u:secret@h/d"}
    assert project(tmp_path, env=env, environment="prod").connections["db"].origin == "variable FLOWC_DSN_DB"
    del env["FLOWC_DSN_DB"]
    assert project(tmp_path, env=env, environment="prod").connections["db"].options == {"path": "prod.db"}
    assert project(tmp_path, env=env).connections["db"].options == {"path": "project.db"}
    assert project(tmp_path, env=env).connections[tmp_path.name].options == {"path": "local.db"}
    found_home = project(tmp_path, env=env).connections["home"]
    assert (found_home.options, found_home.origin) == ({"path": "home.db"}, str(home / ".flowc" / "connections.yaml"))


def test_without_an_environment_nothing_of_the_user_is_read(tmp_path: Path) -> None:
    layer(tmp_path / "home", "home.db")
    assert "home" not in project(tmp_path).connections


@pytest.mark.parametrize(
    ("dsn", "kind"),
    [
        ("postgres://u:hunter2@h/d", "postgres"),
        ("postgresql://u:hunter2@h/d", "postgres"),
        ("postgresql+psycopg://u:hunter2@h/d", "postgres"),
        ("mysql://u:hunter2@h/d", "mysql"),
        ("sqlite:///hunter2.db", "sqlite"),
        ("duckdb:hunter2.db", "duckdb"),
        ("amqps://hunter2@h", "rabbitmq"),
    ],
)
def test_a_dsn_gives_the_kind_and_stays_a_reference(tmp_path: Path, dsn: str, kind: str) -> None:
    spec = project(tmp_path, env={"FLOWC_DSN_NEW": dsn})
    connection = spec.connections["new"]
    assert (connection.kind.value, dict(connection.options)) == (kind, {"url": "${env:FLOWC_DSN_NEW}"})
    assert "hunter2" not in repr(spec)


@pytest.mark.parametrize("dsn", ["oracle://u:hunter2@h/d", "hunter2", "postgrs://u:hunter2@h"])
def test_a_dsn_of_no_known_kind_is_not_shown(tmp_path: Path, dsn: str) -> None:
    _, diagnostics = load(tmp_path, SPEC, env={"FLOWC_DSN_NEW": dsn})
    assert [d.code for d in diagnostics] == ["unknown-dsn-scheme"]
    assert "hunter2" not in repr(diagnostics)


def test_the_plain_variable_is_the_default_connection(tmp_path: Path) -> None:
    spec = project(tmp_path, env={"FLOWC_DSN": "postgres://h/d"})
    assert spec.connections["default"].options == {"url": "${env:FLOWC_DSN}"}


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    assert project(tmp_path, env={"FLOWC_DSN_DB": ""}).connections["db"].origin == "project"


def test_a_variable_without_a_name_is_of_no_connection(tmp_path: Path) -> None:
    assert list(project(tmp_path, env={"FLOWC_DSN_": "duckdb:///x"}).connections) == list(project(tmp_path).connections)


def test_names_and_their_variables(tmp_path: Path) -> None:
    assert variable_name("my-db.eu") == "FLOWC_DSN_MY_DB_EU"
    spec = project(tmp_path, env={"FLOWC_DSN_MY_DB": "postgres://h/d"})
    assert find_connection(spec.connections, "my-db") is spec.connections["my_db"]
    assert find_connection(spec.connections, "other") is None


def test_no_name_has_a_dot(tmp_path: Path) -> None:
    spec = project(tmp_path, env={"FLOWC_DSN_eu.wh": "postgres://h/d"})
    assert spec.connections["eu_wh"].options == {"url": "${env:FLOWC_DSN_eu.wh}"}
    assert not any("." in name for name in spec.connections)


def test_a_connections_file_is_checked(tmp_path: Path) -> None:
    file = tmp_path / ".flowc" / "connections.yaml"
    file.parent.mkdir()
    file.write_text("connections: { a: { kind: sqlit, path: x }, b: { kind: sqlite, path: y } }\ntables: {}\n")
    spec, diagnostics = load(tmp_path, SPEC)
    assert found(diagnostics) == [("bad-value", "sqlit"), ("unknown-key", "tables")]
    assert spec is not None
    assert spec.connections.keys() == {"db", "b"}
