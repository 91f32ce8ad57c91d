"""Which statements end the transaction that they stand in, as their text tells."""

import pytest

from flowc.compiler.lowering.hooks import check_hook, is_untold
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile

EVERYWHERE = (
    "COMMIT", "commit;", "-- why\nCOMMIT", "/* why */ Rollback", "ROLLBACK TO SAVEPOINT a", "BEGIN", "begin immediate",
    "START TRANSACTION", "COMMIT AND CHAIN", "END", "\ufeffCOMMIT", "COMMIT\ufeff",
)  # fmt: skip
ENDS = {
    "postgres": (
        *EVERYWHERE, "ABORT", "PREPARE TRANSACTION 'x'", "SELECT 1; COMMIT; SELECT 2", "SELECT 'a\\'; COMMIT; --'",
        "/* a /* b */ c */ COMMIT", "SELECT $$;$$; COMMIT", "COMMIT; SELECT 'open", "SELECT $1,$2; COMMIT",
    ),
    "duckdb": (*EVERYWHERE, "ABORT", "SELECT 1; COMMIT; BEGIN"),
    "sqlite": (*EVERYWHERE, "END TRANSACTION"),
    "mysql": (
        *EVERYWHERE, "TRUNCATE t", "truncate table t", "# why\nTRUNCATE t", "/*! COMMIT */", "/*!50003 TRUNCATE */ t",
        "/*M!100100 COMMIT */", "CREATE TABLE t (a int)", "CREATE OR REPLACE VIEW v AS SELECT 1", "DROP TABLE t",
        "ALTER TABLE t ADD a int", "RENAME TABLE t TO u", "GRANT SELECT ON t TO u", "LOCK TABLES t WRITE",
        "UNLOCK TABLES", "FLUSH TABLES", "ANALYZE TABLE t", "ANALYZE LOCAL TABLE t", "OPTIMIZE TABLE t",
        "CHECK TABLE t", "SET autocommit = 1", "SET SESSION autocommit = 0", "SET @@session.autocommit = 1",
        "SET @@autocommit = 1", "SET @a = 1, autocommit = 1", "SET `autocommit` = 1",
        'SET @@session."autocommit" := 1', "CREATE TEMPORARY SEQUENCE s",
        "SET completion_type = 2", "SET SESSION completion_type = 'CHAIN'", "SET @@session.completion_type := 1",
        "SET PASSWORD = 'x'", "START SLAVE", "XA END 'x'",
        "LOAD INDEX INTO CACHE t", "CACHE INDEX t IN hot", "INSTALL SONAME 'x'",
    ),
}  # fmt: skip
STAYS = {
    "postgres": (
        "SELECT 'COMMIT'", "-- COMMIT\nSELECT 1", "SET LOCAL work_mem = '1MB'", "ANALYZE t", "CREATE TABLE t (a int)",
        "TRUNCATE t", "DO $$ BEGIN PERFORM 1; END $$", "CALL p()", "SAVEPOINT a", "PREPARE p AS SELECT 1",
        'INSERT INTO "commit" VALUES (1); SELECT 1', "LOCK TABLE t", "SELECT $$; COMMIT;$$",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
    ),
    "duckdb": ("CREATE TABLE t (a int)", "DROP TABLE t", "SELECT 'x; COMMIT'", "SET threads = 2"),
    "sqlite": (
        "CREATE TABLE t (a int)", "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; END", "PRAGMA user_version",
        "INSERT INTO t SELECT CASE WHEN 1 THEN 2 END",
    ),
    "mysql": (
        "SELECT 'COMMIT'", "# COMMIT\nSELECT 1", "/* COMMIT */ SELECT 1", "SELECT \"; COMMIT\"", "SET @a = 1",
        "SET @autocommit = 1",
        "SET @completion_type = 2", "SET @a = @@autocommit", "SET @a = 'autocommit = 1'", "DROP TEMPORARY TABLES a",
        "CREATE TEMPORARY TABLE a (b int)", "DROP TEMPORARY TABLE IF EXISTS a", "INSERT INTO `commit` VALUES (1)",
        "CREATE OR REPLACE TEMPORARY TABLE a (b int)", "DROP PREPARE p", "ANALYZE SELECT 1",
        "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
    ),
}  # fmt: skip
UNTOLD = (
    "CALL p()", "EXECUTE p", "EXECUTE IMMEDIATE 'COMMIT'", "BEGIN NOT ATOMIC COMMIT; END", "/*!CALL p() */",
    "SET STATEMENT max_statement_time = 1 FOR TRUNCATE t", "IF 1 THEN COMMIT; END IF", "-- x\ncall p()",
)  # fmt: skip


def codes(sql: str, kind: str) -> list[str]:
    reporter = Reporter()
    check_hook(MappedText.whole(SourceFile("s", sql)), "after", kind, reporter)
    return [found.code for found in reporter.found]


@pytest.mark.parametrize("kind", ENDS)
def test_what_ends_the_transaction(kind: str) -> None:
    assert [sql for sql in ENDS[kind] if set(codes(sql, kind)) != {"transaction-ended"}] == []


@pytest.mark.parametrize("kind", STAYS)
def test_what_does_not(kind: str) -> None:
    assert [sql for sql in STAYS[kind] if codes(sql, kind) or is_untold(sql, kind)] == []


def test_what_only_the_server_can_tell() -> None:
    assert [sql for sql in UNTOLD if codes(sql, "mysql") or not is_untold(sql, "mysql")] == []
    assert not any(is_untold(sql, kind) for sql in UNTOLD for kind in ("postgres", "duckdb", "sqlite"))


def messages(sql: str, key: str, kind: str, *, bare: bool) -> list[tuple[str, str]]:
    reporter = Reporter()
    check_hook(MappedText.whole(SourceFile("s", sql)), key, kind, reporter, bare=bare)
    return [(found.code, found.message) for found in reporter.found]


def test_what_is_not_allowed_is_said() -> None:
    ((_, message),) = messages("ROLLBACK TO SAVEPOINT a", "after", "postgres", bare=True)
    assert message.startswith("`ROLLBACK TO SAVEPOINT` under `after` takes back a part of the load")
    ((_, message),) = messages("SET completion_type = 2", "after", "mysql", bare=True)
    assert message == "`SET completion_type` under `after` changes how the transaction of the load ends"


MOVES = {
    "postgres": (
        "SET search_path = other", "SET LOCAL search_path TO other", "set session Search_Path = a, b", "SET SCHEMA 'x'",
        "RESET search_path", "SELECT set_config('search_path', 'other', true)", "SELECT 1; SET search_path = x",
    ),
    "duckdb": ("USE other", "SET schema = 'other'", "SET search_path = 'a,b'"),
    "mysql": ("USE other",),
}  # fmt: skip


@pytest.mark.parametrize("kind", MOVES)
def test_what_moves_the_target(kind: str) -> None:
    for sql in MOVES[kind]:
        assert [code for code, _ in messages(sql, "before", kind, bare=True)] == ["moved-target"], sql
        always = ["moved-target"] if kind == "mysql" else []
        assert [code for code, _ in messages(sql, "before", kind, bare=False)] == always, sql
        assert [code for code, _ in messages(sql, "after", kind, bare=True)] == always, sql
    assert messages("SET LOCAL work_mem = '1MB'", "before", "postgres", bare=True) == []
    assert messages("SET threads = 2", "before", "duckdb", bare=True) == []
