"""Where runs happen, by URL: on this machine, as Jobs of Kubernetes, as invocations of an AWS Lambda function."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from flowc.compiler.front.kinds import is_file
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError
from flowc.service.runs.awslambda import Lambda, LambdaOptions
from flowc.service.runs.executors import Executor, Subprocess
from flowc.service.runs.k8s import JobOptions, Jobs
from flowc.service.runs.log import RunLog
from flowc.service.runs.opening import MEMORY
from flowc.service.runs.placeoptions import Given
from flowc.service.runs.watching import Remote

SUBPROCESS = "subprocess://"
_SCHEMES = ("subprocess", "k8s", "lambda")


def executor_of(url: str, project: str, environ: Mapping[str, str]) -> Executor | Remote:
    """The executor of a URL, for the runs of a project. Raises UsageError for what is none."""
    try:
        found = urlsplit(url)
    except ValueError:  # a bracket that nothing closes
        help = "write subprocess://, k8s://NAMESPACE or lambda://FUNCTION"
        raise UsageError("`--executor` is no address", code="unusable-option", help=help) from None
    pairs = parse_qsl(found.query, keep_blank_values=True)
    given = Given(f"{found.scheme}://", unquote(found.netloc), pairs)
    if found.scheme == "k8s":
        return Jobs.of(JobOptions.of(given), project)
    if found.scheme == "lambda":
        return Lambda.of(LambdaOptions.of(given), project)
    if found.scheme == "subprocess":
        given.only()
        return Subprocess(environ)
    helps = did_you_mean(found.scheme, _SCHEMES) or ("write subprocess://, k8s://NAMESPACE or lambda://FUNCTION",)
    raise UsageError(f"`--executor`: there is none of `{found.scheme}://`", code="unusable-option", help=helps[0])


def check_run_log(log: RunLog, given: str | None) -> None:
    """Raises UsageError for a run log that workers on other machines cannot reach, or whose address would be seen."""
    if is_file(log.kind):
        what = "in memory" if given == MEMORY else f"of kind {log.kind}"
        message = f"runs on other machines need a run log on a server, and this one is {what}"
        help = "make it a postgres or mysql connection: `run_log: { connection: … }`"
        raise UsageError(message, code="unusable-option", help=help)
    if given is not None and ":" in given:
        message = "`--run-log` is an address, which all could read who see the runs on other machines"
        help = "name a connection of the project: `--run-log warehouse`, or `run_log: { connection: warehouse }`"
        raise UsageError(message, code="unusable-option", help=help)
