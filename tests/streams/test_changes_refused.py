"""Changes that a target does not take: when a stream is compiled, before they are written, and when they are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flowc.catalog import Column, Table, TableName
from flowc.compiler.ir import Apply, ConnectorOutput, FilesOutput, Output
from flowc.compiler.loads.changes import takes
from flowc.errors import DataError, UsageError
from flowc.nodes import ABSENT, KIND, ROW, Change, Changelog, NodePlan
from flowc.render.streamplans import stream_object, stream_sql
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.decoder import Decoded, Decoding
from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import StateStore
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.graph import build
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.operators.contract import Emitted
from flowc.runtime.streams.origins import Origin
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import FilesTarget, StreamPlan, TableTarget, TopicTarget
from flowc.types import BIGINT, TEXT
from tests import topics
from tests.streams import compiled
from tests.streams.changes import COLUMNS, KEYS, SPAN, epoch, plan, table_apply, topic
from tests.streams.compiled import Computed
from tests.streams.test_changes_runs import Changing, changing, emitted

UPSERT, PARTIAL, RETRACT = Changelog.UPSERT, Changelog.PARTIAL, Changelog.RETRACT
FILES = FilesOutput("out", "kept", "jsonl", {}, (), SPAN)
REFUSED: list[tuple[Apply | Output, Changelog, str]] = [
    (FILES, UPSERT, "this stream replaces and removes rows; `kept`, a folder of files, can only append"),
    (FILES, RETRACT, "this stream takes rows back; `kept`, a folder of files, can only append"),
    (ConnectorOutput("q", "rabbitmq", SPAN), UPSERT, "`rabbitmq` can only append"),
    (topic("t", ()), UPSERT, "topic `t` has no `key` to find them by"),
    (topic("t"), PARTIAL, "the last message of a key in topic `t`"),
    (topic("t", ("id",)), UPSERT, "replace each other by `id`, `part`, and those of topic `t` by `id`"),
    (table_apply("sqlite", "t", mode="append", keys=()), RETRACT, "`mode: append` only adds rows to `t`"),
    (table_apply("sqlite", "t", mode="scd2"), RETRACT, "the history in `t` is made of rows that come"),
    (table_apply("sqlite", "t", keys=()), RETRACT, "`t` has no `keys` to find them by"),
    (table_apply("sqlite", "t", keys=("id",)), UPSERT, "by `id`, `part`, and those of `t` by `id`"),
]


@pytest.mark.parametrize(("target", "changelog", "words"), REFUSED)
def test_what_cannot_take_changes_is_refused_with_the_reason(
    target: Apply | Output, changelog: Changelog, words: str
) -> None:
    refusal = takes(target, changelog, KEYS)
    assert refusal is not None
    assert words in refusal.message
    assert refusal.help
    assert takes(target, Changelog.INSERT_ONLY) is None
    with pytest.raises(UsageError, match="stream `s`: this stream") as refused:
        plan(target, changes=changelog)
    assert (refused.value.code, refused.value.help) == ("changes-not-taken", refusal.help)


def test_what_takes_changes_is_told_which() -> None:
    """Rows that are taken back whole are found by whatever key the target has."""
    targets: tuple[Apply | Output, ...] = (table_apply("sqlite", "t"), table_apply("delta", "t"), topic("t"))
    assert [t.changes for t in plan(*targets[:2], changes=PARTIAL).targets] == [PARTIAL] * 2  # type: ignore[union-attr]
    for changelog in (Changelog.INSERT_ONLY, UPSERT, RETRACT):
        made = plan(*targets, changes=changelog)
        assert [t.changes for t in made.targets if not isinstance(t, FilesTarget)] == [changelog] * 3
        shown = stream_sql(made)
        told = 0 if changelog is Changelog.INSERT_ONLY else 3
        assert shown.count(f"the last change of each key of the epoch ({changelog})") == min(told, 2)
        assert shown.count(f"of the last change of each key ({changelog}), without a value where it goes") == told // 3
        assert (KIND in str(stream_object(made))) == bool(told)
        assert str(stream_object(made)).count(f"'changes': '{changelog}'") == told
    assert takes(table_apply("sqlite", "t", keys=("id",)), RETRACT, KEYS) is None
    assert takes(topic("t", ("id",)), RETRACT, KEYS) is None


def test_no_column_is_called_as_the_hidden_one() -> None:
    with pytest.raises(UsageError, match=f"`{ABSENT}`"):
        plan(table_apply("sqlite", "t"), columns=(*COLUMNS, Column(ABSENT, TEXT)))
    columns = (*COLUMNS, Column(KIND.upper(), TEXT))
    with pytest.raises(UsageError, match="no column can be called so"):
        plan(table_apply("sqlite", "t"), columns=columns)
    declared = table_apply("sqlite", "t")
    declared = replace(declared, target=replace(declared.target, table=Table(TableName(None, "t"), columns)))
    with pytest.raises(UsageError, match="no column can be called so"):
        plan(declared)
    plan(table_apply("sqlite", "t"), columns=columns, changes=Changelog.INSERT_ONLY)


Scripted = list[list[tuple[Change, int | None, str | None]]]
"""What each message does: changes, each with the key and the name of its row."""
_MARKS = {None: "010"}
"""Which of the columns a row without a name does not bring."""
NAMED = (Column("id", BIGINT), Column("name", TEXT), Column("n", BIGINT))
KEEPING = """CREATE TABLE t (
    id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE CHECK (name <> 'bad' AND name <> 'worse'),
    n SMALLINT
)"""
LONG = "a name with a number that is too large"
INSERT, BEFORE, AFTER, DELETE = Change


class Playing(Changing):
    """Makes the changes of a script. With a `!` before the name, a row came of no message."""

    def __init__(self, script: Scripted, *, partial: bool) -> None:
        super().__init__()
        self.script, self.partial = script, partial

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        changed = [
            {**row, "id": id_, "name": name and name.strip("!"), "n": 10**6 * (LONG in (name or "")), KIND: int(change)}
            | ({ABSENT: _MARKS.get(name)} if self.partial else {})
            | ({ROW: None} if name and name.startswith("!") else {})
            for row in rows.to_pylist() for change, id_, name in self.script[row["id"]]
        ]  # fmt: skip
        return emitted(rows, changed, (ABSENT, pa.string())) if self.partial else emitted(rows, changed)


class Once:
    """A source of one batch: a message for each entry of a script."""

    log = ""
    caught_up = ended = True

    def __init__(self, count: int) -> None:
        self.polled: Polled | None = _polled(count)

    def seek(self, positions: Mapping[Partition, str]) -> None:
        return

    def poll(self, wait: float) -> Polled | None:
        polled, self.polled = self.polled, None
        return polled

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        return

    def close(self) -> None:
        return


def _polled(count: int) -> Polled:
    messages = pa.record_batch({
        "id": pa.array(range(count), pa.int64()), "name": pa.nulls(count, pa.string()),
        "n": pa.nulls(count, pa.int64()),
        "_partition": pa.array([0] * count, pa.int32()), "_offset": pa.array(range(count), pa.int64()),
        "_event_ts": pa.array([0] * count, pa.timestamp("us", "UTC")),
    })  # fmt: skip
    return Polled("source", messages, (Range.numbered("source", 0, 0, count),), 0.0)


def _run(
    planned: StreamPlan, writers: Sequence[Any], script: Scripted, store: StateStore | None = None
) -> dict[int, str]:
    """Runs a stream of one epoch; the messages that were dropped, each with its code."""
    bad: dict[int, str] = {}
    schema = arrow_schema(NAMED)

    def decoded(messages: pa.RecordBatch) -> Decoded:
        rows = pa.array(range(messages.num_rows), pa.int64())
        return Decoded(messages.select(schema.names), rows, (), rows.slice(0, 0))

    def told(rows: Sequence[Origin]) -> None:
        bad.update({row.offset: row.row.code for row in rows})

    compute = Compute(planned, {"source": Decoding(schema, decoded)}, told, build=_playing(planned, script))
    run = StreamRun(planned, {"source": Once(len(script))}, compute, writers, store)
    try:
        run.run()
    except DataError:
        assert bad == {}, "a message was blamed"
        raise
    finally:
        run.close()
    return bad


def _playing(planned: StreamPlan, script: Scripted) -> Any:
    partial = any(t.changes is PARTIAL for t in planned.targets if not isinstance(t, FilesTarget))
    return changing(Playing(script, partial=partial), *([(ABSENT, pa.string())] if partial else []))


@dataclass
class Kept:
    """A table with constraints, and a stream that changes it."""

    kind: str
    options: Mapping[str, object]

    def run(self, script: Scripted, changes: Changelog = UPSERT) -> dict[int, str]:
        database = open_database(self.kind, self.options)
        database.open()
        live = database.table(TableName(None, "t"))
        planned = plan(
            table_apply(self.kind, "t", keys=("id",)), columns=NAMED, key=("id",), live=live, on_error="drop",
            changes=changes,
        )  # fmt: skip
        (target,) = planned.targets
        assert isinstance(target, TableTarget)
        return _run(planned, [DatabaseWriter(target, database)], script)

    def ask(self, sql: str) -> Any:
        database = open_database(self.kind, self.options)
        database.open()
        try:
            return database.query(sql).to_pylist() if sql.startswith("SELECT") else database.execute(sql)
        finally:
            database.close()

    @property
    def rows(self) -> dict[int, str]:
        return {row["id"]: row["name"] for row in self.ask("SELECT id, name FROM t")}


@pytest.fixture
def kept(wh: tuple[str, Mapping[str, object]]) -> Kept:
    """Such a table in each kind of database."""
    made = Kept(*wh)
    made.ask(KEEPING)
    return made


def test_of_a_row_that_is_removed_nothing_but_the_key_is_judged(kept: Kept) -> None:
    script: Scripted = [
        [(INSERT, 1, "a")], [(DELETE, 1, None)], [(DELETE, None, "x")], [(BEFORE, 2, None), (AFTER, 3, LONG)],
        [(DELETE, 9, LONG)], [(INSERT, 4, "ok")],
    ]  # fmt: skip
    assert kept.run(script) == {2: "missing-value", 3: "value-does-not-fit"}
    assert kept.rows == {4: "ok"}


def test_what_a_partial_row_does_not_bring_is_kept(kept: Kept) -> None:
    """The name of key 1 stands in the table, that of key 2 in the epoch; of key 3 and 4 nobody knows it."""
    kept.ask("INSERT INTO t (id, name, n) VALUES (1, 'a', 7), (4, 'd', 7)")
    script: Scripted = [
        [(AFTER, 1, None)], [(INSERT, 2, "b")], [(AFTER, 2, None)], [(AFTER, 3, None)], [(DELETE, 4, None)],
        [(AFTER, 4, None)], [(AFTER, 5, "")], [(AFTER, 5, "e")],
    ]  # fmt: skip
    bad = kept.run(script, PARTIAL)
    assert set(bad) == {3, 5}
    assert kept.rows == {1: "a", 2: "b", 5: "e"}
    assert {row["id"]: row["n"] for row in kept.ask("SELECT id, n FROM t")} == {1: 0, 2: 0, 5: 0}


def test_changes_that_a_database_refuses_are_left_out_and_those_before_them_count(kept: Kept) -> None:
    """Message 0 needs the name that message 1 frees; of key 5 both are refused, of key 4 the last one."""
    kept.ask("INSERT INTO t (id, name) VALUES (1, 'x')")
    script: Scripted = [
        [(INSERT, 2, "x")], [(DELETE, 1, None)], [(INSERT, 3, "bad")], [(INSERT, 4, "one")], [(AFTER, 4, "bad")],
        [(INSERT, 5, "bad")], [(AFTER, 5, "worse")],
    ]  # fmt: skip
    assert kept.run(script) == dict.fromkeys((2, 4, 5, 6), "constraint-violated")
    assert kept.rows == {2: "x", 4: "one"}


@pytest.mark.parametrize("name", [LONG, "bad"], ids=["does not fit", "refused"])
def test_a_row_of_no_message_that_is_refused_stops_the_stream_and_blames_nobody(kept: Kept, name: str) -> None:
    script: Scripted = [[(INSERT, 1, "a")], [(INSERT, 2, f"!{name}")], [(INSERT, 3, "c")]]
    with pytest.raises(DataError, match="a row that came of no message") as stopped:
        kept.run(script)
    assert stopped.value.code in ("value-does-not-fit", "constraint-violated")
    assert kept.rows == {}


def test_a_row_of_no_message_goes_on_beside_messages_that_do_not(kept: Kept) -> None:
    script: Scripted = [[(INSERT, 1, "bad")], [(INSERT, 2, "!fine")], [(INSERT, None, "c")], [(DELETE, 3, None)]]
    assert kept.run(script) == {0: "constraint-violated", 2: "missing-value"}
    assert kept.rows == {2: "fine"}


@pytest.fixture
def small(kafka: str) -> Iterator[tuple[str, str]]:
    """A broker, and a topic of small messages."""
    name = topics.fresh(kafka, max_message_bytes="3000")
    yield kafka, name
    topics.drop(kafka, name)


def _into(small: tuple[str, str], script: Scripted, folder: Path) -> dict[int, str]:
    kafka, name = small
    planned = plan(topic(name, ("id",)), columns=NAMED, key=("id",), on_error="drop")
    (target,) = planned.targets
    assert isinstance(target, TopicTarget)
    assert planned.state is not None
    store = DatabaseStore("s", planned.state.sql, open_database("sqlite", {"path": str(folder / "state.db")}))
    writer = KafkaWriter(target, f"s{uuid.uuid4().hex[:8]}", {"bootstrap_servers": kafka})
    return _run(planned, [writer], script, store)


def test_messages_that_are_too_large_are_left_out_and_those_before_them_count(
    small: tuple[str, str], tmp_path: Path
) -> None:
    script: Scripted = [
        [(INSERT, 1, "y" * 4000)], [(AFTER, 1, "z" * 4000)], [(INSERT, 2, "ok")], [(AFTER, 2, "z" * 4000)],
        [(DELETE, None, "x")], [(DELETE, 3, "z" * 4000)],
    ]  # fmt: skip
    assert _into(small, script, tmp_path) == {4: "missing-value", **dict.fromkeys((0, 1, 3), "value-refused")}
    found = {message.key(): message.value() for message in topics.committed(*small)}
    assert found == {b"2": b'{"id":2,"name":"ok","n":0}', b"3": None}


def test_a_message_that_is_too_large_and_came_of_none_stops_the_stream(small: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a row that came of no message"):
        _into(small, [[(INSERT, 1, "!" + "y" * 4000)], [(INSERT, 2, "ok")]], tmp_path)
    assert topics.committed(*small) == []


def test_keys_of_rows_that_are_not_known_by_their_messages_are_looked_at_when_they_are_written(
    small: tuple[str, str],
) -> None:
    kafka, name = small
    (target,) = plan(topic(name, ("id",)), columns=NAMED, key=("id",)).targets
    assert isinstance(target, TopicTarget)
    writer = KafkaWriter(target, f"s{uuid.uuid4().hex[:8]}", {"bootstrap_servers": kafka})
    writer.open()
    rows = pa.RecordBatch.from_pylist([{"id": None, "name": "x"}], schema=arrow_schema(NAMED))
    with pytest.raises(DataError, match="no value for `id`"):
        writer.write(epoch(1, rows))
    writer.close()
    assert topics.committed(kafka, name) == []


class Remembering(Changing):
    """Lets out a row that came of no message, with that name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.given = name

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        more = [*rows.to_pylist(), {"id": 9, "name": self.given}]
        return Emitted(pa.RecordBatch.from_pylist(more, schema=rows.schema))


def _computed(folder: Path, name: str) -> Computed:
    planned = compiled.plan(folder, "SELECT id, CAST(name AS BIGINT) AS n FROM source")
    (source,) = planned.sources
    planned = replace(planned, sources=(replace(source, beside=("_event_ts", "_partition")),))

    def built(
        plans: Sequence[NodePlan], schemas: Mapping[str, pa.Schema], *more: Any, passing: bool
    ) -> tuple[Node, ...]:
        first = Node("first", Remembering(name), ("source",), ("first",), schemas["source"], remembers=True)
        return first, *(replace(node, inputs=("first",)) for node in build.built(plans, schemas, *more))

    return Computed(planned, {"build": built})


def test_a_row_of_no_message_on_which_the_query_fails_stops_the_stream(tmp_path: Path) -> None:
    messages = [{"id": 1, "name": "1"}, {"id": 2, "name": "x"}]
    going = _computed(tmp_path, "3")
    assert going.rows(messages) == [{"id": 1, "n": 1}, {"id": 9, "n": 3}]
    assert [told.split(":")[0] for told in going.bad] == ["1 row-fails"]
    stopped = _computed(tmp_path, "y")
    with pytest.raises(DataError, match="a row that came of no message"):
        stopped.rows(messages)
    assert stopped.bad == []
