"""Statements that PostgreSQL and MariaDB take or refuse, and what lint says of each.

A file `ENGINE.sql` holds statements, each ending in `;` at the end of a line. A line `-- refused: WHY` or
`-- taken: WHAT` says what its engine does with those that follow. `ext.raw` is there and no spec declares it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flowc.catalog import Column, TableName
from flowc.compiler.sql.relations import Catalogue, Relation
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.compiler.sql.types.infer import infer
from flowc.diagnostics import Diagnostic, Reporter, Severity
from flowc.source import MappedText, SourceFile
from flowc.types import parse_type

HERE = Path(__file__).parent
FOUND = 0.9
"""The share of what an engine refuses that lint has to find."""
_HEADER = re.compile(r"^-- (refused|taken): (.+)$")

TABLES: dict[str, dict[str, str]] = {
    "customers": {
        "customer_id": "integer", "name": "text", "email": "text", "country": "varchar(2)", "tags": "text[]",
        "profile": "json", "created_at": "timestamptz", "birthday": "date", "active": "boolean", "score": "double",
        "credit": "numeric(12,2)", "uid": "uuid",
    },
    "orders": {
        "order_id": "bigint", "customer_id": "integer", "amount": "numeric(12,2)", "quantity": "integer",
        "status": "text", "placed_at": "timestamp", "shipped_on": "date", "note": "text", "discount": "real",
        "meta": "json", "item_ids": "bigint[]",
    },
    "items": {
        "item_id": "bigint", "sku": "text", "price": "numeric(10,2)", "weight": "double", "attributes": "json",
        "photo": "binary", "opens": "time", "small": "smallint",
    },
    "events": {"id": "bigint", "kind": "text", "at": "timestamptz", "payload": "json", "took": "interval"},
}  # fmt: skip
KEYS = {"customers": "customer_id", "orders": "order_id", "items": "item_id", "events": "id"}
MYSQL_HAS_NOT = ("[]", "interval")
"""Types of columns that are left out there."""


@dataclass(frozen=True, slots=True)
class Case:
    """One statement, whether its engine refuses it, and its line."""

    sql: str
    refused: bool
    line: int


def columns(engine: str, table: str) -> list[Column]:
    """The columns of a table, as a spec declares them."""
    kept = {n: t for n, t in TABLES[table].items() if engine == "postgres" or not t.endswith(MYSQL_HAS_NOT)}
    return [Column(name, parse_type(kind), name != KEYS[table]) for name, kind in kept.items()]


def cases(engine: str) -> Iterator[Case]:
    """The statements of one engine."""
    refused, lines, first = False, list[str](), 0
    for number, line in enumerate((HERE / f"{engine}.sql").read_text("utf-8").splitlines(), 1):
        if header := _HEADER.match(line):
            refused = header[1] == "refused"
        elif line.strip() or lines:
            first = first if lines else number
            lines.append(line)
            if line.endswith(";"):
                yield Case("\n".join(lines)[:-1], refused, first)
                lines = []
    assert not lines, f"the statement of line {first} has no end"


def errors(engine: str, sql: str) -> list[Diagnostic]:
    """What lint refuses of a statement."""
    reporter, catalogue = Reporter(), Catalogue()
    for table, key in KEYS.items():
        relation = Relation(Relation.of_table(TableName(None, table), columns(engine, table), f"`{table}`").fields,
                            f"`{table}`", None, TableName(None, table), key=(key,))  # fmt: skip
        catalogue.add("db", engine, TableName(None, table), relation)
    parsed = parse_query(MappedText.whole(SourceFile("corpus.sql", sql)), engine, reporter)
    if parsed is not None:
        infer(parsed, engine, lambda name: catalogue.find("db", engine, name), reporter)
    return [found for found in reporter.sorted() if found.severity is Severity.ERROR]


def judge(engine: str, refusal: Callable[[str], str | None]) -> None:
    """Tries each statement on its engine (`refusal` is None where it takes it), and compares with lint."""
    wrong, false, missed, counts = [], [], [], [0, 0]
    for case in cases(engine):
        said, found = refusal(case.sql), errors(engine, case.sql)
        counts[case.refused] += 1
        shown = f"  {engine}.sql:{case.line}: {case.sql[:100]} -- "
        if case.refused is (said is None):
            wrong.append(shown + (said or "taken").splitlines()[0])
        if found and not case.refused:
            false.append(shown + found[0].message)
        if case.refused and not found:
            missed.append(shown + str(said).splitlines()[0])
    assert not wrong, "the engine does not what the corpus says:\n" + "\n".join(wrong)
    assert not false, "lint refuses what the engine takes:\n" + "\n".join(false)
    assert len(missed) <= counts[1] * (1 - FOUND), f"lint misses of {counts[1]}:\n" + "\n".join(missed)
    assert counts[0] >= 200, counts
    assert counts[1] >= 60, counts
