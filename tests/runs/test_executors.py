"""Runs on other machines: Jobs of a Kubernetes whose containers are processes here, with a run log on PostgreSQL."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import psycopg
import pytest
import yaml

from tests.commands import ROOT, Folder, Inside
from tests.extended import with_extended
from tests.services.k8s import Cluster, cluster
from tests.waiting import until

NOON = "2026-03-10T12:00:00Z"
BEFORE = "2026-03-10T11:59:00Z"
LATER = "2037-03-10T12:00:00Z"
"""Behind the time at which workers, which go by the clock of the run log, have a run be tried again."""
SPEC = """
project: shop
connections: {{ db: {{ kind: postgres, url: "${{DSN}}" }} }}
run_log: {{ connection: db }}
tables: {{ a: {{ connection: db, columns: {{ n: bigint }} }} }}
pipelines:
  up: {{ from: db, sql: "{sql}", to: a, mode: truncate, schedule: "{schedule}"{more} }}
"""
SLOW = "SELECT 1 AS n FROM pg_sleep({seconds})"
LEASE = 3.0


class Shop:
    """A project, its database, and a cluster whose image holds it."""

    def __init__(self, folder: Path, dsn: str, kube: Cluster) -> None:
        self.dsn, self.cluster = dsn, kube
        env = {"DSN": dsn, "FLOWC_LEASE": str(LEASE)}
        self.inside, self.outside = Inside(folder, env), Folder(folder, env)
        self.executor = f"k8s://etl?image=shop:1&kubeconfig={kube.kubeconfig}"

    def write(self, sql: str = "SELECT 1 AS n", schedule: str = "0 * * * *", more: str = "") -> None:
        self.inside.write("specs/s.yaml", SPEC.format(sql=sql, schedule=schedule, more=more))

    def due(self, at: str = NOON, more: str = ""):
        return self.inside.flowc("run-due", "--now", at, "--executor", self.executor + more)

    def begin(self, *words: str):
        return self.outside.begin(*words, "--executor", self.executor)

    def runs(self):
        done = self.inside.flowc("runs", "list", "--json")
        assert done.code == 0, done.err
        return done.json

    def attempts(self) -> list[tuple[int, str]]:
        """Attempts and how they ended, the newest first."""
        return [(run["attempt"], run["status"]) for run in self.runs()]

    def show(self, run: str = "last"):
        return self.inside.flowc("runs", "show", run, "--json").json

    def rows(self, query: str = "SELECT n FROM a") -> list[tuple]:
        with psycopg.connect(self.dsn) as session:
            return session.execute(query).fetchall()


@pytest.fixture
def shop(tmp_path: Path, postgres: str) -> Iterator[Shop]:
    with cluster(tmp_path, DSN=postgres, FLOWC_LEASE=str(LEASE)) as kube:
        yield Shop(tmp_path, postgres, kube)


def test_a_run_is_a_job_and_its_rows_and_words_are_in_the_run_log(shop):
    shop.write(more=", timeout: 1h")
    shop.due(BEFORE)
    done = shop.due(more="&service-account=flowc&env-from=secret/dsn&cpu=500m&memory=1Gi&ttl=5m")
    assert done.code == 0, done.err
    assert " ok" in done.err
    (run,) = shop.runs()
    assert (run["status"], run["rows_inserted"], run["attempt"]) == ("ok", 1, 1)
    assert "#" in run["owner"]
    assert "said" in shop.show()["detail"]
    assert shop.rows() == [(1,)]
    assert shop.rows("SELECT pipeline_name, target, lane, due_at FROM flowc.loads") == [
        ("up", "db.public.a", "schedule", NOON)
    ]
    (job,) = shop.cluster.made
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert job["metadata"]["labels"]["flowc/run"] == run["run"]
    assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"], spec["activeDeadlineSeconds"]) == (0, 300, 4320)
    assert (pod["restartPolicy"], pod["serviceAccountName"]) == ("Never", "flowc")
    assert pod["containers"][0]["args"] == ["work", run["run"], "specs"]
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "dsn"}}]
    assert pod["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}


def test_a_failure_is_recorded_by_the_worker_and_tried_again(shop):
    shop.write("SELECT n FROM gone", more=", retry: { attempts: 2, backoff: 1m }")
    shop.due(BEFORE)
    done = shop.due()
    assert done.code == 1
    assert "error   up: failed[" in done.err
    assert "tried again at" in done.err
    assert "that was the last attempt for this due time" in shop.due(LATER).err
    assert shop.attempts()[-2:] == [(2, "failed"), (1, "failed")]


def test_a_run_that_takes_too_long_is_ended_by_its_worker(shop):
    shop.write(SLOW.format(seconds=60), more=", timeout: 1s")
    shop.due(BEFORE)
    assert "timeout" in shop.due().err
    assert [run["status"] for run in shop.runs()] == ["timeout"]


def test_an_image_that_cannot_be_pulled_is_a_failure_with_what_the_cluster_says(shop):
    shop.write()
    shop.due(BEFORE)
    shop.executor = shop.executor.replace("shop:1", "missing")
    done = shop.due()
    assert done.code == 1
    (run,) = shop.runs()
    assert run["status"] == "failed"
    assert run["error"] == 'its pod cannot start: ImagePullBackOff: Back-off pulling image "missing"'
    until(lambda: not shop.cluster.jobs)


def test_a_worker_that_fails_before_its_run_tells_why(shop):
    shop.write()
    shop.due(BEFORE)
    done = shop.due(more="&specs=elsewhere")
    assert done.code == 1
    (run,) = shop.runs()
    assert (run["status"], run["error"]) == ("failed", "its pod ended with exit code 2")
    assert "missing-specs" in shop.show()["detail"]["said"]


def killed(shop, number):
    """A run whose worker got a signal when it was at work, and a scheduler that has begun it."""
    shop.write(SLOW.format(seconds=4), more=", retry: { attempts: 2, backoff: 0s }")
    shop.due(BEFORE)
    scheduler = shop.begin("run-due", "--now", NOON)
    until(lambda: any("#" in run["owner"] for run in shop.runs()))
    time.sleep(1)
    (job,) = shop.cluster.processes
    until(lambda: len(shop.cluster.family(job)) == 2)  # the worker, and its run
    shop.cluster.signal(number)
    return scheduler


def test_a_worker_that_was_killed_is_lost_and_its_run_is_tried_again(shop):
    assert killed(shop, signal.SIGKILL).wait(60) == 1
    assert shop.attempts() == [(2, "ok"), (1, "lost")]
    assert "exit code 137" in shop.runs()[1]["error"]
    assert shop.rows() == [(1,)]


def test_a_worker_that_wakes_behind_its_lease_writes_nothing_and_is_refused(shop):
    scheduler = killed(shop, signal.SIGSTOP)
    (first,) = shop.cluster.processes
    until(lambda: [run["status"] for run in shop.runs()][1:] == ["lost"])
    shop.cluster.signal(signal.SIGCONT, first)
    assert scheduler.wait(60) == 1
    until(lambda: first not in shop.cluster.processes)
    assert shop.attempts() == [(2, "ok"), (1, "lost")]
    assert shop.rows() == [(1,)]


def test_a_second_worker_of_a_run_is_refused(shop):
    shop.write()
    shop.due(BEFORE)
    shop.due()
    done = shop.inside.flowc("work", shop.runs()[0]["run"])
    assert done.code == 2
    assert "error[run-taken]" in done.err
    assert "it is over: `ok`" in done.err
    assert "error[run-taken]" in shop.inside.flowc("work", "20990101T000000.000-00000000").err


def test_sigterm_of_a_worker_hands_the_run_back(shop):
    scheduler = killed(shop, signal.SIGTERM)
    scheduler.wait(60)
    assert shop.attempts()[-1] == (1, "cancelled")
    shop.due(LATER)
    assert shop.attempts()[-2] == (1, "ok")


@pytest.mark.parametrize("number", with_extended([signal.SIGKILL, signal.SIGSTOP], [signal.SIGTERM]))
def test_a_scheduler_that_dies_or_hangs_leaves_its_runs_and_the_next_one_watches_them(shop, number):
    shop.cluster.pull = 2 * LEASE
    shop.write(schedule="0 0 1 1 *")
    shop.due(BEFORE)
    shop.rows("UPDATE flowc.schedules SET settled_at = '2020-01-01' RETURNING 1")
    first = shop.begin("scheduler")
    until(lambda: shop.cluster.jobs)
    first.send_signal(number)
    second = shop.begin("scheduler")
    until(lambda: [run["status"] for run in shop.runs()] == ["ok"])
    for each in (first, second):
        each.send_signal(signal.SIGCONT)
        each.terminate()
        each.wait(30)
    assert len(shop.cluster.made) == 1


def test_an_api_that_is_away_for_a_while_neither_loses_nor_doubles(shop):
    shop.cluster.pull = 1.0
    shop.write()
    shop.due(BEFORE)
    create = shop.cluster.create

    def cut_off(job):
        made = create(job)
        shop.cluster.away, shop.cluster.create = True, create
        threading.Timer(8, lambda: setattr(shop.cluster, "away", False)).start()
        raise ConnectionError(made)

    shop.cluster.create = cut_off
    done = shop.due()
    assert done.code == 0, done.err
    assert "Kubernetes cannot be reached" in done.err
    assert [run["status"] for run in shop.runs()] == ["ok"]
    assert len(shop.cluster.made) == 1


def test_a_job_that_was_deleted_before_its_worker_began_is_lost_and_tried_again(shop):
    shop.cluster.pull = 60.0
    shop.write()
    shop.due(BEFORE)
    scheduler = shop.begin("run-due", "--now", NOON)
    until(lambda: shop.cluster.jobs)
    shop.cluster.delete(next(iter(shop.cluster.jobs)))
    shop.cluster.pull = 0.0
    assert scheduler.wait(60) == 1
    assert shop.attempts() == [(2, "ok"), (1, "lost")]


def test_the_role_in_the_docs_allows_what_is_asked(shop):
    page = (ROOT / "docs/guides/executors.md").read_text("utf-8")
    parts = [*yaml.safe_load_all(page.partition("```rbac rbac.yaml\n")[2].partition("```")[0])]
    for part in parts:
        kubernetes_validate.validate(part, "1.31", strict=True)
    (role,) = (part for part in parts if part["kind"] == "Role")
    allowed = {(what, verb) for rule in role["rules"] for what in rule["resources"] for verb in rule["verbs"]}
    shop.write()
    shop.due(BEFORE)
    shop.executor = shop.executor.replace("shop:1", "missing")
    shop.due()
    assert shop.cluster.asked == allowed


@pytest.mark.parametrize(
    ("executor", "code", "words"),
    [
        ("ssh://host", "unusable-option", "there is none of `ssh://`"),
        ("k8s://etl", "unusable-option", "it names no image"),
        ("k8s://etl?image=x&cpus=1", "unusable-option", "there is no option `cpus`"),
        ("k8s://etl?image=x&env-from=dsn", "unusable-option", "names no variables"),
        ("k8s://etl?image=x&start-timeout=soon", "unusable-option", "is no duration"),
        ("k8s://etl?image=x&kubeconfig=/nowhere", "connection-failed", "no address of Kubernetes is known"),
        ("k8s://[", "unusable-option", "is no address"),
        ("subprocess://?x=1", "unusable-option", "there is no option `x`"),
    ],
)
def test_what_is_wrong_with_an_executor_is_said(shop, executor, code, words):
    shop.write()
    done = shop.inside.flowc("run-due", "--executor", executor)
    assert done.code == 2
    assert f"error[{code}]" in done.err
    assert words in done.err


@pytest.mark.parametrize(
    ("status", "code"), [(401, "access-denied"), (403, "access-denied"), (500, "connection-failed")]
)
def test_what_the_api_refuses_is_said_before_anything_begins(shop, status, code):
    shop.write()
    shop.due(BEFORE)
    shop.cluster.status = status
    done = shop.due()
    assert done.code == 2
    assert f"error[{code}]" in done.err
    assert shop.runs() == []


def test_a_namespace_that_there_is_not(shop):
    shop.write()
    done = shop.inside.flowc("run-due", "--executor", shop.executor.replace("etl", "other"))
    assert "Kubernetes has no namespace `other`" in done.err


@pytest.mark.parametrize("log", ["sqlite:///runs.sqlite", "memory", "duckdb:///runs.duckdb"])
def test_a_run_log_that_workers_cannot_reach_is_refused(shop, log):
    shop.write()
    done = shop.inside.flowc("run-due", "--executor", shop.executor, "--run-log", log)
    assert done.code == 2
    assert "error[unusable-option]: runs on other machines need a run log on a server" in done.err


def test_the_address_of_a_run_log_is_no_argument_of_a_job(shop):
    shop.write()
    done = shop.inside.flowc("run-due", "--executor", shop.executor, "--run-log", shop.dsn)
    assert "error[unusable-option]: `--run-log` is an address" in done.err


def test_a_run_log_in_memory_is_called_so(shop):
    shop.write()
    done = shop.inside.flowc("run-due", "--executor", shop.executor, "--run-log", "memory")
    assert done.code == 2
    assert "this one is in memory" in done.err
