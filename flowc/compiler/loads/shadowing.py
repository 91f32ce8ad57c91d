"""Names of a load's own SQL that a column of the user has too: each gets another one, in statements of flowc's alone.

A name of the user is always quoted, and one of flowc's never is. Aliases matter as well: DuckDB takes `s.x` for the
field `x` of a column `s`, if there is one, before the table `s`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from flowc.compiler.loads.load import Load, free_name
from flowc.loadplan import Check, Execute, Measure, Step

_QUOTED = r""""(?:[^"]|"")*"|`(?:[^`]|``)*`|'(?:[^']|'')*'"""
_OWN = r"(?<!COLLATE )\b([a-z]|flowc_\w+|alive|content|copies|copy|fresh|held|rid)\b(?![('])"
NAMES = re.compile(f"{_QUOTED}|{_OWN}")
"""Quoted texts, and as a group the bare names of columns and tables that flowc's statements give."""


def unshadowed(load: Load, steps: Iterable[Step]) -> Iterator[Step]:
    """The steps, none of which holds SQL of the user, with names that no column has."""
    taken = {c.name.lower() for c in (*load.table.columns, *load.columns)}

    def free(found: re.Match[str]) -> str:
        own = found[1]
        return free_name(f"{own}_own", taken) if own in taken else found[0]

    for step in steps:
        if isinstance(step, Check | Execute | Measure):
            yield replace(step, sql=NAMES.sub(free, step.sql))
        else:
            yield step
