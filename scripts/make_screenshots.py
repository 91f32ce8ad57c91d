"""Draws the pictures of docs/guides/web.md: a project that has run for a while, in a headless Chromium.

    python scripts/make_screenshots.py

It needs `flowc[dev]` and Debian's `chromium`.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flowc.cli.main import run  # noqa: E402
from flowc.cli.opened import open_project  # noqa: E402
from flowc.cli.serving import WebOptions, serving  # noqa: E402
from flowc.runtime.systems import open_database  # noqa: E402
from flowc.service.runs.log import RunLog, run_id  # noqa: E402
from flowc.service.runs.records import Outcome, RunRecord  # noqa: E402
from tests.web.chromium import chromium  # noqa: E402

TOKEN = "operator-of-the-pictures"
SPEC = """
project: shop
connections:
  app: { kind: sqlite, path: app.db }
  warehouse: { kind: sqlite, path: warehouse.db }
  inbox: { kind: files, uri: inbox }
tables:
  customers: { connection: warehouse, columns: { id: bigint primary key, email: text, country: text } }
  orders: { connection: warehouse, columns: { id: bigint primary key, customer_id: bigint, total: "numeric(12,2)" } }
  revenue: { connection: warehouse, columns: { country: text primary key, orders: bigint, total: "numeric(12,2)" } }
  clicks: { connection: warehouse, columns: { id: bigint primary key, page: text } }
pipelines:
  load_customers:
    description: Customers of the shop, as they are now.
    from: app
    sql: SELECT id, lower(email) AS email, country FROM customers
    to: customers
    mode: merge
    schedule: "*/15 * * * *"
    expect: [{ not_null: [email] }, { unique: [email] }]
  load_orders:
    { from: app, sql: "SELECT id, customer_id, total FROM orders", to: orders, mode: merge, schedule: "*/5 * * * *" }
  revenue:
    from: warehouse
    sql: |
      SELECT c.country, count(*) AS orders, sum(o.total) AS total
      FROM orders o JOIN customers c ON c.id = o.customer_id
      GROUP BY c.country
    to: revenue
    mode: truncate
    schedule: "0 * * * *"
streams:
  clicks:
    source: { connection: inbox, path: "*.jsonl", format: json, columns: { id: bigint, page: text } }
    on_error: dlq
    to: clicks
    mode: append
"""
SOURCE = """
CREATE TABLE customers (id integer primary key, email text, country text);
CREATE TABLE orders (id integer primary key, customer_id integer, total numeric);
WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 899)
INSERT INTO customers SELECT n, 'C' || n || '@example.com',
  CASE n % 3 WHEN 0 THEN 'NL' WHEN 1 THEN 'DE' ELSE 'FR' END FROM n;
WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 3999)
INSERT INTO orders SELECT n, n % 900, n % 97 + 0.5 FROM n;
"""


def main() -> None:
    """Writes docs/images/web-*.png."""
    images = ROOT / "docs/images"
    images.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        _project()
        opened = open_project([Path("specs")], None, "nothing is drawn")
        options = WebOptions("127.0.0.1:0", tokens=f"admin: {TOKEN}")
        chance = random.Random(7)
        served = serving(opened, [Path("specs")], None, options, statuses=[lambda: _status(chance)])
        with served as server, chromium() as browser:
            _draw(browser, f"http://127.0.0.1:{server.port}", images)


def _project() -> None:
    for name, text in {
        "specs/shop.yaml": SPEC,
        "inbox/one.jsonl": '{"id": 1, "page": "/"}\n{"id": 2, "page": "/cart"}\n{"id": "three", "page": "/"}\n',
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
        os.utime(name, (0, 0))
    with sqlite3.connect("app.db") as app:
        app.executescript(SOURCE)
    _history()
    run(["run", "--once"])


def _history() -> None:
    """Runs of the hours before."""
    Path(".flowc").mkdir()
    log = RunLog(lambda: open_database("sqlite", {"path": ".flowc/runs.sqlite"}), "sqlite", "shop", "etl-1#1")
    now, chance = datetime.now(UTC), random.Random(3)
    for n in range(30, 0, -1):
        for name, seconds in (("load_customers", 4.0), ("load_orders", 9.0), ("revenue", 2.0)):
            at = now - timedelta(minutes=15 * n, seconds=chance.random() * 20)
            record = RunRecord(run_id(at), name, 1, "schedule", "running", "etl-1#1", at, due_at=at)
            log.begin(record)
            bad = name == "load_orders" and n in (4, 11)
            counts = {"rows_read": 900, "rows_inserted": chance.randrange(9), "rows_updated": 3, "rows_deleted": 0}
            outcome = Outcome("ok", counts)
            if bad:
                outcome = Outcome("failed", {}, "connection-lost", "the connection was lost")
            log.end(record.id, outcome, at + timedelta(seconds=seconds * (0.7 + chance.random())))
    log.close()


def _status(chance: random.Random) -> dict[str, Any]:
    return {"workers": [{
        "stream": "clicks", "worker": 1, "status": "running", "rows": 120_482, "messages": 120_485, "epochs": 911,
        "bad_rows": 3, "late_rows": 0, "dead_letters": 1, "restarts": 0, "trouble": None, "error": None,
        "lag": {"source": {"0": chance.randrange(40, 400)}}, "latency_p50": 0.025,
        "latency_p99": chance.choice((0.05, 0.1, 0.1, 0.25)),
        "watermarks": {"source": {"0": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")}},
    }]}  # fmt: skip


def _draw(browser: Any, base: str, images: Path) -> None:
    for scheme, pages in {"light": ("/", "/pipelines/load_customers"), "dark": ("/streams/clicks", "/lineage")}.items():
        context = browser.new_context(base_url=base, color_scheme=scheme, viewport={"width": 1280, "height": 760})
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()
        for path in pages:
            page.goto(path)
            page.wait_for_timeout(12_000 if path == "/" else 1_000)
            page.reload()
            name = {"/": "overview", "/lineage": "lineage"}.get(path, path.split("/")[1].rstrip("s"))
            page.screenshot(path=images / f"web-{name}.png")
        context.close()


if __name__ == "__main__":
    main()
