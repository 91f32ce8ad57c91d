"""What names a column that goes, or goes by another name, is named by the plan; what does not, is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import Store, address

_BEFORE = "columns: { id: bigint primary key, aa: integer, bb: integer }"
_MADE = {
    "postgres": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.aa := 1; RETURN NEW; END'",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE FUNCTION others() RETURNS void LANGUAGE plpgsql AS 'BEGIN UPDATE t SET aa = 2; END'",
        "CREATE FUNCTION unrelated() RETURNS void LANGUAGE plpgsql AS 'DECLARE aa integer; BEGIN aa := 2; END'",
    ),
    "mysql": (
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.aa = 1",
        "CREATE PROCEDURE others() UPDATE t SET aa = 2",
        "CREATE TRIGGER far AFTER INSERT ON other FOR EACH ROW UPDATE t SET aa = 3",
    ),
    "sqlite": ("CREATE TRIGGER far AFTER INSERT ON other BEGIN UPDATE t SET aa = 3; END",),
    "duckdb": ("CREATE VIEW v AS SELECT id, aa FROM t", "CREATE VIEW w AS SELECT id, bb FROM t"),
}
_NAMED = {
    "postgres": ("trigger g names", "function others() names"),
    "mysql": ("trigger g names", "procedure others names", "trigger far of other names"),
    "sqlite": ("trigger far of other names",),
    "duckdb": ("view v reads",),
}
_AFTER = {
    "dropped": "columns: { id: bigint primary key, bb: integer }",
    "renamed": "columns: { id: bigint primary key, cc: { type: integer, renamed_from: aa }, bb: integer }",
    "of another column": "columns: { id: bigint primary key, aa: integer }",
    "required": "columns: { id: bigint primary key, aa: integer, bb: integer not null }",
}


@pytest.mark.parametrize("kind", list(_MADE))
def test_what_names_a_column_that_goes_is_named(request: pytest.FixtureRequest, kind: str, tmp_path: Path):
    store = Store(kind, tmp_path, address(request, kind))
    project = Inside(store.folder, {"STORE": store.dsn})
    specs(project, store, {"t": _BEFORE})
    assert project.flowc("apply", "--yes").code == 0
    store.run("CREATE TABLE other (id integer PRIMARY KEY)", *_MADE[kind])
    for what, text in _AFTER.items():
        specs(project, store, {"t": text})
        told = " ".join(project.flowc("plan").out.split())
        # SQLite changes the names in views and triggers itself.
        named = what == "dropped" or (what == "renamed" and kind != "sqlite")
        assert [words for words in _NAMED[kind] if f"{words} `aa`, and fails without it" not in told] == (
            [] if named else list(_NAMED[kind])
        ), f"{what}: {told}"
        assert "depends on" not in told, what
        assert "unrelated" not in told, what
