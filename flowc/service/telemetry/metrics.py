"""All metrics, each defined once: its name, kind, help, labels, and where its values are.

What is served to Prometheus, printed, or sent by OTLP is rendered of the `Family` values that are made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

from flowc.service.daemon.stats import PHASES, Counts, Histogram
from flowc.service.daemon.workerstate import WorkerState
from flowc.service.runs.decisions import next_due
from flowc.service.runs.records import Standing
from flowc.service.runs.scheduler import Scheduler

Kind = Literal["counter", "gauge", "histogram"]
Value = int | float | Histogram
Labelled = tuple[tuple[object, ...], Value]
"""The values of the labels, in their order, and the number."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Metric(Generic[T]):
    """One metric; `values` finds its samples in what it is about. Counters and histograms only grow."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    values: Callable[[T], Iterable[Labelled]]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its samples at one moment: labels and value of each."""

    name: str
    kind: Kind
    help: str
    samples: tuple[tuple[Mapping[str, str], Value], ...]


@dataclass(frozen=True, slots=True)
class _Worker:
    """A worker, and what it has counted in all processes."""

    state: WorkerState
    counts: Counts

    @property
    def labels(self) -> tuple[object, ...]:
        return self.state.job.stream, self.state.job.worker


_WORKER = ("stream", "worker")
_PARTITION = ("stream", "source", "partition")
_PIPELINE = ("pipeline",)


def _number(key: str, worker: _Worker) -> Iterator[Labelled]:
    yield worker.labels, getattr(worker.counts, key)


def _late(worker: _Worker) -> Iterator[Labelled]:
    yield (*worker.labels, "drop"), worker.counts.late
    yield (*worker.labels, "dlq"), worker.counts.late_letters


def _emitted(worker: _Worker) -> Iterator[Labelled]:
    for node, rows in sorted(worker.counts.emitted.items()):
        yield (*worker.labels, node), rows


def _restarts(worker: _Worker) -> Iterator[Labelled]:
    yield worker.labels, worker.state.restarts + worker.counts.retries


def _up(worker: _Worker) -> Iterator[Labelled]:
    yield worker.labels, int(worker.state.status == "running")


def _lag(worker: _Worker) -> Iterator[Labelled]:
    for source, partitions in sorted(worker.state.report.lag.items()):
        for partition, lag in sorted(partitions.items()):
            yield (worker.state.job.stream, source, partition), lag


def _watermark(worker: _Worker) -> Iterator[Labelled]:
    if (at := worker.state.report.watermark) is not None:
        yield worker.labels, at / 1e6


def _marks(worker: _Worker) -> Iterator[tuple[str, str, int]]:
    for source, partitions in sorted(worker.state.report.marks.items()):
        for partition, mark in sorted(partitions.items()):
            yield source, partition, mark


def _partition_watermark(worker: _Worker) -> Iterator[Labelled]:
    for source, partition, mark in _marks(worker):
        yield (worker.state.job.stream, source, partition), mark / 1e6


def _held(worker: _Worker) -> Iterator[Labelled]:
    held = worker.state.report.held
    for source, partition, _ in _marks(worker):
        yield (worker.state.job.stream, source, partition), int(partition in held.get(source, ()))


def _node(key: str, worker: _Worker) -> Iterator[Labelled]:
    saved = worker.state.report.saved
    for name, node in saved.nodes.items() if saved is not None else ():
        yield (*worker.labels, name), getattr(node, key)


def _checkpoint_age(worker: _Worker) -> Iterator[Labelled]:
    if worker.state.report.saved is not None:
        yield worker.labels, round(worker.state.report.age, 3)


def _checkpoint_seconds(worker: _Worker) -> Iterator[Labelled]:
    if (saved := worker.state.report.saved) is not None:
        yield worker.labels, round(saved.seconds, 6)


def _phases(worker: _Worker) -> Iterator[Labelled]:
    for phase in PHASES:
        yield (*worker.labels, phase), worker.counts.phases[phase]


def _latency(worker: _Worker) -> Iterator[Labelled]:
    yield worker.labels, worker.counts.latency


def _count(name: str, key: str, help: str) -> Metric[_Worker]:
    return Metric(name, "counter", help, _WORKER, partial(_number, key))


def _state(name: str, key: str, help: str) -> Metric[_Worker]:
    return Metric(name, "gauge", help, (*_WORKER, "node"), partial(_node, key))


_OF_WORKERS: tuple[Metric[_Worker], ...] = (
    _count("flowc_rows_total", "rows", "Rows that the targets were given."),
    _count("flowc_messages_total", "messages", "Messages read and committed."),
    _count("flowc_bytes_total", "bytes", "Bytes of the messages read, as they are held in memory."),
    _count("flowc_batches_total", "epochs", "Epochs committed."),
    _count("flowc_errors_total", "errors", "Attempts that failed."),
    _count("flowc_bad_rows_total", "bad", "Messages that could not be read and were dropped."),
    _count("flowc_dead_letters_total", "dead", "Messages that went to dead letters."),
    Metric("flowc_late_rows_total", "counter", "Rows that came too late, and were dropped or went to dead letters.",
           (*_WORKER, "policy"), _late),
    Metric("flowc_emitted_rows_total", "counter", "Rows that came out of windows and joins.",
           (*_WORKER, "node"), _emitted),
    Metric("flowc_restarts_total", "counter", "Times that a stream was begun again.", _WORKER, _restarts),
    Metric("flowc_up", "gauge", "1 while a worker reads and writes, else 0.", _WORKER, _up),
    Metric("flowc_lag", "gauge", "Messages in the log that are not committed yet.", _PARTITION, _lag),
    Metric("flowc_watermark_seconds", "gauge", "The watermark of a stream, since 1970.", _WORKER, _watermark),
    Metric("flowc_partition_watermark_seconds", "gauge",
           "The highest event time of a partition less the lateness, since 1970.", _PARTITION, _partition_watermark),
    Metric("flowc_partition_held", "gauge", "1 while a partition is not read, for it is ahead of others, else 0.",
           _PARTITION, _held),
    _state("flowc_state_rows", "rows", "Rows that a node remembers."),
    _state("flowc_state_bytes", "bytes", "Bytes of them in the store."),
    _state("flowc_state_segments", "segments", "Segments that these are in."),
    _state("flowc_checkpoint_bytes", "last_bytes", "Bytes that the last checkpoint added."),
    Metric("flowc_checkpoint_age_seconds", "gauge", "Seconds since the last checkpoint.", _WORKER, _checkpoint_age),
    Metric("flowc_checkpoint_seconds", "gauge", "Seconds that the last checkpoint took.", _WORKER,
           _checkpoint_seconds),
    Metric("flowc_epoch_seconds", "histogram", "Seconds of an epoch, by phase.", (*_WORKER, "phase"), _phases),
    Metric("flowc_latency_seconds", "histogram", "Seconds from the time of an epoch's first message to its commit.",
           _WORKER, _latency),
)  # fmt: skip


def _began(began: float) -> Iterator[Labelled]:
    yield (), round(began, 3)


_OF_PROCESSES: tuple[Metric[float], ...] = (
    Metric("flowc_start_time_seconds", "gauge", "When the daemon began.", (), _began),
)


def _ended(scheduler: Scheduler) -> Iterator[Labelled]:
    yield from sorted(scheduler.ended.items())


def _took(scheduler: Scheduler) -> Iterator[Labelled]:
    for name, seconds in sorted(scheduler.took.items()):
        yield (name,), round(seconds, 3)


def _standings(scheduler: Scheduler) -> Sequence[Standing]:
    seen = scheduler.seen[0].values() if scheduler.seen is not None else ()
    mine = (at for at in seen if scheduler.chosen is None or at.pipeline in scheduler.chosen)
    return sorted(mine, key=lambda at: at.pipeline)


def _failing(scheduler: Scheduler) -> Iterator[Labelled]:
    for at in _standings(scheduler):
        yield (at.pipeline,), int(at.failing)


def _running(scheduler: Scheduler) -> Iterator[Labelled]:
    for at in _standings(scheduler):
        yield (at.pipeline,), int(at.run_id is not None)


def _succeeded(scheduler: Scheduler) -> Iterator[Labelled]:
    for at in _standings(scheduler):
        if at.succeeded_at is not None:
            yield (at.pipeline,), round(at.succeeded_at.timestamp(), 3)


def _next_due(scheduler: Scheduler) -> Iterator[Labelled]:
    """Of schedules that are paused, nothing is due."""
    known = {each.name: each for each in scheduler.pipelines}
    for at in _standings(scheduler):
        if at.pipeline in known and not at.paused and scheduler.seen is not None:
            due = at.due_at or next_due(known[at.pipeline], at, scheduler.seen[1])
            if due is not None:
                yield (at.pipeline,), round(due.timestamp(), 3)


def _run_log_up(scheduler: Scheduler) -> Iterator[Labelled]:
    yield (), int(scheduler.works)


def _leads(scheduler: Scheduler) -> Iterator[Labelled]:
    if scheduler.leads:
        yield (), int(scheduler.token is not None)


_OF_SCHEDULES: tuple[Metric[Scheduler], ...] = (
    Metric("flowc_runs_total", "counter", "Runs of pipelines that ended, by status.", (*_PIPELINE, "status"), _ended),
    Metric("flowc_run_seconds", "gauge", "Seconds that the last run of a pipeline took.", _PIPELINE, _took),
    Metric("flowc_pipeline_failing", "gauge", "1 where the last attempt of a pipeline failed.", _PIPELINE, _failing),
    Metric("flowc_pipeline_running", "gauge", "1 while a pipeline runs.", _PIPELINE, _running),
    Metric("flowc_last_success_seconds", "gauge", "The last due time for which a pipeline has succeeded, since 1970.",
           _PIPELINE, _succeeded),
    Metric("flowc_next_due_seconds", "gauge",
           "The due time of a pipeline that is next, or that has come and is not done yet, since 1970.",
           _PIPELINE, _next_due),
    Metric("flowc_run_log_up", "gauge", "1 while the run log can be used, else 0.", (), _run_log_up),
    Metric("flowc_scheduler_leads", "gauge", "1 in the scheduler that leads, 0 in others.", (), _leads),
)  # fmt: skip
METRICS: tuple[Metric[_Worker] | Metric[float] | Metric[Scheduler], ...] = (
    *_OF_WORKERS, *_OF_PROCESSES, *_OF_SCHEDULES,
)  # fmt: skip
"""All that there are."""


def families(workers: Sequence[WorkerState], began: float, scheduler: Scheduler | None = None) -> list[Family]:
    """All metrics of workers, of the process that `began` then, and of the pipelines that a scheduler runs.

    What there is nothing of, streams or schedules, is left out.
    """
    counted = [_Worker(worker, worker.counts) for worker in workers]
    found = [_family(metric, counted) for metric in _OF_WORKERS] if workers else []
    found += [_family(metric, [began]) for metric in _OF_PROCESSES]
    return [*found, *(_family(metric, [scheduler]) for metric in _OF_SCHEDULES if scheduler is not None)]


def _family(metric: Metric[T], of: Iterable[T]) -> Family:
    samples = (
        ({name: str(label) for name, label in zip(metric.labels, labels, strict=True)}, value)
        for each in of
        for labels, value in metric.values(each)
    )
    return Family(metric.name, metric.kind, metric.help, tuple(samples))
