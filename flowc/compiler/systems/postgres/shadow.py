"""A change of type on a large PostgreSQL table, beside its readers and writers.

A second column is kept up to date by a trigger, filled piece by piece, and takes the first one's place once every row
is known to hold the same value in both. A column that bears what the second one would not is changed in place.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import md5

from flowc.catalog import SHADOW_MARK, Column, Table, counts
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.migrate.compare import SHADOW
from flowc.compiler.migrate.facts import Act, statement
from flowc.compiler.migrate.retype import Retype, retype
from flowc.compiler.migrate.statements import alter
from flowc.compiler.quote import ident, table, text
from flowc.compiler.tables.ddl import column_definition
from flowc.migration import Statement

LARGE = 100_000
"""From so many rows on (by the planner's estimate), a table is not written anew under a lock."""
_PAGES = 1000
"""Pages that are filled between two commits: 8 MB."""
_SETTINGS = ("TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output")
"""What a text of a value depends on: writers with settings of their own get the values that the apply would make."""


def is_large(situation: Situation) -> bool:
    """Whether others would wait for long while the table is written anew."""
    return (situation.live.rows or 0) >= LARGE


def wants_shadow(was: Column, situation: Situation) -> bool:
    """Whether the table is large, and a second column can bear all that the first one does."""
    return is_large(situation) and not borne(was, situation)


def borne(was: Column, situation: Situation) -> tuple[str, ...]:
    """What would be lost by a second column, or keeps it from being one, in words."""
    live, new = situation.live, was.name + SHADOW
    found = [*was.beyond, *live.beyond, *live.dependents]
    found += [] if live.plain else ["partitions"]
    found += ["values that the engine makes itself"] if counts(was.default) else []
    found += [f"a name too long for `{new}`"] if situation.dialect.too_long(new) else []
    taken = live.column(new) and all(left.name != new for left in live.leftovers)
    return (*found, *([f"another column `{new}`"] if taken else []))


def shadow(was: Column, now: Column, situation: Situation) -> tuple[Statement, ...]:
    """The statements. What a crash leaves of them is cleared away before they begin anew."""
    new = was.name + SHADOW
    found = retype(was, Column(now.name, now.type), situation)
    return (
        *_expand(was, Column(new, now.type), found.value, situation),
        statement(Act.FILL_COLUMN, _fill(was.name, new, situation), "fill it piece by piece", situation.dialect),
        *_prove(was, now, found, situation),
        *_swap(was, now, new, situation),
    )


def _names(column: str, situation: Situation) -> tuple[str, str]:
    mark = md5(f"{situation.live.name}.{column}".encode(), usedforsecurity=False).hexdigest()[:12]
    schema = f"{ident(situation.live.name.schema)}." if situation.live.name.schema else ""
    return f"{schema}{ident(f'flowc_sync_{mark}')}", ident(f"flowc_sync_{mark}")


def _expand(was: Column, new: Column, value: str, situation: Situation) -> tuple[Statement, ...]:
    """The second column and what keeps it up to date, whoever writes: replicas too."""
    live, dialect = table(situation.live.name), situation.dialect
    function, trigger = _names(was.name, situation)
    comment = f"COMMENT ON COLUMN {live}.{ident(new.name)} IS {text(SHADOW_MARK, dialect)}"
    hang = f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {live} FOR EACH ROW EXECUTE FUNCTION {function}()"
    add = alter(situation, f"ADD COLUMN {column_definition(new, dialect)}")
    always = alter(situation, f"ENABLE ALWAYS TRIGGER {trigger}")
    made = _function(function, was.name, new.name, value, situation)
    steps = (
        (Act.ADD_COLUMN, add, "a second column of the new type"),
        (Act.COMMENT, comment, "mark it as flowc's"),
        (Act.MAKE_FUNCTION, made, "what keeps it up to date"),
        (Act.CREATE_TRIGGER, hang, "keep it up to date"),
        (Act.ENABLE_TRIGGER, always, "for rows that a replica is sent, too"),
    )
    return tuple(statement(*step, dialect) for step in steps)


def _function(function: str, old: str, new: str, value: str, situation: Situation) -> str:
    """A value that cannot be converted stays NULL: no statement of an application fails before the type has changed."""
    computed = f"(SELECT {value} FROM (SELECT NEW.{ident(old)} AS {ident(old)}) AS flowc)"
    body = (
        f"BEGIN NEW.{ident(new)} := {computed}; RETURN NEW; "
        f"EXCEPTION WHEN OTHERS THEN NEW.{ident(new)} := NULL; RETURN NEW; END"
    )
    settings = " ".join(f"SET {name} FROM CURRENT" for name in _SETTINGS)
    words = text(body, situation.dialect)
    return (
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql "
        f"SET search_path = pg_catalog {settings} AS {words}"
    )


def _fill(old: str, new: str, situation: Situation) -> str:
    """Touches each row, whose trigger does the rest."""
    live = table(situation.live.name)
    update = (
        f"UPDATE ONLY {live} SET {ident(new)} = NULL WHERE ctid >= format('(%s,0)', page)::tid "
        f"AND ctid < format('(%s,0)', page + {_PAGES})::tid AND {ident(old)} IS NOT NULL AND {ident(new)} IS NULL"
    )
    size = f"pg_relation_size({text(live, situation.dialect)}::regclass) / current_setting('block_size')::bigint"
    body = (
        f"DECLARE page bigint := 0; pages bigint := {size}; BEGIN WHILE page <= pages LOOP {update}; COMMIT; "
        f"page := page + {_PAGES}; END LOOP; END"
    )
    return f"DO {text(body, situation.dialect)}"


def _prove(was: Column, now: Column, found: Retype, situation: Situation) -> tuple[Statement, ...]:
    """Stops where one row does not hold the same value in both columns, while nobody can write another one."""
    live, dialect = table(situation.live.name), situation.dialect
    differs = f"{ident(was.name + SHADOW)} IS DISTINCT FROM {found.value}"
    wrong = f"CASE WHEN {found.misfit} THEN TRUE ELSE {differs} END" if found.misfit else differs
    words = (
        f" row(s) of `{situation.live.name}` hold no {now.type} in `{was.name}`, or were missed by its second column"
    )
    mend = text("the column is as it was; mend them, or apply again", dialect)
    body = (
        f"DECLARE found bigint := (SELECT count(*) FROM {live} WHERE {wrong}); BEGIN IF found > 0 THEN "
        f"RAISE check_violation USING MESSAGE = found || {text(words, dialect)}, DETAIL = {mend}; END IF; END"
    )
    lock = f"LOCK TABLE {live} IN ACCESS EXCLUSIVE MODE"
    bare = Table(situation.live.name, (was,))
    locked = statement(Act.LOCK_TABLE, lock, "let nobody write while all values are compared", dialect)
    compared = statement(Act.COMPARE_COLUMNS, f"DO {text(body, dialect)}", "compare all values", dialect)
    return (replace(locked, bare=bare), compared)


def _swap(was: Column, now: Column, new: str, situation: Situation) -> tuple[Statement, ...]:
    """The second column takes the first one's place, with its NOT NULL, default and comment."""
    live, column = table(situation.live.name), ident(now.name)
    function, trigger = _names(was.name, situation)
    comment = "NULL" if was.comment is None else text(was.comment, situation.dialect)
    new_column = alter(situation, f"RENAME COLUMN {ident(new)} TO {column}")
    required = alter(situation, f"ALTER COLUMN {column} SET NOT NULL")
    default = alter(situation, f"ALTER COLUMN {column} SET DEFAULT {now.default}")
    steps = [
        (Act.DROP_TRIGGER, f"DROP TRIGGER {trigger} ON {live}", "stop keeping up"),
        (Act.DROP_FUNCTION, f"DROP FUNCTION {function}()", "clear away"),
        (Act.DROP_COLUMN, alter(situation, f"DROP COLUMN {ident(was.name)}"), "the old column goes"),
        (Act.RENAME_COLUMN, new_column, "the new one takes its place"),
        (Act.COMMENT, f"COMMENT ON COLUMN {live}.{column} IS {comment}", "with its comment"),
    ]
    steps += [] if was.nullable or now.nullable else [(Act.SET_NOT_NULL, required, "as it is required")]
    steps += [] if now.default is None else [(Act.SET_DEFAULT, default, "with its default")]
    return tuple(statement(*step, situation.dialect) for step in steps)
