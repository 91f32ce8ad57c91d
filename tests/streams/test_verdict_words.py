"""What of a `dedupe` or a window is not as it was is told in the words of the spec."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from flowc.nodes import DedupePlan, RunningPlan, WindowPlan
from flowc.runtime.engine.functions import stand_in
from flowc.runtime.streams.operators.changed import changed
from flowc.runtime.streams.operators.contract import Decision
from flowc.runtime.streams.operators.dedupe import Dedupe
from flowc.runtime.streams.operators.running import Running
from flowc.runtime.streams.operators.window import Windows
from flowc.stream import StreamPlan
from tests.streams.compiled import SPEC, compiled, plan

SQL = (
    "SELECT window_start, name, count(*) AS id FROM tumble(source, INTERVAL '1 minute') WHERE id > 0 "
    "GROUP BY window_start, name"
)
DEDUPED = "SELECT id, name FROM dedupe(source, id, INTERVAL '1 hour')"
ROWS = pa.schema([("id", pa.int64()), ("name", pa.string())])


def _operator(folder: Path, sql: str) -> Dedupe | Windows:
    return _operator_of(plan(folder, sql))


def _operator_of(stream: StreamPlan) -> Dedupe | Windows:
    (found,) = (n for n in stream.nodes if isinstance(n, DedupePlan | WindowPlan))
    if isinstance(found, DedupePlan):
        return Dedupe(found)
    return Windows(found, ROWS, tuple(map(stand_in, found.functions)))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("'1 minute'", "'5 minutes'", "replay: its size was 1m, is 5m"),
        ("tumble(source, ", "hop(source, INTERVAL '10 seconds', ", "replay: its kind was tumbling, is hopping"),
        ("BY window_start, name", "BY window_start, name, id",
         "replay: its keys were (name text), are (name text, id bigint)"),
        ("count(*)", "sum(id)", "replay: its aggregates were (count(*)), are (sum(id bigint))"),
        ("count(*)", "count(DISTINCT name) FILTER (WHERE id > 3)",
         "replay: its aggregates were (count(*)), are (count(DISTINCT name text) FILTER (WHERE id > 3))"),
        ("count(*)", "product(id)",
         "replay: its aggregates were (count(*)), are (product(id bigint))"),
        ("count(*)", "approx_median(id)",
         "replay: its aggregates were (count(*)), are (approx_percentile_cont(id bigint))"),
        ("id > 0", "id > 1", "replay: its query before it changed"),
        ("SELECT window_start, name", "SELECT window_start, upper(name) AS name", "keep: "),
    ],
)  # fmt: skip
def test_windows(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert _said(tmp_path, SQL, SQL.replace(before, after)) == said


def test_any_percentile_is_made_of_the_same_state(tmp_path: Path) -> None:
    before, after = (SQL.replace("count(*)", f"approx_percentile_cont(id, {level})") for level in (0.5, 0.99))
    assert _said(tmp_path, before, after) == "keep: "


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("window: { kind: tumbling, size: 1m, group_by: [name], aggregate: { id: 'count(*)' }, emit: { every: 10s } }",
         "window_start, name"),
        ("sql: SELECT name, count(*) AS id FROM source GROUP BY name\n    group_ttl: 1h", "name"),
    ],
)  # fmt: skip
def test_groups_that_came_out_already_keep_their_percentile(tmp_path: Path, query: str, keys: str) -> None:
    to = f"{{ connection: wh, table: out, mode: merge, keys: [{keys}] }}"

    def operator(call: str) -> Windows | Running:
        place = 'url: "postgres://u@h/db"'
        text = SPEC.format(kind="postgres", place=place, sql="X", to=to, on_error="drop", more="")
        text = text.replace("sql: |\n      X", query.replace("count(*)", call))
        (node,) = (n for n in compiled(tmp_path, text).nodes if isinstance(n, WindowPlan | RunningPlan))
        return Windows(node, ROWS) if isinstance(node, WindowPlan) else Running(node, ROWS)

    counts, low, high = map(operator, ("count(*)", "approx_median(id)", "approx_percentile_cont(id, 0.99)"))
    assert high.verdict(high.fingerprint).decision is Decision.KEEP
    verdict = high.verdict(low.fingerprint)
    call = "approx_percentile_cont(id bigint, {})".format
    assert verdict.decision is Decision.REFUSE
    assert verdict.reason == f"its aggregates were ({call('0.5')}), are ({call('0.99')})"
    verdict = high.verdict(counts.fingerprint)
    reason = f"its aggregates were (count(*)), are ({call('0.99')})"
    assert (verdict.decision, verdict.reason) == (Decision.REFUSE, reason)
    before = high.fingerprint.replace(',"format":2', "")
    verdict = high.verdict(before)
    assert before != high.fingerprint
    assert (verdict.decision, "by another version of flowc" in verdict.reason) == (Decision.REFUSE, True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("state: [bigint]", "state: [double]"),
        ("args: [bigint], state", "args: [double], state"),
        (":Product", ":Other"),
    ],
)
def test_another_declaration_of_an_aggregate_is_another_one(tmp_path: Path, before: str, after: str) -> None:
    sql = SQL.replace("count(*)", "product(id)")
    place, to = 'url: "postgres://u@h/db"', "{ connection: wh, table: out }"
    text = SPEC.format(kind="postgres", place=place, sql=sql, to=to, on_error="drop", more="")
    kept, now = (_operator_of(compiled(tmp_path, each)) for each in (text, text.replace(before, after)))
    assert kept.verdict(kept.fingerprint).decision is Decision.KEEP
    verdict = now.verdict(kept.fingerprint)
    assert verdict.decision is Decision.REPLAY
    assert "of own_functions:Product(bigint) with the state (bigint)" in verdict.reason


def test_each_argument_stands_beside_its_type() -> None:
    call = ["vwap", False, "price, coalesce(volume, 0)", "numeric(12,2), bigint", "", "m:Vwap(double, double)"]
    said = changed({"operator": "window", "aggregates": []}, {"operator": "window", "aggregates": [call]})
    assert said.endswith("are (vwap(price numeric(12,2), coalesce(volume, 0) bigint) of m:Vwap(double, double))")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("source, id,", "source, id, name,", "refuse: its keys were (id bigint), are (id bigint, name text)"),
        ("1 hour", "30 minutes", "keep: "),
        ("1 hour", "90 minutes",
         "migrate: its within was 1h, is 90m: a repeat of what was forgotten under the shorter `within` gets through"),
    ],
)  # fmt: skip
def test_dedupe(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert _said(tmp_path, DEDUPED, DEDUPED.replace(before, after)) == said


@pytest.mark.parametrize(
    ("sql", "written_by", "said"),
    [
        (SQL, '{"operator":"dedupe","keys":[["id","bigint"]],"within":1}', "refuse: it was a dedupe, and is a window"),
        (DEDUPED, '{"operator":"window","size":1}', "refuse: it was a window, and is a dedupe"),
        (SQL, "1:{}", "refuse: what it remembers was kept by another version of flowc"),
        (DEDUPED, "1:{}", "refuse: what it remembers was kept by another version of flowc"),
    ],
)
def test_state_of_something_else(tmp_path: Path, sql: str, written_by: str, said: str) -> None:
    verdict = _operator(tmp_path, sql).verdict(written_by)
    assert f"{verdict.decision.value}: {verdict.reason}" == said


def _said(folder: Path, before: str, after: str) -> str:
    verdict = _operator(folder, after).verdict(_operator(folder, before).fingerprint)
    return f"{verdict.decision.value}: {verdict.reason}"
