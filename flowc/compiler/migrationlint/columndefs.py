"""The grammar of columns and constraints, as CREATE TABLE and ALTER TABLE share it."""

from __future__ import annotations

from sqlglot.tokens import Token, TokenType

from flowc.catalog import TableName
from flowc.compiler.migrationlint.facts import ColumnDef, Constraint, Default, TypeName
from flowc.compiler.migrationlint.tokens import Cursor, UnreadError, is_text, split, word_of, words

# What may follow a column's type or its default.
_AFTER_TYPE = words(
    "NOT NULL DEFAULT GENERATED AS PRIMARY KEY UNIQUE CHECK REFERENCES COLLATE CONSTRAINT DEFERRABLE INITIALLY"
    " STORAGE COMPRESSION AUTO_INCREMENT AUTOINCREMENT COMMENT CHARSET FIRST AFTER USING VIRTUAL STORED PERSISTENT"
    " OPTIONS ON INVISIBLE VISIBLE ,"
)
_AFTER_DEFAULT = _AFTER_TYPE - {"AS", "USING"}
_TABLE_CONSTRAINTS = frozenset(("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE"))
_ALIASES = {
    "int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "bool": "boolean",
    "varchar": "character varying", "char": "character", "bpchar": "character", "decimal": "numeric", "dec": "numeric",
    "float8": "double precision", "float4": "real", "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone", "timestamp without time zone": "timestamp", "time without time zone": "time",
    "serial4": "serial", "serial8": "bigserial", "serial2": "smallserial", "varbit": "bit varying",
}  # fmt: skip
_VALUES = frozenset(("TRUE", "FALSE", "NULL"))


def read_type(cursor: Cursor) -> TypeName:
    """Reads a type: its words, its arguments and brackets.

    Raises:
        UnreadError: when none comes.
    """
    parts: list[str] = []
    args: tuple[str, ...] = ()
    array = False
    while not cursor.done and not (parts and _ends_type(cursor)):
        if cursor.at("("):
            args = tuple("".join(_written(part)) for part in split(cursor.group()))
        elif cursor.take("["):
            array = _skip_bracket(cursor)
        elif cursor.take("ARRAY"):
            array = True
        else:
            parts.append(_type_word(cursor))
    if not parts:
        raise UnreadError
    name = " ".join(parts).replace(" . ", ".").removeprefix("pg_catalog.")
    return TypeName(_ALIASES.get(name, name), args, array)


def _ends_type(cursor: Cursor) -> bool:
    return cursor.at_any(_AFTER_TYPE) or cursor.at("CHARACTER", "SET")


def _type_word(cursor: Cursor) -> str:
    token = cursor.peek()
    if token is not None and token.text == ".":
        return str(cursor.next().text)
    return cursor.ident()


def _skip_bracket(cursor: Cursor) -> bool:
    while not cursor.take("]"):
        cursor.next()
    return True


def _written(cursor: Cursor) -> list[str]:
    """The tokens as text; literal texts in quotes."""
    return [f"'{t.text}'" if is_text(t) else t.text for t in cursor.tokens]


def read_default(cursor: Cursor) -> Default:
    """Reads the expression of a DEFAULT.

    Raises:
        UnreadError: when none comes.
    """
    if cursor.done:
        raise UnreadError
    start = cursor.at_index
    cursor.until(_AFTER_DEFAULT)
    tokens = cursor.tokens[start : cursor.at_index]
    if not tokens:
        raise UnreadError
    part = Cursor(tokens, cursor.dialect)
    functions = tuple(
        token.text.lower()
        for token, after in zip(tokens, [*tokens[1:], None], strict=True)
        if word_of(after) == "(" and token.token_type is not TokenType.L_PAREN and _is_call(token.text)
    )
    value = _value(list(tokens), cursor.dialect)
    return Default(" ".join(_written(part)), functions, word_of(value) == "NULL", value is not None)


def _value(tokens: list[Token], dialect: str) -> Token | None:
    """The one literal that a default is, also in parentheses or with a sign; None for an expression.

    SQLite takes a name that is none of its words for a text.
    """
    while len(tokens) > 2 and word_of(tokens[0]) == "(" and word_of(tokens[-1]) == ")":
        tokens = tokens[1:-1]
    if tokens and word_of(tokens[0]) in ("-", "+"):
        tokens = tokens[1:]
    if len(tokens) != 1:
        return None
    (token,) = tokens
    named = dialect == "sqlite" and _is_name(token)
    known = is_text(token) or token.token_type is TokenType.NUMBER or word_of(token) in _VALUES
    return token if known or named else None


def _is_name(token: Token) -> bool:
    return token.token_type is TokenType.IDENTIFIER or not word_of(token).startswith("CURRENT_")


def _is_call(text: str) -> bool:
    return text[:1].isalpha() or text[:1] == "_"


def read_column(cursor: Cursor) -> ColumnDef:
    """Reads a column's definition up to a comma or the end.

    Raises:
        UnreadError: at what it does not know.
    """
    name = cursor.ident()
    typed = None if cursor.done or cursor.at_any(_AFTER_TYPE - {"KEY"}) else read_type(cursor)
    found = _ColumnParts(typed)
    while not cursor.done and not cursor.at(",") and not cursor.at_any(("FIRST", "AFTER")):
        _read_part(cursor, found)
    key = any(c.kind == "primary key" for c in found.constraints)
    return ColumnDef(
        name, typed, found.not_null or key, found.default, found.generated, found.identity, tuple(found.constraints)
    )


class _ColumnParts:
    def __init__(self, typed: TypeName | None) -> None:
        self.type = typed
        self.not_null = False
        self.default: Default | None = None
        self.generated: str | None = None
        self.identity = False
        self.constraints: list[Constraint] = []


def _read_part(cursor: Cursor, found: _ColumnParts) -> None:
    name = cursor.ident() if cursor.take("CONSTRAINT") else None
    if cursor.take("NOT", "NULL"):
        found.not_null = True
        _read_state(cursor)
    elif cursor.take("NULL"):
        pass
    elif cursor.take("DEFAULT"):
        found.default = read_default(cursor)
    elif cursor.at("GENERATED") or cursor.at("AS"):
        _read_generated(cursor, found)
    elif constraint := _inline_constraint(cursor, name):
        found.constraints.append(constraint)
    elif cursor.take_any("AUTO_INCREMENT", "AUTOINCREMENT"):
        found.identity = True
    else:
        _read_property(cursor)


def _read_generated(cursor: Cursor, found: _ColumnParts) -> None:
    if cursor.take("GENERATED"):
        if not cursor.take("ALWAYS"):
            cursor.expect("BY", "DEFAULT")
        _ = cursor.take("ON", "NULL")
    cursor.expect("AS")
    if cursor.take("IDENTITY"):
        found.identity = True
        if cursor.at("("):
            cursor.group()
        return
    cursor.group()
    word = cursor.take_any("STORED", "VIRTUAL", "PERSISTENT")
    # PostgreSQL 18 and the others take VIRTUAL where nothing is said; PostgreSQL before it knows only STORED.
    found.generated = "stored" if word in ("STORED", "PERSISTENT") else "virtual"


def _inline_constraint(cursor: Cursor, name: str | None) -> Constraint | None:
    if cursor.take("PRIMARY", "KEY") or (cursor.dialect in ("mysql", "mariadb") and cursor.take("KEY")):
        _ = cursor.take_any("ASC", "DESC")
        _read_state(cursor)
        return Constraint("primary key", name, inline=True)
    if cursor.take("UNIQUE"):
        _ = cursor.take("KEY")
        _read_state(cursor)
        return Constraint("unique", name, inline=True)
    if cursor.take("CHECK"):
        columns = not_null_columns(cursor.group())
        _read_state(cursor)
        return Constraint("check", name, not_null=columns, inline=True)
    if cursor.take("REFERENCES"):
        table = _read_references(cursor)
        return Constraint("foreign key", name, references=table, inline=True)
    return None


def _read_property(cursor: Cursor) -> None:
    """What says nothing about rows: collation, storage, comments.

    Raises:
        UnreadError: for anything else.
    """
    if cursor.take("COLLATE"):
        cursor.name()
    elif cursor.take("CHARACTER", "SET") or cursor.take_any("CHARSET", "STORAGE", "COMPRESSION"):
        _ = cursor.take("=")
        cursor.ident()
    elif cursor.take("COMMENT"):
        cursor.text()
    elif cursor.take("ON", "UPDATE"):
        read_default(cursor)
    elif not cursor.take_any("VISIBLE", "INVISIBLE", "UNSIGNED", "ZEROFILL"):
        _read_state(cursor, must=True)


_STATES: tuple[tuple[str, ...], ...] = (
    ("NOT", "DEFERRABLE"), ("DEFERRABLE",), ("INITIALLY", "DEFERRED"), ("INITIALLY", "IMMEDIATE"), ("NO", "INHERIT"),
    ("NOT", "ENFORCED"), ("ENFORCED",), ("NULLS", "NOT", "DISTINCT"), ("NULLS", "DISTINCT"), ("AUTOINCREMENT",),
    ("ON", "CONFLICT", "ROLLBACK"), ("ON", "CONFLICT", "ABORT"), ("ON", "CONFLICT", "FAIL"),
    ("ON", "CONFLICT", "IGNORE"), ("ON", "CONFLICT", "REPLACE"), ("USING", "BTREE"), ("USING", "HASH"),
)  # fmt: skip


def _read_state(cursor: Cursor, *, must: bool = False) -> bool:
    """Reads what follows a constraint; True when NOT VALID was among it."""
    valid, any_read = True, False
    while True:
        if cursor.take("NOT", "VALID"):
            valid = False
        elif cursor.take("USING", "INDEX", "TABLESPACE"):
            cursor.ident()
        elif cursor.take_any("WITH", "INCLUDE"):
            cursor.group()
        elif not any(cursor.take(*state) for state in _STATES):
            break
        any_read = True
    if must and not any_read:
        raise UnreadError
    return not valid


def _read_references(cursor: Cursor) -> TableName:
    table = cursor.name()
    if cursor.at("("):
        cursor.group()
    if cursor.take("MATCH"):
        cursor.next()
    while cursor.take("ON", "DELETE") or cursor.take("ON", "UPDATE"):
        if not cursor.take("NO", "ACTION") and not cursor.take_any("CASCADE", "RESTRICT"):
            cursor.expect("SET")
            cursor.next()
            if cursor.at("("):
                cursor.group()
    return table


def starts_constraint(cursor: Cursor) -> bool:
    """Whether a table's constraint comes next, not a column."""
    return cursor.at_any(_TABLE_CONSTRAINTS)


def read_constraint(cursor: Cursor) -> Constraint:
    """Reads a table's constraint.

    Raises:
        UnreadError: when none comes or it is not understood.
    """
    name = None
    if cursor.take("CONSTRAINT") and not cursor.at_any(_TABLE_CONSTRAINTS - {"CONSTRAINT"}):
        name = cursor.ident()
    constraint = _read_body(cursor, name)
    not_valid = _read_state(cursor)
    return Constraint(
        constraint.kind, name, constraint.columns, not_valid, constraint.using_index, constraint.references,
        constraint.not_null,
    )  # fmt: skip


def _read_body(cursor: Cursor, name: str | None) -> Constraint:
    if cursor.take("PRIMARY", "KEY"):
        return _read_key(cursor, "primary key")
    if cursor.take("UNIQUE"):
        _ = cursor.take_any("KEY", "INDEX")
        _ = cursor.take("NULLS", "NOT", "DISTINCT") or cursor.take("NULLS", "DISTINCT")
        return _read_key(cursor, "unique")
    if cursor.take("CHECK"):
        return Constraint("check", not_null=not_null_columns(cursor.group()))
    if cursor.take("FOREIGN", "KEY"):
        if not cursor.at("("):
            cursor.ident()
        columns = cursor.names()
        cursor.expect("REFERENCES")
        return Constraint("foreign key", columns=columns, references=_read_references(cursor))
    if cursor.take("EXCLUDE"):
        return _read_exclusion(cursor)
    cursor.expect("NOT", "NULL")  # PostgreSQL 18: a NOT NULL that can be added NOT VALID
    return Constraint("not null", columns=(cursor.ident(),))


def _read_key(cursor: Cursor, kind: str) -> Constraint:
    if cursor.take("USING", "INDEX"):
        return Constraint(kind, using_index=cursor.ident())
    if not cursor.at("(") and not cursor.at("USING"):
        cursor.ident()
    if cursor.take("USING"):  # MySQL's USING BTREE
        cursor.ident()
    return Constraint(kind, columns=cursor.names())


def _read_exclusion(cursor: Cursor) -> Constraint:
    if cursor.take("USING"):
        cursor.ident()
    cursor.group()
    if cursor.take("INCLUDE"):
        cursor.group()
    if cursor.take("WHERE"):
        cursor.group()
    return Constraint("exclude")


def not_null_columns(cursor: Cursor) -> tuple[str, ...]:
    """The columns that a condition keeps from being NULL: its terms `c IS NOT NULL` joined by AND."""
    found = []
    for term in split(cursor, "AND"):
        inner = term
        while inner.at("(") and word_of(inner.tokens[-1]) == ")":
            inner = Cursor(inner.tokens[1:-1], inner.dialect)
        try:
            column = inner.ident()
        except UnreadError:
            continue
        if inner.take("IS", "NOT", "NULL") and inner.done:
            found.append(column)
    return tuple(found)
