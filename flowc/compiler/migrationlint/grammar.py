"""One statement's tokens to its facts: which grammar reads which first word."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot.tokens import Token

from flowc.catalog import TableName
from flowc.compiler.migrationlint.altertable import read_action
from flowc.compiler.migrationlint.columndefs import read_constraint
from flowc.compiler.migrationlint.createdrop import object_kind, read_create, read_drop
from flowc.compiler.migrationlint.facts import (
    AlterDomain,
    AlterEnum,
    Begin,
    Commit,
    Fact,
    LockTable,
    Maintain,
    Other,
    Refresh,
    Reindex,
    RenameIndex,
    RenameTable,
    RenameValue,
    SetTimeout,
    Truncate,
    Unread,
)
from flowc.compiler.migrationlint.rowwrites import read_rows
from flowc.compiler.migrationlint.tokens import Cursor, UnreadError, is_text, split, word_of, words

Action = tuple[Fact, int, int]
"""A fact and the first and last token of its words."""

_ALL: frozenset[str] = frozenset()
_TIMEOUTS = frozenset(("lock_timeout", "statement_timeout", "transaction_timeout", "innodb_lock_wait_timeout"))
_TIMEOUTS |= {"max_statement_time", "lock_wait_timeout", "max_execution_time"}
_MYSQL = ("mysql", "mariadb")


def read(tokens: list[Token], sql: str, dialect: str) -> list[Action]:
    """The facts of one statement, each with its first and last token; `Unread` where the grammar does not know it."""
    cursor = Cursor(tokens, dialect)
    last = len(tokens) - 1
    try:
        if cursor.at("ALTER") and _takes_table(cursor):
            return _alter_table(cursor)
        word = cursor.take_any(*_READERS)
        facts = _READERS[word](cursor) if word else read_rows(cursor, sql)
        if not cursor.done:
            raise UnreadError
    except UnreadError:
        at = min(cursor.at_index, last)
        return [(Unread(tokens[at].text[:40]), 0, last)]
    return [(fact, 0, last) for fact in facts]


def _takes_table(cursor: Cursor) -> bool:
    for form in (("ALTER", "TABLE"), ("ALTER", "FOREIGN", "TABLE"), ("ALTER", "ONLINE", "TABLE")):
        if cursor.take(*form):
            return True
    return bool(cursor.dialect in _MYSQL and cursor.take("ALTER", "IGNORE", "TABLE"))


def _alter_table(cursor: Cursor) -> list[Action]:
    _ = cursor.take("IF", "EXISTS")
    if cursor.take("ALL", "IN", "TABLESPACE"):
        cursor.until(_ALL)
        return [(Other("alter all tables"), 0, len(cursor.tokens) - 1)]
    _ = cursor.take("ONLY")
    table = cursor.name()
    _ = cursor.take("*")
    found: list[Action] = []
    while True:
        start = cursor.at_index
        facts = read_action(cursor, table)
        end = cursor.at_index - 1
        found += [(fact, start, end) for fact in facts]
        if not cursor.take(","):
            break
    if not cursor.done:
        raise UnreadError
    return found


def _alter_other(cursor: Cursor) -> list[Fact]:
    if cursor.take("TYPE"):
        return _alter_type(cursor)
    if cursor.take("DOMAIN"):
        return _alter_domain(cursor)
    if cursor.take("INDEX"):
        return _alter_index(cursor)
    view = cursor.take("MATERIALIZED", "VIEW") or cursor.take("VIEW")
    if view or cursor.at("SEQUENCE"):
        kind = "view" if view else cursor.next().text.lower()
        _ = cursor.take("IF", "EXISTS")
        name = cursor.name()
        if view and cursor.take("RENAME", "TO"):
            return [RenameTable(name, cursor.name(), view=True)]
        cursor.until(_ALL)
        return [Other(f"alter {kind}")]
    kind = "" if cursor.at_any(("SYSTEM", "DEFAULT", "LARGE")) else object_kind(cursor)
    kind = kind or cursor.next().text.lower()
    table = _policy_table(cursor) if kind in ("policy", "trigger", "rule") else None
    if not cursor.until(_ALL).tokens and table is None:
        raise UnreadError
    return [Other(f"alter {kind}", table)]


def _policy_table(cursor: Cursor) -> TableName | None:
    cursor.ident()
    return cursor.name() if cursor.take("ON") else None


def _alter_type(cursor: Cursor) -> list[Fact]:
    name = cursor.name()
    if cursor.take("RENAME", "VALUE"):
        value = cursor.text()
        cursor.expect("TO")
        return [RenameValue(name, value, cursor.text())]
    if not cursor.take("ADD", "VALUE"):
        if not cursor.until(_ALL).tokens:
            raise UnreadError
        return [Other("alter type")]
    exists = cursor.take("IF", "NOT", "EXISTS")
    value = cursor.text()
    placed = bool(cursor.take_any("BEFORE", "AFTER"))
    if placed:
        cursor.text()
    return [AlterEnum(name, value, placed, exists)]


def _alter_domain(cursor: Cursor) -> list[Fact]:
    name = cursor.name()
    if cursor.take("SET", "NOT", "NULL"):
        return [AlterDomain(name)]
    if cursor.take("ADD"):
        return [AlterDomain(name, read_constraint(cursor).not_valid)]
    validates = cursor.at("VALIDATE", "CONSTRAINT")
    if not cursor.until(_ALL).tokens:
        raise UnreadError
    return [AlterDomain(name, validates=True) if validates else Other("alter domain")]


def _alter_index(cursor: Cursor) -> list[Fact]:
    _ = cursor.take("IF", "EXISTS")
    name = cursor.name()
    if cursor.take("RENAME", "TO"):
        return [RenameIndex(name, cursor.ident())]
    if not cursor.until(_ALL).tokens:
        raise UnreadError
    return [Other("alter index")]


def _truncate(cursor: Cursor) -> list[Fact]:
    _ = cursor.take("TABLE")
    names: list[TableName] = []
    while not names or cursor.take(","):
        _ = cursor.take("ONLY")
        names.append(cursor.name())
        _ = cursor.take("*")
    _ = cursor.take("RESTART", "IDENTITY") or cursor.take("CONTINUE", "IDENTITY")
    cascade = cursor.take_any("CASCADE", "RESTRICT") == "CASCADE"
    return [Truncate(name, cascade) for name in names]


def _begin(cursor: Cursor) -> list[Fact]:
    cursor.until(_ALL)
    return [Begin()]


def _start(cursor: Cursor) -> list[Fact]:
    cursor.expect("TRANSACTION")
    return _begin(cursor)


def _commit(cursor: Cursor) -> list[Fact]:
    _ = cursor.take_any("TRANSACTION", "WORK")
    prepared = cursor.take("PREPARED")
    cursor.until(_ALL)
    return [Other("commit prepared")] if prepared else [Commit()]


def _rollback(cursor: Cursor) -> list[Fact]:
    _ = cursor.take_any("TRANSACTION", "WORK")
    part = cursor.at("TO") or cursor.at("PREPARED")
    cursor.until(_ALL)
    return [Other("rollback to savepoint")] if part else [Commit(rollback=True)]


def _set(cursor: Cursor) -> list[Fact]:
    local = cursor.take_any("LOCAL", "SESSION", "GLOBAL") == "LOCAL"
    _ = cursor.take_any("@", "@@")
    if cursor.take_any("SESSION", "GLOBAL"):
        cursor.next()  # the dot of @@SESSION.name
    name = cursor.name()
    if name.schema or name.name not in _TIMEOUTS or not (cursor.take("=") or cursor.take("TO")):
        cursor.until(_ALL)
        return [Other("set")]
    value = "".join(token.text for token in cursor.until(_ALL).tokens)
    if not value:
        raise UnreadError
    off = value.lower() in ("default", "0", "0ms", "0s") or value.lower() == "0min"
    return [SetTimeout(name.name, value, local, off)]


def _reindex(cursor: Cursor) -> list[Fact]:
    concurrently = "CONCURRENTLY" in _options(cursor)
    kind = cursor.take_any("INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM").lower()
    if not kind:
        cursor.until(_ALL)
        return [Other("reindex")]  # SQLite's, of a collation
    concurrently |= cursor.take("CONCURRENTLY")
    return [Reindex(kind, None if cursor.done else cursor.name(), concurrently)]


def _vacuum(cursor: Cursor) -> list[Fact]:
    options = _options(cursor)
    while word := cursor.take_any("FULL", "FREEZE", "VERBOSE", "ANALYZE"):
        options.append(word)
    action = "vacuum full" if "FULL" in options else "vacuum"
    return _maintained(cursor, action)


def _options(cursor: Cursor) -> list[str]:
    """The options in parentheses that are switched on."""
    return [word for part in split(cursor.group()) if (word := _switched_on(part))] if cursor.at("(") else []


def _switched_on(option: Cursor) -> str:
    """The name of an option that is not switched off: `FULL`, `FULL true`."""
    name = option.next().text.upper()
    return "" if option.at_any(("FALSE", "OFF", "0")) else name


def _maintained(cursor: Cursor, action: str, *, concurrently: bool = False) -> list[Fact]:
    if cursor.done:
        return [Maintain(action, None, concurrently)]
    found: list[Fact] = []
    for part in split(cursor.until(_ALL)):
        _ = part.take("ONLY")
        found.append(Maintain(action, part.name(), concurrently))
    return found


def _analyze(cursor: Cursor) -> list[Fact]:
    if cursor.at("("):
        cursor.group()
    _ = cursor.take("VERBOSE")
    _ = cursor.take("TABLE")
    return _maintained(cursor, "analyze")


def _cluster(cursor: Cursor) -> list[Fact]:
    if cursor.at("("):
        cursor.group()
    _ = cursor.take("VERBOSE")
    return _maintained(cursor, "cluster")


def _repack(cursor: Cursor) -> list[Fact]:
    concurrently = "CONCURRENTLY" in _options(cursor)
    return _maintained(cursor, "repack", concurrently=concurrently)


def _refresh(cursor: Cursor) -> list[Fact]:
    cursor.expect("MATERIALIZED", "VIEW")
    concurrently = cursor.take("CONCURRENTLY")
    name = cursor.name()
    cursor.until(_ALL)
    return [Refresh(name, concurrently)]


def _lock(cursor: Cursor) -> list[Fact]:
    _ = cursor.take_any("TABLE", "TABLES")
    _ = cursor.take("ONLY")
    name = cursor.name()
    mode = "access exclusive"
    tail = cursor.until(_ALL)
    if tail.take("IN"):
        mode = " ".join(t.text.lower() for t in tail.until(frozenset(("MODE",))).tokens)
    return [LockTable(name, mode)]


def _rename(cursor: Cursor) -> list[Fact]:
    """MySQL's RENAME TABLE."""
    if cursor.take("USER"):
        cursor.until(_ALL)
        return [Other("rename user")]
    cursor.expect("TABLE")
    found: list[Fact] = []
    while not found or cursor.take(","):
        name = cursor.name()
        cursor.expect("TO")
        found.append(RenameTable(name, cursor.name()))
    return found


def _comment(cursor: Cursor) -> list[Fact]:
    cursor.expect("ON")
    kind = cursor.take_any("TABLE", "COLUMN", "CONSTRAINT")
    table = cursor.name() if kind == "TABLE" else None
    if not cursor.until(_ALL).tokens:
        raise UnreadError
    return [Other("comment on constraint" if kind == "CONSTRAINT" else "comment", table)]


def _block(cursor: Cursor) -> list[Fact]:
    if not any(is_text(token) or word_of(token) for token in cursor.until(_ALL).tokens):
        raise UnreadError
    return [Unread("DO", block=True)]


def _known(what: str) -> Callable[[Cursor], list[Fact]]:
    def take(cursor: Cursor) -> list[Fact]:
        if not cursor.until(_ALL).tokens:
            raise UnreadError
        return [Other(what)]

    return take


def _client(cursor: Cursor) -> list[Fact]:
    r"""A command of psql. What `\i` reads from another file is not looked at."""
    word = cursor.take_any("I", "IR", "INCLUDE", "INCLUDE_RELATIVE")
    cursor.until(_ALL)
    return [Unread(f"\\{word.lower()}") if word else Other("client command")]


_NO_TABLE = words(
    "GRANT REVOKE SAVEPOINT RELEASE RESET PRAGMA ATTACH DETACH INSTALL LOAD USE CALL COPY SHOW EXPLAIN NOTIFY"
    " REASSIGN IMPORT UNLOCK DISCARD OPTIMIZE FLUSH KILL XA CHECK REPAIR EXPORT PIVOT UNPIVOT FETCH MOVE"
    " DECLARE CLOSE EXECUTE PREPARE DEALLOCATE LISTEN UNLISTEN DELIMITER"
)
"""What is known, changes no table, and is not looked into."""
_READERS: dict[str, Callable[[Cursor], list[Fact]]] = {
    "ALTER": _alter_other,
    "CREATE": read_create,
    "DROP": read_drop,
    "TRUNCATE": _truncate,
    "BEGIN": _begin,
    "START": _start,
    "COMMIT": _commit,
    "END": _commit,
    "ROLLBACK": _rollback,
    "ABORT": _rollback,
    "SET": _set,
    "REINDEX": _reindex,
    "VACUUM": _vacuum,
    "ANALYZE": _analyze,
    "CLUSTER": _cluster,
    "REPACK": _repack,
    "REFRESH": _refresh,
    "LOCK": _lock,
    "RENAME": _rename,
    "COMMENT": _comment,
    "DO": _block,
    "SECURITY": _known("security label"),
    "CHECKPOINT": lambda cursor: [Other("checkpoint")],
    "\\": _client,
    ".": _known("client command"),
    **{word: _known(word.lower()) for word in _NO_TABLE},
}
