"""An apply that fails after it has committed something: what it did is not drift, what somebody else does is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import SERVERS, Store, address

BEFORE = dict.fromkeys(("first", "second"), "columns: { id: bigint primary key, a: integer, b: integer }")
AFTER = {
    "first": "columns: { id: bigint primary key, c: { type: integer, renamed_from: a }, b: integer, d: integer }\n"
    "indexes: [{ columns: [b] }]",
    "second": "columns: { id: bigint primary key, a: integer, b: integer, e: varchar(16000) }",
}
_REFUSES = {
    # The first table's index is built outside of a transaction, and commits what is before it.
    "postgres": """
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.second') THEN
    RAISE 'not this one'; END IF; END $$;
CREATE EVENT TRIGGER refusing ON ddl_command_end EXECUTE FUNCTION refuse()""",
    # Its rows would be too long, and no plan can try that: there are no temporary tables with partitions.
    "mysql": "ALTER TABLE second ADD COLUMN x varchar(10000) PARTITION BY HASH (id) PARTITIONS 2",
}


@pytest.fixture(params=SERVERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path, address(request, request.param))


def test_what_a_failed_apply_did_is_not_drift(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    specs(project, store, BEFORE)
    assert project.flowc("apply", "--yes").code == 0
    store.run(_REFUSES[store.kind])
    if store.kind == "mysql":
        assert project.flowc("drift", "--ignore", "w.second.x").code == 0
    specs(project, store, AFTER)
    failed = project.flowc("apply", "--yes")
    assert failed.code != 0, failed.out
    columns = store.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'first'")
    assert ("d",) in columns, "nothing was committed before it failed"

    drift = project.flowc("drift", "--ignore", "w.second.x")
    assert drift.out == "No drift: columns, keys, indexes and comments are as they were applied.\n"
    if store.kind == "postgres":
        store.run("DROP EVENT TRIGGER refusing")
    store.run("ALTER TABLE second ADD COLUMN by_hand integer", "ALTER TABLE first ADD COLUMN by_hand integer")
    drift = project.flowc("drift", "--ignore", "w.second.x")
    assert drift.code == 1
    assert [line.strip() for line in drift.out.splitlines() if " column " in line] == 2 * [
        "+ add column by_hand integer"
    ]
