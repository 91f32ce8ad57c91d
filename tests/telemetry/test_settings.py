"""`telemetry:` as a project and the environment have it, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowc.compiler.front.project import ProjectSpec, SinkSpec, TelemetrySpec
from flowc.service.access.secrets import Resolver
from flowc.service.telemetry.settings import Sink, settings
from tests.commands import Folder, Inside

SPEC = """
project: shop
telemetry:
{telemetry}
connections: {{ db: {{ kind: sqlite, path: shop.db }} }}
tables:
  a: {{ connection: db, columns: {{ n: bigint primary key }} }}
pipelines:
  up: {{ from: db, sql: "SELECT 1 AS n", to: a, mode: merge }}
"""


def project(path: Path, telemetry: str) -> Inside:
    folder = Inside(path)
    folder.write("specs/s.yaml", SPEC.format(telemetry="\n".join(f"  {line}" for line in telemetry.splitlines())))
    return folder


@pytest.mark.parametrize(
    ("telemetry", "said"),
    [
        ("metrics: { kind: statsd }", "statsd"),
        ("metrics: { kind: stdout, endpoint: 'http://a' }", "endpoint"),
        ("traces: { kind: otlp, every: 5s }", "every"),
        ("traces: { kind: otlp, sample: 2 }", "2"),
        ("metrics: { kind: otlp, protocol: udp }", "udp"),
    ],
)
def test_lint_says_what_is_wrong(tmp_path: Path, telemetry: str, said: str) -> None:
    done = project(tmp_path, telemetry).flowc("lint")
    assert done.code == 1
    assert said in done.out + done.err


@pytest.mark.parametrize(
    ("sink", "code"),
    [
        ("{ kind: otlp, endpoint: '${LANG}' }", "unusable-option"),
        ("{ kind: otlp, endpoint: '${NOT_SET}' }", "unset-variable"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_runs(tmp_path: Path, sink: str, code: str) -> None:
    done = project(tmp_path, f"traces: {sink}").flowc("run", "--once")
    assert (done.code, f"error[{code}]" in done.err) == (2, True), done.err
    assert not (tmp_path / "shop.db").exists()


def test_a_missing_package_is_told_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    done = project(tmp_path, "traces: { kind: otlp }").flowc("run", "--once")
    assert (done.code, "error[missing-extra]" in done.err, "flowc[otlp]" in done.err) == (2, True, True)


def test_headers_are_secrets_wherever_they_are_written(tmp_path: Path) -> None:
    folder = project(tmp_path, "traces: { kind: otlp, headers: { x-team: geheim-4711 }, oops: 1 }")
    done = folder.flowc("lint")
    assert done.code == 1
    assert "oops" in done.out
    assert "4711" not in done.out + done.err


def test_nothing_of_the_sdk_is_imported_where_nothing_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("specs/s.yaml", SPEC.format(telemetry="  resource: { a: b }"))
    probe = (
        "import sys; from flowc.cli.main import run; code = run(['run', '--once']);"
        "sys.exit(code or any(name.startswith(('opentelemetry', 'grpc')) for name in sys.modules))"
    )
    folder.flowc("apply", "--yes")
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, env=folder.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_what_specs_say_counts_more_than_variables_unless_these_turn_all_off() -> None:
    sink = SinkSpec("otlp", "http://a:4318", headers={"X-Key": "${KEY}"}, every=0.0)
    project = ProjectSpec("/", telemetry=TelemetrySpec(sink, SinkSpec("otlp")))
    env = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf", "KEY": "4711"}
    found = settings(project, resolver := Resolver(env, Path()), env)
    assert found.metrics == Sink("metrics", "otlp", "http://a:4318", False, {"x-key": "4711"}, 0.1, 0.01)
    assert found.traces == Sink("traces", "otlp", None, True, {}, 60.0, 0.01)
    assert resolver.redact("key 4711") == "key ***"
    assert settings(project, resolver, env | {"OTEL_METRIC_EXPORT_INTERVAL": "5000"}).traces.every == 5.0
    off = settings(project, resolver, env | {"OTEL_SDK_DISABLED": "True"})
    assert (off.metrics.kind, off.traces.kind) == ("none", "none")


def test_spans_on_standard_output_stay_out_of_a_report(tmp_path: Path) -> None:
    folder = project(tmp_path, "traces: { kind: stdout }")
    folder.flowc("apply", "--yes")
    assert folder.flowc("run", "--once", "--json").json["status"] == "ok"
    lines = folder.flowc("run", "--once").out.splitlines()
    names = [json.loads(line)["name"] for line in lines if line.startswith("{")]
    assert names[-2:] == ["load db.a", "run up"]
