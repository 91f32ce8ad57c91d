"""Rules of MySQL and MariaDB: what copies a table, and what they do without saying."""

from __future__ import annotations

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import Algorithm, plain
from flowc.compiler.migrationlint.locks_mysql import appended
from flowc.compiler.migrationlint.rules.rows import needs_value
from flowc.compiler.migrationlint.rules.rule import MYSQL, WARNING, Context, Finding, Rule, found

_LISTS = ("enum", "set")


def _implicit(fact: f.AddColumn, context: Context) -> Finding | None:
    if context.is_new(fact.table) or not needs_value(fact.column):
        return None
    words = f"rows of `{fact.table}` silently get 0, '' or the like in `{fact.column.name}`"
    return found(words, f"say what old rows get: `ADD COLUMN {fact.column.name} … NOT NULL DEFAULT …`")


def _references(fact: f.CreateTable | f.AddColumn, context: Context) -> Finding | None:
    columns = fact.columns if isinstance(fact, f.CreateTable) else (fact.column,)
    names = [c.name for c in columns if c.has("foreign key")]
    if not names or context.version >= (9,):
        return None
    words = f"MySQL before 9.0 ignores REFERENCES beside a column: `{names[0]}` gets no foreign key"
    return found(words, f"write it as a line of its own: `FOREIGN KEY ({names[0]}) REFERENCES …`")


def _list(fact: f.AlterType, context: Context) -> Finding | None:
    if fact.type.name not in _LISTS or context.is_new(fact.table):
        return None
    old = context.history.types.get((plain(fact.table), fact.column))
    if old is not None and old.name == fact.type.name and appended(old, fact.type):
        return None
    copies = f"copies `{fact.table}`, and nothing can be written to it meanwhile"
    unless = "" if old is not None else ", unless values are only added at its end"
    words = f"the new list of values of `{fact.column}` {copies}{unless}"
    return found(words, "add values at the end alone; to remove some, first see that no row has them")


def _copies(fact: f.Fact, context: Context) -> Finding | None:
    if isinstance(fact, f.AlterType) or _is_key(fact) or context.is_new(getattr(fact, "table", None)):
        return None
    if context.effects.algorithm is Algorithm.COPY:
        return found("the table is copied, and nothing can be written to it meanwhile", _ONLINE)
    if not context.effects.concurrent_writes:
        return found("nothing can be written to the table while this runs", _ONLINE)
    return None


_ONLINE = "copy it in the background with gh-ost or pt-online-schema-change, or choose a quiet hour"


def _is_key(fact: f.Fact) -> bool:
    return isinstance(fact, f.AddConstraint) and fact.constraint.kind == "foreign key"


RULES = (
    Rule(
        code="implicit-default", severity=WARNING, what="Old rows get the empty value of a NOT NULL column.",
        on=(f.AddColumn,), check=_implicit, dialects=MYSQL, atlas=("MF103", "MY101"),
    ),
    Rule(
        code="ignored-references", severity=WARNING, what="REFERENCES beside a column has no effect.",
        on=(f.CreateTable, f.AddColumn), check=_references, dialects=("mysql",), atlas=("MY102",),
    ),
    Rule(
        code="redefined-enum", severity=WARNING, what="An ENUM or SET changes otherwise than at its end.",
        on=(f.AlterType,), check=_list, dialects=MYSQL,
        atlas=("MY110", "MY111", "MY112", "MY113", "MY120", "MY121", "MY122", "MY123"),
    ),
    Rule(
        code="copied-table", severity=WARNING, what="The whole table is copied, or writers wait.",
        on=(f.AddColumn, f.DropColumn, f.AddConstraint, f.DropConstraint, f.CreateIndex, f.TableOption), check=_copies,
        dialects=MYSQL,
    ),
)  # fmt: skip
