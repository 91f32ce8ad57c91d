"""The tables that cases read, small enough to compute results by hand."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from flowc.catalog import Column, Table, TableName
from flowc.types import parse_type


def _table(name: str, /, **columns: str) -> Table:
    return Table(TableName(None, name), tuple(Column(c, parse_type(t)) for c, t in columns.items()))


ORDERS = _table(
    "orders", id="bigint", customer_id="bigint", amount="decimal(10,2)", quantity="bigint", status="text",
    placed_at="timestamp", shipped_on="date", note="text", rating="double",
)  # fmt: skip
CUSTOMERS = _table("customers", id="bigint", name="text", country="text", email="text", tags="text[]")
EVENTS = _table("events", user_id="bigint", happened_at="timestamp", kind="text", payload="json")
METRICS = _table("metrics", id="bigint", n="bigint", d="bigint", x="double")

_HOME = '{"page": "home", "ms": 120, "tags": ["a", "b"], "user": {"name": "Ada"}}'
_CART = '{"page": "cart", "ms": 30, "tags": [], "user": {"name": null}}'

ROWS: dict[Table, tuple[tuple[object, ...], ...]] = {
    ORDERS: (
        (1, 10, Decimal("120.50"), 2, "paid", datetime(2024, 1, 15, 9, 30), date(2024, 1, 17), "gift", 4.5),
        (2, 10, Decimal("80.00"), 1, "open", datetime(2024, 1, 31, 23, 59, 59), None, None, None),
        (3, 20, Decimal("15.25"), 7, "paid", datetime(2024, 2, 29), date(2024, 3, 1), "Rush ORDER", 3.0),
        (4, 20, Decimal("99.99"), -3, "returned", datetime(2024, 3, 10, 12), date(2024, 3, 12), "", 1.5),
        (5, 30, Decimal("0.00"), 0, "open", datetime(2024, 12, 30, 18, 45, 30, 123456), None, "a,b,,c", None),
        (6, None, Decimal("42.00"), 5, "paid", datetime(2025, 1, 1), date(2025, 1, 5), "x_y%z", 5.0),
    ),
    CUSTOMERS: (
        (10, "Ada", "GB", "ada@example.com", ["vip", "eu"]),
        (20, "Bob", "US", "bob@mail.example.org", ["new"]),
        (30, "Çelik", "TR", None, []),
        (40, "dave", None, "dave@example.com", None),
    ),
    EVENTS: (
        (1, datetime(2024, 5, 1, 10, 0), "view", _HOME),
        (1, datetime(2024, 5, 1, 10, 5), "click", _CART),
        (1, datetime(2024, 5, 1, 11, 0), "view", '{"page": "home", "ms": null}'),
        (2, datetime(2024, 5, 1, 10, 1), "view", '{"page": "it\'s", "ms": 2.5}'),
        (2, datetime(2024, 5, 2), "buy", None),
    ),
    METRICS: (
        (1, 7, 2, 2.5),
        (2, -7, 2, -2.5),
        (3, 7, -2, 0.5),
        (4, 10, 3, 1000.0),
        (5, None, 0, None),
    ),
}
