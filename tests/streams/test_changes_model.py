"""Random histories of changes on real targets, against a dict: after every epoch, wherever epochs end."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import deltalake
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.nodes import KIND, REMOVALS, Change, Changelog
from flowc.runtime.contracts.changes import net
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from flowc.runtime.systems.delta.target import DeltaWriter
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import TableTarget, TopicTarget
from tests import topics
from tests.model.histories import BUDGET, EXAMPLES
from tests.streams.changes import (
    KEYS,
    NAMES,
    Did,
    Fold,
    Key,
    Row,
    batch,
    epoch,
    histories,
    model,
    plan,
    table_apply,
    topic,
)

HISTORIES = settings(BUDGET, max_examples=max(5, EXAMPLES))
MODES = st.sampled_from([Changelog.UPSERT, Changelog.PARTIAL, Changelog.RETRACT])


def _of(mode: Changelog) -> dict[str, bool]:
    """What histories of that mode have."""
    return {"whole": mode is Changelog.RETRACT, "partial": mode is Changelog.PARTIAL}


def _shown(rows: Iterable[Row], fold: Fold = str) -> list[tuple[Any, ...]]:
    """Rows in one order and one form; how a key that is equal to others is spelled, the target may choose."""
    return sorted(
        (tuple(_plain(row[name]) for name in NAMES) for row in ({**r, "part": fold(r["part"])} for r in rows)), key=repr
    )


def _plain(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


TABLES = ("keyed", "bare", "folding")
"""A table without a constraint is merged by joins, and one that holds keys of different bytes equal judges itself."""
_UTF8 = "CHARACTER SET utf8mb4 COLLATE utf8mb4"
WORDS = {
    "sqlite": ("TEXT", "TEXT COLLATE NOCASE", "TEXT", "TIMESTAMPTZ"),
    "duckdb": ("VARCHAR", "VARCHAR COLLATE NOCASE", "VARCHAR", "TIMESTAMPTZ"),
    "postgres": ("VARCHAR(9)", "CITEXT", "TEXT", "TIMESTAMPTZ"),
    "mysql": (
        f"VARCHAR(9) {_UTF8}_bin", f"VARCHAR(9) {_UTF8}_general_ci", f"LONGTEXT {_UTF8}_bin", "TIMESTAMP(6) NULL",
    ),
}  # fmt: skip
"""The types of `part`, of one that folds its letters, of `name` and of `seen`."""


def _create(kind: str, table: str) -> str:
    exact, folding, text, seen = WORDS[kind]
    part, constraint = folding if table == "folding" else exact, "" if table == "bare" else ", PRIMARY KEY (id, part)"
    return f"CREATE TABLE t (id BIGINT, part {part}, name {text}, n DOUBLE PRECISION, seen {seen}{constraint})"


@dataclass
class Written:
    """One table that is emptied for each history; epochs and positions go on."""

    database: Database
    plans: dict[Changelog, TableTarget]
    fold: Fold = str
    number: int = 0
    writer: DatabaseWriter = field(init=False)

    def begin(self, mode: Changelog) -> None:
        self.writer = DatabaseWriter(self.plans[mode], self.database)
        self.number = self.writer.open().epoch
        self.database.execute("DELETE FROM t")

    def write(self, changes: Sequence[Did]) -> None:
        self.number += 1
        self.writer.write(epoch(self.number, batch(changes)))

    def rows(self) -> list[Row]:
        rows: list[Row] = self.database.query(f"SELECT {', '.join(NAMES)} FROM t").to_pylist()
        return rows


@pytest.fixture(params=[(kind, table) for kind in WORDS for table in TABLES], ids="-".join, scope="module")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """A table of each kind in a database of each kind."""
    kind, table = request.param
    place = {"path": str(tmp_path_factory.mktemp(kind) / "wh.db")}
    if kind in ("postgres", "mysql"):
        place = {"url": request.getfixturevalue(f"{kind}_module")}
    database = open_database(kind, place)
    database.open()
    if kind == "postgres":
        database.execute("CREATE EXTENSION IF NOT EXISTS citext")
    for old in ("t", "flowc_positions" if kind in ("sqlite", "mysql") else "flowc.positions"):
        database.execute(f"DROP TABLE IF EXISTS {old}" if kind != "duckdb" or old == "t" else "SELECT 1")
    database.execute(_create(kind, table))
    live = database.table(table_apply(kind, "t").target.name)
    plans = {}
    for mode in (Changelog.UPSERT, Changelog.PARTIAL, Changelog.RETRACT):
        (plans[mode],) = plan(table_apply(kind, "t"), changes=mode, live=live).targets
    yield Written(database, plans, str.lower if table == "folding" else str)
    database.close()


@HISTORIES
@given(mode=MODES, data=st.data())
def test_a_table_holds_what_a_dict_holds_after_every_epoch(
    written: Written, mode: Changelog, data: st.DataObject
) -> None:
    held: dict[Key, Row] = {}
    written.begin(mode)
    for changes in data.draw(histories(("a", "A", "b"), **_of(mode))):
        written.write(changes)
        model(held, changes, written.fold)
        assert _shown(written.rows(), written.fold) == _shown(held.values(), written.fold)


@HISTORIES
@given(mode=MODES, data=st.data())
def test_a_delta_table_holds_what_a_dict_holds_after_every_commit(
    tmp_path_factory: pytest.TempPathFactory, mode: Changelog, data: st.DataObject
) -> None:
    """Some epochs are committed together."""
    lake, held = tmp_path_factory.mktemp("lake"), dict[Key, Row]()
    (target,) = plan(table_apply("delta", "t"), changes=mode).targets
    assert isinstance(target, TableTarget)
    writer = DeltaWriter(target, "s", open_database("delta", {"uri": str(lake)}))
    writer.open()
    for number, changes in enumerate(data.draw(histories(**_of(mode))), 1):
        writer.write(epoch(number, batch(changes)))
        model(held, changes)
        if number % 3:
            writer.flush()
            assert _shown(deltalake.DeltaTable(str(lake / "t")).to_pyarrow_table().to_pylist()) == _shown(held.values())
    writer.close()


@pytest.fixture(scope="module")
def broker(kafka_address: str) -> str:
    """The bootstrap address of a broker."""
    return kafka_address.partition("?")[0]


@HISTORIES
@given(mode=st.sampled_from([Changelog.UPSERT, Changelog.RETRACT]), data=st.data())
def test_a_compacted_topic_holds_what_a_dict_holds_after_every_epoch(
    broker: str, mode: Changelog, data: st.DataObject
) -> None:
    out = topics.fresh(broker, cleanup_policy="compact")
    (target,) = plan(topic(out), changes=mode).targets
    assert isinstance(target, TopicTarget)
    writer = KafkaWriter(target, f"s{uuid.uuid4().hex[:8]}", {"bootstrap_servers": broker})
    writer.open()
    epochs = data.draw(histories(**_of(mode)))
    for number, changes in enumerate(epochs, 1):
        writer.write(epoch(number, batch(changes)))
    writer.close()
    left = iter(topics.committed(broker, out))
    held, view = dict[Key, Row](), dict[bytes, bytes]()
    for changes in epochs:
        for message in islice(left, len({did.key for did in changes})):
            view[message.key()] = message.value()
        model(held, changes)
        rows = [json.loads(value) for value in view.values() if value is not None]
        assert _shown(_timed(rows)) == _shown(held.values())
        gone = {did.key for did in changes} - held.keys()
        assert all(view[b'{"id":%d,"part":"%s"}' % (id_, part.encode())] is None for id_, part in gone)
    assert next(left, None) is None
    topics.drop(broker, out)


def _timed(rows: Iterable[Row]) -> list[Row]:
    return [{**row, "seen": row["seen"] and datetime.fromisoformat(row["seen"])} for row in rows]


@given(epochs=histories(whole=True))
def test_the_net_effect_is_one_change_of_each_key(epochs: list[list[Did]]) -> None:
    """Applied to anything, it leaves what all of the changes leave; of what goes there is nothing but its key."""
    changes = [did for each in epochs for did in each]
    before = {(id_, part): Did(Change.INSERT, (id_, part), ("old", 0.0, None)).row for id_ in range(3) for part in "ab"}
    after = dict(before)
    model(after, changes)
    rows = net(batch(changes), KEYS).to_pylist()
    assert len({(row["id"], row["part"]) for row in rows}) == len(rows)
    for row in rows:
        key = row["id"], row["part"]
        if row.pop(KIND) in REMOVALS:
            assert set(row.values()) == {*key, None}
            before.pop(key, None)
        else:
            before[key] = row
    assert before == after
