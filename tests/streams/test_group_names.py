"""Workers share the partitions of a topic with workers of the same source and target database alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.compiler.lowering.lower import lower
from flowc.diagnostics import Reporter
from flowc.runtime.contracts.source import NumberedSource
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.systems.kafka.source import KafkaSource
from flowc.service.access.secrets import Resolver
from flowc.service.access.sessions import Sessions
from flowc.service.streams.run import planned
from flowc.service.streams.sources import opened_sources
from tests.unit.project import write

SPEC = """
project: shop
connections:
  bus: { kind: kafka, bootstrap_servers: "localhost:9092" }
  wh: { kind: postgres, url: "${WAREHOUSE}" }
streams:
  clicks:
    sources:
      a: { connection: bus, topic: clicks, columns: { id: bigint } }
      b: { connection: bus, topic: clicks, columns: { id: bigint } }
    to: { connection: wh, table: clicks, mode: append }
    parallelism: 2
"""
PRODUCTION = "postgres://loader:one@db.example.org/warehouse"


def _groups(folder: Path, url: str, *, parallelism: int = 2, once: bool = False) -> list[str]:
    """The consumer groups of the sources `a` and `b`."""
    reporter = Reporter()
    checked = stages.check_project(
        [write(folder, SPEC.replace("parallelism: 2", f"parallelism: {parallelism}"))], reporter, env={}
    )
    assert checked is not None, reporter.sorted()
    plan = planned(lower(checked, reporter).streams[0])
    sessions = Sessions(checked.project.connections, Resolver({"WAREHOUSE": url}, folder))
    readers, _ = opened_sources(plan, sessions, once=once)
    return [_group(readers[name]) for name in ("a", "b")]


def _group(reader: SourceReader) -> str:
    assert isinstance(reader.source, NumberedSource)
    assert isinstance(reader.source.inner, KafkaSource)
    return str(reader.source.inner._settings["group.id"])


def test_each_environment_of_a_project_has_its_own_group(tmp_path: Path) -> None:
    other = PRODUCTION.replace("/warehouse", "/staging")
    assert not set(_groups(tmp_path, PRODUCTION)) & set(_groups(tmp_path, other))


def test_each_source_of_a_topic_has_its_own_group(tmp_path: Path) -> None:
    assert len(set(_groups(tmp_path, PRODUCTION))) == 2


def test_databases_of_two_machines_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = _groups(tmp_path, "postgres://loader@localhost/warehouse")
    monkeypatch.setattr("platform.node", lambda: "another")
    assert not set(here) & set(_groups(tmp_path, "postgres://loader@127.0.0.1/warehouse"))


def test_the_workers_of_one_stream_stay_in_one_group(tmp_path: Path) -> None:
    assert _groups(tmp_path, PRODUCTION) == _groups(tmp_path, PRODUCTION.replace("loader:one", "other:two"))
    assert all(group.startswith("flowc-shop/clicks-") for group in _groups(tmp_path, PRODUCTION))


@pytest.mark.parametrize(("parallelism", "once"), [(1, False), (2, True)])
def test_who_reads_all_partitions_needs_no_group(tmp_path: Path, parallelism: int, once: bool) -> None:
    assert _groups(tmp_path, PRODUCTION, parallelism=parallelism, once=once) == ["flowc-shop/clicks"] * 2
