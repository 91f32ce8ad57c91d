"""A Kubernetes of this machine: the API for Jobs and Pods as far as flowc asks it, whose containers are processes.

What a test has happen (an image that cannot be pulled, an API that is away) are attributes of a `Cluster`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests import warm, warmflowc
from tests.commands import ROOT

_GRACE = 30.0
Thing = dict[str, Any]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Cluster:
    """Jobs by name, and what becomes of them. `folder` is where containers start, whose image holds it, and `env`."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    away: bool = False
    """Whether nobody answers."""
    status: int | None = None
    """What every question is answered with."""
    module: str | None = None
    """The module of Python that a container runs, in place of its command."""
    pull: float = 0.0
    """Seconds until a container starts; an image of name `missing` never does."""
    jobs: dict[str, Thing] = field(default_factory=dict)
    pods: dict[str, Thing] = field(default_factory=dict)
    made: list[Thing] = field(default_factory=list)
    """All Jobs that there ever were."""
    processes: dict[str, warm.Process] = field(default_factory=dict)
    asked: set[tuple[str, str]] = field(default_factory=set)
    """What was asked, in the words of a Role: resources and verbs."""
    server: ThreadingHTTPServer | None = None
    _said: dict[str, Any] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        """A file by which clients find it."""
        assert self.server is not None
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        cluster, user = {"name": "c", "cluster": {"server": url}}, {"name": "u", "user": {"token": "t"}}
        told = {"current-context": "c", "contexts": [context], "clusters": [cluster], "users": [user]}
        file = self.folder / "kubeconfig.json"
        if not file.exists():
            file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **told}))
        return file

    def create(self, job: Thing) -> tuple[int, Thing]:
        """Makes a Job, whose pod then begins."""
        name = job["metadata"]["name"]
        if name in self.jobs:
            return 409, _refused(409, f'jobs.batch "{name}" already exists')
        self.jobs[name] = {**job, "status": {"active": 1}}
        self.made.append(self.jobs[name])
        pod = {"name": f"{name}-x", "labels": job["spec"]["template"]["metadata"]["labels"]}
        self.pods[name] = {"metadata": pod, "status": _pending("ContainerCreating")}
        threading.Thread(target=self._run, args=(name, self.jobs[name]), daemon=True).start()
        return 201, self.jobs[name]

    def delete(self, name: str) -> tuple[int, Thing]:
        """Ends a Job and its pod."""
        if self.jobs.pop(name, None) is None:
            return 404, _refused(404, f'jobs.batch "{name}" not found')
        self.pods.pop(name, None)
        if (process := self.processes.get(name)) is not None:
            process.terminate()
            threading.Timer(_GRACE, process.kill).start()
        return 200, {"status": "Success"}

    def log(self, pod: str) -> bytes:
        """What a container has said."""
        file = self._said.get(pod.removesuffix("-x"))
        return os.pread(file.fileno(), 1 << 20, 0) if file is not None else b""

    def signal(self, number: int, name: str | None = None) -> None:
        """Sends a signal to all processes of a container, or of all of them."""
        for job in [name] if name is not None else [*self.processes]:
            for process in self.family(job):
                with suppress(ProcessLookupError):
                    os.kill(process, number)

    def family(self, name: str) -> list[int]:
        """All processes of a container."""
        runs = self._runs(name)
        begun = map(int, runs.read_text().split()) if runs.exists() else ()
        return [*_family(self.processes[name].pid), *begun]

    def _runs(self, name: str) -> Path:
        """The file with the processes that a container's own has begun, and that are no children of it."""
        return self.folder / f"{name}.runs"

    def _run(self, name: str, job: Thing) -> None:
        spec, began = job["spec"], time.monotonic()
        container = spec["template"]["spec"]["containers"][0]
        if container["image"] == "missing":
            self.pods[name]["status"] = _pending("ImagePullBackOff", 'Back-off pulling image "missing"')
            return
        while time.monotonic() - began < self.pull and job is self.jobs.get(name):
            time.sleep(0.05)
        if job is not self.jobs.get(name):
            return
        deadline = spec.get("activeDeadlineSeconds", 3600) - self.pull
        with tempfile.TemporaryFile() as said, open(os.devnull) as nothing:
            self._said[name] = said
            files = (nothing.fileno(), said.fileno(), said.fileno())
            env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.env}
            words = [self.module or container["command"][0], *container["command"][1:], *container["args"]]
            given = {**env, warmflowc.FAMILY: str(self._runs(name))}
            process = warmflowc.begin(words[1:], files, cwd=self.folder, env=given, module=words[0])
            self.processes[name] = process
            self._set(name, {"phase": "Running"})
            try:
                code = process.wait(deadline)
            except TimeoutError:
                code = -signal.SIGKILL
            del self.processes[name]
            self._end(name, code)
            time.sleep(spec.get("ttlSecondsAfterFinished", 3600))

    def _end(self, name: str, code: int) -> None:
        ended = {
            "terminated": {"exitCode": code if code >= 0 else 128 - code, "reason": "Error" if code else "Completed"}
        }
        self._set(name, {"phase": "Failed" if code else "Succeeded", "containerStatuses": [{"state": ended}]})
        kind, reason = ("Failed", "BackoffLimitExceeded") if code else ("Complete", None)
        if name in self.jobs:
            self.jobs[name]["status"] = {"conditions": [{"type": kind, "status": "True", "reason": reason}]}

    def _set(self, name: str, status: Thing) -> None:
        if name in self.pods:
            self.pods[name]["status"] = status


def _pending(reason: str, message: str | None = None) -> Thing:
    waiting = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"state": waiting}]}


def _refused(status: int, message: str) -> Thing:
    return {"kind": "Status", "status": "Failure", "message": message, "code": status}


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(each for child in children for each in _family(int(child)))]


class _Handler(BaseHTTPRequestHandler):
    cluster: ClassVar[Cluster]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _answer(self) -> None:
        cluster = self.cluster
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if cluster.away:
            self.close_connection = True
        elif cluster.status is not None:
            self._send(cluster.status, _refused(cluster.status, "as the test says"))
        else:
            self._send(*self._found(body))

    def _found(self, body: bytes) -> tuple[int, Thing | bytes]:
        cluster = self.cluster
        url = urlsplit(self.path)
        found = re.fullmatch(r"/(?:api|apis/batch)/v1/namespaces/([^/]+)/(jobs|pods)(?:/([^/]+))?(/log)?", url.path)
        if found is None or found[1] != "etl":
            return 404, _refused(404, f'namespaces "{found[1] if found else ""}" not found')
        _, kind, name, log = found.groups()
        verb = {"POST": "create", "DELETE": "delete"}.get(self.command, "get" if name else "list")
        cluster.asked.add((kind + (log or ""), verb))
        if log:
            return 200, cluster.log(name)
        if self.command == "POST":
            return cluster.create(json.loads(body))
        if self.command == "DELETE":
            return cluster.delete(name)
        things = cluster.jobs if kind == "jobs" else cluster.pods
        wanted = parse_qs(url.query).get("labelSelector", [""])[0]
        return 200, {"items": [each for each in [*things.values()] if _matches(each, wanted)]}

    do_GET = do_POST = do_DELETE = _answer

    def _send(self, status: int, told: Thing | bytes) -> None:
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed cut off what they ask."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)


def _matches(thing: Thing, selector: str) -> bool:
    labels = thing["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, _, value in (each.partition("=") for each in selector.split(",")))


@contextmanager
def cluster(folder: Path, **env: str) -> Iterator[Cluster]:
    """A cluster with a namespace `etl`, for as long as the context; what runs in it is killed at its end."""
    found = Cluster(folder, env)
    warm.server()  # once, for all threads that start containers
    handler = type("Handler", (_Handler,), {"cluster": found})
    found.server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        for name in [*found.processes]:
            with suppress(KeyError):
                found.signal(signal.SIGKILL, name)
