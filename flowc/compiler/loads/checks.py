"""The questions that stop a load, each a query that returns the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowc.compiler.ir import Expectation
from flowc.compiler.loads.load import IS_CURRENT, Load
from flowc.compiler.loads.longdecimals import by_value
from flowc.compiler.quote import ident, idents, qualified
from flowc.loadplan import Check, Expect

EVIDENCE = 5
"""Rows that a check shows at most."""


def key_checks(load: Load) -> Iterator[Check]:
    """No key is NULL and, unless `dedupe` chose, none comes twice."""
    yield null_keys(load)
    if load.apply.dedupe is None:
        yield duplicate_keys(load)


def null_keys(load: Load) -> Check:
    """Shows rows that have a NULL in a key column."""
    missing = " OR ".join(f"{ident(k)} IS NULL" for k in load.keys)
    return Check(
        "no key is NULL",
        f"SELECT {idents(load.names)} FROM {load.rows} WHERE {missing} LIMIT {EVIDENCE}",
        "null-key",
        f"rows for `{load.label}` have NULL in a key column ({', '.join(f'`{k}`' for k in load.keys)})",
        "filter them out in the SQL (`WHERE … IS NOT NULL`), or choose other `keys`",
    )


def duplicate_keys(load: Load) -> Check:
    """Shows keys that several rows have; exact copies count too, since nothing tells which of them is meant."""
    keys = idents(load.keys)
    return Check(
        "no key comes twice",
        f"SELECT * FROM (SELECT {_spellings(load)}, count(*) AS {ident('rows')} FROM {load.rows} GROUP BY {keys} "
        f"HAVING count(*) > 1) AS d ORDER BY {keys} LIMIT {EVIDENCE}",
        "duplicate-keys",
        f"several rows for `{load.label}` have the same key ({', '.join(f'`{k}`' for k in load.keys)})",
        "say which row counts with `dedupe: { order_by: … }`, or make the SQL return one row for each key",
    )


def _spellings(load: Load) -> str:
    """The keys of a group of rows; the first and the last spelling of those that the target may hold equal."""
    shown = []
    for key in load.keys:
        if key in load.folding:
            by_value = load.comparable(key, ident(key))
            shown += [f"min({by_value}) AS {ident(key)}", f"max({by_value}) AS {ident(key + ' (also)')}"]
        else:
            shown.append(ident(key))
    return ", ".join(shown)


def one_spelling(load: Load) -> Check:
    """Shows keys of different bytes that the target holds equal."""
    apart = (f"min({x}) <> max({x})" for x in (load.comparable(k, ident(k)) for k in load.folding))
    keys = idents(load.keys)
    return Check(
        "no key comes in two spellings",
        f"SELECT {_spellings(load)} FROM {load.rows} GROUP BY {keys} HAVING {' OR '.join(apart)} LIMIT {EVIDENCE}",
        "duplicate-keys",
        f"rows for `{load.label}` have keys that differ and are equal in its columns "
        f"({', '.join(f'`{k}`' for k in load.folding)})",
        "spell each key in one way in the SQL, or give the key column a collation that tells them apart",
    )


def empty_source(load: Load, held: str = "1 = 1", of: str | None = None) -> Check:
    """Stops a load that would take every row away for which `held` is true because its source is empty."""
    (t,) = load.aliases("t")
    counted = f"SELECT count(*) AS n FROM {of or load.target} AS {t} WHERE {held}"
    return Check(
        "an empty source does not empty the target",
        f"SELECT n AS {ident('rows that would go')} FROM ({counted}) AS held "
        f"WHERE n > 0 AND NOT EXISTS (SELECT 1 FROM {load.rows})",
        "empty-source",
        f"the source is empty, so this load would delete all rows of `{load.label}`",
        "set `allow_empty: true` when that is meant",
    )


def expectations(load: Load) -> Iterator[Expect]:
    """The quality checks of a load, on its rows and, for uniqueness, on the table as it is now."""
    yield from (_expect(load, wanted, load.rows) for wanted in load.apply.expect if not wanted.quarantine)


def sifting(load: Load) -> Iterator[Expect]:
    """The quality checks that set rows aside, on all rows but those that an earlier load has judged."""
    judged = f"{load.sifted} WHERE coalesce({load.failed}, 1) > 0" if load.reads_on else load.sifted
    yield from (_expect(load, wanted, judged) for wanted in load.apply.expect if wanted.quarantine)


def _expect(load: Load, wanted: Expectation, rows: str) -> Expect:
    if wanted.kind == "unique":
        sql = _unique(load, wanted.columns)
    else:
        sql = f"SELECT coalesce(sum({fails(load, wanted)}), 0), count(*) FROM {rows}"
    allowed = wanted.max_failures, wanted.max_ratio
    return Expect(wanted.name, sql, wanted.error, *allowed, wanted.source, wanted.quarantine)


def fails(load: Load, wanted: Expectation) -> str:
    """A number that is 1 for rows which fail a check, and 0 for others."""
    if wanted.kind == "not_null":
        good = " AND ".join(f"{ident(c)} IS NOT NULL" for c in wanted.columns)
    else:
        columns = (*load.table.columns, *load.extras)
        judged = by_value(wanted.sql or "", columns, load.dialect, what=f"the quality check `{wanted.name}`")
        good = f"(\n{judged}\n)"
    # A condition that is NULL does not hold, and `NOT` of it would be NULL again.
    return f"CASE WHEN {good} THEN 0 ELSE 1 END"


def _unique(load: Load, columns: Iterable[str]) -> str:
    """Counts loaded rows whose values several rows of the table have; NULLs are not equal to each other here."""
    names = tuple(columns)
    current = f"{ident(IS_CURRENT)} AND " if load.apply.mode == "scd2" else ""
    given = " AND ".join(f"{ident(n)} IS NOT NULL" for n in names)
    repeated = (
        f"SELECT {idents(names)} FROM {load.target} WHERE {current}{given} GROUP BY {idents(names)} HAVING count(*) > 1"
    )
    d, s = load.aliases("d", "s")
    match = " AND ".join(f"{qualified(n, d)} = {qualified(n, s)}" for n in names)
    found = f"EXISTS (SELECT 1 FROM ({repeated}) AS {d} WHERE {match})"
    return f"SELECT coalesce(sum(CASE WHEN {found} THEN 1 ELSE 0 END), 0), count(*) FROM {load.rows} AS {s}"
