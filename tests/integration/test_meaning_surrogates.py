"""`scd2` into tables whose primary key is a surrogate of the business key, and into such as hold no versions."""

import pytest

from tests.stores import counts

SPEC = """
connections: {{ w: {connection} }}
{tables}
pipelines:
  dim: {{ table: raw, to: {to}, mode: scd2, keys: [code], compare: [name] }}
"""
DECLARED = """tables:
  dim:
    connection: w
    columns: { sk: bigint, code: bigint not null, name: text }
    primary_key: [sk]
    natural_key: [code]
"""


def begin(project, store, tables=""):
    project.write(
        "specs/p.yaml",
        SPEC.format(
            connection=store.connection, tables=tables, to="dim" if tables else "{ connection: w, table: dim }"
        ),
    )
    store.run("CREATE TABLE raw (sk BIGINT, code BIGINT, name VARCHAR(20))")


def send(project, store, name):
    store.run("DELETE FROM raw")
    store.run(f"INSERT INTO raw VALUES (7, 1, '{name}')")
    return project.flowc("run", "--once", "--json")


def test_a_surrogate_key_holds_versions(project, store):
    begin(project, store, DECLARED)
    for name in ("a", "b", "a"):
        assert counts(send(project, store, name))["dim"][1] == 1
    assert counts(send(project, store, "a"))["dim"] == (1, 0, 0, 0, 1)
    assert store.rows("SELECT sk, code, name FROM dim") == [(7, 1, "a"), (7, 1, "a"), (7, 1, "b")]


@pytest.mark.parametrize("key", ["PRIMARY KEY (code)", "UNIQUE (code)"])
def test_a_table_that_can_hold_no_versions_is_named_before_the_first_load(project, store, key):
    begin(project, store)
    zoned = store.type("timestamptz")
    flag = store.type("boolean")
    store.run(
        f"CREATE TABLE dim (sk BIGINT, code BIGINT NOT NULL, name VARCHAR(20), valid_from {zoned} NOT NULL, "
        f"valid_to {zoned} NULL, is_current {flag} NOT NULL, row_hash VARCHAR(80) NOT NULL, {key})"
    )
    done = send(project, store, "a")
    assert done.code == 1
    assert "single-version-key" in done.out + done.err
    assert store.rows("SELECT * FROM dim") == []
