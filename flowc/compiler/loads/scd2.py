"""scd2: one row for each version of a key.

The changes of the keys in the batch are worked out in a temporary table (`timeline`) and then applied, so only rows
that change are written. Everything else about histories is here: expiry, and keys that the source no longer has.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.checks import EVIDENCE, empty_source, null_keys, one_spelling
from flowc.compiler.loads.cursor import now_text
from flowc.compiler.loads.encoding import row_digest
from flowc.compiler.loads.instants import Instants
from flowc.compiler.loads.load import HISTORY, IS_CURRENT, ROW_HASH, ROWS, VALID_FROM, VALID_TO, Load
from flowc.compiler.loads.overwrites import overwritten
from flowc.compiler.loads.sifting import still_there
from flowc.compiler.loads.softdelete import mark, marked, unmark
from flowc.compiler.loads.staging import copies, without_copies
from flowc.compiler.loads.statements import delete, update_from
from flowc.compiler.loads.timeline import (
    BACK,
    CHANGES,
    ROW_COPIES,
    RUN_COPIES,
    RUNS,
    changes,
    opens_again,
    returned,
    runs,
)
from flowc.compiler.quote import ident, idents, qualified, table
from flowc.loadplan import Check, Counter, Execute, Measure, Step


def scd2(load: Load) -> Iterator[Step]:
    """The steps of a history load, from checks to counts."""
    instants = Instants(load)
    yield null_keys(load)
    if load.folding:
        yield one_spelling(load)
        yield _respelled(load)
    yield from _event_time_checks(load, instants)
    yield from copies(load, ROWS, 1)
    yield _ties(load, instants)
    yield Execute("drop exact copies of rows", _drop_copies(load, instants))
    yield from without_copies(load, ROWS, 1)
    yield from _lay_out(load, instants)
    yield from _later(load, instants)
    yield from _work_out(load, instants)
    yield from _write(load)
    if load.apply.deletes == "close":
        yield from _back(load, instants)
    if load.apply.ttl is not None:
        yield Execute("close expired versions of other keys", _expire(load, instants), Counter.UPDATED)
    number = 1 if load.apply.deletes == "soft" else 0
    yield from copies(load, ROWS, number)
    yield Measure("rows that changed nothing", _unchanged(load, instants), Counter.UNCHANGED)
    yield from without_copies(load, ROWS, number)
    if load.apply.deletes == "soft":
        yield _returned(load)
    if load.apply.deletes != "ignore":
        yield from _gone(load, instants)
    for name in (RUNS, CHANGES, *((BACK,) if load.apply.deletes == "close" else ())):
        yield Execute("drop the worked-out history", f"{load.dialect.temporary.drop} {table(load.temporary(name))}")


def _respelled(load: Load) -> Execute:
    """Keys as the target spells them, so that a history stays one whatever compares its rows."""
    t, s = load.aliases("t", "s")
    sets = [f"{ident(k)} = {qualified(k, t)}" for k in load.folding]
    condition = f"{load.equal(load.keys, t, s)} AND ({load.differs(load.folding, t, s)})"
    if load.dialect.writes.update_from:
        sql = f"UPDATE {load.rows} AS {s} SET {', '.join(sets)} FROM {load.target} AS {t} WHERE {condition}"
    else:
        assigned = ", ".join(f"{s}.{assignment}" for assignment in sets)
        sql = f"UPDATE {load.rows} AS {s} JOIN {load.target} AS {t} ON {condition} SET {assigned}"
    return Execute("spell keys as the target does", sql)


def _event_time_checks(load: Load, instants: Instants) -> Iterator[Check]:
    column = instants.column
    if column is None:
        return
    name = ident(column.name)
    shown = f"SELECT {idents(load.keys)}, {name} FROM {load.rows} WHERE"
    yield Check(
        "every row has an event time",
        f"{shown} {name} IS NULL LIMIT {EVIDENCE}",
        "null-event-time",
        f"rows for `{load.label}` have NULL in `{column.name}`, the event time",
        "filter them out in the SQL, or use COALESCE",
    )
    if misfit := instants.arrival("").misfit:
        yield Check(
            "event times fit",
            f"{shown} {misfit} LIMIT {EVIDENCE}",
            "value-does-not-fit",
            f"values of `{column.name}` do not fit `{VALID_FROM}` of `{load.label}`, a {instants.kind}",
            f"CAST `{column.name}` in the SQL",
        )


def _ties(load: Load, instants: Instants) -> Check:
    """Several rows of one key at one instant must be copies of each other."""
    keys, moment = idents(load.keys, "s"), instants.arrived("s")
    column = instants.column
    by = keys if column is None else f"{keys}, {moment}"
    same = load.equal(load.keys, "s", "r") + ("" if column is None else f" AND {moment} = r.flowc_t")
    repeated = (
        f"SELECT {keys}{'' if column is None else f', {moment} AS flowc_t'} FROM {load.again(ROWS, 1)} AS s "
        f"GROUP BY {by} HAVING count(*) > 1"
    )
    at = "" if column is None else f" at one `{column.name}`"
    return Check(
        "rows of one key and instant agree",
        f"SELECT {by}, count(*) AS {ident('rows')} FROM {load.rows} AS s JOIN ({repeated}) AS r ON {same} "
        f"GROUP BY {by} HAVING count(DISTINCT {row_digest(load, load.names, 's')}) > 1 ORDER BY {by} LIMIT {EVIDENCE}",
        "duplicate-keys" if column is None else "conflicting-versions",
        f"rows for `{load.label}` have the same key ({', '.join(f'`{k}`' for k in load.keys)}){at} and differ",
        "say which row counts with `dedupe: { order_by: … }`",
    )


def _drop_copies(load: Load, instants: Instants) -> str:
    rid = load.row_id
    by = idents(load.keys) + ("" if instants.column is None else f", {instants.arrived('')}")
    source = load.again(ROWS, 1)
    numbered = f"SELECT {rid} AS rid, row_number() OVER (PARTITION BY {by} ORDER BY {rid}) AS copy FROM {source}"
    return f"DELETE FROM {load.rows} WHERE {rid} IN (SELECT rid FROM ({numbered}) AS n WHERE copy > 1)"


def _lay_out(load: Load, instants: Instants) -> Iterator[Execute]:
    dialect, runs_table = load.dialect, table(load.temporary(RUNS))
    yield from copies(load, ROWS, ROW_COPIES)
    yield Execute(
        "lay out the history of these keys",
        f"{dialect.temporary.create} {runs_table}{dialect.temporary.options} AS {runs(load, instants)}",
    )
    yield from without_copies(load, ROWS, ROW_COPIES)
    if dialect.writes.analyze:
        yield Execute("statistics of the history", dialect.writes.analyze.format(table=runs_table))


def _work_out(load: Load, instants: Instants) -> Iterator[Execute]:
    dialect = load.dialect
    run_table, change_table = (table(load.temporary(name)) for name in (RUNS, CHANGES))
    number = RUN_COPIES if opens_again(load) else 0
    yield from copies(load, RUNS, number)
    yield Execute(
        "work out what changes",
        f"{dialect.temporary.create} {change_table}{dialect.temporary.options} AS {changes(load, instants, run_table)}",
    )
    yield from without_copies(load, RUNS, number)
    if dialect.writes.analyze:
        yield Execute("statistics of the changes", dialect.writes.analyze.format(table=change_table))


def _later(load: Load, instants: Instants) -> Iterator[Check]:
    """What a load at its own time may not find: its rows would become history of content that stays current.

    `deletes: close` would let a version that begins later end where it begins, as if it had never held.
    """
    if instants.column is not None:
        return
    keys, now, times = idents(load.keys), instants.now, f"{ident(VALID_FROM)}, {ident(VALID_TO)}"
    loaded = f"flowc_t AS {ident(VALID_FROM)}, flowc_close AS {ident(VALID_TO)} FROM {table(load.temporary(RUNS))}"
    found = [f"{keys}, {loaded} WHERE flowc_old = 1 AND (flowc_t > {now} OR flowc_close > {now})"]
    if load.apply.deletes == "close":
        found.append(f"{keys}, {times} FROM {load.target} WHERE {ident(IS_CURRENT)} AND {ident(VALID_FROM)} > {now}")
    for query in found:
        yield Check(
            "no version is later than the load",
            f"SELECT {query} ORDER BY {keys}, {ident(VALID_FROM)} LIMIT {EVIDENCE}",
            "later-version",
            f"`{load.label}` holds versions of keys ({', '.join(f'`{k}`' for k in load.keys)}) that begin or end after "
            f"this load, whose time is {now_text(load.now, instants.kind)}",
            "the clock was set back, or another load came in between: load again when that time has passed, "
            "or say with `event_time` since when rows hold",
        )


def _write(load: Load) -> Iterator[Execute]:
    source = table(load.temporary(CHANGES))
    yield Execute("end versions that others follow", _rewrite(load, source, 0), Counter.UPDATED)
    yield from overwritten(load, source, "c", _rewritten(load, 1))
    yield Execute("correct versions and move their start", _rewrite(load, source, 1), Counter.UPDATED)
    yield Execute("insert new versions", _insert(load, source), Counter.INSERTED)


def _rewrite(load: Load, source: str, written: int) -> str:
    """Gives old versions their new ends, and what is `written` anew its contents too."""
    ends = [f"{ident(VALID_TO)} = c.flowc_to", f"{ident(IS_CURRENT)} = (c.flowc_to IS NULL)"]
    sets = [*_contents(load), *ends] if written else ends
    return update_from(load, sets, source, "c", _rewritten(load, written))


def _rewritten(load: Load, written: int) -> str:
    """The condition that a row of the target is the old version that a change gives new ends, or is `written` anew."""
    (t,) = load.aliases("t")
    match = f"{load.equal(load.keys, t, 'c')} AND {qualified(VALID_FROM, t)} = c.flowc_old_from"
    return f"{match} AND c.flowc_written = {written}"


def _back(load: Load, instants: Instants) -> Iterator[Step]:
    """A key that the full source has is there: it opens again where a delete closed it, whatever its row says.

    Rows past that have opened a version already. What was closed as it began never held, and is opened itself.
    """
    source = table(load.temporary(BACK))
    head = f"{load.dialect.temporary.create} {source}{load.dialect.temporary.options}"
    yield Execute("look for keys that are back", f"{head} AS {returned(load, instants)}")
    yield Execute("open corrected versions that had not begun", _rewrite(load, source, 0))
    yield from overwritten(load, source, "c", _rewritten(load, 1))
    yield Execute("open versions that had not begun", _rewrite(load, source, 1), Counter.UPDATED)
    yield Execute("open versions of keys that are back", _insert(load, source), Counter.INSERTED)


def _contents(load: Load) -> list[str]:
    sets = [f"{ident(n)} = c.{ident(n)}" for n in load.names if n not in load.keys]
    sets.append(f"{ident(VALID_FROM)} = c.flowc_from")
    if load.table.column(ROW_HASH) is not None:
        sets.append(f"{ident(ROW_HASH)} = {row_digest(load, load.compare, 'c')}")
    if load.apply.deletes == "soft":
        (t,) = load.aliases("t")
        name, _, empty = unmark(load).partition(" = ")
        sets.append(f"{name} = CASE WHEN c.flowc_to IS NULL THEN {empty} ELSE {t}.{name} END")
    return sets


def _returned(load: Load) -> Execute:
    """Takes the mark from current versions of keys that are back; corrected ones have lost it already."""
    t, s = load.aliases("t", "s")
    back = f"EXISTS (SELECT 1 FROM {load.rows} AS {s} WHERE {load.equal(load.keys, t, s)})"
    sql = (
        f"UPDATE {load.target} AS {t} SET {unmark(load)} "
        f"WHERE {qualified(IS_CURRENT, t)} AND {marked(load, t)} AND {back}"
    )
    return Execute("take the mark from keys that are back", sql, Counter.UPDATED)


def _insert(load: Load, source: str) -> str:
    history = tuple(n for n in HISTORY if load.table.column(n) is not None)
    values = {
        VALID_FROM: "c.flowc_from",
        VALID_TO: "c.flowc_to",
        IS_CURRENT: "(c.flowc_to IS NULL)",
        ROW_HASH: row_digest(load, load.compare, "c"),
    }
    given = ", ".join([idents(load.names, "c"), *(values[n] for n in history)])
    return (
        f"INSERT INTO {load.target} ({idents((*load.names, *history))}) SELECT {given} FROM {source} AS c "
        f"WHERE c.flowc_old_from IS NULL"
    )


def _missing(load: Load) -> str:
    t, s = load.aliases("t", "s")
    return f"NOT EXISTS (SELECT 1 FROM {load.rows} AS {s} WHERE {load.equal(load.keys, t, s)})"


def _expire(load: Load, instants: Instants) -> str:
    """Closes versions of keys that the batch does not have; those of its own keys are in the changes."""
    (t,) = load.aliases("t")
    start, end = qualified(VALID_FROM, t), qualified(VALID_TO, t)
    expiry = instants.expiry(start)
    return (
        f"UPDATE {load.target} AS {t} SET {ident(VALID_TO)} = {expiry}, {ident(IS_CURRENT)} = {_false(load)} "
        f"WHERE {expiry} <= {instants.now} AND ({end} IS NULL OR {end} > {expiry}) AND {_missing(load)}"
    )


def _false(load: Load) -> str:
    return "false" if load.dialect.literals.typed else "0"


def _gone(load: Load, instants: Instants) -> Iterator[Step]:
    """What `deletes` says about keys that the full source no longer has."""
    deletes, (t,) = load.apply.deletes, load.aliases("t")
    missing = _missing(load) + still_there(load, t)
    current = qualified(IS_CURRENT, t)
    held = {"hard": "1 = 1", "close": current, "soft": ""}[deletes]
    if deletes == "soft":
        held = f"{current} AND NOT ({marked(load, t)})"
    if not load.apply.allow_empty:
        yield empty_source(load, held)
    if deletes == "hard":
        sql = delete(load, load.target, t, missing)
    elif deletes == "soft":
        sql = f"UPDATE {load.target} AS {t} SET {mark(load)} WHERE {held} AND {missing}"
    else:
        start = qualified(VALID_FROM, t)
        end = f"CASE WHEN {start} > {instants.now} THEN {start} ELSE {instants.now} END"
        sets = f"{ident(VALID_TO)} = {end}, {ident(IS_CURRENT)} = {_false(load)}"
        sql = f"UPDATE {load.target} AS {t} SET {sets} WHERE {held} AND {missing}"
    yield Execute(f"{deletes} delete of keys that are gone", sql, Counter.DELETED)


def _unchanged(load: Load, instants: Instants) -> str:
    """How many rows neither are in a change nor brought their key back; what they are to unmark is still marked."""
    keys = idents(load.keys)
    changed = f"{table(load.temporary(CHANGES))} WHERE flowc_old_from IS NULL OR flowc_written = 1"
    counted = [f"SELECT {keys}, flowc_from FROM {changed}"]
    if load.apply.deletes == "close":
        counted.append(f"SELECT {keys}, flowc_t FROM {table(load.temporary(BACK))}")
    elif load.apply.deletes == "soft":
        counted.append(f"SELECT {idents(load.keys, 'r')}, r.flowc_t FROM {_marked_back(load, instants)}")
    return f"SELECT (SELECT count(*) FROM {load.rows}) - (SELECT count(*) FROM ({' UNION '.join(counted)}) AS c)"


def _marked_back(load: Load, instants: Instants) -> str:
    """The marked keys that are back, as `r`, each with the time of its last row."""
    keys, (t,) = idents(load.keys), load.aliases("t")
    last = f"SELECT {keys}, max({instants.arrived('')}) AS flowc_t FROM {load.again(ROWS, 1)} GROUP BY {keys}"
    held = f"{load.equal(load.keys, t, 'r')} AND {qualified(IS_CURRENT, t)} AND {marked(load, t)}"
    return f"({last}) AS r JOIN {load.target} AS {t} ON {held}"
