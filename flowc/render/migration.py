"""A plan as people read it: each object with what happens to it, why it may hurt, and the SQL under it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from textwrap import wrap

from flowc.migration import Change, DatabasePlan, MigrationPlan, PipelineChange, Risk, Statement, TableChanges
from flowc.render.migration_remarks import (
    Remark,
    change_mark,
    failure_count,
    failure_heading,
    failure_remarks,
    remarks,
    standing_words,
    state_heading,
    state_mark,
    state_remarks,
    state_warnings,
    summary_words,
    table_mark,
    table_notes,
)
from flowc.render.style import Style, printable, width
from flowc.render.tables import table
from flowc.service.access.history import Version

_NARROWEST = 40
_POSITIONS = 8
"""So many positions of a stream are shown one by one."""
_ROLES = {"+": "good", "-": "bad", "~": "warning", "!": "bad"}


@dataclass(frozen=True, slots=True)
class _Page:
    """How a plan is shown, and whether statements are."""

    style: Style
    sql: bool = True

    def line(self, indent: int, role: str, text: str, spare: int = 0) -> Iterator[str]:
        """A text in one colour, broken where the page ends; the last line leaves `spare` characters free."""
        yield from (" " * indent + self.style.paint(role, part) for part in self._broken(text, indent + spare))

    def _broken(self, text: str, indent: int) -> list[str]:
        """The text in lines that fit beside an indentation, those after the first by four more."""
        inner = len(text) - len(text.lstrip(" ")) + 4
        room = max(_NARROWEST, self.style.columns - indent)
        # `wrap` counts characters: behind one that takes two cells stands another meanwhile
        wide = "".join(char + "\0" * (width(char) - 1) for char in printable(self.style.conceal(text)))
        lines = wrap(
            wide, room, subsequent_indent=" " * inner, break_long_words=False,
            break_on_hyphens=False, replace_whitespace=False, drop_whitespace=True,
        ) or [""]  # fmt: skip
        return [line.replace("\0", "") for line in lines]


_SAME = "No changes: what is there is what the specs say."


def migration_text(plan: MigrationPlan, style: Style, *, sql: bool = True, edited: bool = False) -> str:
    """The whole plan, in lines that fit where they fit. `edited` says that schedules change, which stand below it."""
    page = _Page(style, sql)
    project = [*page.line(0, "dim", f"project: {plan.project}")] if plan.project else []
    if plan.empty:
        none = [_unchanged(plan, edited=edited), *_standing(plan, page)]
        warned = [f"{style.paint('bad', f'{warning[:1].upper()}{warning[1:]}')}." for warning in state_warnings(plan)]
        return "\n\n".join(["\n".join([*project, *none]), *_ends(plan, page), *warned])
    blocks = [block for database in plan.databases for block in _database(database, page)]
    blocks += _ends(plan, page)
    outputs = "\n".join(line for output in plan.outputs for line in page.line(0, "dim", f"  {output}"))
    return "\n\n".join([*project, *blocks, *([outputs] if outputs else []), summary(plan, style)])


def _unchanged(plan: MigrationPlan, *, edited: bool) -> str:
    """The headline of a plan without changes: what else there is to know stands below it."""
    below = ", ".join(filter(None, (failure_count(plan), "schedules change" if edited else "")))
    return f"No changes of tables, loads and streams; {below}:" if below else _SAME


def drift_text(plan: MigrationPlan, style: Style) -> str:
    """What changed outside flowc, as the statements that would do the same."""
    if not plan.changes and not any(database.snapshot.tables for database in plan.databases):
        return "Nothing to compare: no table of the project was applied yet."
    if not plan.changes:
        return "No drift: columns, keys, indexes and comments are as they were applied."
    page = _Page(style)
    tables = ("\n".join(_table(entry, page)) for database in plan.databases for entry in database.tables)
    return "\n\n".join(["Changed since the last apply, and not by flowc:", *tables])


def _standing(plan: MigrationPlan, page: _Page) -> Iterator[str]:
    for text in standing_words(plan):
        yield from page.line(2, "dim", text)


def _ends(plan: MigrationPlan, page: _Page) -> Iterator[str]:
    """What becomes of what streams remember, and which loads cannot run."""
    yield from _states(plan, page)
    for load in plan.failures:
        lines = [_heading("!", failure_heading(load), page)]
        for remark in failure_remarks(load):
            lines += page.line(4, remark.role, remark.text)
        yield "\n".join(lines)


def _states(plan: MigrationPlan, page: _Page) -> Iterator[str]:
    """What becomes of what streams remember."""
    for state in plan.told:
        lines = [_heading(state_mark(state), state_heading(state), page)]
        for remark in state_remarks(state):
            lines += page.line(8 if remark.role == "help" else 4, remark.role, remark.text)
        yield "\n".join(lines)


def _database(plan: DatabasePlan, page: _Page) -> Iterator[str]:
    for entry in plan.tables:
        if entry.changes or entry.unmanaged or entry.notes:
            yield "\n".join(_table(entry, page))
    for pipeline in plan.pipelines:
        yield "\n".join(_pipeline(pipeline, page))


def _table(entry: TableChanges, page: _Page) -> Iterator[str]:
    yield _heading(table_mark(entry), f"table {entry.label}", page)
    for change in entry.changes:
        yield from _change(change, page)
    for note in table_notes(entry):
        yield from page.line(4, "dim", note)


def _heading(mark: str, text: str, page: _Page) -> str:
    return page.style.paint(_ROLES.get(mark, "dim"), f"{mark} {printable(text)}")


def _change(change: Change, page: _Page) -> Iterator[str]:
    """A change with its risk, its parts, what the data says to it, and its statements."""
    mark = change_mark(change)
    risk = "" if change.risk is Risk.ADDITIVE else f"  [{change.risk}]"
    role = _ROLES.get(mark, "dim")
    *lines, last = page.line(4, role, f"{mark} {change.summary}", len(risk))
    yield from lines
    yield last + page.style.paint("bad" if change.destructive else "warning", risk)
    for part in change.parts:
        yield from page.line(8, role, f"{mark} {part}")
    for remark in remarks(change):
        yield from page.line(8, remark.role, remark.text)
    # The columns of a new table say what its statements say.
    if page.sql and not change.parts:
        yield from _statements(change.statements, page)


def _statements(statements: Iterable[Statement], page: _Page) -> Iterator[str]:
    for statement in statements:
        if note := statement_comment(statement):
            yield from page.line(8, "dim", f"-- {note}")
        for line in f"{statement.sql};".splitlines():
            yield from page.line(8, "dim", line)


def statement_comment(statement: Statement) -> str:
    """What else is to be known of a statement: its lock, and whether it can be undone with its neighbours."""
    parts = [f"lock: {statement.lock}"] if statement.lock else []
    parts += ["writes the whole table anew"] if statement.rewrites else []
    parts += ["reads the whole table"] if statement.scans and not statement.rewrites else []
    parts += [] if statement.transactional else ["outside a transaction"]
    return ", ".join(parts)


def _pipeline(change: PipelineChange, page: _Page) -> Iterator[str]:
    mark = change_mark(change)
    yield _heading(mark, f"{change.what} {change.name} into {change.target}", page)
    for key, before, after in change.changed:
        yield from page.line(4, "warning", f"~ {key}: {before or 'not set'} -> {after or 'not set'}")
    if page.sql and change.sql:
        yield from _diff(change.sql, page)
    for remark in pipeline_remarks(change):
        yield from page.line(4, remark.role, remark.text)


def pipeline_remarks(change: PipelineChange) -> Iterator[Remark]:
    """What the change of a load means, and which columns it reads that go."""
    yield from (Remark("note", f"note: {effect}") for effect in change.effects)
    yield from (Remark("note", f"      {position}") for position in change.positions[:_POSITIONS])
    if len(change.positions) > _POSITIONS:
        yield Remark("note", f"      and {len(change.positions) - _POSITIONS} more, which `flowc status` shows")
    yield from (Remark("error", f"breaks: it reads {broken}, which goes") for broken in change.breaks)


def _diff(pair: tuple[str, str], page: _Page) -> Iterator[str]:
    for line in sql_diff(pair):
        role = {"+": "good", "-": "bad"}.get(line[:1], "dim")
        yield "    " + page.style.paint(role, printable(line))


def sql_diff(pair: tuple[str, str]) -> list[str]:
    """The lines of a query that went, stayed and came, each behind its mark."""
    before, after = (text.splitlines() for text in pair)
    return [line for line in list(unified_diff(before, after, lineterm="", n=2))[2:] if not line.startswith("@@")]


def summary(plan: MigrationPlan, style: Style) -> str:
    """One line: how much of what, and what stands in the way."""
    parts = summary_words(plan)
    return f"Plan: {parts.counts}." + "".join(f" {style.paint('bad', warning)}." for warning in parts.warnings)


def versions_text(versions: Mapping[str, Sequence[Version]], style: Style) -> str:
    """The applied versions of each database, oldest first."""
    rows = [(name, *_version(version)) for name, held in versions.items() for version in held]
    headers = ("database", "version", "status", "statements", "started", "by", "error")
    return table(headers, [[cell or "" for cell in row] for row in rows], style) if rows else "nothing was applied yet"


def _version(version: Version) -> tuple[object, ...]:
    done, began = f"{version.applied}/{version.total}", version.started_at.isoformat(timespec="seconds")
    return version.version, version.status, done, began, version.owner, version.error
