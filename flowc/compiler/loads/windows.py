"""Values of neighbouring rows in a window, where the engine can compute with them and where it cannot.

MariaDB computes a window function wrongly when it stands deep in an expression (an OR inside an AND inside a CASE), so
there each is a column of a query of its own, and the expression stands around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowc.compiler.dialect import Dialect


@dataclass
class Window:
    """The window `w` of a query, and the calls over it that its expressions use. `prefix` names their columns."""

    dialect: Dialect
    definition: str
    prefix: str
    calls: list[str] = field(default_factory=list)

    def over(self, call: str) -> str:
        """The value of `lead(x)`, `lag(x)` or `row_number()` over the window."""
        if self.dialect.writes.nested_windows:
            return f"{call} OVER w"
        if call not in self.calls:
            self.calls.append(call)
        return f"{self.prefix}{self.calls.index(call)}"

    def select(self, columns: str, relation: str, alias: str) -> str:
        """The query of `columns`, in which calls may stand, over a relation under its alias."""
        clause = f" WINDOW w AS ({self.definition})"
        if not self.calls:
            return f"SELECT {columns}\nFROM (\n{relation}\n) AS {alias}" + (clause if " OVER w" in columns else "")
        values = ", ".join(f"{call} OVER w AS {self.prefix}{i}" for i, call in enumerate(self.calls))
        inner = f"SELECT {alias}.*, {values}\nFROM (\n{relation}\n) AS {alias}{clause}"
        return f"SELECT {columns}\nFROM (\n{inner}\n) AS {alias}"
