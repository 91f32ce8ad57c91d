"""What a dead letter says of a row that a constraint refused: the column and the value, on every engine."""

from __future__ import annotations

import pytest

from tests.stores import Store
from tests.streams.test_refused_rows import _folder, _run, _send


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE orders (id BIGINT, note VARCHAR(9), CONSTRAINT odd CHECK (note <> 'bad'))",
        "CREATE TABLE orders (id BIGINT, note VARCHAR(9), CONSTRAINT odd UNIQUE (note))",
    ],
    ids=["check", "unique"],
)
def test_column_and_value_are_told(store: Store, table: str) -> None:
    store.run(table)
    folder = _folder(store)
    _send(folder, "good", "bad", "bad")
    _run(folder)
    letters = folder.flowc("dlq", "show", "orders", "--json").json
    assert letters
    assert all("note" in letter["error"] and "bad" in letter["error"] for letter in letters), letters
