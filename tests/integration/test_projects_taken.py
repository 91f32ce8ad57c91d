"""One table goes from a project to another one, with what its loads and streams have kept."""

from __future__ import annotations

import re
from functools import partial

import pytest

from flowc.service.access.owners import Owners
from tests.commands import Inside
from tests.integration.test_projects import Make, appending, done, made, refused
from tests.stores import HALF, OTHER_HALF, Store

pytestmark = pytest.mark.turns("store", 2)

__all__ = ["made"]  # fixtures


def without_orders(project: Inside) -> None:
    """Leaves a project that declares another table, and neither loads nor streams."""
    text = (project.path / "specs/project.yaml").read_text()
    rest = "tables:\n  rest: { connection: wh, columns: { id: bigint primary key } }\n"
    project.write("specs/project.yaml", text.partition("tables:")[0] + rest)


def test_a_table_is_taken_over_with_the_watermark_of_its_load(store: Store, made: Make):
    orders = made("orders")
    done(orders, "apply", "--yes")
    done(orders, "run", "--once")
    shop = made("shop", table="orders")
    specs = re.sub(r"\bwh\b", "house", (shop.path / "specs/project.yaml").read_text().partition("streams:")[0])
    shop.write("specs/project.yaml", specs)
    shop.write("rows.csv", "id,name\n2,again\n3,more\n")
    assert "project take house.orders`" in refused(shop, "plan")
    before = store.rows(f"SELECT project, version FROM {store.own('migrations')}")
    assert "nobody-to-ask" in refused(shop, "project", "take", "orders")
    assert store.rows(f"SELECT project, version FROM {store.own('migrations')}") == before
    told = done(shop, "project", "take", "house.orders", "--from", "orders", "--yes")
    assert "project `orders` leaves `house.orders` alone from then on" in told
    assert "No changes" in done(shop, "plan")
    done(shop, "run", "--once")
    assert store.rows("SELECT id, name FROM orders") == [(1, "orders"), (2, "orders"), (3, "more")]
    assert "take house.orders" not in done(shop, "plan", "--history")
    assert "project take wh.orders`" in refused(orders, "plan")
    assert "error[table-of-another-project]" in refused(orders, "run", "--once", "load")
    done(orders, "run", "--once", "ticks")
    without_orders(orders)
    done(orders, "apply", "--yes")
    assert store.rows("SELECT count(*) FROM orders") == [(3,)]
    assert "error[nothing-to-take]" in refused(shop, "project", "take", "orders", "--yes")


@HALF
def test_a_load_of_a_table_that_was_taken_stops_whatever_it_is_called(store: Store, made: Make, monkeypatch):
    orders, shop = made("orders"), made("shop", table="orders")
    without_pipelines = (shop.path / "specs/project.yaml").read_text().partition("pipelines:")[0]
    shop.write("specs/project.yaml", without_pipelines)
    text = (orders.path / "specs/project.yaml").read_text()
    orders_text = text.replace("mode: append\n    incremental: { column: id }", "mode: truncate")
    orders.write("specs/project.yaml", orders_text)
    done(orders, "apply", "--yes")
    done(orders, "run", "--once", "load")
    orders.write("rows.csv", "id,name\n9,over\n")
    look, taken = Owners.refuse, partial(done, shop, "project", "take", "orders", "--yes")
    monkeypatch.setattr(Owners, "refuse", lambda self, target: (look(self, target), taken()))
    if store.kind != "duckdb":  # whose file one process holds
        said = refused(orders, "run", "--once", "load")
        assert "error[table-of-another-project]" in said, "taken after the first look"
    else:
        taken()
    monkeypatch.undo()
    said = refused(orders, "run", "--once", "load")
    assert "table `wh.orders` belongs to project `shop`" in said
    text = orders_text.replace("to: { connection: wh, table: orders_ticks }", "to: orders")
    orders.write("specs/project.yaml", text)
    said = refused(orders, "run", "--once", "ticks")
    assert "error[table-of-another-project]" in said, "a stream of it stops when it starts"
    assert store.rows("SELECT id FROM orders") == [(1,), (2,)]


@OTHER_HALF
def test_a_load_stops_where_another_project_was_the_first_to_apply_meanwhile(store: Store, made: Make, monkeypatch):
    orders, shop = made("orders"), made("shop", table="orders")
    done(shop, "apply", "--yes")
    store.run(f"DELETE FROM {store.own('migrations')}")
    look, applied = Owners.refuse, partial(done, shop, "apply", "--yes")
    if store.kind == "duckdb":  # whose file one process holds
        applied()
    else:
        monkeypatch.setattr(Owners, "refuse", lambda self, target: (look(self, target), applied()))
    assert "error[table-of-another-project]" in refused(orders, "run", "--once", "load")
    assert store.rows("SELECT id FROM orders") == []


@HALF
def test_a_stream_is_taken_over_with_the_table_that_it_writes(store: Store, made: Make):
    orders, shop = made("orders"), made("shop", table="orders")
    for project in (orders, shop):
        text = (project.path / "specs/project.yaml").read_text()
        text = text.replace(f"uri: {project.path}", f"uri: {orders.path}")
        project.write("specs/project.yaml", text.replace("    source:", "    state: { connection: wh }\n    source:"))
    done(orders, "run", "--once")
    orders.write("ticks-2.jsonl", '{"id": 2, "name": "more"}\n')
    said = refused(shop, "run", "--once", "ticks")
    assert "project take wh.orders_ticks --from orders`" in said
    done(shop, "project", "take", "wh.orders_ticks", "--from", "orders", "--yes")
    done(shop, "run", "--once", "ticks")
    assert store.rows("SELECT id FROM orders_ticks") == [(1,), (2,)]
    assert "error[project-renamed]" in refused(shop, "run", "--once", "load")
    done(shop, "project", "take", "orders", "--from", "orders", "--yes")
    done(shop, "run", "--once", "load")
    assert store.rows("SELECT id FROM orders") == [(1,), (2,)]


@OTHER_HALF
def test_what_cannot_be_taken_over_is_told(store: Store, made: Make):
    orders, sales = made("orders"), made("sales", table="orders")
    done(orders, "apply", "--yes")
    for words, code in (
        (("nowhere",), "unknown-selection"),
        (("orders", "--from", "shop"), "nothing-to-take"),
        (("wh.orders_ticks", "--from", "orders"), "nothing-to-take"),
        (("wh.orders_ticks",), "nothing-to-take"),
    ):
        assert f"error[{code}]" in refused(sales, "project", "take", *words, "--yes")
    store.run(f"UPDATE {store.own('migrations')} SET status = 'failed'")
    assert "error[apply-unfinished]" in refused(sales, "project", "take", "orders", "--yes")
    assert store.rows(f"SELECT project, version FROM {store.own('migrations')}") == [("orders", 1)]


def two_targets(project: Inside, source: Inside, *tables: str) -> None:
    """Has the stream read the files of `source` and write those tables."""
    text = (project.path / "specs/project.yaml").read_text().replace(f"uri: {project.path}", f"uri: {source.path}")
    targets = ", ".join(f"{{ connection: wh, table: {name} }}" for name in tables)
    text = text.replace("to: { connection: wh, table: orders_ticks }", f"to: [{targets}]")
    project.write("specs/project.yaml", text)


@OTHER_HALF
def test_what_a_stream_keeps_of_another_table_stays(store: Store, made: Make):
    orders, shop = made("orders"), made("shop", table="orders")
    two_targets(orders, orders, "orders_ticks", "others")
    two_targets(shop, orders, "orders_ticks")
    done(orders, "run", "--once", "ticks")
    done(shop, "project", "take", "wh.orders_ticks", "--from", "orders", "--yes")
    kept = store.rows(f"SELECT project, target FROM {store.own('positions')}")
    assert [(project, str(target).rpartition(".")[2]) for project, target in kept] == [
        ("orders", "others"),
        ("shop", "orders_ticks"),
    ]
    text = (orders.path / "specs/project.yaml").read_text()
    orders.write("specs/project.yaml", text.replace("[{ connection: wh, table: orders_ticks }, ", "["))
    orders.write("ticks-2.jsonl", '{"id": 2, "name": "more"}\n')
    done(orders, "run", "--once", "ticks")
    assert store.rows("SELECT id FROM others") == [(1,), (2,)]
    assert store.rows("SELECT id FROM orders_ticks") == [(1,)]


@HALF
def test_a_taking_over_that_was_interrupted_is_run_once_more(store: Store, made: Make):
    orders, shop = made("orders"), made("shop", table="orders")
    state = Store("sqlite", orders.path, file="state")
    for project in (orders, shop):
        text = (project.path / "specs/project.yaml").read_text().replace(f"uri: {project.path}", f"uri: {orders.path}")
        text = text.replace("tables:", f"  st: {{ kind: sqlite, path: {orders.path}/state.sqlite }}\ntables:", 1)
        text = text.replace("    to: { connection: wh, table: orders_ticks }", "    to: { table: orders }")
        text = text.replace(
            "    source:", "    state: { connection: st }\n    dedupe: { keys: [id], within: 1d }\n    source:"
        )
        project.write("specs/project.yaml", text)
    done(orders, "apply", "--yes")
    done(orders, "run", "--once", "ticks")
    (kept,) = state.rows("SELECT count(*) FROM flowc_checkpoints")
    assert kept != (0,)
    state.run(
        "CREATE TRIGGER fails BEFORE UPDATE ON flowc_checkpoints WHEN NEW.project = 'shop' "
        "BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    refused(shop, "project", "take", "orders", "--yes")
    assert "project take wh.orders`" in refused(shop, "plan")
    state.run("DROP TRIGGER fails")
    done(shop, "project", "take", "orders", "--yes")
    orders.write("ticks-2.jsonl", '{"id": 1, "name": "again"}\n{"id": 2, "name": "more"}\n')
    done(shop, "run", "--once", "ticks")
    assert store.rows("SELECT id FROM orders") == [(1,), (2,)]


@OTHER_HALF
def test_a_stream_of_several_tables_goes_on_when_all_of_them_are_taken(store: Store, made: Make):
    orders, shop = made("orders"), made("shop", table="orders")
    for project in (orders, shop):
        two_targets(project, orders, "orders_ticks", "others")
        text = (project.path / "specs/project.yaml").read_text().partition("tables:")[0]
        streams = (project.path / "specs/project.yaml").read_text().partition("streams:")[2]
        streams = streams.replace("    source:", "    state: { connection: wh }\n    source:")
        project.write("specs/project.yaml", f"{text}streams:{streams}")
    done(orders, "plan")
    done(orders, "run", "--once")
    done(orders, "plan")
    orders.write("ticks-2.jsonl", '{"id": 2, "name": "more"}\n')
    for table, other in (("orders_ticks", "others"), ("others", "orders_ticks")):
        for words in (("plan",), ("run", "--once")):
            said = refused(shop, *words)
            assert "project `orders` has a stream of that name that writes" in said, words
            assert f"project take wh.{table} --from orders`" in said
        told = done(shop, "project", "take", f"wh.{table}", "--from", "orders", "--yes")
        assert f"`ticks` writes `wh.{other}` too: take that as well before it runs here" in told
    done(shop, "plan")
    done(shop, "run", "--once")
    assert store.rows("SELECT id FROM orders_ticks") == [(1,), (2,)]
    assert store.rows("SELECT id FROM others") == [(1,), (2,)]


def test_an_attempt_behind_a_taking_over_loads_nothing_again(store: Store, made: Make):
    orders = appending(made("orders"))
    done(orders, "apply", "--yes")
    done(orders, "run", "--once", "load", "--run-id", "a")
    shop = appending(made("shop", table="orders"))
    specs = re.sub(r"\bwh\b", "house", (shop.path / "specs/project.yaml").read_text("utf-8"))
    shop.write("specs/project.yaml", specs)
    done(shop, "project", "take", "house.orders", "--from", "orders", "--yes")
    assert "passed by" in done(shop, "run", "--once", "load", "--run-id", "a")
    assert store.rows("SELECT count(*) FROM orders") == [(2,)]
