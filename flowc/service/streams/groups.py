"""The names of the consumer groups in which workers of one stream share the partitions of a topic."""

from __future__ import annotations

import hashlib
import platform

from flowc.service.access.sessions import Sessions
from flowc.stream import SourcePlan, StreamPlan


def group_name(source: SourcePlan, plan: StreamPlan, sessions: Sessions, *, shared: bool) -> str:
    """The group of a source; `shared` says that its partitions are shared with other members.

    Then each source has its own group, and so has each target database: a project may run in several environments that
    read one cluster.
    """
    name, target = f"flowc-{plan.kept}", plan.targets[0]
    if not shared or plan.parallelism == 1 or target.position_sql is None:
        return name
    place = sessions.database(target.connection)
    machine = platform.node() if "localhost" in place.at else ""
    parts = "\n".join((source.name, target.name, machine, *place.at, place.schema or ""))
    return f"{name}-{hashlib.blake2b(parts.encode(), digest_size=8).hexdigest()}"
