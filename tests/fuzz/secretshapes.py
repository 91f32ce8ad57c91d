"""Specs in which a secret stands in slightly broken YAML or SQL: places, ways of writing, and random secrets.

    python -m tests.fuzz.secretshapes            every shape, with ten secrets each
    python -m tests.fuzz.secretshapes --rounds 100 --seed 7

Each shape is a file of its own in one project, so that one command is asked about hundreds of them.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from tests.commands import Inside

SPECIAL = "!#$%&*+,-./:;<=>?@[]^_`{|}~'\"\\"
UNICODE = "äßøЖ漢é"
NAMES = (
    "password",
    "sasl.password",
    "Password",
    "PASSWORD",
    "db_password",
    "passwd",
    "passwort",
    "pwd",
    "pw",
    "pass",
    "passphrase",
    "pasword",
    "secret",
    "client_secret",
    "secret_access_key",
    "aws_secret_access_key",
    "session_token",
    "token",
    "motherduck_token",
    "api_key",
    "apikey",
    "access_key",
    "account_key",
    "AccountKey",
    "sas_token",
    "private_key",
    "credentials",
    "creds",
    "api key",
    "auth",
    "basic.auth.user.info",
)
WRITTEN = (
    "{k}: {v}",
    '{k}: "{v}"',
    "{k}: '{v}'",
    "{k}:{v}",
    '{k}:"{v}"',
    "{k}:'{v}'",
    "{k}: !x {v}",
    "{k}: !{v}",
    "{k}: &x {v}",
    "{k}: &{v}",
    "{k}: *{v}",
    "{k}: !!binary {v}",
    "{k} : {v}",
    "{k} = {v}",
    "{k}={v}",
    '{k}="{v}"',
    "{k}: [{v}]",
    "{k}: {{ {v} }}",
    "{k}: {{ value: {v} }}",
    "{k}: {{value:{v}}}",
    '{k}: "{v}',
    "{k}: '{v}",
    "{k}: [{v}",
    "{k}: {{ {v}",
    "{k}:\n      {v}",
    "{k}: |\n      {v}",
    "{k}: >-\n      {v}\n      {v}",
    "{k}: |\n {v}",
    "{k}: |\n{v}",
    "- {k}: {v}",
    "- {k}={v}",
    "? {k}\n    : {v}",
    '"{k}": {v}',
    '"{k}" {v}',
    '"{k}":"{v}"',
    "{k} {v}",
    '{k} "{v}"',
    "{k}: {v} # x",
    "{k}: @{v}",
    "{k}: %{v}",
    "{k}: `{v}`",
    "\t{k}: {v}",
    " {k}: {v}",
    "{k}: ${{env:X:-{v}}}",
    "{k}: ${{{v}",
    "{k}: {v}: x",
    "{k}; {v}",
    "{k}: - {v}",
    "{k}:: {v}",
    "{k}:\n    - {v}",
    "{k}:\n      - value: {v}",
    "{k}: {v}\n    {k}: {v}",
    "options: {{ {k}: {v} }}",
    "options: {{ {k}:{v} }}",
    'properties: {{ {k}:"{v}" }}',
    "properties: {{ {k}: {v}",
    "security: {{ protocol: x, {k}: {v}, }}",
    "security: {{ protocol: x {k}: {v} }}",
    "security:\n    {k}: {v}",
    "<<: {{ {k}: {v} }}",
    'env: ["{k}={v}"]',
    "env: [{k}={v}]",
    "env:\n      - {k}: {v}",
    "env: {{ {k}: {v} }}",
    "url: host=h {k}={v}",
    "url: \"host=h {k}='{v}' dbname=d\"",
    "{k}: {v}\n  }}",
    "{k}: }}{v}",
)
ADDRESSES = (
    "url: postgres://u:{q}@h/db",
    "url: postgres:u:{q}@h/db",
    "url: postgres:/u:{q}@h/db",
    "url:postgres://u:{q}@h/db",
    "url: [postgres://u:{q}@h/db]",
    'url: "postgres://u:{q}@h/db',
    "url: !x postgres://u:{q}@h/db",
    "url: u:{q}@h/db",
    "url: jdbc:postgresql://h/db?user=u&password={q}",
    "url: h/db?password={q}",
    "url: postgres://u:{q}%40h/db@h",
    "uri: s3://key:{q}@bucket/x",
    "uri: https://a.blob.core.windows.net/c?sv=1&sig={q}",
    "path: md:d?motherduck_token={q}",
    "uri: DefaultEndpointsProtocol=https;AccountName=a;AccountKey={q};EndpointSuffix=core.windows.net",
    "url: Endpoint=sb://h/;SharedAccessKeyName=a;SharedAccessKey={q}",
    "url: amqp://u:{q}@h, x: {{",
    "headers: {{ Authorization: Bearer {q} }}",
    'headers: {{ Authorization:"Bearer {q}" }}',
    "headers: [Authorization: Bearer {q}]",
    "headers: Authorization: Basic {q}",
    "x: {{ password: {q}",
    "kind: 'postgres://u:{q}@h/db'",
    "kind: sqlite, url: postgres://u:{q}@h/db",
)
SQL = (
    "SELECT * FROM postgres_scan('host=h password={d}', 'public', 't')",
    "SELECT * FORM postgres_scan('host=h password={d}')",
    "ATTACH 'postgres:dbname=d password={d}' AS p",
    "SELECT * FROM read_csv('https://u:{q}@h/x.csv') WHERE",
    "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET '{d}')",
    "SET s3_secret_access_key='{d}'",
    "SET motherduck_token = '{d}'",
    "SELECT nope FROM mysql_scan('host=h user=u passwd={d} port=1')",
    "SELECT read('md:d?motherduck_token={q}') FROM",
    "SELECT a FROM dblink('dbname=d password={d}', 'x') t(",
    "CREATE USER x PASSWORD '{d}'",
    "ALTER USER x IDENTIFIED BY '{d}'",
    "SELECT 'Authorization: Bearer {q}' AS FROM",
    "SELECT 'AccountName=a;AccountKey={q};x=y' FROM FROM",
)
CONTEXTS = (
    "connections:\n  c{n}:\n    kind: {kind}\n    {line}\n",
    "connections:\n  c{n}:\n    {line}\n    kind: {kind}\n",
    "connections: {{ c{n}: {{ kind: {kind}, {line} }} }}\n",
    "connections:\n  c{n}:\n  kind: {kind}\n    {line}\n",
    "connections:\n- c{n}:\n    kind: {kind}\n    {line}\n",
    "conections:\n  c{n}:\n    kind: {kind}\n    {line}\n",
    "environments:\n  e{n}:\n    connections:\n      c{n}:\n          kind: {kind}\n          {line}\n",
    "alerts:\n  a{n}:\n    kind: webhook\n    url: http://h\n    {line}\n",
    "alerts:\n  a{n}:\n    kind: slack\n    {line}\n",
    "telemetry:\n  metrics:\n    kind: otlp\n    {line}\n",
    "c{n}:\n    kind: {kind}\n    {line}\n",
    "{line}\n",
    "- {line}\n",
)
QUERIES = (
    "pipelines:\n  p{n}:\n    from: db\n    to: {{ connection: db, table: t{n} }}\n"
    '    mode: append\n    sql: "{sql}"\n',
    "pipelines:\n  p{n}:\n    from: db\n    to: t{n}\n    mode: append\n    sql: |\n      {sql}\n",
    "pipelines:\n  p{n}: {{ from: db, to: {{ connection: db, table: t{n} }}, mode: append, "
    'before: "{sql}", sql: SELECT 1 AS a }}\n',
    "pipelines:\n  p{n}:\n    from: db\n    sql: >\n     {sql}\n   mode: append\n",
)
KINDS = ("kafka", "postgres", "files", "duckdb", "nope")
COMMANDS = (
    ("lint",),
    ("lint", "--format", "json"),
    ("lint", "--format", "concise"),
    ("lint", "--format", "sarif"),
    ("compile",),
    ("compile", "--to", "ir,plan"),
    ("plan",),
    ("plan", "--json"),
    ("connections", "list"),
    ("connections", "list", "--format", "json"),
    ("validate",),
    ("test",),
    ("doctor",),
    ("secrets", "test"),
)


@dataclass(frozen=True)
class Shape:
    """A file with a secret in it."""

    text: str
    secret: str

    def shown_in(self, output: str) -> bool:
        """Whether an output has the secret, in a spelling that gives it away."""
        spelled = {self.secret, quote(self.secret, safe=""), json.dumps(self.secret)[1:-1], escape(self.secret)}
        return any(each in output for each in spelled)


def secret_of(chosen: random.Random) -> str:
    """A random one that no word of flowc holds: letters and digits, or also what YAML, URLs and SQL give a meaning."""
    letters = string.ascii_letters
    alphabet = chosen.choice(
        (string.ascii_lowercase, letters + string.digits, letters + SPECIAL, letters + UNICODE, string.digits)
    )
    made = "".join(chosen.choice(alphabet) for _ in range(chosen.randint(8, 40)))
    return chosen.choice("qxzj7") + made[1:-1] + chosen.choice("qxzj7")


def _plain(chosen: random.Random) -> str:
    """One that ends no line of YAML and no literal of SQL: else it is another text that stands there."""
    return secret_of(chosen).translate(dict.fromkeys(map(ord, "'\"\\{}[],#|`")))


def shapes(seed: int) -> Iterator[Shape]:
    """Every way of writing with some name in some context, and every address and statement."""
    chosen = random.Random(seed)
    for number, written in enumerate(WRITTEN):
        for context in CONTEXTS:
            secret = secret_of(chosen) if '"' not in written and "'" not in written else _plain(chosen)
            line = written.format(k=chosen.choice(NAMES), v=secret)
            yield _shape(context, line, secret, number, chosen)
    for number, address in enumerate(ADDRESSES):
        for context in CONTEXTS:
            secret = _plain(chosen)
            yield _shape(context, address.format(q=quote(secret, safe="")), secret, number, chosen)
    for statement in SQL:
        for query in QUERIES:
            secret = _plain(chosen)
            made = statement.format(d=secret.replace(" ", ""), q=quote(secret, safe=""))
            yield Shape(query.replace("{sql}", "\0").format(n="{n}").replace("\0", made), secret)


def _shape(context: str, line: str, secret: str, number: int, chosen: random.Random) -> Shape:
    kind = KINDS[number % len(KINDS)] if chosen.random() < 0.5 else chosen.choice(KINDS)
    text = context.replace("{kind}", kind).replace("{line}", "\0").format(n="{n}")
    return Shape(text.replace("\0", line), secret)


def project(folder: Path, found: Sequence[Shape]) -> Inside:
    """A project that has each shape as a file."""
    made = Inside(folder)
    made.write("specs/a.yaml", "connections: { db: { kind: duckdb, path: a.duckdb } }\n")
    for number, shape in enumerate(found):
        made.write(f"specs/s{number:04}.yaml", shape.text.replace("{n}", str(number)))
    return made


def leaks(
    folder: Path, found: Sequence[Shape], commands: Sequence[Sequence[str]] = COMMANDS
) -> Iterator[tuple[Sequence[str], Shape, str]]:
    """Each command and shape where the secret is shown, with what shows it."""
    made = project(folder, found)
    for command in commands:
        done = made.done(*command)
        told = done.out + done.err
        assert "error[internal]" not in told, told
        for shape in found:
            if shape.shown_in(told):
                yield command, shape, next((line for line in told.splitlines() if shape.shown_in(line)), told)


def main() -> int:
    """Looks for leaks; 1 when there are some."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.secretshapes", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = 0
    for seed in range(options.seed, options.seed + options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            for command, shape, line in leaks(Path(folder), list(shapes(seed))):
                count += 1
                sys.stdout.write(f"{' '.join(command)}: {shape.secret!r}\n{shape.text}  > {line[:300]}\n\n")
    sys.stdout.write(f"{count} leaks\n")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
