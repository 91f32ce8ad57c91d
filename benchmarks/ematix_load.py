"""One load with ematix-flow 1.0.0, in its own environment: the peer's side of `benchmarks/`.

Reads from the environment: EMATIX_FLOW_DSN_SOURCE and EMATIX_FLOW_DSN_TARGET (PostgreSQL, which is all that its
pipelines take), MODE, QUERY, TABLE (schema.name) and COLUMNS (`name:Type` or `name:Numeric:12:2`, the key first).
"""

from __future__ import annotations

import os

from ematix_flow import ematix, types
from ematix_flow.table import ManagedTable


def declare_table(qualified: str, columns: str) -> type:
    schema, name = qualified.split(".")
    declared = {}
    for place, column in enumerate(columns.split(",")):
        column_name, type_name, *sizes = column.split(":")
        kind = getattr(types, type_name)(*map(int, sizes))
        declared[column_name] = types.Column(kind, nullable=place > 0, primary_key=place == 0)
    return type("Target", (ManagedTable,), {"__schema__": schema, "__tablename__": name, **declared})


def main() -> None:
    table = declare_table(os.environ["TABLE"], os.environ["COLUMNS"])
    options = {"target": table, "target_connection": "target", "schedule": "* * * * *", "mode": os.environ["MODE"]}

    def within(target: object) -> str:
        return os.environ["QUERY"]

    def across(source: object, target: object) -> str:
        return os.environ["QUERY"]

    if "EMATIX_FLOW_DSN_SOURCE" in os.environ:
        ematix.pipeline(source_connection="source", **options)(across)()
    else:
        ematix.pipeline(**options)(within)()


if __name__ == "__main__":
    main()
