"""Alerts of specs, as objects."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from flowc.compiler import stages
from flowc.diagnostics import Diagnostic, Reporter, Severity
from flowc.service.access.secrets import Resolver
from flowc.service.alerts.alert import GAVE_UP, Alert
from flowc.service.alerts.kinds import Sender

BASE = """
project: shop
connections: { db: { kind: sqlite, path: shop.db } }
tables:
  orders: { connection: db, columns: { id: bigint primary key, at: timestamptz } }
pipelines:
  load: { from: db, sql: "SELECT id, at FROM raw", to: orders, tags: [critical] }
  other: { from: db, sql: "SELECT id, at FROM raw", to: { connection: db, table: other } }
"""
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ALERT = Alert(
    GAVE_UP, "load", "pipeline", 'it failed: "why" <b> & so', "shop", NOON, error_code="x", error='"why"'
)  # fmt: skip


def linted(folder: Path, alerts: str, base: str = BASE):
    """The project with `alerts: …`, and what lint says of it."""
    specs = folder / "specs"
    specs.mkdir(exist_ok=True)
    (specs / "a.yaml").write_text(f"{base}\nalerts:\n{alerts}\n", "utf-8")
    reporter = Reporter()
    checked, _ = stages.lint([specs], reporter)
    return checked, reporter.sorted()


def codes(found: list[Diagnostic]) -> list[str]:
    return [each.code for each in found]


def sender(folder: Path, written: str, env: dict[str, str] | None = None, write=print) -> Sender:
    """The only alert of `alerts: …`."""
    checked, found = linted(folder, f"  a: {written}")
    assert [each for each in found if each.severity is Severity.ERROR] == []
    (spec,) = checked.project.alerts.values()
    return Sender(spec, Resolver(env or {}, folder), write)
