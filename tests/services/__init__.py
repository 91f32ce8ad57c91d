"""Real servers for the tests, started from what the machine has and stopped by who started them.

`python -m tests.services pytest -q` runs a command beside them: it starts what it can, hands the addresses over in the
environment (`FLOWC_TEST_POSTGRES`, …), and stops what it started when the command ends. `--check` only says what is
there. A new service is a module with a `start` function and a line in `SERVICES`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.services import kafka, mysql, postgres
from tests.services.machine import MissingService

__all__ = [
    "SERVICES",
    "Killable",
    "MissingService",
    "killable",
    "mysql_server",
    "postgres_server",
    "service",
    "variable",
]

SERVICES: Mapping[str, Callable[[], AbstractContextManager[str]]] = {
    "postgres": postgres.started,
    "mysql": mysql.started,
    "kafka": kafka.started,
}
"""Each service by its name, started for as long as a context: it gives the address."""


def variable(name: str) -> str:
    """The variable of the environment that holds a service's address."""
    return f"FLOWC_TEST_{name.upper()}"


@dataclass(frozen=True)
class Killable:
    """A server of one's own: its address, and what ends it as a crash does and starts it again on the same port."""

    address: str
    kill: Callable[[], None]
    start: Callable[[], None]


@contextmanager
def killable(name: str) -> Iterator[Killable]:
    """A server that nobody else uses, for as long as the context. Raises MissingService."""
    if name == "kafka":
        with kafka.own_broker() as broker:
            yield Killable(broker.address, broker.kill, broker.start)
        return
    with postgres.own_cluster() if name == "postgres" else mysql.own_instance() as server:
        yield Killable(server.dsn, server.kill, server.start)


@contextmanager
def service(name: str) -> Iterator[str]:
    """A service's address: the one in the environment, else that of one that lives as long as the context.

    Raises:
        MissingService: when there is neither an address nor a server that could be started.
    """
    if given := os.environ.get(variable(name)):
        yield given
        return
    with SERVICES[name]() as address:
        yield address


def postgres_server() -> AbstractContextManager[str]:
    """A PostgreSQL server's DSN."""
    return service("postgres")


def mysql_server() -> AbstractContextManager[str]:
    """A MySQL or MariaDB server's DSN."""
    return service("mysql")
