"""Runs as invocations of an AWS Lambda function, whose handler is `flowc.api.awslambda.handler`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flowc.errors import FlowcError, TransientError, UsageError
from flowc.service.runs.executors import Project
from flowc.service.runs.placeoptions import Given
from flowc.service.runs.records import Claim

_PASSES = ("TooManyRequestsException", "ServiceException", "ThrottlingException", "InternalFailure",
           "ServiceUnavailable", "ResourceConflictException", "ResourceNotReadyException")  # fmt: skip
"""Refusals that may pass by themselves."""
_DENIED = ("AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException")
_OPTIONS = ("qualifier", "region", "endpoint", "specs", "start-timeout")


@dataclass(frozen=True, slots=True)
class LambdaOptions:
    """Which function is invoked. `specs` are the paths of the specs in its image; None for those of the scheduler."""

    function: str
    qualifier: str | None = None
    region: str | None = None
    endpoint: str | None = None
    specs: tuple[str, ...] = ()
    patience: float = 600.0

    @classmethod
    def of(cls, given: Given) -> LambdaOptions:
        """The options of a URL. Raises UsageError for what is wrong with them."""
        given.only(*_OPTIONS)
        return cls(
            given.needed("function", given.name, "write `lambda://FUNCTION`"), given.one("qualifier"),
            given.one("region"), endpoint=given.one("endpoint"), specs=given.all("specs"), patience=given.patience(),
        )  # fmt: skip


@dataclass(frozen=True)
class Lambda:
    """Invokes a function for each run. `client` is boto3's."""

    options: LambdaOptions
    client: Any
    refusals: tuple[type[Exception], type[Exception]]
    """What the client raises where AWS refuses, and where it does not answer."""

    @classmethod
    def of(cls, options: LambdaOptions, project: str) -> Lambda:
        """Raises UsageError where there is no client, or it does not know where to ask."""
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            message = "`--executor lambda://…` needs the package `boto3`"
            raise UsageError(message, code="missing-extra", help="pip install 'flowc[aws]'") from None
        config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})
        try:
            client = boto3.client(
                "lambda", region_name=options.region, endpoint_url=options.endpoint, config=config
            )  # fmt: skip
        except (BotoCoreError, ValueError) as error:
            help = "add `region=…`, or set AWS_REGION"
            raise UsageError(f"AWS Lambda: {error}", code="unusable-option", help=help) from None
        return cls(options, client, (ClientError, BotoCoreError))

    @property
    def place(self) -> str:
        """The function."""
        return f"lambda://{self.options.function}"

    @property
    def patience(self) -> float:
        """Seconds until a worker has to have taken its run over."""
        return self.options.patience

    def begin(self, claim: Claim, project: Project, timeout: float | None) -> None:
        """Invokes the function. Of two invocations for a run, the second finds that it is taken."""
        payload = {
            "run": claim.run_id, "specs": list(self.options.specs or project.given), "env": project.environment,
            "run_log": project.run_log,
        }  # fmt: skip
        chosen = {"Qualifier": self.options.qualifier} if self.options.qualifier is not None else {}
        refused, silent = self.refusals
        try:
            self.client.invoke(
                FunctionName=self.options.function, InvocationType="Event", Payload=json.dumps(payload), **chosen
            )
        except refused as error:
            raise self._refusal(error) from None
        except silent as error:
            if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
                help = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the scheduler a role"
                raise UsageError(f"AWS Lambda: {error}", code="access-denied", help=help) from None
            raise TransientError(f"AWS Lambda cannot be reached: {error}", code="connection-failed") from None

    def look(self) -> None:
        """Lambda does not tell what became of asynchronous invocations."""

    def words(self, run: str) -> str:
        """They are in CloudWatch alone."""
        return ""

    def end(self, run: str) -> None:
        """An invocation cannot be ended from outside; it ends by itself when its run is not its own any more."""

    def _refusal(self, error: Any) -> FlowcError:
        told = error.response.get("Error", {})
        code, message = str(told.get("Code", "")), str(told.get("Message", error))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        name = self.options.function
        if code in _PASSES or status == 429 or status >= 500:
            return TransientError(f"AWS Lambda cannot be used: {message}", code="connection-failed")
        if code in _DENIED or status in (401, 403):
            help = "give the scheduler a role with `lambda:InvokeFunction` of it"
            return UsageError(f"the scheduler may not invoke `{name}`: {message}", code="access-denied", help=help)
        if code == "ResourceNotFoundException":
            help = "look at its name, `region=…` and `qualifier=…`"
            return UsageError(f"there is no Lambda function `{name}`: {message}", code="connection-failed", help=help)
        return UsageError(f"AWS Lambda refused: {message}", code="unusable-option", help="look at `--executor`")
