"""The tables that a project wants in each of its databases."""

from __future__ import annotations

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.spec import TableSpec
from flowc.compiler.ir import Ir
from flowc.migration import WantedTable


def wanted_tables(checked: CheckedSpec, ir: Ir) -> tuple[WantedTable, ...]:
    """Every declared table, with what the modes of the loads into it add (the columns of scd2)."""
    found = []
    for key, spec in checked.project.tables.items():
        connection = checked.project.connections.get(spec.connection.value)
        if connection is not None and key in ir.tables:
            name, kind = spec.connection.value, connection.kind.value
            found.append(WantedTable(name, kind, key, ir.tables[key], _renamed(spec), zones=_zones(spec)))
    return tuple(found)


def _renamed(spec: TableSpec) -> tuple[tuple[str, str], ...]:
    return tuple((c.name.value, c.renamed_from.value) for c in spec.columns if c.renamed_from is not None)


def _zones(spec: TableSpec) -> tuple[tuple[str, str], ...]:
    return tuple((c.name.value, c.change_timezone.value) for c in spec.columns if c.change_timezone is not None)
