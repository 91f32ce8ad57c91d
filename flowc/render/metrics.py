"""Metrics as text: in Prometheus' format, and as a line of JSON. What they are is in `flowc/service/telemetry`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from flowc.controls import json_text
from flowc.service.daemon.stats import BOUNDS, Histogram
from flowc.service.telemetry.metrics import Family, Value

_BUCKETS = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")


def metrics_text(families: Iterable[Family]) -> str:
    """Prometheus' text format."""
    return "\n".join(line for family in families for line in _lines(family)) + "\n"


def metrics_json(families: Iterable[Family], time: float) -> str:
    """One line of JSON: the time, in seconds since 1970, and all metrics; buckets are added up, as for Prometheus."""
    return json_text({"time": round(time, 3), "metrics": [_object(family) for family in families]}, indent=None)


def _object(family: Family) -> dict[str, object]:
    samples = [{"labels": dict(labels), **_value(value)} for labels, value in family.samples]
    return {"name": family.name, "kind": family.kind, "help": family.help, "samples": samples}


def _value(value: Value) -> dict[str, object]:
    if not isinstance(value, Histogram):
        return {"value": value}
    counts = list(accumulate(value.counts))
    buckets = dict(zip(_BUCKETS, counts, strict=True))
    return {"count": counts[-1], "sum": round(value.total, 6), "buckets": buckets}


def _lines(family: Family) -> Iterator[str]:
    yield from (f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}")
    for labels, value in family.samples:
        if isinstance(value, Histogram):
            yield from _histogram(family.name, labels, value)
        else:
            yield f"{family.name}{_labels(labels)} {value}"


def _histogram(name: str, labels: Mapping[str, str], histogram: Histogram) -> Iterator[str]:
    counts = list(accumulate(histogram.counts))
    for bound, count in zip(_BUCKETS, counts, strict=True):
        yield f"{name}_bucket{_labels({**labels, 'le': bound})} {count}"
    yield f"{name}_sum{_labels(labels)} {histogram.total:.6f}"
    yield f"{name}_count{_labels(labels)} {counts[-1]}"


def _labels(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
