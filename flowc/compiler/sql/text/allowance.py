"""How much may be written in the place of SQL: in proportion to what its author wrote, over a whole project.

Rules of ours and of sqlglot write some values twice or more, and where calls stand in each other, each level does so
again. What is written is what engines have to read in turn, and most SQL needs less than one part for each of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from traceback import walk_tb
from typing import Any

from sqlglot import ErrorLevel, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import UnsupportedError

from flowc.compiler.sql.text.sqltext import FAULTS

PARTS, PARTS_PER_NODE = 60_000, 10
"""How many parts may be written: so many in any project, and more for each part of its SQL."""
VALUES, CHARACTERS_PER_VALUE = 600, 50
"""How many values windows and running aggregates may put together: so many in any project, and more in longer SQL."""
_LEAVES = (exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Star, exp.Placeholder, exp.Anonymous, exp.DataType)
"""What every value ends with, or nearly: where values double, these do."""


class TooLarge(Exception):
    """More would be written than is allowed; `node` is what for, where that is known."""

    def __init__(self, node: exp.Expression | None = None) -> None:
        super().__init__("too many parts")
        self.node = node


class Unwritten(Exception):
    """sqlglot's generator failed for a tree, in its own code."""


@dataclass(slots=True)
class Allowance:
    """How many parts may still be written; once they are spent, no more SQL of the project is."""

    left: int = PARTS
    spent: bool = False
    values: int = VALUES
    """How many values may still be put together."""

    def admit(self, tree: exp.Expression) -> int:
        """Allows what a tree of the author's may need; the number of its parts."""
        nodes = sum(1 for _ in tree.walk())
        self.left += PARTS_PER_NODE * nodes
        return nodes

    def take(self, parts: int, node: exp.Expression | None = None) -> None:
        """Counts what is written; raises TooLarge."""
        self.left -= parts
        if self.left < 0:
            self.spent = True
            raise TooLarge(node)

    def text(self, tree: exp.Expression, dialect: str) -> str:
        """The text of a tree, which is changed on the way; raises UnsupportedError, Unwritten, TooLarge.

        Counted on the instance, for no Python class may inherit from sqlglot's generators.
        """
        generator = Dialect.get_or_raise(dialect).generator(unsupported_level=ErrorLevel.RAISE, max_unsupported=20)
        known = generator._dispatch
        counted = {kind: partial(self._counted, known[kind]) for kind in _LEAVES if kind in known}
        generator._dispatch = {**known, **counted}
        try:
            return str(generator.generate(tree, copy=False))
        except UnsupportedError:
            raise
        except FAULTS as error:
            # Its generators expect of many functions forms that its parser does not ask for. What fails in a handler
            # of flowc's is a bug of flowc's.
            if _is_ours(error):
                raise
            raise Unwritten from error

    def _counted(self, write: Callable[[Any, Any], str], generator: Any, node: exp.Expression) -> str:
        self.take(1)
        return write(generator, node)


def _is_ours(error: Exception) -> bool:
    """Whether code of flowc's failed, in a handler that the generator calls."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    name = str(frame.f_globals["__name__"])
    return name.startswith("flowc.") and name != __name__
