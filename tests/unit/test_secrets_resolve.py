"""References become values when something is opened, and never show up anywhere else."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError
from urllib.request import Request

import pytest

from flowc.compiler import stages
from flowc.compiler.front.references import own_schemes
from flowc.diagnostics import Reporter
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.masker import Masker, redact
from flowc.masking import mask_address, mask_prose
from flowc.render import full
from flowc.service.access.options import open_options, shown_options
from flowc.service.access.secrets import Resolver
from flowc.service.access.vaults import _Encrypted
from tests.unit.project import load


class Vault(BaseHTTPRequestHandler):
    """A Vault with one secret in a version 2 store and one in a version 1 store."""

    secrets: ClassVar = {
        "/v1/kv/data/shop/db": {"data": {"data": {"url": "from-v2"}, "metadata": {"version": 3}}},
        "/v1/old/shop": {"data": {"url": "from-v1", "data": "a key called data"}},
    }

    def do_GET(self) -> None:
        if self.path.startswith("/v1/standby"):
            self.send_response(307)
            self.send_header("Location", self.path.replace("standby", "old"))
            self.end_headers()
            return
        body = self.secrets.get(self.path)
        good = self.headers["X-Vault-Token"] == "t0ken"
        self.send_response(500 if self.path.endswith("broken") else 403 if not good else 200 if body else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def vault() -> Iterator[dict[str, str]]:
    server = HTTPServer(("127.0.0.1", 0), Vault)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"VAULT_ADDR": f"http://127.0.0.1:{server.server_port}/", "VAULT_TOKEN": "t0ken"}
    server.shutdown()
    server.server_close()


def test_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("hunter2\n")
    resolver = Resolver({"A": "x", "EMPTY": ""}, tmp_path)
    assert resolver.resolve("${A}/${env:A}/${file:pw}/${EMPTY}$") == "x/x/hunter2/$"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that resolves `${corp:…}`."""
    (tmp_path / "corp_secrets.py").write_text(
        "def read(name):\n    if name == 'odd':\n        return 7\n    return {'db': 'hunter2'}[name]\n"
    )
    info = tmp_path / "corp_secrets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: corp-secrets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowc.secrets]\ncorp = corp_secrets:read\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    own_schemes.cache_clear()
    yield
    own_schemes.cache_clear()


@pytest.mark.usefixtures("package")
def test_a_package_resolves_kinds_of_its_own(tmp_path: Path) -> None:
    resolver = Resolver({}, tmp_path)
    assert resolver.resolve("pg://u:${corp:db}@h") == "pg://u:hunter2@h"
    assert resolver.redact("it said hunter2") == "it said ***"
    for reference, said in (("gone", "raised KeyError"), ("odd", "gave no text")):
        with pytest.raises(FlowcError, match=said) as failure:
            resolver.resolve(f"${{corp:{reference}}}")
        assert failure.value.code == "unreadable-secret"
        call = f"""`python -c 'import corp_secrets; corp_secrets.read("{reference}")'`"""
        assert failure.value.help == f"call it yourself to see why: {call}"
    with pytest.raises(FlowcError) as failure:
        resolver.resolve("${copr:db}")
    assert "`${corp:…}`" in (failure.value.help or "")
    assert "the package that has the entry point `copr`" in (failure.value.help or "")


@pytest.mark.usefixtures("package")
def test_lint_knows_the_kinds_of_packages(tmp_path: Path) -> None:
    spec = 'connections: { a: { kind: postgres, url: "${corp:db}" }, b: { kind: postgres, url: "${copr:db}" } }'
    (tmp_path / "s.yaml").write_text(spec)
    reporter = Reporter()
    stages.lint([tmp_path / "s.yaml"], reporter)
    (error,) = reporter.sorted()
    package = "or install the package that has the entry point `copr` in the group `flowc.secrets`"
    assert (error.code, error.helps) == ("unknown-reference", ("did you mean `corp`?", package))


def test_values_are_not_resolved_again(tmp_path: Path) -> None:
    assert Resolver({"A": "${B}", "B": "x"}, tmp_path).resolve("${A}") == "${B}"


@pytest.mark.parametrize("reference", ["kv/shop/db#url", "kv/data/shop/db#url"])
def test_vault_version_2(tmp_path: Path, vault: dict[str, str], reference: str) -> None:
    assert Resolver(vault, tmp_path).resolve(f"${{vault:{reference}}}") == "from-v2"


def test_vault_version_1(tmp_path: Path, vault: dict[str, str]) -> None:
    resolver = Resolver(vault, tmp_path)
    assert resolver.resolve("${vault:old/shop#url} ${vault:old/shop#data}") == "from-v1 a key called data"


def test_a_standby_of_vault_sends_on(tmp_path: Path, vault: dict[str, str]) -> None:
    assert Resolver(vault, tmp_path).resolve("${vault:standby/shop#url}") == "from-v1"


def test_the_token_of_vault_never_leaves_tls() -> None:
    request = Request("https://vault:8200/v1/kv", headers={"X-Vault-Token": "t0ken"})
    with pytest.raises(URLError, match="without TLS"):
        _Encrypted().redirect_request(request, BytesIO(), 307, "", Message(), "HTTP://vault:8200/v1/kv")


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("${NOPE}", "unset-variable"),
        ("${env:NOPE}", "unset-variable"),
        ("${}", "unset-variable"),
        ("${file:nope}", "unreadable-secret"),
        ("${file:.}", "unreadable-secret"),
        ("${nope:x}", "unknown-reference"),
        ("${vault:kv/shop/db}", "unknown-reference"),
        ("${vault:kv/shop/db#nope}", "unreadable-secret"),
        ("${vault:kv/nope#url}", "unreadable-secret"),
        ("${vault:kv/broken#url}", "secret-store-unreachable"),
        ("${aws:a#b}", "missing-extra"),
        ("${gcp:a}", "missing-extra"),
    ],
)
def test_what_cannot_be_resolved(
    tmp_path: Path, vault: dict[str, str], reference: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)  # as where it is not installed
    with pytest.raises(FlowcError) as failure:
        Resolver(vault, tmp_path).resolve(f"before {reference} after")
    assert failure.value.code == code
    assert failure.value.help
    assert "t0ken" not in str(failure.value)


def test_a_wrong_token_is_no_secret(tmp_path: Path, vault: dict[str, str]) -> None:
    with pytest.raises(FlowcError) as failure:
        Resolver(vault | {"VAULT_TOKEN": "wr0ng"}, tmp_path).resolve("${vault:old/shop#url}")
    assert failure.value.code == "unreadable-secret"
    assert "wr0ng" not in f"{failure.value} {failure.value.help}"


def test_an_absent_vault_may_come_back(tmp_path: Path) -> None:
    with pytest.raises(TransientError):
        Resolver({"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": "t"}, tmp_path).resolve("${vault:a/b#c}")


def test_values_are_masked(tmp_path: Path) -> None:
    resolver = Resolver({"URL": "postgres://u:p%40ss@h/d"}, tmp_path)
    resolver.resolve("${URL}")
    shown = resolver.redact("cannot connect to postgres://u:p%40ss@h/d: p@ss is wrong, so is p%40ss")
    assert shown == "cannot connect to ***: *** is wrong, so is ***"
    assert "p%40ss" not in repr(resolver)


def test_json_stays_json(tmp_path: Path) -> None:
    resolver = Resolver({"PIN": "1234", "PW": 'u00e9x\\"y'}, tmp_path)
    for name in ("PIN", "PW"):
        resolver.masker.remember_secret(resolver.resolve(f"${{{name}}}"))
    given = {"rows": 1234, "1234": ["é", 'so u00e9x\\"y is it'], "said": "pin 1234, u00e9x"}
    for text in (json.dumps(given), json.dumps(given, ensure_ascii=False, indent=2)):
        shown = json.loads(resolver.redact(text))
        assert shown == {"rows": 1234, "1234": ["é", "so *** is it"], "said": "pin ***, ***"}


PLACES = """
connections:
  c: {{ kind: {kind}, {option} }}
"""


@pytest.mark.parametrize(
    ("kind", "option", "secret"),
    [
        ("sqlite", 'path: "${X}.db"', False),
        ("duckdb", 'path: "data/${X}.duckdb"', False),
        ("duckdb", 'path: "md:d?motherduck_token=${X}"', True),
        ("duckdb", 'path: "md:d?saas=${X}"', True),
        ("postgres", 'url: "postgres://u:${PW}@h/${X}"', False),
        ("postgres", 'url: "postgres://${X}:${PW}@h/d"', False),
        ("postgres", 'url: "postgres://u:${PW}@${X}:5432/d"', False),
        ("postgres", 'url: "postgres://u:${X}@h/d"', True),
        ("postgres", 'url: "postgres://${X}@h/d"', True),
        ("postgres", 'url: "postgres://u@h/d?sslpassword=${X}"', True),
        ("postgres", 'url: "host=h password=${X} dbname=d"', True),
        ("postgres", 'url: "host=h user=${X}"', True),
        ("postgres", 'url: "${URL}/${X}"', False),
        ("sqlite", 'path: "${file:x}.db"', True),
        ("sqlite", 'path: "${MY_TOKEN}.db"', True),
        ("kafka", 'bootstrap_servers: "${X}:9092"', False),
        ("kafka", 'bootstrap_servers: h, properties: { client.id: "${X}" }', True),
        ("kafka", 'bootstrap_servers: h, security: { username: "${X}", password: "${PW}" }', False),
        ("kafka", 'bootstrap_servers: h, security: { username: u, password: "${X}" }', True),
    ],
)
def test_a_value_is_a_secret_unless_its_place_is_known_to_hold_none(
    tmp_path: Path, kind: str, option: str, secret: bool
) -> None:
    project, diagnostics = load(tmp_path, PLACES.format(kind=kind, option=option))
    assert project is not None, diagnostics
    (tmp_path / "x").write_text("report")
    given = {"X": "report", "MY_TOKEN": "report", "PW": "hunter2", "URL": "postgres://u:hunter2@h"}
    resolver = Resolver(given, tmp_path)
    with suppress(UsageError):  # what cannot be opened is a secret all the same
        open_options(project.connections["c"], resolver)
    assert resolver.redact("the report") == ("the ***" if secret else "the report")
    if "{PW}" in option or "{URL}" in option:
        assert resolver.redact("hunter2, unter2") == "***, ***"


def test_short_secrets_do_not_garble_text() -> None:
    assert redact("a password: pa", ["pa", ""]) == "a password: pa"
    masker = Masker()
    for secret in ("a", "abc"):
        masker.remember(secret)
        masker.remember_secret(secret)
        masker.remember_written([secret])
    assert masker.redact("a column `a` of abc", pieces=True) == "a column `a` of abc"
    assert masker.redact("connect with password=abcd user=a", pieces=True) == "connect with password=*** user=a"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgres://u:pw@h/d", "postgres://u:***@h/d"),
        ("postgres://u:p@s/s]w@h/d", "postgres://u:***@h/d"),
        ("mysql:/u:p/'q\"w@h/d", "mysql:/u:***@h/d"),
        ("postgres://u:${PW}@h/d", "postgres://u:${PW}@h/d"),
        ("postgres://${env:USER}:${env:PW}@h/d", "postgres://${env:USER}:${env:PW}@h/d"),
        ("postgres://h/d?a=b:c@d", "postgres://h/d?a=b:c@d"),
        ("postgres://u@h/d?sslpassword=a&b&sslmode=require", "postgres://u@h/d?sslpassword=***&sslmode=require"),
        ("host=h password='it\\'s a secret' dbname=d", "host=h password='***' dbname=d"),
        ("host=h sslpassword=a&b dbname=d", "host=h sslpassword=*** dbname=d"),
        ("s3://key:sec/ret@bucket/folder", "s3://key:***@bucket/folder"),
        ("md:db?motherduck_token=ey.J", "md:db?motherduck_token=***"),
        (f"postgres://{'u' * 300}:pw@h/d", f"postgres://{'u' * 300}:***@h/d"),
        (f"postgres://{'${env:U}' * 300}:pw@h/d", f"postgres://{'${env:U}' * 300}:***@h/d"),
        ("postgres:////u:pw@h", "postgres:////u:***@h"),
        ("postgres://${U:pw@h", "postgres://${U:***@h"),
        ('m.PlainLoginModule required username="u" password="p\\"w";', None),
    ],
)
def test_addresses_are_shown_without_secrets(address: str, shown: str | None) -> None:
    assert mask_address(address) == (shown or 'm.PlainLoginModule required username="u" password="***";')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at mysql:/u:pw@h and s3://k:t%2Foken@b", "at mysql:/u:***@h and s3://k:***@b"),
        (
            "postgres://u@h/d, file:///a/b@c, 'https://'||host||'@'",
            "postgres://u@h/d, file:///a/b@c, 'https://'||host||'@'",
        ),
        ("ATTACH 'md:d?motherduck_token=t0ken' AS d", "ATTACH 'md:d?motherduck_token=***' AS d"),
        (
            "https://b.example/x?X-Amz-Signature=0f3a&v=12345 is gone",
            "https://b.example/x?X-Amz-Signature=***&v=12345 is gone",
        ),
        (
            "https://u:pw@h/x?sig=0f3a%3D, x?token=${TOKEN}, '%?token=%'",
            "https://u:***@h/x?sig=***, x?token=${TOKEN}, '%?token=%'",
        ),
        (f"at postgres://u:{'p' * 5_000}@h: no", "at postgres://u:***@h: no"),
        (f"at postgres://///{'u' * 300}:pw@h and x://a:b/c:d@e", f"at postgres://///{'u' * 300}:***@h and x://a:***@e"),
    ],
)
def test_prose_is_shown_without_secrets(text: str, shown: str) -> None:
    assert mask_prose(text) == shown


def test_hostile_texts_are_looked_through_in_no_time() -> None:
    started = time.thread_time()
    parts = ("://a", ":/a:", "://a:", "x:/%41", ":/", "//:", ":/${", ":/${a}", "${", ":/a@", " ", " a", "&a", "a=' ")
    for part in parts:
        text = part * (500_000 // len(part))
        for mask in (mask_address, mask_prose):
            assert mask(text) == text or "@" in text
            assert mask(f"x=y{text}@").endswith("@")
    assert time.thread_time() - started < 10


CONNECTIONS = """
connections:
  pg: { kind: postgres, url: "postgres://u:${PW}@h/d" }
  lite: { kind: sqlite, path: data/a.db }
  nobody: { kind: sqlite, path: ~no-such-user/a.db }
  memory: { kind: duckdb, path: ":memory:" }
  by_url: { kind: duckdb, url: "duckdb:///b.db" }
  absolute: { kind: sqlite, url: "sqlite:////tmp/c.db" }
  drop: { kind: files, uri: in/../inbox }
  bucket: { kind: files, uri: file:///b/c, options: { secret_access_key: "k3y" } }
"""


def test_options_are_ready_to_open(tmp_path: Path) -> None:
    project, _ = load(tmp_path, CONNECTIONS)
    assert project is not None
    resolver = Resolver({"PW": "hunter2"}, tmp_path)
    opened = {name: open_options(c, resolver) for name, c in project.connections.items()}
    assert {name: o.values.get("path") or o.values.get("uri") or o.values["url"] for name, o in opened.items()} == {
        "pg": "postgres://u:hunter2@h/d", "lite": f"{tmp_path}/data/a.db", "nobody": f"{tmp_path}/~no-such-user/a.db",
        "memory": ":memory:",
        "by_url": f"{tmp_path}/b.db", "absolute": "/tmp/c.db", "drop": f"{tmp_path}/inbox", "bucket": "/b/c",
    }  # fmt: skip
    assert resolver.redact("hunter2 k3yx k3y") == "*** k3yx k3y"
    assert resolver.redact("the end of it is unter2") == "the end of it is ***"
    assert "hunter2" not in repr(opened)


@pytest.mark.parametrize("url", ["postgres://u:hunter2@h/d", "app.db"])
def test_an_address_of_another_kind_opens_no_database_in_memory(url: str, tmp_path: Path) -> None:
    project, _ = load(tmp_path, "connections: { db: { kind: sqlite, url: '${URL}' } }")
    assert project is not None
    with pytest.raises(FlowcError) as failed:
        open_options(project.connections["db"], Resolver({"URL": url}, tmp_path))
    assert failed.value.message == "the `url` of connection `db` is no address of sqlite"


@pytest.mark.parametrize(
    ("option", "place", "said"),
    [
        ("uri", "s3://key:hunter2@b/c", "`uri` of connection `{c` is an address of an object store"),
        ("uri", "hunter2:x", "`uri` of connection `{c` is no path on this machine"),
        ("path", "md:d?motherduck_token=hunter2", "`path` of connection `{c` is an address of MotherDuck"),
        ("url", "duckdb:md:d?motherduck_token=hunter2", "`url` of connection `{c` is an address of MotherDuck"),
        ("url", "duckdb:///d?motherduck_token=hunter2", "`url` of connection `{c` has parameters behind a `?`"),
    ],
)
def test_references_to_places_that_are_not_on_this_machine(option: str, place: str, said: str, tmp_path: Path) -> None:
    """Never a file of that name, which would hold the token."""
    kind = "files" if option == "uri" else "duckdb"
    project, _ = load(tmp_path, f"connections: {{ '{{c': {{ kind: {kind}, {option}: '${{P}}' }} }}")
    assert project is not None
    with pytest.raises(FlowcError) as failed:
        open_options(project.connections["{c"], Resolver({"P": place}, tmp_path))
    assert failed.value.message.startswith(said)
    assert "hunter2" not in failed.value.message + str(failed.value.help)


def test_options_are_shown_without_secrets(tmp_path: Path) -> None:
    project, _ = load(tmp_path, CONNECTIONS + '  plain: { kind: postgres, url: "postgres://u:hunter2@h/d" }\n')
    assert project is not None
    assert [dict(shown_options(project.connections[n])) for n in ("pg", "plain", "bucket")] == [
        {"url": "postgres://u:${PW}@h/d"}, {"url": "postgres://u:***@h/d"},
        {"uri": "file:///b/c", "options": {"secret_access_key": "***"}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        'connections: { db: { kind: postgres, url: "postgres://u:hunter2@h/d", x: 1 } }',
        "connections: { k: { kind: kafkaa, security: { password: hunter2 } } }",
        "connections: { k: { kind: kafka, bootstrap_servers: x, security: { password: hunter2, protocol: x } } }",
        "environments: { e: { connections: { k: { kind: kafkaa, security: { password: 'hunter2' } } } } }",
        "connections: { k: { kind: kafka, security: { password: hunter2 }",
        "connections: { db: { kind: postgres, url: postgres://u:hunter2@h/d }",
    ],
)
def test_a_diagnostic_shows_its_line_without_secrets(tmp_path: Path, text: str) -> None:
    _, diagnostics = load(tmp_path, text)
    assert diagnostics
    shown = full(diagnostics)
    assert "kind: " in shown
    assert "hunter2" not in shown


def test_short_lines_of_a_secret_are_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "key").write_text('{\n"k": "Zq81x-Hunter2"\n}')
    resolver = Resolver({}, tmp_path)
    resolver.resolve("${file:key}")
    assert resolver.redact('{ a } "k": "Zq81x-Hunter2"') == "{ a } ***"


def test_no_piece_of_what_a_store_holds_is_shown(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("Zq81x-Hunter2.db")
    resolver = Resolver({}, tmp_path)
    resolver.resolve_options("sqlite", "${file:pw}", ("path",))
    assert resolver.redact("it said: Zq81x-Hun…") == "it said: ***…"
