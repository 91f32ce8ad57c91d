"""AWS Lambda of this machine: ministack, whose functions are processes of the Python that runs the tests."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.services.machine import MissingService, Server, free_port, temporary_folder, tied

_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class Functions:
    """Where functions are made and invoked, and the variables that clients need."""

    endpoint: str
    keys: dict[str, str]

    def client(self) -> Any:
        """boto3's client."""
        import boto3

        return boto3.client(
            "lambda", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test",
        )  # fmt: skip

    def create(self, name: str, handler: str, env: dict[str, str], timeout: int = 300) -> None:
        """Makes a function of what Python finds on the path of its environment."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as file:
            file.writestr("README", "the code is on PYTHONPATH")
        self.client().create_function(
            FunctionName=name, Runtime="python3.13", Handler=handler, Role="arn:aws:iam::000000000000:role/r",
            Code={"ZipFile": code.getvalue()}, Timeout=timeout, Environment={"Variables": env},
        )  # fmt: skip


@contextmanager
def functions() -> Iterator[Functions]:
    """A server for as long as the context. Raises MissingService."""
    if find_spec("ministack") is None or find_spec("boto3") is None:
        raise MissingService("AWS Lambda needs the packages ministack and boto3")
    port = free_port()
    folder = str(Path(sys.executable).parent)  # its functions run by the `python3` that is first on the path
    env = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LAMBDA_EXECUTOR": "local",
           "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}  # fmt: skip
    words = ["env", *(f"{name}={value}" for name, value in env.items()), sys.executable, "-m", "ministack"]
    with temporary_folder("lambda") as place:
        server = Server([*tied("TERM"), *words], place)
        server.wait("ministack", lambda: _listens(port))
        try:
            yield Functions(f"http://127.0.0.1:{port}", _KEYS)
        finally:
            server.stop(signal.SIGTERM)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
