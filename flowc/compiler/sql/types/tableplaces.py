"""Which tables are one, by whatever connections they are named."""

from __future__ import annotations

from collections.abc import Callable

from flowc.catalog import TableName
from flowc.compiler.front.places import Place
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.sql.relations import table_key

TableKey = tuple[str, ...]
KeyOf = Callable[[str, str, TableName], TableKey]
"""What tells a table from others: of a connection, its kind, and the name that is written."""


def keys_in(place: Callable[[str], Place]) -> KeyOf:
    """What tells tables apart, by the places of connections."""

    def key_of(connection: str, kind: str, name: TableName) -> TableKey:
        at, schema = place(connection)
        plain = TableName(schema, name.name) if name.schema is None and schema else name
        return *at, *table_key("", kind, plain)

    return key_of


def keys_of_project(project: ProjectSpec) -> KeyOf:
    """What tells tables apart, as far as the compiler knows the databases of connections."""
    found: dict[str, Place] = {}

    def place(name: str) -> Place:
        if name not in found:
            found[name] = project.database(name)
        return found[name]

    return keys_in(place)
