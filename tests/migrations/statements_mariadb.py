"""Statements whose algorithms are tested on a MariaDB server, and the tables that they are about."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.migrationlint.effects import Known
from flowc.compiler.migrationlint.facts import AlterType, TypeName
from flowc.compiler.migrationlint.statements import read_statement

T = TableName(None, "t")
SETUP = (
    "CREATE TABLE u (id INT PRIMARY KEY) ENGINE=InnoDB",
    "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b INT NOT NULL DEFAULT 0, v VARCHAR(20), w VARCHAR(100),"
    " x TEXT, e ENUM('a','b'), s SET('a','b'), u_id INT, d DECIMAL(10,2), KEY t_a (a), KEY t_u (u_id),"
    " CONSTRAINT fk FOREIGN KEY (u_id) REFERENCES u (id), CONSTRAINT ck CHECK (a > 0))"
    " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
    "CREATE TABLE keyless (a INT NOT NULL) ENGINE=InnoDB",
    "INSERT INTO u VALUES (1)",
    "INSERT INTO t (id, a, v, w) VALUES (1, 1, 'v', 'w')",
)
STATEMENTS = """
ALTER TABLE t ADD COLUMN new INT
ALTER TABLE t ADD COLUMN new INT NOT NULL DEFAULT 5
ALTER TABLE t ADD COLUMN new INT AFTER a
ALTER TABLE t ADD COLUMN new INT FIRST
ALTER TABLE t ADD COLUMN new INT AS (a * 2) VIRTUAL
ALTER TABLE t ADD COLUMN new INT AS (a * 2) STORED
ALTER TABLE t ADD COLUMN new INT UNIQUE
ALTER TABLE t ADD COLUMN new CHAR(36) DEFAULT (uuid())
ALTER TABLE t ADD COLUMN new DATETIME DEFAULT CURRENT_TIMESTAMP
ALTER TABLE t ADD COLUMN new INT CHECK (new > 0)
ALTER TABLE t ADD COLUMN new INT, ADD INDEX i (new)
ALTER TABLE keyless ADD COLUMN new INT AUTO_INCREMENT PRIMARY KEY
ALTER TABLE keyless ADD COLUMN new INT NOT NULL PRIMARY KEY
ALTER TABLE t DROP COLUMN x
ALTER TABLE t RENAME COLUMN x TO y
ALTER TABLE t CHANGE x y TEXT
ALTER TABLE t MODIFY a BIGINT
ALTER TABLE t MODIFY v VARCHAR(30)
ALTER TABLE t MODIFY w VARCHAR(200)
ALTER TABLE t MODIFY v VARCHAR(10)
ALTER TABLE t MODIFY x VARCHAR(50)
ALTER TABLE t MODIFY d DECIMAL(12,2)
ALTER TABLE t MODIFY b INT NULL
ALTER TABLE t MODIFY a INT NOT NULL
ALTER TABLE t MODIFY e ENUM('a','b','c')
ALTER TABLE t MODIFY e ENUM('b','a')
ALTER TABLE t MODIFY e ENUM('a')
ALTER TABLE t MODIFY e ENUM('a','x','b')
ALTER TABLE t MODIFY s SET('a','b','c')
ALTER TABLE t MODIFY s SET('a','b','c','d','e','f','g','h','i')
ALTER TABLE t MODIFY s SET('b','a')
ALTER TABLE t MODIFY a INT AFTER b
ALTER TABLE t ALTER COLUMN a SET DEFAULT 5
ALTER TABLE t ALTER COLUMN b DROP DEFAULT
ALTER TABLE t ADD INDEX new (b)
ALTER TABLE t ADD UNIQUE INDEX new (b)
ALTER TABLE t ADD CONSTRAINT new UNIQUE (b)
ALTER TABLE t ADD FULLTEXT INDEX new (x)
ALTER TABLE keyless ADD PRIMARY KEY (a)
ALTER TABLE t DROP PRIMARY KEY
ALTER TABLE t DROP INDEX t_a
ALTER TABLE t RENAME INDEX t_a TO t_b
ALTER TABLE t ADD CONSTRAINT new FOREIGN KEY (a) REFERENCES u (id)
ALTER TABLE t DROP FOREIGN KEY fk
ALTER TABLE t ADD CONSTRAINT new CHECK (b >= 0)
ALTER TABLE t DROP CONSTRAINT ck
ALTER TABLE t RENAME TO t2
ALTER TABLE t ENGINE=InnoDB
ALTER TABLE t ROW_FORMAT=COMPRESSED
ALTER TABLE t CONVERT TO CHARACTER SET latin1
ALTER TABLE t COMMENT 'words'
ALTER TABLE t DROP COLUMN x, ADD COLUMN new INT, MODIFY a BIGINT
"""
TYPES = {
    "a": "INT", "b": "INT", "v": "VARCHAR(20)", "w": "VARCHAR(100)", "x": "TEXT", "e": "ENUM('a','b')",
    "s": "SET('a','b')", "d": "DECIMAL(10,2)",
}  # fmt: skip


def known_type(text: str) -> TypeName:
    fact = read_statement(f"ALTER TABLE t MODIFY a {text}", "mariadb").facts[0].value
    assert isinstance(fact, AlterType)
    return fact.type


KNOWN = Known(
    types={(T, name): known_type(kind) for name, kind in TYPES.items()},
    not_null=frozenset({(T, "id"), (T, "b")}),
)


def statements() -> list[str]:
    """The statements, in order."""
    return [line for line in STATEMENTS.splitlines() if line]
