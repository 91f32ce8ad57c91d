"""A plan as a comment on a pull request: what matters in sight, the SQL folded away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate

from flowc.migration import Change, LoadFailure, MigrationPlan, PipelineChange, StateVerdict, TableChanges
from flowc.render.migration import pipeline_remarks, sql_diff
from flowc.render.migration_remarks import (
    change_mark,
    failure_count,
    failure_remarks,
    remarks,
    standing_words,
    state_heading,
    state_mark,
    state_remarks,
    summary_words,
    table_mark,
    table_notes,
)
from flowc.render.migration_sql import migration_sql
from flowc.render.style import harmless, printable
from flowc.service.changes.prechecks import failed

LONGEST = 60_000
"""Characters; a comment on GitHub holds 65,536."""
_NOTE = 100
"""Characters that are kept for what says that something was left out."""
_DIFF_MARKS = {"~": "!"}
"""What a fence of kind `diff` colours as changed."""


def migration_markdown(plan: MigrationPlan) -> str:
    """The plan as GitHub's Markdown, short enough for a comment."""
    if plan.empty:
        notes = [f"- {_code_free(text)}" for text in standing_words(plan)]
        failing = failure_count(plan)
        same = "" if failing else "What is there is what the specs say."
        title = f"### Plan: no changes; {failing}" if failing else "### Plan: no changes"
        none = "\n".join([title, *(["", *filter(None, [same]), *notes] if same or notes else [])])
        states = list(_states(plan))
        return "\n\n".join([none, *_warnings(plan), *([_fence("diff", "\n".join(states))] if states else [])])
    head = [f"### Plan: {summary_words(plan).counts}", *_warnings(plan)]
    body = _fitting(list(_lines(plan)), LONGEST - 2 * _NOTE - sum(len(part) for part in head))
    parts = [*head, _fence("diff", body)]
    script = migration_sql(plan)
    if script:
        parts.append(_folded(script, LONGEST - sum(len(part) for part in parts)))
    return "\n\n".join(parts)


def _warnings(plan: MigrationPlan) -> Iterator[str]:
    """What a reader must not overlook, as callouts."""
    losses = [change for change in plan.changes if change.destructive]
    if losses:
        allowed = " ".join(f"--allow-destructive {change.object}" for change in losses)
        yield _callout("CAUTION", "This plan destroys data.", map(_loss, losses), f"Apply wants `{_inline(allowed)}`.")
    stuck = [change for change in plan.changes if failed(change)]
    if stuck:
        yield _callout("WARNING", "Apply will refuse this plan.", (line for c in stuck for line in _reasons(c)), "")
    if plan.failures:
        yield _callout(
            "WARNING", f"{failure_count(plan)}.", map(_failure, plan.failures), "Apply changes tables all the same."
        )
    if plan.refused:
        lines = (_refusal(state.stream, verdict) for state in plan.refused for verdict in state.verdicts)
        yield _callout("WARNING", "A stream will not start.", filter(None, lines), "Apply changes tables all the same.")


def _failure(load: LoadFailure) -> str:
    reasons = "; ".join(remark.text for remark in failure_remarks(load))
    return f"`{_inline(load.pipeline)}` into `{_inline(load.target)}`: {_code_free(reasons)}"


def _refusal(stream: str, verdict: StateVerdict) -> str:
    if verdict.decision != "refuse":
        return ""
    reason = f"{verdict.reason}; {verdict.help}" if verdict.help else verdict.reason
    return f"`{_inline(verdict.node)}` of `{_inline(stream)}`: {_code_free(reason)}"


def _loss(change: Change) -> str:
    return f"`{_inline(change.object)}`: {_code_free(change.summary)}, {change.loss}"


def _reasons(change: Change) -> Iterator[str]:
    yield from (f"`{_inline(change.object)}`: {_code_free(reason)}" for reason in failed(change))


def _callout(kind: str, title: str, lines: Iterable[str], end: str) -> str:
    listed = [f"> - {line}" for line in lines]
    return "\n".join([f"> [!{kind}]", f"> **{title}**", ">", *listed, *([">", f"> {end}"] if end else [])])


def _code_free(text: str) -> str:
    """Text in which nothing begins a link, a mention, HTML or emphasis; what stands in backticks stays code."""
    parts = re.split(r"(`[^`]*`)", printable(text))
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_\[\]<>@#|])", r"\\\1", part) for part in parts)


def _inline(text: str) -> str:
    """Text that cannot end the backticks around it."""
    return printable(text).replace("`", "'")


def _lines(plan: MigrationPlan) -> Iterator[str]:
    for database in plan.databases:
        for entry in database.tables:
            yield from _table(entry)
        for pipeline in database.pipelines:
            yield from _pipeline(pipeline)
    yield from _states(plan)
    yield from (_marked("#", str(output)) for output in plan.outputs)


def _states(plan: MigrationPlan) -> Iterator[str]:
    for state in plan.told:
        yield _marked(state_mark(state), state_heading(state))
        yield from (_marked("!" if r.role == "bad" else "#", f"  {r.text}") for r in state_remarks(state))


def _table(entry: TableChanges) -> Iterator[str]:
    if not entry.changes and not entry.unmanaged and not entry.notes:
        return
    yield _marked(table_mark(entry), f"table {entry.label}")
    for change in entry.changes:
        mark = change_mark(change)
        yield _marked(mark, f"  {change.summary}" + ("" if change.risk == "additive" else f"  [{change.risk}]"))
        yield from (_marked(mark, f"    {part}") for part in change.parts)
        yield from (_marked("#", f"    {remark.text}") for remark in remarks(change))
    yield from (_marked("#", f"  {note}") for note in table_notes(entry))


def _pipeline(change: PipelineChange) -> Iterator[str]:
    yield _marked(change_mark(change), f"{change.what} {change.name} into {change.target}")
    for key, before, after in change.changed:
        yield _marked("~", f"  {key}: {before or 'not set'} -> {after or 'not set'}")
    yield from (f"{line[:1]}   {printable(line[1:])}" for line in (sql_diff(change.sql) if change.sql else ()))
    yield from (_marked("#", f"  {remark.text}") for remark in pipeline_remarks(change))


def _marked(mark: str, text: str) -> str:
    return f"{_DIFF_MARKS.get(mark, mark)} {printable(text)}"


def _fitting(lines: list[str], room: int) -> str:
    """The lines that fit, and how many do not."""
    ends = accumulate(len(line) + 1 for line in lines)
    count = sum(end < room - _NOTE for end in ends)
    rest = [] if count == len(lines) else [f"# … and {len(lines) - count} lines more, which `flowc plan` prints"]
    return "\n".join([*lines[:count], *rest])


def _fence(kind: str, text: str) -> str:
    """A fenced block whose fence is longer than any in its text."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{ticks}{kind}\n{text}\n{ticks}"


def _folded(script: str, room: int) -> str:
    if len(script) + 2 * _NOTE > room:
        return "The SQL is too long for a comment: `flowc plan --sql` prints it."
    block = _fence("sql", harmless(script))
    return f"<details><summary>The SQL that it runs</summary>\n\n{block}\n\n</details>"
