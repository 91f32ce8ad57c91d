"""The statements of `before` and `after`: they run in the load's transaction, and none of them may end it.

The first words of a statement tell it, on every engine but MySQL's: there a procedure, a prepared statement or a block
may commit too. Such a load runs in a transaction that the server lets nobody else end (`Apply.guarded`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlglot.tokens import Token

from flowc.compiler.dialect import NameRules
from flowc.compiler.dialects import DIALECTS, dialect_of
from flowc.compiler.sql.text.readonly import as_run
from flowc.compiler.sql.text.statements import read_statements, tokenize, word_of, words
from flowc.diagnostics import Reporter
from flowc.source import MappedText

_NAMED = (
    "name the target with its schema, and write names of other tables with theirs",
    "leave it out, and write names of other databases as `database.table`",
)
_ENDS = words("COMMIT ROLLBACK END ABORT BEGIN")
_PAIRS = (("START", "TRANSACTION"), ("PREPARE", "TRANSACTION"))
_DEFINES = words("ALTER CREATE DROP RENAME TRUNCATE")
_COMMITS = words(
    "GRANT REVOKE LOCK UNLOCK FLUSH OPTIMIZE REPAIR CHECK CACHE RESET INSTALL UNINSTALL START STOP CHANGE IMPORT XA "
    "SHUTDOWN CLONE BACKUP"
)
"""What MySQL or MariaDB commits before, as before what defines a table."""
_PLAIN = words(
    "SELECT WITH INSERT UPDATE DELETE REPLACE SET DO VALUES TABLE SHOW EXPLAIN DESCRIBE DESC SAVEPOINT RELEASE LOAD "
    "HANDLER PREPARE DEALLOCATE KILL CREATE DROP ANALYZE GET SIGNAL CHECKSUM ("
)
"""What MySQL runs without a look at another text, where it does not commit."""
_LEAVE_OUT = "leave it out: flowc begins the load's transaction and ends it"
_WHOLE = "leave it out; take back what a statement does by a statement of its own"
_BEFORE = "ends the transaction of the load: MySQL and MariaDB commit before it"
_OUTSIDE = "run it outside of the load"
_MENDS = {
    "TRUNCATE": "write `DELETE FROM …`, which is undone with the load",
    **dict.fromkeys(
        ("ALTER", "CREATE", "DROP", "RENAME"),
        "declare the table under `tables:`, or run it outside of the load; a temporary table may be made here",
    ),
}


def check_hook(text: MappedText, key: str, kind: str, reporter: Reporter, *, bare: bool = False) -> None:
    """Reports statements under `key` that end the transaction, as their text tells.

    With `bare`, the target is written without its schema, so that nothing before the load may change what that means.
    """
    dialect = dialect_of(kind)
    if kind not in DIALECTS or dialect.attached:
        return
    commits = dialect.transactions.implicit_commits
    found = read_statements(MappedText(_as_run(text.text, kind), text.file, text.segments), kind)
    # MySQL runs one statement at a time: what follows a semicolon belongs to a block.
    for statement in found[:1] if commits else found:
        ending = _ending(statement.tokens, commits=commits)
        if ending is not None:
            message = f"`{ending.words}` under `{key}` {ending.does}"
            reporter.error("transaction-ended", message, statement.span, helps=(ending.mend,))
        elif (moving := _moving(statement.tokens, dialect.names)) and (commits or (bare and key == "before")):
            message = f"`{moving}` under `{key}` changes which table the load means by its name"
            reporter.error("moved-target", message, statement.span, helps=(_NAMED[commits],))


def is_untold(sql: str, kind: str) -> bool:
    """Whether the statement may end the transaction, for all that its text tells."""
    found = _words(tokenize(_as_run(sql, kind), kind)) if dialect_of(kind).transactions.implicit_commits else []
    return bool(found) and (found[0] not in _PLAIN or found[:2] == ["SET", "STATEMENT"])


def _as_run(sql: str, kind: str) -> str:
    return as_run(sql.replace("\ufeff", " "), kind)  # SQLite and DuckDB pass over it, and no tokenizer does


def _words(tokens: Sequence[Token]) -> list[str]:
    return [word_of(token) for token in tokens]


class _Ending(NamedTuple):
    """The words of a statement that may not be, the mend, and what they do."""

    words: str
    mend: str = _LEAVE_OUT
    does: str = "ends the transaction of the load"


def _ending(tokens: Sequence[Token], *, commits: bool) -> _Ending | None:
    found = _words(tokens)
    pair = tuple(found[:2])
    if found[:1] == ["ROLLBACK"] and "TO" in found[1:3]:
        return _Ending("ROLLBACK TO SAVEPOINT", _WHOLE, "takes back a part of the load, which is kept or undone whole")
    if pair in _PAIRS or (found and found[0] in _ENDS and list(found[1:3]) != ["NOT", "ATOMIC"]):
        return _Ending(" ".join(pair if pair in _PAIRS else found[:1]))
    if not commits or not found:
        return None
    if found[0] == "SET" and _sets(tokens, "AUTOCOMMIT"):
        return _Ending("SET autocommit")
    if found[0] == "SET" and _sets(tokens, "COMPLETION_TYPE"):
        return _Ending("SET completion_type", does="changes how the transaction of the load ends")
    return _committing(found)


def _sets(tokens: Sequence[Token], wanted: str) -> bool:
    """Whether a SET has that name, quoted or not, at the left of a `=`; with one `@` it is a variable of the user's."""
    texts = [token.text.upper() for token in tokens]
    around = zip(texts, texts[1:], texts[2:], strict=False)
    return any(name == wanted and before != "@" and after in ("=", ":=") for before, name, after in around)


def _moving(tokens: Sequence[Token], names: NameRules) -> str | None:
    """The words that change where names without a schema are looked for."""
    found = _words(tokens)
    if found[:1] == ["USE"] and names.use:
        return "USE"
    if not names.search_path or not found:
        return None
    texts = [token.text.lower() for token in tokens]
    if found[0] in ("SET", "RESET"):
        name = next((t for t in texts[1:] if t not in ("local", "session", "global")), "")
        return f"{found[0]} {name}" if name in ("search_path", "schema") else None
    return "set_config('search_path', …)" if {"set_config", "search_path"} <= set(texts) else None


def _committing(found: Sequence[str]) -> _Ending | None:
    first, rest = found[0], list(found[1:4])
    if first in _DEFINES:
        own = first in ("CREATE", "DROP") and ("TEMPORARY TABLE" in " ".join(found[:5]) or rest[:1] == ["PREPARE"])
        return None if own else _Ending(first, _MENDS[first], _BEFORE)
    commits = first in _COMMITS or (first == "ANALYZE" and not {"TABLE", "TABLES"}.isdisjoint(rest))
    commits |= [first, *rest[:1]] in (["LOAD", "INDEX"], ["SET", "PASSWORD"])
    return _Ending(first, _OUTSIDE, _BEFORE) if commits else None
