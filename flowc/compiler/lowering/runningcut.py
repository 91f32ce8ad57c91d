"""A query that puts rows together outside of windows, cut as one over a window is; see `windowcut`."""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp

from flowc.compiler.lowering.windowcut import CLAUSES, Cutter, several_ways
from flowc.compiler.sql.streams.runningcalls import MISPLACED, running


class RunningCutter(Cutter):
    """Cuts a query at its running groups, in its tree."""

    ungrouped: ClassVar[str] = MISPLACED

    def _select(self) -> exp.Select:
        return running(self.query, self.call.id)

    def _check_clauses(self) -> None:
        select = self.select
        strange = {key for key, value in select.args.items() if value} - CLAUSES
        stars = [item for item in select.expressions if item.is_star]
        if strange:
            word = min(strange).rstrip("_").upper()
            self._error(MISPLACED, f"a running aggregate has no {word}", select, "put it in a CTE before")
        elif stars:
            help = "name what is grouped and put together: `SELECT user_id, count(*) AS n …`"
            self._error(MISPLACED, "`*` would be every row, and what comes out are groups", stars[0], help)
        elif (inner := self._inner()) is not None:
            message = "a running aggregate comes out when its rows change, and not when another query does"
            self._error(MISPLACED, message, inner, "join with it before, where each row is looked at")

    def _read_keys(self) -> None:
        group = self.select.args.get("group")
        if several_ways(group):
            help = "write plain GROUP BY, and a stream for each of several"
            self._error(MISPLACED, "running aggregates are grouped in one way alone", group, help)
        elif group is None or not group.expressions:
            message = "all rows are one group here, and the target finds the row that it replaces by a key"
            help = "group by a constant: `SELECT 'all' AS id, count(*) AS n … GROUP BY 1`"
            self._error(MISPLACED, message, group or self.select.expressions[0], help)
        else:
            for item in group.expressions:
                self._add_key(item, self._meant(item))

    def _put_relation(self, before: exp.Select) -> None:
        """What is read stands there as it is."""
