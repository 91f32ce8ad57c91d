"""MySQL's catalog takes names for equal that are two tables, and reads a backslash in a text as it pleases."""

import pytest

from flowc.catalog import TableName
from flowc.runtime.systems import open_database
from tests.stores import Store, counts

ALIKE = ("sa", "\u00dfa", "e1", "\u00e91")


def test_tables_whose_names_are_alike_are_told_apart(project, mysql):
    store = Store("mysql", project.path, mysql)
    # On a server that folds names, those that differ in case alone are one table.
    cased = () if int(str(store.raw("SELECT @@lower_case_table_names")[0][0])) else ("t", "T")
    for number, name in enumerate((*ALIKE, *cased)):
        store.run(f"CREATE TABLE `{name}` (id BIGINT PRIMARY KEY, c{number} VARCHAR(9))")
    database = open_database("mysql", {"url": mysql})
    for number, name in enumerate((*ALIKE, *cased)):
        table = database.table(TableName(None, name))
        assert table is not None
        assert [column.name for column in table.columns] == ["id", f"c{number}"]
        assert table.primary_key == ("id",)
    database.close()


@pytest.mark.parametrize("name", ["a\\b", "a\\", "a\\'b"])
def test_a_table_with_a_backslash_is_found_again(project, mysql, name):
    store = Store("mysql", project.path, mysql)
    store.run("CREATE TABLE raw (id BIGINT, n BIGINT)", "INSERT INTO raw VALUES (1, 1), (2, 2)")
    spec = f"""
connections: {{ w: {store.connection} }}
pipelines:
  p:
    from: w
    table: raw
    to: {{ connection: w, table: "{name.replace(chr(92), chr(92) * 2)}" }}
    mode: append
    keys: [id]
    incremental: {{ column: n }}
"""
    project.write("specs/p.yaml", spec)
    assert counts(project.flowc("run", "--once", "--json"))["p"] == (2, 2, 0, 0, 0)
    assert counts(project.flowc("run", "--once", "--json"))["p"] == (1, 0, 0, 0, 1)
