"""Connections to servers that are not there, with secrets in every place: what fails tells none of them."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import json
import re
from urllib.parse import quote

from tests.fuzz.mutant import SECRET, SPEC, STATE_WORDS, Chance, Mutant
from tests.fuzz.names import NAMES

SPELLED = (
    "${FUZZ_SECRET}",
    "${env:FUZZ_SECRET}",
    quote(SECRET, safe=""),
    SECRET,
    "${FUZZ_SECRET}${FUZZ_SECRET}",
    "${FUZZ_QUOTED}",
)
URLS = (
    "{k}://u:{s}@127.0.0.1:1/db", "{k}://{s}@127.0.0.1:1/db", "{k}://u:{s}@[::1]:1/db", "{k}://u@127.0.0.1:1/db?password={s}", "{k}://u:a{s}b@127.0.0.1:1/{n}",
    "{k}://{n}:{s}@127.0.0.1:1/{n}", "{k}://u:{s}@127.0.0.1:{n}/db", "{k}://u:{s}@127.0.0.1:1/db?{n}=1", "{k}://u:{s}@127.0.0.1:1/db?sslmode=require&sslpassword={s}",
    "host=127.0.0.1 port=1 user=u password='{s}'", "{k}:/u:{s}@127.0.0.1:1", "{k}://u:{s}@127.0.0.1:1:2/db", "{k}://u:{s}@/db?host=/nowhere",
)  # fmt: skip


def mutant(chance: Chance) -> Mutant:
    """A table of a server; what it is called has a secret in it."""
    kind = chance.choice(["postgres", "mysql"])
    url = chance.choice(URLS).format(
        k=kind, s=chance.choice(SPELLED), n=chance.choice([name for name in NAMES if name.isprintable()])
    )
    connection: dict[str, object] = {"kind": kind, "url": url}
    # A user without a password is shown where no address is expected, and in a file that is no YAML.
    has_password = re.match(r"\w+://\w*:", url) is not None
    if has_password and chance.random() < 0.1:
        connection[chance.choice(["pasword", "options", "url ", "kind"])] = url
    project = {
        "connections": {"pg": connection},
        "tables": {"t": {"connection": "pg", "columns": {"id": "bigint primary key"}}},
        "pipelines": {"p": {"from": "pg", "sql": "SELECT 1 AS id", "to": "t"}},
    }
    text = json.dumps(project, ensure_ascii=False)
    if has_password and chance.random() < 0.1:
        text = text.replace(chance.choice([",", "}", '"', ":"]), "", 1)
    return Mutant({SPEC: text.encode()}, refused=True)


def words(chance: Chance) -> Mutant:
    """A project that can be planned, beside a secret that is a word which outputs hold anyway."""
    project = {
        "connections": {
            "db": {"kind": "files", "uri": ".", "options": {"session_token": "${FUZZ_WORD}"}},
            "file": {"kind": "sqlite", "path": "${FUZZ_WORD}.db"},
        },
        "tables": {
            "t": {"connection": "file", "columns": {"id": "bigint primary key", "ok": "text"}},
        },
        "pipelines": {"p": {"from": {"connection": "db", "path": "u.csv"}, "sql": "SELECT id FROM source", "to": {"connection": "file", "table": chance.choice(["v", "ok", "new"])}}},
    }  # fmt: skip
    files = {SPEC: json.dumps(project).encode(), "u.csv": b"id\n1\n"}
    return Mutant(files, run=True, word=chance.choice(STATE_WORDS))
