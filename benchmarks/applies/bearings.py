"""What tables bear that no spec declares: columns, checks, foreign keys, indexes, triggers, grants, children.

Made in the engines' own SQL, behind flowc's back, after the table was created.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping

from benchmarks.applies.shapes import Field, Shape
from tests.stores import Store

READER = "flowc_reader"
"""Who is granted something on servers."""


def bear(store: Store, shape: Shape, chance: random.Random) -> None:
    """Gives the table `t` of that shape some of what tables bear on that engine."""
    store.run("CREATE TABLE p (id INTEGER PRIMARY KEY)", "INSERT INTO p VALUES (1), (2)")
    _TABLES[store.kind](store, shape, chance)
    store.run(*(sql for make in _ANY[store.kind] if chance.random() < 0.5 for sql in make(shape.fields, chance)))


def _rewritten(store: Store, shape: Shape, chance: random.Random) -> None:
    """On engines that cannot add constraints to a table: it is made again from its own text, with them in it."""
    query = "SELECT sql FROM sqlite_master WHERE name = 't'" if store.kind == "sqlite" else (
        "SELECT sql FROM duckdb_tables() WHERE table_name = 't'"
    )  # fmt: skip
    text = str(store.raw(query)[0][0]).rstrip().rstrip(";")
    indexes = [row[0] for row in store.raw(_OWN_INDEXES[store.kind])]
    for field in shape.fields:
        text = re.sub(rf'"?\b{field.name}\b"?', f'"{field.live}"', text, count=1)
    inside = text.partition("(")[2].rpartition(")")[0]
    own, rules = _columns(store.kind, chance), _constraints(store.kind, shape.fields, chance)
    made = f"CREATE TABLE {chance.choice(('t', 't', 'T'))} ({', '.join([*own, inside, *rules])})"
    store.run("DROP TABLE t", made, *indexes)


_OWN_INDEXES = {
    "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 't' AND sql IS NOT NULL",
    "duckdb": "SELECT sql FROM duckdb_indexes() WHERE table_name = 't'",
}


def _columns(kind: str, chance: random.Random) -> Iterator[str]:
    """Columns that nobody declares."""
    if chance.random() < 0.5:
        yield "extra VARCHAR(20) DEFAULT 'x'" + (" COLLATE NOCASE" if kind == "sqlite" else "")
    if kind == "sqlite" and chance.random() < 0.3:
        yield "loose NUMERIC DEFAULT 1.5"
    if kind == "sqlite" and chance.random() < 0.3:
        yield "parent INTEGER REFERENCES p (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED"


def _constraints(kind: str, fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    field = chance.choice(fields)
    if chance.random() < 0.5:
        yield f'CONSTRAINT sane CHECK (id >= 0 OR "{field.live}" IS NULL)'
    if kind == "sqlite" and chance.random() < 0.3:
        yield f'UNIQUE (id, "{field.live}") ON CONFLICT IGNORE'


def _altered(store: Store, shape: Shape, chance: random.Random) -> None:
    """On servers: columns and constraints are added."""
    field, mysql = chance.choice(shape.fields), store.kind == "mysql"
    for moved in shape.fields:
        if moved.live != moved.name:
            store.run(f'ALTER TABLE t RENAME COLUMN "{moved.name}" TO "{moved.live}"')
    if chance.random() < 0.5:
        words = " COMMENT 'Nobody''s' COLLATE utf8mb4_bin" if mysql else ""
        store.run(f"ALTER TABLE t ADD COLUMN extra VARCHAR(20){words} DEFAULT 'x'")
    if mysql and chance.random() < 0.3:
        store.run("ALTER TABLE t ADD COLUMN seen TIMESTAMP(6) NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(6)")
    if chance.random() < 0.5:
        store.run(f'ALTER TABLE t ADD CONSTRAINT sane CHECK (id >= 0 OR "{field.live}" IS NULL)')
    if chance.random() < 0.3:
        store.run("ALTER TABLE t ADD COLUMN parent INTEGER")
        store.run("ALTER TABLE t ADD CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES p (id) ON DELETE SET NULL")


_TABLES: Mapping[str, Callable[[Store, Shape, random.Random], None]] = {
    "sqlite": _rewritten, "duckdb": _rewritten, "postgres": _altered, "mysql": _altered,
}  # fmt: skip
Made = Callable[[tuple[Field, ...], random.Random], Iterator[str]]


def _texts(fields: tuple[Field, ...]) -> list[Field]:
    """Columns that an edit leaves texts, so that an expression over them stays one."""
    return [f for f in fields if f.texts and f.type != "digits"]


def _mixed_index(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    plain = [f for f in fields if not f.texts]
    if plain:
        yield f'CREATE INDEX by_two ON t ("{chance.choice(plain).live}" DESC, id)'


def _expression_index(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    texts = _texts(fields)
    if texts:
        yield f'CREATE INDEX by_lower ON t (lower("{chance.choice(texts).live}"))'


def _partial_index(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield f'CREATE INDEX by_part ON t (id) where "{chance.choice(fields).live}" is not null'


def _nocase_index(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield f'CREATE INDEX by_letters ON t ("{chance.choice(fields).live}" COLLATE NOCASE)'


def _collated_index(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    texts = _texts(fields)
    if texts:
        yield f'CREATE INDEX by_letters ON t ("{chance.choice(texts).live}" COLLATE "C" DESC NULLS LAST) INCLUDE (id)'


def _sqlite_trigger(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield "CREATE TABLE audit (id INTEGER)"
    yield "CREATE TRIGGER watched AFTER INSERT ON t BEGIN INSERT INTO audit VALUES (new.id); END"


def _mysql_trigger(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield "CREATE TABLE audit (id BIGINT)"
    yield "CREATE TRIGGER watched AFTER INSERT ON t FOR EACH ROW INSERT INTO audit VALUES (new.id)"


def _postgres_trigger(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield "CREATE TABLE audit (id BIGINT)"
    yield (
        "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END'"
    )
    yield "CREATE TRIGGER watched AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION watch()"


def _child_key(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield "CREATE TABLE k (of_t BIGINT REFERENCES t (id))"
    yield "INSERT INTO k SELECT NULL"


def _mysql_child_key(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield "CREATE TABLE k (of_t BIGINT, CONSTRAINT of_t FOREIGN KEY (of_t) REFERENCES t (id))"


def _postgres_grants(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield f"DO $$BEGIN CREATE ROLE {READER}; EXCEPTION WHEN duplicate_object THEN NULL; END$$"
    yield f"GRANT SELECT ON t TO {READER}"
    yield f'GRANT UPDATE ("{chance.choice(fields).live}") ON t TO {READER}'


def _mysql_grants(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield f"CREATE USER IF NOT EXISTS '{READER}'@'127.0.0.1'"
    yield f"GRANT SELECT ON t TO '{READER}'@'127.0.0.1'"


def _inherited(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    yield "CREATE TABLE t_child (more INTEGER) INHERITS (t)"


def _postgres_words(fields: tuple[Field, ...], chance: random.Random) -> Iterator[str]:
    field = chance.choice(fields)
    yield f'ALTER TABLE t ALTER COLUMN "{field.live}" SET STATISTICS 321'
    yield f"COMMENT ON COLUMN t.\"{field.live}\" IS 'Nobody''s'"


_ANY: Mapping[str, tuple[Made, ...]] = {
    "sqlite": (_mixed_index, _expression_index, _partial_index, _nocase_index, _sqlite_trigger, _child_key),
    "duckdb": (_mixed_index, _expression_index),
    "postgres": (_mixed_index, _expression_index, _partial_index, _collated_index, _postgres_trigger, _child_key,
                 _postgres_grants, _inherited, _postgres_words),
    "mysql": (_mixed_index, _mysql_trigger, _mysql_child_key, _mysql_grants),
}  # fmt: skip
