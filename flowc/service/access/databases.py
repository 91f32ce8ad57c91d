"""Which databases connections name, once the references in their options are resolved."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.front.places import Place
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ConnectionSpec
from flowc.masking import REFERENCE
from flowc.service.access.secrets import Resolver
from flowc.service.access.sessions import Sessions


def resolved_databases(project: ProjectSpec, resolver: Resolver) -> Mapping[str, Place]:
    """The databases of the connections that have references, as far as nothing but this machine is asked.

    A reference to a store of secrets, or to a pipe that can be read once, is compared as it is written: it is resolved
    when the connection is opened.
    """
    sessions = Sessions(project.connections, resolver)
    return {name: sessions.database(name) for name, spec in project.connections.items() if _is_local(spec, resolver)}


def _is_local(connection: ConnectionSpec, resolver: Resolver) -> bool:
    references = REFERENCE.findall(repr(connection.options))
    return bool(references) and all(_may_be_read(each, resolver) for each in references)


def _may_be_read(reference: str, resolver: Resolver) -> bool:
    scheme, colon, rest = reference.partition(":")
    return not colon or scheme == "env" or (scheme == "file" and (resolver.root / rest).is_file())
