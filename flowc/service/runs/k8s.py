"""Runs as Jobs of Kubernetes: one for each run, whose pod takes the run over in the run log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flowc.errors import FlowcError, TransientError, UsageError
from flowc.service.runs.executors import TRACE_VARIABLE, Project
from flowc.service.runs.placeoptions import Given
from flowc.service.runs.records import Claim
from flowc.service.runs.watching import Sight

_MANAGED, _PROJECT, _PIPELINE, _RUN = "app.kubernetes.io/managed-by", "flowc/project", "flowc/pipeline", "flowc/run"
_NEVER = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
          "CreateContainerError", "RunContainerError")  # fmt: skip
"""What keeps a container from starting, and does not pass by itself."""
_ANSWER = (3.0, 7.0)
"""Seconds until there is a connection, and an answer."""
_SLACK = 120.0
"""Seconds that a worker may take beside its pipeline: to compile, to roll back, to record it."""
_LINES, _TAIL = 500, 64 << 10
"""Lines of a log that are asked for, and characters that are kept."""
_KINDS = {"secret": "secretRef", "configmap": "configMapRef"}
_OPTIONS = ("image", "service-account", "specs", "env-from", "cpu", "memory", "context", "kubeconfig", "ttl",
            "start-timeout")  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How Jobs are made. `specs` are the paths of the specs in the image; None for those that the scheduler has."""

    namespace: str
    image: str
    service_account: str | None = None
    specs: tuple[str, ...] = ()
    env_from: tuple[Mapping[str, Any], ...] = ()
    resources: Mapping[str, str] | None = None
    kubeconfig: str | None = None
    context: str | None = None
    ttl: int = 3600
    """Seconds that a Job stays when it is over."""
    patience: float = 600.0

    @classmethod
    def of(cls, given: Given) -> JobOptions:
        """The options of a URL. Raises UsageError for what is wrong with them."""
        given.only(*_OPTIONS)
        cpu, memory = given.one("cpu"), given.one("memory")
        resources = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value is not None}
        return cls(
            given.needed("namespace", given.name, "write `k8s://NAMESPACE?image=…`"),
            given.needed("image", given.one("image"), "add `image=…`, with flowc and the specs in it"),
            given.one("service-account"),
            specs=given.all("specs"),
            env_from=tuple(_source(each, given) for each in given.all("env-from")),
            resources=resources or None,
            kubeconfig=given.one("kubeconfig"),
            context=given.one("context"),
            ttl=int(given.seconds("ttl", "1h")),
            patience=given.patience(),
        )


def _source(text: str, given: Given) -> Mapping[str, Any]:
    kind, _, name = text.partition("/")
    if kind not in _KINDS or not name:
        raise given.bad(f"`env-from={text}` names no variables", "write `env-from=secret/NAME` or `configmap/NAME`")
    return {_KINDS[kind]: {"name": name}}


@dataclass(frozen=True)
class Jobs:
    """Has Jobs run. `batch` and `core` are the client's."""

    options: JobOptions
    project: str
    batch: Any
    core: Any
    refusals: tuple[type[Exception], type[Exception]]
    """What the client raises where the API refuses, and where it does not answer."""

    @classmethod
    def of(cls, options: JobOptions, project: str) -> Jobs:
        """Finds the API: in a cluster its own, else that of a kubeconfig. Raises UsageError where there is none."""
        try:
            from kubernetes import client, config
            from urllib3.exceptions import HTTPError
        except ImportError:
            message = "`--executor k8s://…` needs the package `kubernetes`"
            raise UsageError(message, code="missing-extra", help="pip install 'flowc[k8s]'") from None
        found = client.Configuration()
        try:
            _load(config, found, options)
        except (config.ConfigException, OSError) as error:
            message = f"no address of Kubernetes is known: {error}"
            help = "run it in a cluster, or name a kubeconfig: `kubeconfig=PATH`, `context=NAME`"
            raise UsageError(message, code="connection-failed", help=help) from None
        found.retries = False
        api = client.ApiClient(found)
        return cls(options, project, client.BatchV1Api(api), client.CoreV1Api(api), (client.ApiException, HTTPError))

    @property
    def place(self) -> str:
        """The namespace."""
        return f"k8s://{self.options.namespace}"

    @property
    def patience(self) -> float:
        """Seconds until a worker has to have taken its run over."""
        return self.options.patience

    def begin(self, claim: Claim, project: Project, timeout: float | None) -> None:
        """Makes the Job of a run. One that is there already was made by an earlier try."""
        job = job_of(claim, project, timeout, self.options, self.project)
        self._ask(lambda: self.batch.create_namespaced_job(self.options.namespace, job, **_raw()), "create Jobs", 409)

    def look(self) -> Mapping[str, Sight]:
        """All Jobs of the project, with what their pods say."""
        pods = {_label(pod): pod for pod in self._list(self.core.list_namespaced_pod, "list Pods")}
        jobs = self._list(self.batch.list_namespaced_job, "list Jobs")
        return {_label(job): sight_of(job, pods.get(_label(job), {})) for job in jobs if _label(job)}

    def words(self, run: str) -> str:
        """The end of the log of a run's pod; empty where it has none yet."""
        pods = self._list(self.core.list_namespaced_pod, "list Pods", f"{_RUN}={run}")
        if not pods:
            return ""
        name, space = pods[-1]["metadata"]["name"], self.options.namespace
        text = self._ask(
            lambda: self.core.read_namespaced_pod_log(name, space, tail_lines=_LINES, **_raw()), "read logs", 400, 404
        )
        return text[-_TAIL:].decode(errors="replace")

    def end(self, run: str) -> None:
        """Deletes the Job of a run with its pod, which gets SIGTERM."""
        self._ask(
            lambda: self.batch.delete_namespaced_job(
                job_name(run), self.options.namespace, propagation_policy="Background", **_raw()
            ),
            "delete Jobs", 404,
        )  # fmt: skip

    def _list(self, call: Callable[..., Any], what: str, more: str | None = None) -> list[dict[str, Any]]:
        chosen = ",".join(filter(None, (f"{_MANAGED}=flowc", f"{_PROJECT}={_own(self.project)}", more)))
        found = self._ask(lambda: call(self.options.namespace, label_selector=chosen, **_raw()), what)
        try:
            items: list[dict[str, Any]] = json.loads(found)["items"]
        except (ValueError, KeyError, TypeError):  # a proxy, for instance, that asks for a login
            raise TransientError("what answers is not Kubernetes", code="connection-failed") from None
        return items

    def _ask(self, work: Callable[[], Any], what: str, *fine: int) -> bytes:
        """What the API answers; nothing for refusals that are `fine`."""
        refused, silent = self.refusals
        try:
            answer: bytes = work().data
            return answer
        except refused as error:
            if getattr(error, "status", 0) in fine:
                return b""
            raise refusal(error, what, self.options.namespace) from None
        except (silent, OSError) as error:
            reason = str(getattr(error, "reason", None) or error)
            raise TransientError(f"Kubernetes cannot be reached: {reason}", code="connection-failed") from None


def _load(config: Any, found: Any, options: JobOptions) -> None:
    """The pod's own account in a cluster, unless a kubeconfig is named; else a kubeconfig."""
    if options.kubeconfig is None and options.context is None:
        try:
            config.load_incluster_config(client_configuration=found)
            return
        except config.ConfigException:
            pass
    config.load_kube_config(options.kubeconfig, options.context, client_configuration=found)


def _raw() -> dict[str, Any]:
    return {"_preload_content": False, "_request_timeout": _ANSWER}


def refusal(error: Any, what: str, namespace: str) -> FlowcError:
    """What the API says, in the user's words."""
    status = int(getattr(error, "status", 0) or 0)
    told = _told(getattr(error, "body", None)) or str(getattr(error, "reason", "") or "no reason is told")
    if status == 401:
        help = "look at the kubeconfig, or the service account of the scheduler: its token may have ended"
        return UsageError("Kubernetes does not know who asks", code="access-denied", help=help)
    if status == 403:
        message = f"the scheduler may not {what} in namespace `{namespace}`: {told}"
        return UsageError(message, code="access-denied", help="give its service account a Role that allows it")
    if status == 404:
        message = f"Kubernetes has no namespace `{namespace}`: {told}"
        return UsageError(message, code="connection-failed", help=f"kubectl create namespace {namespace}")
    if status == 429 or status >= 500:
        return TransientError(f"Kubernetes cannot be reached: it answered {status}", code="connection-failed")
    help = "look at the options of `--executor`"
    return UsageError(f"Kubernetes refused to {what}: {told}", code="unusable-option", help=help)


def _told(body: Any) -> str | None:
    try:
        found = json.loads(body)
    except (TypeError, ValueError):
        return None
    return str(found["message"]) if isinstance(found, dict) and found.get("message") else None


def job_name(run: str) -> str:
    """The name of the Job of a run."""
    return "flowc-" + re.sub(r"[^a-z0-9]+", "-", run.lower())


def job_of(
    claim: Claim, project: Project, timeout: float | None, options: JobOptions, name: str
) -> dict[str, Any]:  # fmt: skip
    """The Job of a run, as JSON."""
    labels = {_MANAGED: "flowc", _PROJECT: _own(name), _PIPELINE: _safe(claim.pipeline), _RUN: claim.run_id}
    container: dict[str, Any] = {
        "name": "flowc", "image": options.image, "command": ["flowc"],
        "args": project.work(claim.run_id, options.specs), "envFrom": list(options.env_from),
    }  # fmt: skip
    if claim.traceparent:
        container["env"] = [{"name": TRACE_VARIABLE, "value": claim.traceparent}]
    if options.resources is not None:
        container["resources"] = {"requests": dict(options.resources), "limits": dict(options.resources)}
    pod: dict[str, Any] = {"restartPolicy": "Never", "containers": [container]}
    if options.service_account is not None:
        pod["serviceAccountName"] = options.service_account
    spec: dict[str, Any] = {
        "backoffLimit": 0, "ttlSecondsAfterFinished": options.ttl,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }  # fmt: skip
    if timeout is not None:
        spec["activeDeadlineSeconds"] = int(options.patience + timeout + _SLACK)
    metadata = {"name": job_name(claim.run_id), "labels": labels}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def sight_of(job: Mapping[str, Any], pod: Mapping[str, Any]) -> Sight:
    """What a Job and its pod say of a run."""
    status = pod.get("status") or {}
    states = [each.get("state") or {} for each in status.get("containerStatuses") or ()]
    waiting: Mapping[str, Any] = next((state["waiting"] for state in states if state.get("waiting")), {})
    ended: Mapping[str, Any] = next((state["terminated"] for state in states if state.get("terminated")), {})
    conditions = (job.get("status") or {}).get("conditions") or []
    over = next(
        (each for each in conditions if each["type"] in ("Failed", "Complete") and each["status"] == "True"), None
    )
    if over is not None:
        return Sight(True, _why_over(over, ended, status))
    if waiting.get("reason") in _NEVER:
        return Sight(True, _joined("its pod cannot start", waiting))
    unscheduled: Sequence[Mapping[str, Any]] = [
        each for each in status.get("conditions") or () if each["type"] == "PodScheduled" and each["status"] == "False"
    ]
    return Sight(False, _joined("its pod waits", waiting or (unscheduled[0] if unscheduled else {})))


def _why_over(over: Mapping[str, Any], ended: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    if ended.get("exitCode") is not None:
        reason = f" ({ended['reason']})" if ended.get("reason") not in (None, "Error") else ""
        return f"its pod ended with exit code {ended['exitCode']}{reason}"
    return _joined("its Job ended", status if status.get("reason") else over) or "its Job ended"


def _joined(what: str, told: Mapping[str, Any]) -> str | None:
    words = ": ".join(str(told[key]) for key in ("reason", "message") if told.get(key))
    return f"{what}: {words}" if words else None


def _label(thing: Mapping[str, Any]) -> str:
    return str((thing["metadata"].get("labels") or {}).get(_RUN, ""))


def _own(name: str) -> str:
    """A name as the value of a label that no other name has."""
    safe = _safe(name)
    return safe if safe == name else f"{safe[:54]}-{sha256(name.encode()).hexdigest()[:8]}"


def _safe(name: str) -> str:
    """A name as the value of a label: not longer than 63, and of few characters."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:63].strip("._-") or "0"
