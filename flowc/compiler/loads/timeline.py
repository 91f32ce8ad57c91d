"""The history of the keys in a batch, as SQL: what each version becomes.

Versions of a key are half-open intervals. The old versions and the arriving rows are the points of one line in time,
and four queries turn points into changes:

1. `points`: old versions, old versions that a row at their very start corrects, and rows at new instants.
2. `runs`: each point belongs to a segment, the interval of an old version or a gap between two. Equal neighbours in a
   segment form a run; only its first point counts.
3. `kept`: with a `ttl`, a point of a run counts again when the one before it has expired. The time of a load is none
   that a row has: without event times a row would open again what has just expired, at every load.
4. `changes`: a new version that would end where an equal old one starts gives that one its own start instead; every
   version ends where the next starts, where its segment stops, or where it expires.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flowc.compiler.dialect import Dialect
from flowc.compiler.loads.instants import Instants
from flowc.compiler.loads.load import ROWS, VALID_FROM, VALID_TO, Load
from flowc.compiler.quote import ident, idents, qualified, table
from flowc.compiler.tables.ddl import cast
from flowc.types import Kind

RUNS = "flowc_runs"
CHANGES = "flowc_changes"
BACK = "flowc_back"
_POINT = ("t", "close", "was", "old", "fixed", "region", "next", "closed", "gap", "stop", "change")
_CARRIED = tuple(f"flowc_{name}" for name in _POINT)
ROW_COPIES, RUN_COPIES = 3, 3
"""In how many more places the queries read the table of rows, and that of runs where `opens_again`."""


def points(load: Load, instants: Instants) -> str:
    """Old versions of the keys in the batch, and the rows, as points in time."""
    o, n = load.aliases("o", "n")
    names, start = load.names, qualified(VALID_FROM, o)
    arrived = instants.arrived(n)
    meets = f"{load.equal(load.keys, o, n)} AND {start} = {arrived}"
    corrects = f"{meets} AND ({load.differs(load.compare, o, n)})"
    held = f"SELECT 1 FROM {load.rows} AS {n} WHERE {load.equal(load.keys, o, n)}"
    was = f"{instants.closed(o)} AS flowc_close, {qualified(VALID_TO, o)} AS flowc_was"
    nothing = cast("NULL", instants.kind, load.dialect) if load.dialect.literals.typed else "NULL"
    kept, fixed, new = (load.again(ROWS, i) for i in (1, 2, 3))
    return (
        f"SELECT {_united(load, o)}, {start} AS flowc_t, {was}, 1 AS flowc_old, 0 AS flowc_fixed "
        f"FROM {load.target} AS {o} WHERE EXISTS ({held}) "
        f"AND NOT EXISTS (SELECT 1 FROM {kept} AS {n} WHERE {corrects})\n"
        f"UNION ALL SELECT {idents(names, n)}, {start}, {was}, 1, 1 "
        f"FROM {fixed} AS {n} JOIN {load.target} AS {o} ON {corrects}\n"
        f"UNION ALL SELECT {idents(names, n)}, {arrived}, {nothing}, {nothing}, 0, 0 "
        f"FROM {new} AS {n} WHERE NOT EXISTS (SELECT 1 FROM {load.target} AS {o} WHERE {meets})"
    )


def _united(load: Load, alias: str) -> str:
    """The columns of the target, its texts so that a UNION takes them with those of the rows."""
    targets = [f.target for f in load.loaded]
    own = {c.name for c in targets if c.native is not None and c.type.kind is Kind.TEXT} - {*load.keys}
    plain, united = idents(load.names, alias), load.dialect.compare.united
    if united == "{x}" or not own:
        return plain
    values = ((n, qualified(n, alias)) for n in load.names)
    return ", ".join(f"{united.format(x=x)} AS {ident(n)}" if n in own else x for n, x in values)


def runs(load: Load, instants: Instants) -> str:
    """The points with their segments and runs."""
    keys = idents(load.keys)
    regions = (
        f"SELECT p.*, sum(flowc_old) OVER (PARTITION BY {keys} ORDER BY flowc_t) AS flowc_region, "
        f"min(CASE WHEN flowc_old = 1 THEN flowc_t END) OVER (PARTITION BY {keys} ORDER BY flowc_t DESC "
        f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS flowc_next\nFROM (\n{points(load, instants)}\n) AS p"
    )
    closes = f"max(flowc_close) OVER (PARTITION BY {keys}, flowc_region)"
    closed = f"SELECT r.*, {closes} AS flowc_closed\nFROM (\n{regions}\n) AS r"
    inside = "flowc_region > 0 AND (flowc_old = 1 OR flowc_closed IS NULL OR flowc_t < flowc_closed)"
    gaps = f"SELECT c.*, CASE WHEN {inside} THEN 0 ELSE 1 END AS flowc_gap\nFROM (\n{closed}\n) AS c"
    ends = "flowc_gap = 0 AND flowc_closed IS NOT NULL AND (flowc_next IS NULL OR flowc_closed < flowc_next)"
    segments = (
        f"SELECT g.*, CASE WHEN {ends} THEN flowc_closed ELSE flowc_next END AS flowc_stop\nFROM (\n{gaps}\n) AS g"
    )
    segment = f"PARTITION BY {keys}, flowc_region, flowc_gap ORDER BY flowc_t"
    window = _Window(load.dialect, segment, "flowc_b")
    first = f"{window.over('row_number()')} = 1 OR {_differs_from(load, window, 'lag')}"
    changed = window.select(f"s.*, CASE WHEN {first} THEN 1 ELSE 0 END AS flowc_change", segments, "s")
    # Without the neighbours' values, which would be as many columns again as the target has.
    own = "h.*" if load.dialect.writes.nested_windows else f"{idents(load.names, 'h')}, {', '.join(_CARRIED)}"
    return f"SELECT {own}, sum(flowc_change) OVER ({segment}) AS flowc_run\nFROM (\n{changed}\n) AS h"


def _differs_from(load: Load, window: _Window, neighbour: str) -> str:
    """Whether a point differs from its neighbour (`lag` or `lead`) in the window."""
    return load.any_of(
        differs
        for n in load.compare
        for differs in load.differing(n, window.over(f"{neighbour}({ident(n)})"), ident(n))
    )


def opens_again(load: Load) -> bool:
    """Whether a row may open again what has expired: it has a time of its own, which may be past that."""
    return load.apply.ttl is not None and load.apply.event_time is not None


def kept(load: Load, instants: Instants, relation: str) -> str:
    """The points that are or become versions."""
    if not opens_again(load):
        return f"SELECT * FROM {relation} WHERE flowc_old = 1 OR flowc_change = 1"
    run = (*(ident(key) for key in load.keys), "flowc_region", "flowc_gap", "flowc_run")
    k, p = load.aliases("k", "p")
    columns, step = ", ".join(run), ", ".join(f"{k}.{c}" for c in run)
    expiry = instants.expiry(f"{k}.flowc_t")
    first, second, third = (load.again(RUNS, i) for i in (1, 2, 3))
    later = f"WHERE {_same(run, p, k)} AND {p}.flowc_t >= {expiry}"
    return (
        f"SELECT r.* FROM {relation} AS r JOIN (\n"
        f"WITH RECURSIVE alive AS (\n"
        f"SELECT {columns}, min(flowc_t) AS flowc_t FROM {first} GROUP BY {columns}\n"
        f"UNION ALL SELECT {step}, (SELECT min({p}.flowc_t) FROM {second} AS {p} {later}) FROM alive AS {k} "
        f"WHERE {expiry} <= {instants.now} AND EXISTS (SELECT 1 FROM {third} AS {p} {later})\n"
        f") SELECT * FROM alive) AS k ON {_same((*run, 'flowc_t'), 'k', 'r')}"
    )


def _same(columns: Iterable[str], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{c} = {right}.{c}" for c in columns)


def changes(load: Load, instants: Instants, relation: str) -> str:
    """The versions that are new or not as they were."""
    keys = idents(load.keys)
    line = f"PARTITION BY {keys} ORDER BY flowc_t"
    window = _Window(load.dialect, line, "flowc_w")
    old, moment, stop, was = (window.over(f"lead(flowc_{name})") for name in ("old", "t", "stop", "was"))
    meets = f"flowc_old = 0 AND {old} = 1 AND {moment} = flowc_stop"
    absorbs = f"{meets} AND NOT ({_differs_from(load, window, 'lead')}){instants.outlives(moment)}"
    neighbour = f"{moment} AS flowc_met, {stop} AS flowc_met_stop, {was} AS flowc_met_was"
    met = window.select(
        f"k.*, CASE WHEN {absorbs} THEN 1 ELSE 0 END AS flowc_absorbs, {neighbour}", kept(load, instants, relation), "k"
    )
    before = f"coalesce(lag(flowc_absorbs) OVER ({line}), 0)"
    marked = f"SELECT m.*, {before} AS flowc_absorbed\nFROM (\n{met}\n) AS m"
    versions = (
        f"SELECT {idents(load.names)}, flowc_t AS flowc_from, lead(flowc_t) OVER ({line}) AS flowc_next, "
        f"CASE WHEN flowc_absorbs = 1 THEN flowc_met WHEN flowc_old = 1 THEN flowc_t END AS flowc_old_from, "
        f"CASE WHEN flowc_absorbs = 1 THEN flowc_met_stop ELSE flowc_stop END AS flowc_stop, "
        f"CASE WHEN flowc_absorbs = 1 THEN flowc_met_was ELSE flowc_was END AS flowc_was, "
        f"CASE WHEN flowc_absorbs = 1 OR flowc_fixed = 1 THEN 1 ELSE 0 END AS flowc_written\n"
        f"FROM (\n{marked}\n) AS a WHERE flowc_absorbed = 0"
    )
    stops = "flowc_stop IS NOT NULL AND (flowc_next IS NULL OR flowc_stop < flowc_next)"
    ended = (
        f"SELECT v.*, CASE WHEN {stops} THEN flowc_stop ELSE flowc_next END AS flowc_end\nFROM (\n{versions}\n) AS v"
    )
    final = f"SELECT e.*, {instants.end('flowc_end')} AS flowc_to\nFROM (\n{ended}\n) AS e"
    moved = load.dialect.compare.differ.format(a="flowc_to", b="flowc_was")
    return (
        f"SELECT {idents(load.names)}, flowc_from, flowc_to, flowc_old_from, flowc_written\nFROM (\n{final}\n) AS f "
        f"WHERE flowc_old_from IS NULL OR flowc_written = 1 OR {moved}"
    )


def returned(load: Load, instants: Instants) -> str:
    """Versions, in the form of changes, of keys in the batch whose last one was closed by a delete.

    The last row of the key is what it is now. `flowc_t` is since when that row says so. What is to be opened itself and
    was just corrected is not to be written twice.
    """
    t, u = load.aliases("t", "u")
    end, start = qualified(VALID_TO, t), qualified(VALID_FROM, t)
    later = f"{load.equal(load.keys, u, t)} AND {qualified(VALID_FROM, u)} > {start}"
    last = f"NOT EXISTS (SELECT 1 FROM {load.target} AS {u} WHERE {later})"
    newest = f"row_number() OVER (PARTITION BY {idents(load.keys, 'r')} ORDER BY {instants.arrived('r')} DESC)"
    latest = f"SELECT r.*, {instants.arrived('r')} AS flowc_t, {newest} AS flowc_n FROM {load.rows} AS r"
    closed = (
        f"SELECT {idents(load.names, 's')}, {end} AS flowc_from, s.flowc_t, "
        f"CASE WHEN {start} = {end} THEN {end} END AS flowc_old_from\n"
        f"FROM (\n{latest}\n) AS s JOIN {load.target} AS {t} ON {load.equal(load.keys, 's', t)}\n"
        f"WHERE s.flowc_n = 1 AND {instants.closed(t)} IS NOT NULL AND {last}"
    )
    to = instants.expired("flowc_from")
    (b,) = load.aliases("b")
    same = f"{load.equal(load.keys, 'c', b)} AND c.flowc_old_from = {b}.flowc_old_from AND c.flowc_written = 1"
    corrected = f"EXISTS (SELECT 1 FROM {table(load.temporary(CHANGES))} AS c WHERE {same})"
    written = f"CASE WHEN {corrected} THEN 0 ELSE 1 END AS flowc_written"
    return f"SELECT {b}.*, {to} AS flowc_to, {written}\nFROM (\n{closed}\n) AS {b}"


@dataclass
class _Window:
    """The window `w` of a query, and the calls over it that its expressions use. `prefix` names their columns."""

    dialect: Dialect
    definition: str
    prefix: str
    calls: list[str] = field(default_factory=list)

    def over(self, call: str) -> str:
        """The value of `lead(x)`, `lag(x)` or `row_number()` over the window."""
        if self.dialect.writes.nested_windows:
            return f"{call} OVER w"
        if call not in self.calls:
            self.calls.append(call)
        return f"{self.prefix}{self.calls.index(call)}"

    def select(self, columns: str, relation: str, alias: str) -> str:
        """The query of `columns`, in which calls may stand, over a relation under its alias."""
        clause = f" WINDOW w AS ({self.definition})"
        if not self.calls:
            return f"SELECT {columns}\nFROM (\n{relation}\n) AS {alias}" + (clause if " OVER w" in columns else "")
        values = ", ".join(f"{call} OVER w AS {self.prefix}{i}" for i, call in enumerate(self.calls))
        inner = f"SELECT {alias}.*, {values}\nFROM (\n{relation}\n) AS {alias}{clause}"
        return f"SELECT {columns}\nFROM (\n{inner}\n) AS {alias}"
