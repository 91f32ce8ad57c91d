"""The files that `flowc init` writes for containers, systemd and CI parse, and their commands work by hand."""

from __future__ import annotations

import configparser
import json
import shlex
import shutil
import subprocess
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import yaml

import flowc
from tests import warm, warmflowc
from tests.commands import Folder, Inside
from tests.daemons import daemon
from tests.waiting import until

NAME = "100% orders"


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Inside(tmp_path_factory.mktemp("starter"))
    assert folder.flowc("init", NAME).code == 0
    return Inside(folder.path / NAME)


def by_hand(starter: Folder, command: str) -> str:
    """What a command of flowc prints that no shell has a part in, run in this process."""
    words = shlex.split(command)
    assert Path(words[0]).name == "flowc", command
    assert not set(command) & set("|&;<>$`*?"), command
    done = Inside(starter.path).flowc(*words[1:])
    assert done.code == 0, done.out + done.err
    return done.out


def vendored(name: str) -> dict[str, object]:
    """A schema that check-jsonschema brings."""
    found = find_spec("check_jsonschema")
    if found is None or found.origin is None:
        pytest.skip("check-jsonschema is not installed, extra `dev`")
    schemas = Path(found.origin).parent / "builtin_schemas" / "vendor"
    return json.loads((schemas / f"{name}.json").read_text("utf-8"))


def fits(schema: dict[str, object], value: object) -> None:
    """Fails for what the schema does not take."""
    faults = jsonschema.validators.validator_for(schema)(schema).iter_errors(value)
    assert [f"{fault.json_path}: {fault.message}" for fault in faults] == []


def on_the_path(starter: Folder, command: str) -> str:
    """What a command prints in a shell where `flowc` is on the PATH."""
    environment = starter.environment()
    environment["PATH"] = f"{warm.commands()}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=starter.path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_workflow_lints_and_plans_with_this_version(starter):
    workflow = yaml.safe_load((starter.path / ".github/workflows/flowc.yml").read_text("utf-8"))
    assert workflow[True] == ["push", "pull_request"]  # YAML 1.1 reads the key `on` so
    fits(vendored("github-workflows"), {"on" if key is True else key: value for key, value in workflow.items()})
    steps = workflow["jobs"]["flowc"]["steps"]
    install, lint, plan = (step["run"] for step in steps if "run" in step)
    assert shlex.split(install) == ["pip", "install", "-r", "requirements.txt"]
    required = (starter.path / "requirements.txt").read_text("utf-8").splitlines()
    assert f"flowc[postgres]=={flowc.__version__}" in required
    assert on_the_path(starter, lint) == ""
    on_the_path(starter, f"export GITHUB_STEP_SUMMARY=summary.md FLOWC_DSN_WAREHOUSE= FLOWC_DSN_LIVE=; {plan}")
    assert (starter.path / "summary.md").read_text("utf-8").startswith("### Plan: ")
    starter.write("specs/wrong.yaml", "pipelines: { p: { sql: SELECT 1 AS one, to: nowhere } }\n")
    found = starter.flowc(*shlex.split(lint)[1:])
    (starter.path / "specs/wrong.yaml").unlink()
    assert found.code == 1
    assert found.out.startswith("::error file=specs/wrong.yaml,line=1,")


def test_the_compose_file_is_composes(starter):
    compose = yaml.safe_load((starter.path / "compose.yaml").read_text("utf-8"))
    fits(vendored("compose-spec"), compose)
    ours, server = compose["services"]["flowc"], compose["services"]["postgres"]
    assert (starter.path / ours["build"] / "Dockerfile").is_file()
    assert set(ours["depends_on"]) == {"postgres"}
    mounted = {volume.split(":")[0] for service in (ours, server) for volume in service.get("volumes", ())}
    assert mounted == set(compose["volumes"])
    [address] = set(ours["environment"].values())
    assert set(ours["environment"]) == {"FLOWC_DSN_WAREHOUSE", "FLOWC_DSN_LIVE"}
    user, database = server["environment"]["POSTGRES_USER"], server["environment"]["POSTGRES_DB"]
    assert address.startswith(f"postgres://{user}:${{POSTGRES_PASSWORD:?")
    assert address.endswith(f"@postgres:5432/{database}")
    assert set(shlex.split((starter.path / ".gitignore").read_text("utf-8"))) >= {".env"}


def test_the_manifests_are_kuberneteses(starter):
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed, extra `dev`")
    text = (starter.path / "deploy/kubernetes.yaml").read_text("utf-8")
    deployment = yaml.safe_load(text)
    validate.validate(deployment, validate.latest_version(), strict=True)
    template = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    [container] = template["spec"]["containers"]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness")]
    assert [probe["path"] for probe in probes] == ["/healthz", "/readyz"]
    assert {probe["port"] for probe in probes} == {port["name"] for port in container["ports"]}
    assert container["envFrom"] == [{"secretRef": {"name": "flowc"}}]
    assert all(f"--from-literal={name}=postgres://" in text for name in ("FLOWC_DSN_WAREHOUSE", "FLOWC_DSN_LIVE"))


def succeeded(made: Folder) -> set[str]:
    """The pipelines that ran, by the run log."""
    done = Inside(made.path, made.env).flowc("runs", "list", "--json")
    assert done.code == 0, done.err
    assert {run["status"] for run in done.json} <= {"running", "ok"}
    return {run["pipeline"] for run in done.json if run["status"] == "ok"}


def test_the_daemon_runs_streams_and_pipelines_side_by_side(tmp_path):
    """The stream keeps its database open, which must not be the DuckDB file of the pipelines."""
    Inside(tmp_path).flowc("init", "shop")
    made = Folder(tmp_path / "shop")
    specs = (made.path / "specs/project.yaml").read_text("utf-8")
    made.write("specs/project.yaml", specs.replace('schedule: "0 * * * *"', 'schedule: "*/15 * * * * *"'))
    with daemon(made) as running:
        running.until(lambda: running.worker("visits")["rows"] == 3)
        until(lambda: succeeded(made) == {"load_orders", "sum_up_days"}, pause=0.2)
        assert running.stop() == 0


def test_a_container_keeps_all_in_the_database_of_its_environment(tmp_path, postgres):
    """What the compose file and the manifests run, on a PostgreSQL in the place of the files."""
    Inside(tmp_path).flowc("init", "shop")
    made = Folder(tmp_path / "shop", {"FLOWC_DSN_WAREHOUSE": postgres, "FLOWC_DSN_LIVE": postgres})
    done = made.flowc("run", "--once", "+sum_up_days")
    assert (done.code, "2 pipelines" in done.out, "visits" in done.out) == (0, True, False), done.err
    assert succeeded(made) == {"load_orders", "sum_up_days"}
    with daemon(made) as running:
        running.until(lambda: running.page("/readyz") == (200, "visits[1]: running\n"))
        running.until(lambda: running.worker("visits")["rows"] == 3)
        assert running.page("/healthz") == (200, "ok\n")
        assert running.stop() == 0
    assert not [*made.path.rglob("*.duckdb"), *made.path.rglob("*.sqlite")]
    shutil.rmtree(made.path / ".flowc", ignore_errors=True)  # as a new container begins
    [again] = made.flowc("run", "--once", "visits", "--json").json
    assert (again["error"], again["rows"]) == (None, 0)


def test_the_image_holds_what_its_commands_need(starter):
    lines = (starter.path / "Dockerfile").read_text("utf-8").splitlines()
    steps = [line.split(" ", 1) for line in lines if line]
    assert {word for word, _ in steps} == {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}
    ignored = (starter.path / ".dockerignore").read_text("utf-8").split()
    copied = [rest.split()[-2:] for word, rest in steps if word == "COPY"]
    assert [source for source, _ in copied] == ["requirements.txt", "vendor", "specs", "data"]
    for source, target in copied:
        assert target in (source, ".")
        assert (starter.path / source).is_dir() is (source == target)
        assert not any(fnmatch(source, pattern.rstrip("/")) for pattern in ignored)
    assert "pip install --no-cache-dir -r requirements.txt" in next(rest for word, rest in steps if word == "RUN")
    said = dict(steps)
    by_hand(starter, next(rest for word, rest in steps if word == "RUN" and rest.startswith("flowc")))
    command = shlex.join(json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"]))
    assert "load_orders" in by_hand(starter, command)


def test_the_units_are_systemds(starter, tmp_path):
    names = ("flowc.service", "flowc-due.service", "flowc-due.timer")
    units = [starter.path / "deploy" / name for name in names]
    service, due, timer = (configparser.RawConfigParser() for _ in units)
    for parser, unit in zip((service, due, timer), units, strict=True):
        parser.optionxform = str  # type: ignore[assignment]
        parser.read_string(unit.read_text("utf-8"))
    assert {each["Service"]["WorkingDirectory"] for each in (service, due)} == {"/srv/100%% orders"}
    assert service["Service"]["ExecStart"].endswith("flowc run")  # which another test runs
    assert (due["Service"]["Type"], timer["Timer"]["OnCalendar"]) == ("oneshot", "minutely")
    Inside(tmp_path).flowc("init", "shop")
    made = Folder(tmp_path / "shop")
    for now in ("2026-03-10T11:59:00Z", "2026-03-10T12:00:00Z"):  # the first tick begins the schedules
        program, name, *words = shlex.split(due["Service"]["ExecStart"])
        assert (program, name) == ("/usr/bin/env", "flowc")
        done = warm.run(
            warmflowc.NAME, name, warm.server(), *words, "--now", now, cwd=made.path, env=made.environment()
        )
        assert done.returncode == 0, done.stderr
    assert succeeded(made) == {"load_orders", "sum_up_days"}
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_readme_names_commands_that_work(starter):
    readme = (starter.path / "README.md").read_text("utf-8")
    commands = [line.split("#")[0].strip() for line in readme.splitlines() if line.startswith("    flowc")]
    assert commands == ["flowc lint", "flowc run --once", "flowc run", "flowc graph"]
    assert "inbox.orders*.csv" in by_hand(starter, commands[-1])  # the others are run above
