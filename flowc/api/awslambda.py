"""The handler of an AWS Lambda function that does runs of `flowc scheduler --executor lambda://FUNCTION`.

Name `flowc.api.awslambda.handler` as the command of the image, whose working folder holds the project.
"""

from __future__ import annotations

from collections.abc import Mapping
from logging import INFO, getLogger
from threading import Event
from typing import Any

from flowc.api.failures import outward
from flowc.api.linted import Where
from flowc.api.opening import open_pipelines
from flowc.api.selectors import scheduled_only
from flowc.api.specs import spec_paths
from flowc.api.working import Handed, work
from flowc.errors import UsageError
from flowc.masker import Masker
from flowc.service.runs.minding import Happened
from flowc.service.runs.taking import TAKEN

_SPARE = 30.0
"""Seconds before the function is ended in which a run rolls back, and is recorded."""
_LOG = getLogger("flowc")


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str | None]:
    """Does the run that the event names; tells how it ended, as the run log does.

    A run that ended badly is no error of the function, which Lambda would invoke again: retries are the scheduler's.
    Raises where the run could not be begun, for instance where the specs have errors.
    """
    _LOG.setLevel(INFO)
    masker = Masker()
    try:
        return {"run": event["run"], "status": outward(masker, lambda: _work(event, context, masker))}
    except UsageError as error:
        if error.code != TAKEN:
            raise
        _LOG.info(error.message)
        return {"run": event["run"], "status": "refused", "reason": error.message}


def _work(event: Mapping[str, Any], context: Any, masker: Masker) -> str:
    where = Where(spec_paths(event.get("specs") or "specs"), event.get("env"), masker)
    most = max(context.get_remaining_time_in_millis() / 1000 - _SPARE, 1.0)
    handed = Handed(event["run"], event.get("run_log"), most=most)
    opened = open_pipelines(where, (), scheduled_only)
    ended: list[str] = []

    def told(happened: Happened) -> None:
        ended.append(happened.outcome.status if happened.outcome is not None else happened.kind)
        _LOG.info("run %s of %s: %s", happened.claim.run_id, happened.claim.pipeline, ended[-1])

    work(handed, where, opened, notify=told, warn=_LOG.warning, stop=Event())
    return ended[-1] if ended else "lost"
