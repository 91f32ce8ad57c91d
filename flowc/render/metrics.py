"""What a daemon counts, in Prometheus' text format; the names are listed in docs/guides/operating-streams.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from flowc.service.daemon.stats import BOUNDS, PHASES, Histogram
from flowc.service.daemon.supervisor import Daemon
from flowc.service.daemon.workerstate import WorkerState
from flowc.service.runs.scheduler import Scheduler

_COUNTERS = {
    "rows": ("flowc_rows_total", "Rows that the targets were given."),
    "messages": ("flowc_messages_total", "Messages read and committed."),
    "bytes": ("flowc_bytes_total", "Bytes of the messages read, as they are held in memory."),
    "epochs": ("flowc_batches_total", "Epochs committed."),
    "errors": ("flowc_errors_total", "Attempts that failed."),
    "bad": ("flowc_bad_rows_total", "Messages that could not be read and were dropped."),
    "dead": ("flowc_dead_letters_total", "Messages that went to dead letters."),
}

_NODES = {
    "rows": ("flowc_state_rows", "Rows that a node remembers."),
    "bytes": ("flowc_state_bytes", "Bytes of them in the store."),
    "segments": ("flowc_state_segments", "Segments that these are in."),
    "last_bytes": ("flowc_checkpoint_bytes", "Bytes that the last checkpoint added."),
}

Labels = Mapping[str, object]


def metrics_text(daemon: Daemon, scheduler: Scheduler | None = None) -> str:
    """All metrics of all workers, and of pipelines that are scheduled."""
    lines = [*_lines(daemon.workers, daemon.began), *(_schedules(scheduler) if scheduler is not None else ())]
    return "\n".join(lines) + "\n"


def _schedules(scheduler: Scheduler) -> Iterator[str]:
    """Runs that ended in this process, and where schedules are."""
    ended = [({"pipeline": name, "status": status}, n) for (name, status), n in sorted(scheduler.ended.items())]
    yield from _family("flowc_runs_total", "counter", "Runs of pipelines that ended, by status.", ended)
    took = [({"pipeline": name}, round(seconds, 3)) for name, seconds in sorted(scheduler.took.items())]
    yield from _family("flowc_run_seconds", "gauge", "Seconds that the last run of a pipeline took.", took)
    standings = sorted(scheduler.seen[0].values(), key=lambda at: at.pipeline) if scheduler.seen is not None else []
    failing = [({"pipeline": at.pipeline}, int(at.failing)) for at in standings]
    yield from _family("flowc_pipeline_failing", "gauge", "1 where the last attempt of a pipeline failed.", failing)
    running = [({"pipeline": at.pipeline}, int(at.run_id is not None)) for at in standings]
    yield from _family("flowc_pipeline_running", "gauge", "1 while a pipeline runs.", running)
    succeeded = [
        ({"pipeline": at.pipeline}, round(at.succeeded_at.timestamp(), 3))
        for at in standings
        if at.succeeded_at is not None
    ]
    help = "The last due time for which a pipeline has succeeded, since 1970."
    yield from _family("flowc_last_success_seconds", "gauge", help, succeeded)


def _lines(workers: Sequence[WorkerState], began: float) -> Iterator[str]:
    counts = [(_of(worker), worker.counts) for worker in workers]
    for key, (name, help) in _COUNTERS.items():
        yield from _family(name, "counter", help, [(labels, getattr(c, key)) for labels, c in counts])
    late = [
        ({**labels, "policy": policy}, number)
        for labels, c in counts
        for policy, number in (("drop", c.late), ("dlq", c.late_letters))
    ]
    help = "Rows that came too late, and were dropped or went to dead letters."
    yield from _family("flowc_late_rows_total", "counter", help, late)
    emitted = [({**labels, "node": node}, rows) for labels, c in counts for node, rows in sorted(c.emitted.items())]
    yield from _family("flowc_emitted_rows_total", "counter", "Rows that came out of windows and joins.", emitted)
    restarts = [(_of(worker), worker.restarts + worker.counts.retries) for worker in workers]
    yield from _family("flowc_restarts_total", "counter", "Times that a stream was begun again.", restarts)
    up = [(_of(worker), int(worker.status == "running")) for worker in workers]
    yield from _family("flowc_up", "gauge", "1 while a worker reads and writes, else 0.", up)
    lags = [
        (_at(worker, source, partition), lag)
        for worker in workers
        for source, partitions in sorted(worker.report.lag.items())
        for partition, lag in sorted(partitions.items())
    ]
    yield from _family("flowc_lag", "gauge", "Messages in the log that are not committed yet.", lags)
    yield from _time(workers)
    yield from _state(workers)
    phases = [({**labels, "phase": phase}, c.phases[phase]) for labels, c in counts for phase in PHASES]
    yield from _histogram("flowc_epoch_seconds", "Seconds of an epoch, by phase.", phases)
    latencies = [(labels, c.latency) for labels, c in counts]
    help = "Seconds from the time of an epoch's first message to its commit."
    yield from _histogram("flowc_latency_seconds", help, latencies)
    yield from _family("flowc_start_time_seconds", "gauge", "When the daemon began.", [({}, round(began, 3))])


def _time(workers: Sequence[WorkerState]) -> Iterator[str]:
    """Where event time is, in seconds since 1970."""
    known = [(_of(worker), at / 1e6) for worker in workers if (at := worker.report.watermark) is not None]
    yield from _family("flowc_watermark_seconds", "gauge", "The watermark of a stream, since 1970.", known)
    marks = [
        (worker, source, partition, mark)
        for worker in workers
        for source, partitions in sorted(worker.report.marks.items())
        for partition, mark in sorted(partitions.items())
    ]
    help = "The highest event time of a partition less the lateness, since 1970."
    seconds = [(_at(worker, source, partition), mark / 1e6) for worker, source, partition, mark in marks]
    yield from _family("flowc_partition_watermark_seconds", "gauge", help, seconds)
    held = [
        (_at(w, source, partition), int(partition in w.report.held.get(source, ())))
        for w, source, partition, _ in marks
    ]
    help = "1 while a partition is not read, for it is ahead of others, else 0."
    yield from _family("flowc_partition_held", "gauge", help, held)


def _state(workers: Sequence[WorkerState]) -> Iterator[str]:
    """What streams remember, by node, and their last checkpoints."""
    saved = [(_of(worker), worker.report.saved) for worker in workers if worker.report.saved is not None]
    nodes = [({**labels, "node": name}, node) for labels, found in saved for name, node in found.nodes.items()]
    for key, (name, help) in _NODES.items():
        yield from _family(name, "gauge", help, [(labels, getattr(node, key)) for labels, node in nodes])
    ages = [(_of(worker), round(worker.report.age, 3)) for worker in workers if worker.report.saved is not None]
    yield from _family("flowc_checkpoint_age_seconds", "gauge", "Seconds since the last checkpoint.", ages)
    took = [(labels, round(found.seconds, 6)) for labels, found in saved]
    yield from _family("flowc_checkpoint_seconds", "gauge", "Seconds that the last checkpoint took.", took)


def _of(worker: WorkerState) -> Labels:
    return {"stream": worker.job.stream, "worker": worker.job.worker}


def _at(worker: WorkerState, source: str, partition: object) -> Labels:
    return {"stream": worker.job.stream, "source": source, "partition": partition}


def _family(name: str, kind: str, help: str, samples: Sequence[tuple[Labels, object]]) -> Iterator[str]:
    yield from (f"# HELP {name} {help}", f"# TYPE {name} {kind}")
    for labels, value in samples:
        yield f"{name}{_labels(labels)} {value}"


def _histogram(name: str, help: str, samples: Sequence[tuple[Labels, Histogram]]) -> Iterator[str]:
    yield from _family(name, "histogram", help, ())
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    for labels, histogram in samples:
        counts = list(accumulate(histogram.counts))
        for bound, count in zip(bounds, counts, strict=True):
            yield f"{name}_bucket{_labels({**labels, 'le': bound})} {count}"
        yield f"{name}_sum{_labels(labels)} {histogram.total:.6f}"
        yield f"{name}_count{_labels(labels)} {counts[-1]}"


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
