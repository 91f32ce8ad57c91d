"""Which workers share a process: those that open the same DuckDB file.

One process opens such a file at a time. Within it, all sessions share one engine and wait for each other in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from flowc.compiler.dialects import dialect_of
from flowc.compiler.ir import Ir, Stream
from flowc.errors import FlowcError
from flowc.service.access.sessions import Sessions


def together(files: Sequence[frozenset[str]]) -> list[tuple[int, ...]]:
    """The numbers of the workers of each process: together where their files meet, by themselves elsewhere."""
    groups: list[tuple[frozenset[str], tuple[int, ...]]] = []
    for number, own in enumerate(files):
        met = [group for group in groups if group[0] & own]
        members = sorted([number, *(member for _, numbers in met for member in numbers)])
        groups = [group for group in groups if group not in met]
        groups.append((own.union(*(shared for shared, _ in met)), tuple(members)))
    return [members for _, members in groups]


def files_for_one(stream: str, ir: Ir, sessions: Sessions) -> frozenset[str]:
    """The DuckDB files that a stream opens."""
    found = next((each for each in ir.streams if each.name == stream), None)
    return frozenset(_paths(found, sessions)) if found is not None else frozenset()


def _paths(stream: Stream, sessions: Sessions) -> Iterator[str]:
    for connection in _opened(stream):
        try:
            _, path, *memory = sessions.place(connection)
        except FlowcError:
            continue  # what cannot be resolved cannot be opened: the stream itself tells why
        if not memory:
            yield os.path.realpath(str(path))


def _opened(stream: Stream) -> set[str]:
    """The connections to DuckDB that a stream writes, looks up in, keeps its state in, or leaves dead letters in."""
    letters = (stream.dead_letter,) if stream.dead_letter is not None else ()
    places = (*(apply.target for apply in stream.applies), *stream.lookups, *letters)
    found = {(place.connection, place.kind) for place in places} | (
        {stream.state} if stream.state is not None else set()
    )
    return {connection for connection, kind in found if dialect_of(kind).sharing.one_process}
