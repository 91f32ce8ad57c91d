"""`f(payload -> 'key')` as PostgreSQL reads it: the parser takes a name before an arrow for a parameter."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

_AROUND = (exp.Binary, exp.Between, exp.In)
"""What binds less strongly than an arrow, or as strongly from the left."""


def with_parts(tree: exp.Expression, dialect: str) -> exp.Expression:
    """The tree with parts of documents where functions without a name stand, which PostgreSQL has none of."""
    if dialect != "postgres":
        return tree
    for found in list(tree.find_all(exp.Lambda)):
        if len(found.expressions) == 1 and isinstance(found.expressions[0], exp.Identifier):
            step = body = found.this
            while isinstance(step, _AROUND):
                step = step.this
            document = exp.Column(this=found.expressions[0])
            path = Dialect.get_or_raise(dialect).to_json_path(step.copy())
            part = exp.JSONExtract(this=document, expression=path, only_json_types=True)
            if step is body:
                found.replace(part)
            else:
                step.replace(part)
                found.replace(body)
    return tree
