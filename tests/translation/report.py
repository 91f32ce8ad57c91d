"""The table of what passes, for the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.translation.corpus import DIALECTS, Case, cases
from tests.translation.engines import ENGINES
from tests.translation.outcomes import Outcomes, Verdict

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "translation.md"

_NAMES = {
    "duckdb": "DuckDB", "datafusion": "DataFusion", "postgres": "PostgreSQL", "sqlite": "SQLite", "spark": "Spark",
    "mysql": "MySQL", "bigquery": "BigQuery", "snowflake": "Snowflake",
}  # fmt: skip

_INTRODUCTION = """# Translation of SQL

A pipeline's SQL may be written in another dialect than that of the engine that runs it (`dialect:`). What the engine
cannot be made to compute is an error of `flowc lint` (`untranslatable-sql`), never a different result.

This page is written by `python -m tests.translation --write` from the corpus in `tests/translation/corpus`: {cases}
queries in six dialects, each with the rows that its dialect's documentation promises. Those in DuckDB's and
PostgreSQL's dialect are also run as they stand on their own engine, which must give these rows. Each query is
translated to every engine, run there, and its rows compared by value: numbers to nine digits, times as instants in
UTC, texts exactly. {lines} more expressions and queries of PostgreSQL are run on PostgreSQL and on DataFusion, which
must agree (`tests/translation/postgres`), and what fails in PostgreSQL must fail or be refused on every engine. A
midnight counts as its date. On SQLite, which has no such types, 0 and 1 count as booleans, ISO text as dates and times,
and JSON text as arrays; on MySQL, where MariaDB runs, 0 and 1 count as booleans and JSON text as arrays. To MySQL only
plain queries are translated (joins, conditions, groups, orders, CTEs, UNION, CASE, comparisons, `+ - *`, simple
aggregates and windows): what is beyond, such as JSON, patterns, parts of dates and most functions of texts, is to be
written for it, with `dialect: mysql`.

`passed` of `all`; in parentheses how many were **refused with a diagnostic**, and after a `!` how many are known to
fail with the engine's own error. A query that gives other rows without a diagnostic fails the tests.
"""

_LIMITS = """
## What is not compared

- The order and equality of texts follow the engine's collation, but on MySQL, whose usual collations do not tell cases
  apart: there, SQL of other dialects compares texts by their code points (`COLLATE`). `upper` and `lower` of letters
  beyond ASCII follow the database's locale on PostgreSQL.
- A text that cannot be read as a number or a date fails when it is cast with a plain CAST; write TRY_CAST, or use a
  normaliser. To MySQL such a cast is refused.
- Types of columns decide some translations (whole-number division, rounding, dates in SQLite). Declare the tables that
  the SQL reads; where a type is not known and matters, the translation is refused.
- Which letters beyond ASCII a `\\w` matches follows the locale on PostgreSQL; on SQLite it matches all of them.
- Integers of 32 bits that overflow are an error on PostgreSQL and, where their types are declared, on DataFusion;
  SQLite computes in 64 bits.
- A division by zero is an error wherever the author's dialect makes it one, with the words of each engine.
"""


def page(outcomes: Outcomes) -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION.format(cases=len(cases()), lines=_lines()),
        *_table("By family", "Family", outcomes, lambda c: c.family),
    ]
    parts += _table("By the dialect it is written in", "Dialect", outcomes, lambda c: c.dialect)
    parts += ["", "## Known failures", "", "| Query | Engine | Why |", "|---|---|---|", *_known(), _LIMITS]
    return "\n".join(parts)


def _lines() -> int:
    chapters = Path(__file__).with_name("postgres").glob("*.txt")
    return sum(len(chapter.read_text("utf-8").splitlines()) for chapter in chapters)


def _table(title: str, head: str, outcomes: Outcomes, key) -> Iterator[str]:  # type: ignore[no-untyped-def]
    yield from (
        "",
        f"## {title}",
        "",
        f"| {head} | {' | '.join(_NAMES[e] for e in ENGINES)} |",
        "|---" * (1 + len(ENGINES)) + "|",
    )
    groups = list(dict.fromkeys(key(case) for case in cases()))
    for group in sorted(groups, key=lambda g: DIALECTS.index(g) if g in DIALECTS else 0):
        found = {
            e: Counter(o.verdict for (c, engine), o in outcomes.items() if engine == e and key(c) == group)
            for e in ENGINES
        }
        yield f"| {_NAMES.get(group, group.replace('_', ' '))} | {' | '.join(_cell(found[e]) for e in ENGINES)} |"
    total = {e: _verdicts(outcomes, e, cases()) for e in ENGINES}
    yield f"| **all** | {' | '.join(_cell(total[e], share=True) for e in ENGINES)} |"


def _verdicts(outcomes: Outcomes, engine: str, some: Iterable[Case]) -> Counter[Verdict]:
    return Counter(outcomes[case, engine].verdict for case in some)


def _cell(found: Counter[Verdict], *, share: bool = False) -> str:
    total, passed = sum(found.values()), found[Verdict.PASS]
    failed = found[Verdict.REFUSED] + found[Verdict.WRONG]
    text = f"{passed} of {total}"
    if found[Verdict.DIAGNOSED]:
        text += f" ({found[Verdict.DIAGNOSED]})"
    if failed:
        text += f" !{failed}"
    return f"{text}, {passed * 100 // total} %" if share else text


def _known() -> Iterator[str]:
    for case in cases():
        for engine, reason in case.known:
            yield f"| {case.id} | {_NAMES[engine]} | {reason} |"
