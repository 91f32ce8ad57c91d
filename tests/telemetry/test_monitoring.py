"""The dashboard and the alert rules that `flowc init` writes: on a real Prometheus that scrapes a real daemon."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from flowc.cli.init import FILES
from flowc.service.telemetry.metrics import METRICS
from tests.commands import ROOT, Folder
from tests.daemons import daemon
from tests.services.machine import Server, free_port, tied
from tests.streams.test_window_runs import FIRST, PROJECT, send
from tests.topics import fresh
from tests.waiting import until

STARTER = ROOT / "flowc/cli/starter"
RULES = STARTER / FILES["monitoring/rules.yaml"]
DASHBOARD = json.loads((STARTER / FILES["monitoring/grafana.json"]).read_text("utf-8"))
ALERTS = [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]
NAMES = {metric.name: metric for metric in METRICS}
_SUFFIX = re.compile(r"_(bucket|sum|count)$")
STREAM = 'job="flowc", instance="a", stream="s", worker="1"'
PIPELINE = 'job="flowc", instance="a", pipeline="p"'
BUCKETS = [f"flowc_latency_seconds_bucket{{{STREAM}, le='{le}'}}" for le in ("1", "30", "60", "+Inf")]
CASES: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("FlowcGone", {}, {"flowc_start_time_seconds": "1x40"}),
    ("FlowcStreamDown", {f"flowc_up{{{STREAM}}}": "0x40"}, {f"flowc_up{{{STREAM}}}": "0 0 1x40"}),
    ("FlowcStreamRestarts", {f"flowc_restarts_total{{{STREAM}}}": "0+1x40"},
     {f"flowc_restarts_total{{{STREAM}}}": "7 8x40"}),
    ("FlowcLagGrows", {f"flowc_lag{{{STREAM}, partition='0'}}": "9000+100x40"},
     {f"flowc_lag{{{STREAM}, partition='0'}}": "90000-100x40", "flowc_lag{stream='small'}": "0+10x40"}),
    ("FlowcLatencyHigh", dict(zip(BUCKETS, ("0x40", "0x40", "0+9x40", "0+9x40"), strict=True)),
     dict(zip(BUCKETS, ("0+9x40",) * 4, strict=True))),
    ("FlowcDeadLetters", {f"flowc_bad_rows_total{{{STREAM}}}": "0x30 1x10"},
     {f"flowc_bad_rows_total{{{STREAM}}}": "5x40", f"flowc_dead_letters_total{{{STREAM}}}": "9x40"}),
    ("FlowcLateRows", {f"flowc_late_rows_total{{{STREAM}, policy='drop'}}": "0x30 1x10"},
     {f"flowc_late_rows_total{{{STREAM}, policy='drop'}}": "5x40"}),
    ("FlowcCheckpointOld",
     {f"flowc_checkpoint_age_seconds{{{STREAM}}}": "0+60x40", f"flowc_batches_total{{{STREAM}}}": "0+5x40"},
     {f"flowc_checkpoint_age_seconds{{{STREAM}}}": "0+60x40", f"flowc_batches_total{{{STREAM}}}": "5x40"}),
    ("FlowcPipelineFailing", {f"flowc_pipeline_failing{{{PIPELINE}}}": "1x40"},
     {f"flowc_pipeline_failing{{{PIPELINE}}}": "1 1 0x40"}),
    ("FlowcPipelineOverdue", {f"flowc_next_due_seconds{{{PIPELINE}}}": "0x40"},
     {f"flowc_next_due_seconds{{{PIPELINE}}}": "3600x40"}),
    ("FlowcNoLeader", {"flowc_scheduler_leads{job='flowc', instance='a'}": "0x40",
                       "flowc_scheduler_leads{job='flowc', instance='b'}": "1 0x40"},
     {"flowc_scheduler_leads{job='flowc', instance='a'}": "0x40",
      "flowc_scheduler_leads{job='flowc', instance='b'}": "1x40"}),
]  # fmt: skip


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: Debian has it in package `prometheus`")
    return found


def expressions() -> list[str]:
    """Those of the dashboard, as Grafana would fill them in, and those of the rules."""
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    filled = [re.sub(r"\$(job|stream|pipeline)", ".*", each).replace("$__rate_interval", "1m") for each in asked]
    assert not any("$" in each for each in filled)
    return filled + [str(rule["expr"]) for rule in ALERTS]


def test_the_rules_are_rules(tmp_path: Path) -> None:
    done = subprocess.run([tool("promtool"), "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)


def test_each_rule_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    assert [name for name, _, _ in CASES] == [rule["alert"] for rule in ALERTS]
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})',
                    "eval_time": "38m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                }
            ],
        }
        for alert, *both in CASES
        for series, fires in zip(both, (True, False), strict=True)
    ]
    shutil.copy(RULES, tmp_path / "rules.yaml")
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    done = subprocess.run(
        [tool("promtool"), "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_expression_names_what_there_is_not() -> None:
    for expression in expressions():
        for name in re.findall(r"\bflowc_\w+", expression):
            base = _SUFFIX.sub("", name)
            metric = NAMES.get(name) or NAMES.get(base)
            assert metric is not None, f"{name} in {expression}"
            assert (metric.name != name) == (metric.kind == "histogram"), expression
        for name, inside in re.findall(r"\b(flowc_\w+)\{([^}]*)\}", expression):
            metric = NAMES[_SUFFIX.sub("", name) if name not in NAMES else name]
            labels = set(re.findall(r"(\w+)\s*[=!]", inside))
            assert labels <= {"job", "instance", *metric.labels}, expression


def test_grafana_reads_all_of_the_dashboard() -> None:
    """Its own model of one keeps every key that is written, and so knows it."""
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    assert list(lost(DASHBOARD, read)) == []


def lost(written: Any, read: Any, at: str = "") -> Iterator[str]:
    if isinstance(written, dict):
        for key, value in written.items():
            if key in read:
                yield from lost(value, read[key], f"{at}.{key}")
            elif value not in ([], {}, "", False):
                yield f"{at}.{key}"
    elif isinstance(written, list) and len(written) == len(read):
        for number, (value, other) in enumerate(zip(written, read, strict=True)):
            yield from lost(value, other, f"{at}[{number}]")
    elif written != read:
        yield f"{at}: {read}"


def test_the_dashboard_has_what_grafana_asks_of_one() -> None:
    assert DASHBOARD["schemaVersion"] == 39
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert set(variables) == {"datasource", "job", "stream", "pipeline"}
    for each in variables.values():
        if each["type"] == "query":
            name = re.match(r"label_values\((\w+)", each["query"]["query"])
            assert name is not None
            assert name[1] in NAMES
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["type"] in ("row", "stat", "timeseries", "table")
        assert panel["title"]
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references) > 0
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_the_guide_lists_all_metrics_and_no_other() -> None:
    guide = (ROOT / "docs/guides/monitoring.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `flowc_")]
    listed = {name for row in rows for name in re.findall(r"`(flowc_\w+)`", row)}
    assert listed == set(NAMES)


MORE = """
tables: { a: { connection: wh, columns: { n: bigint primary key } } }
pipelines:
  good: { from: wh, sql: "SELECT 1 AS n", to: a, mode: merge, schedule: "*/2 * * * * *" }
"""


@contextmanager
def prometheus(folder: Path, **targets: str) -> Iterator[str]:
    """One that scrapes these addresses, by the names of their jobs; gives its own."""
    folder.mkdir()
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [address]}], "scrape_interval": "1s"}
        for name, address in targets.items()
    ]
    config = {"rule_files": [str(RULES)], "scrape_configs": jobs, "global": {"evaluation_interval": "1s"}}
    (folder / "p.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    data = f"--storage.tsdb.path={folder / 'data'}"
    command = [tool("prometheus"), "--config.file=p.yml", data, f"--web.listen-address={address}"]
    server = Server([*tied("KILL"), *command], folder)
    server.wait("prometheus", lambda: _ready(address), 60)
    try:
        yield f"http://{address}"
    finally:
        server.stop(signal.SIGTERM)


def _ready(address: str) -> bool:
    try:
        return bool(urlopen(f"http://{address}/-/ready", timeout=5).status == 200)
    except OSError:
        return False


def ask(address: str, path: str) -> Any:
    with urlopen(f"{address}/api/v1/{path}", timeout=10) as answer:
        told = json.load(answer)
    assert told["status"] == "success", told
    return told["data"]


def test_prometheus_knows_every_metric_and_takes_every_expression(tmp_path: Path, kafka: str) -> None:
    tool("prometheus")
    folder, topic = Folder(tmp_path), fresh(kafka)
    place, to = "kind: sqlite, path: wh.db", "{ connection: wh, table: clicks, mode: merge }"
    more = "state: { connection: wh }"
    given = {"kafka": kafka, "topic": topic, "place": place, "to": to, "window": "", "idle": "", "more": more}
    folder.write("specs/s.yaml", PROJECT.format(**given) + MORE)
    assert folder.flowc("apply", "--yes").code == 0
    send(kafka, topic, FIRST)
    leader = f"127.0.0.1:{free_port()}"
    scheduler = folder.begin("scheduler", "--http", leader, "--run-log", "sqlite:///other.sqlite")
    try:
        with daemon(folder) as running, prometheus(tmp_path / "p", flowc=running.address, scheduler=leader) as server:
            names = {f"{name}_count" if metric.kind == "histogram" else name for name, metric in NAMES.items()}

            def missing() -> set[str]:
                return names - set(ask(server, "label/__name__/values"))

            until(lambda: not missing(), lambda: f"not scraped: {sorted(missing())}\n{running.log()}")
            for expression in expressions():
                ask(server, f"query?query={quote(expression)}")
            groups = ask(server, "rules")["groups"]
            health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
            assert set(health) == {rule["alert"] for rule in ALERTS}
            assert "err" not in health.values()
            told = ask(server, f"query?query={quote('flowc_next_due_seconds')}")["result"]
            assert all(abs(float(each["value"][1]) - datetime.now(UTC).timestamp()) < 120 for each in told)
            assert running.page("/healthz")[0] == 200
            assert urlopen(f"http://{leader}/readyz", timeout=5).read() == b"leads\n"
            status = json.load(urlopen(f"http://{leader}/status", timeout=5))
            assert (status["ready"], status["leads"], status["schedules"][0]["pipeline"]) == (True, True, "good")
    finally:
        scheduler.terminate()
        scheduler.wait(60)
