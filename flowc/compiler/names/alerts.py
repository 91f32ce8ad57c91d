"""What a project says of alerts: whom they are about, and passwords that nobody overhears."""

from __future__ import annotations

import ipaddress

from flowc.compiler.front.alerts import AlertSpec
from flowc.compiler.front.spec import Name
from flowc.compiler.names.lookup import Lookup
from flowc.diagnostics import Reporter, did_you_mean

_TAG = "tag:"


def check_alerts(lookup: Lookup) -> None:
    """Reports alerts about nobody that there is, and passwords that would be sent in the clear."""
    for alert in lookup.project.alerts.values():
        for name in alert.only:
            _check_chosen(name, lookup)
        _check_login(alert, lookup.reporter)


def _check_chosen(name: Name, lookup: Lookup) -> None:
    project = lookup.project
    if not project.complete or project.broken:
        return  # what it names may be in what could not be read
    known = {*project.pipelines, *project.streams, *project.tables}
    tags = {tag.value for pipeline in project.pipelines.values() for tag in pipeline.tags}
    tags |= {tag.value for stream in project.streams.values() for tag in stream.tags}
    plain = name.value.removeprefix("+").removesuffix("+")
    is_tag = plain.startswith(_TAG)
    given, meant = (plain.removeprefix(_TAG), tags) if is_tag else (plain, known)
    if name.value in known or given in meant:
        return
    noun = "tag" if is_tag else "pipeline, stream or table"
    helps = did_you_mean(given, meant) or ("name a pipeline or a stream of the specs, or a tag as `tag:nightly`",)
    lookup.reporter.error("unknown-selection", f"there is no {noun} `{given}`", name.span, helps=helps)


def _check_login(alert: AlertSpec, reporter: Reporter) -> None:
    host, password = str(alert.options.get("host", "")), alert.spans.get("password")
    if password is not None and alert.options.get("tls") == "none" and "${" not in host and not is_loopback(host):
        message = f"the password of alert `{alert.name.value}` would go to `{host}` in the clear"
        reporter.error("conflicting-keys", message, alert.spans["tls"], helps=("leave `tls` out, or use `tls: tls`",))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
