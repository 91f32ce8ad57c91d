"""What nobody gets past: sign-in, roles, forms of other sites, other names, limits of size and time."""

from __future__ import annotations

import hmac
import itertools
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from markupsafe import Markup

from flowc.errors import UsageError
from flowc.web import gate, guard, server, views
from tests.commands import Inside
from tests.web.browser import ADMIN, OPERATOR, SPEC, TOKENS, VIEWER, Browser, raw, site

PAGES = ("/", "/runs", "/runs/x", "/pipelines/up", "/lineage", "/plan", "/drift", "/nothing")
ACTS = {
    "/pipelines/up/pause": "operator", "/pipelines/up/resume": "operator", "/pipelines/none/run": "operator",
    "/plan": "operator", "/drift": "operator", "/streams/none/look": "operator", "/streams/none/replay": "admin",
}  # fmt: skip
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVIL = "<img src=x onerror=alert(1)>"


def asking(path: str) -> bytes:
    """A request of a viewer, as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {VIEWER}\r\n\r\n".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    return folder


@pytest.fixture
def browser(folder: Inside) -> Iterator[Browser]:
    with site(folder) as found:
        yield found


@pytest.mark.parametrize("headers", [{}, {"Cookie": "flowc_web_PORT=x"}, {"X-Forwarded-User": "admin"}])
def test_nobody_sees_a_page_without_a_token(browser: Browser, headers: dict[str, str]):
    headers = {name: value.replace("PORT", str(browser.port)) for name, value in headers.items()}
    for path in PAGES:
        answer = browser.send("GET", path, **headers)
        assert (answer.status, answer.place, "up" in answer.text) == (303, "/sign-in", False)
    for path in ACTS:
        assert browser.send("POST", path, "", **headers, **FORM).status == 403
    for wrong in ("Bearer ", "Bearer x", f"Bearer {ADMIN}x", f"Basic {ADMIN}", f"Bearer {ADMIN[:-1]}"):
        assert browser.get("/", Authorization=wrong).status == 401


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_each_role_does_what_it_may(browser: Browser, role: str):
    token = {"viewer": VIEWER, "operator": OPERATOR, "admin": ADMIN}[role]
    ranks = ["viewer", "operator", "admin"]
    browser.sign_in(token)
    for path in PAGES[:2]:
        assert browser.get(path).status == 200
    for path, least in ACTS.items():
        status = browser.post(path).status
        assert (status == 403) == (ranks.index(role) < ranks.index(least)), path
    by_token = Browser(browser.port, headers={"Authorization": f"Bearer {token}"})
    assert by_token.post("/plan").status == (403 if role == "viewer" else 303)


def test_signing_in_gives_a_new_session_and_signing_out_ends_it(browser: Browser):
    browser.get("/sign-in")
    name, before = next(iter(browser.cookies.items()))
    done = browser.sign_in(ADMIN)
    cookie = done.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert browser.cookies[name] != before
    signed_in = dict(browser.cookies)
    assert browser.get("/").status == 200
    assert browser.get("/", Cookie=f"{name}={before}").status == 303
    browser.post("/sign-out")
    assert browser.get("/", Cookie=f"{name}={signed_in[name]}").status == 303


@pytest.mark.parametrize(
    "other",
    [
        'prefs={"theme":"dark"}', "a[b]=1", "name=J\xfcrgen", "version=2", "path=1", '"q"=1', "a=b;;c=d", "flag",
        "msg=a b", "=x",
    ],
)  # fmt: skip
def test_cookies_of_other_applications_keep_nobody_from_signing_in(browser: Browser, other: str):
    browser.sign_in(ADMIN)
    own = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for cookies in (f"{other}; {own}", f"{own}; {other}"):
        assert browser.get("/", Cookie=cookies).status == 200


def test_who_signs_in_often_signs_out_nobody_of_another_token(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "_MOST_SESSIONS", 3)
    found = guard.Guard(guard.tokens_of(TOKENS, str))
    admin = found.new_session(guard.Role.ADMIN, ADMIN)
    viewers = [found.new_session(guard.Role.VIEWER, VIEWER) for _ in range(9)]
    assert found.role_of_session(admin) is guard.Role.ADMIN
    assert [str(found.role_of_session(each)) for each in viewers] == ["nobody"] * 6 + ["viewer"] * 3


def test_a_fault_of_the_gate_is_told_and_no_page_lacks_its_headers(browser: Browser, monkeypatch: pytest.MonkeyPatch):
    told: list[BaseException] = []
    monkeypatch.setattr("flowc.cli.serving.say", told.append)
    monkeypatch.setattr(gate, "knows_host", lambda *_: {}["x"])
    answer = browser.get("/healthz")
    assert (answer.status, answer.headers["X-Frame-Options"]) == (500, "DENY")
    assert "KeyError" in "".join(map(str, told))


def test_a_wrong_token_is_answered_slowly_and_never_shown(browser: Browser):
    begun = time.monotonic()
    answer = browser.sign_in("wrong-0123456789")
    assert answer.status == 403
    assert time.monotonic() - begun >= 1
    assert "wrong-0123456789" not in answer.text


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    found = guard.Guard(guard.tokens_of(TOKENS, str))
    compared = []
    true = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(len(a) == len(b) == 32) or true(a, b))
    for token in ("", "x", VIEWER, OPERATOR, ADMIN, ADMIN + "x", "é"):
        compared.clear()
        found.role_of_token(token)
        assert compared == [True] * 3
    assert ADMIN not in repr(found)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["}, {"Authorization": "Bearer x"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Content-Type": "text/plain"},
        {"Content-Type": "application/json"}, {"Cookie": ""},
    ],
)  # fmt: skip
def test_forms_of_other_sites_do_nothing(browser: Browser, headers: dict[str, str]):
    browser.sign_in(ADMIN)
    assert browser.post("/pipelines/up/pause", headers=headers).status in (401, 403, 415)
    assert "Pause its schedule" in browser.get("/pipelines/up").text
    own = {"Origin": f"http://127.0.0.1:{browser.port}", "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/pipelines/up/pause", headers=own).status == 303


def test_a_form_carries_what_only_its_own_session_knows(browser: Browser):
    other = Browser(browser.port)
    other.sign_in(ADMIN)
    browser.sign_in(ADMIN)
    for wrong in ("", "x", other.csrf):
        assert browser.post("/pipelines/up/pause", csrf=wrong).status == 403
    assert browser.send("POST", "/pipelines/up/pause", "", **FORM).status == 403
    assert browser.get(f"/pipelines/up/pause?csrf={browser.csrf}").status == 405


def test_the_server_answers_to_its_own_names_alone(folder: Inside):
    with site(folder, hosts=("Flowc.Example",)) as browser:
        browser.sign_in(VIEWER)
        for good in ("127.0.0.1:1", "localhost", "[::1]:80", "flowc.example:443", "10.0.0.7"):
            assert browser.get("/", Host=good).status == 200
        for bad in ("evil.example", "127.0.0.1.evil.example", "flowc.example.evil", "localhost@evil", "a b", "", "[x]"):
            assert browser.get("/", Host=bad).status == 421
    twice = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    none = b"GET /healthz HTTP/1.0\r\n\r\n"
    with site(folder) as browser:
        assert b" 400 " in raw(browser.port, twice)[:20]
        assert b" 421 " in raw(browser.port, none)[:20]
        absolute = b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert b" 200 " not in raw(browser.port, absolute)[:20]


def test_the_header_of_a_proxy_counts_where_it_comes_from_it(folder: Inside):
    with site(folder, tokens=None, header="X-Role", proxy="127.0.0.1") as browser:
        assert browser.get("/").status == 303
        assert browser.get("/", X_Role="viewer").status == 200
        assert browser.get("/", X_Role="viewer, admin").status == 303
        assert browser.get("/", X_Role="root").status == 303
        twice = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Role: viewer\r\nX-Role: admin\r\n\r\n"
        assert b" 303 " in raw(browser.port, twice)[:20]
        browser.headers["X-Role"] = "operator"
        browser.get("/pipelines/up")
        assert browser.post("/pipelines/up/pause").status == 303
        assert browser.post("/streams/none/replay").status == 403
    with site(folder, tokens=None, header="X-Role", proxy="10.0.0.1") as browser:
        assert browser.get("/", X_Role="admin", X_Forwarded_For="10.0.0.1").status == 303
    with site(folder) as browser:
        assert browser.get("/", X_Role="admin").status == 303


def test_without_tokens_everybody_here_looks_and_nobody_acts(folder: Inside):
    with site(folder, tokens=None) as browser:
        page = browser.get("/pipelines/up")
        assert page.status == 200
        assert "<form" not in page.text
        assert "Set-Cookie" not in page.headers
        for path in ACTS:
            assert browser.post(path).status == 403
            assert browser.send("POST", path, "", Authorization=f"Bearer {ADMIN}", **FORM).status == 403


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":0"])
def test_without_tokens_it_listens_on_this_machine_alone(folder: Inside, address: str):
    done = folder.flowc("web", "--listen", address)
    assert done.code == 2
    assert "without tokens" in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("root: 0123456789abcdefgh", "entry 1"), ("viewer: short", "less than 16"), ("0123456789abcdefgh", "entry 1"),
        ("viewer: 0123456789abcdefgh\nadmin", "entry 2"), ("", "there are no tokens"), ("# all of them", "no tokens"),
    ],
)  # fmt: skip
def test_tokens_that_are_none_are_refused_and_not_shown(folder: Inside, text: str, words: str):
    folder.write("tokens", text)
    done = folder.flowc("web", "--listen", "127.0.0.1:0", "--token-file", "tokens")
    assert done.code == 2
    assert words in done.err
    assert "0123456789abcdefgh" not in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trusted-proxy", "127.0.0.1", "--trusted-proxy-header", ""], "no name of a header"),
        (["--trusted-proxy", "127.0.0.1", "--trusted-proxy-header", "X Bad:"], "no name of a header"),
        (["--host", "https://flowc.example.com/"], "no name of a host"),
        (["--host", "f.example:80"], "no name of a host"), (["--host", ""], "no name of a host"),
    ],
)  # fmt: skip
def test_options_that_would_never_count_are_refused(folder: Inside, words: list[str], said: str):
    done = folder.flowc("web", "--listen", "127.0.0.1:0", *words)
    assert (done.code, said in done.err) == (2, True)


@pytest.mark.parametrize("tokens", ["", " , ", "# none yet", "viewer: t\xf6ken-t\xf6ken-t\xf6ken"])
def test_a_variable_without_a_token_that_fits_lets_nobody_in(folder: Inside, tokens: str):
    with pytest.raises(UsageError), site(folder, tokens):
        pass


def test_a_proxy_counts_by_its_address_however_that_is_written():
    found = guard.Guard(proxy=guard.Proxy("X-Role", "127.0.0.1"))
    assert found.role_of_proxy("::ffff:127.0.0.1", ["viewer"]) is guard.Role.VIEWER
    assert found.role_of_proxy("::1", ["viewer"]) is guard.Role.NOBODY


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/",
        "/static/%00style.css", "/static/..\\app.py", "/static/....//app.py", "//static/style.css/../../app.py",
        "/runs/../../etc/passwd", "/pipelines/..%2f..%2fspecs%2fs.yaml",
    ],
)  # fmt: skip
def test_no_path_of_a_request_is_one_of_a_file(browser: Browser, path: str):
    told = raw(browser.port, asking(path))
    assert told.split(b" ")[1] in (b"404", b"400")
    assert b"root:" not in told
    assert browser.get("/static/style.css").status == 200


def test_bodies_and_heads_have_limits(browser: Browser):
    browser.sign_in(ADMIN)
    assert browser.post("/pipelines/up/pause", filler="x" * (gate._MOST_BYTES + 1)).status == 413
    head = f"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n".encode()
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert b" 413 " in raw(browser.port, head + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk)[:20]
    for length in (b"-1", b"99999999999", b"1e3", b"0x10"):
        told = raw(browser.port, head + b"Content-Length: " + length + b"\r\n\r\n")
        assert told.split(b" ")[1] in (b"400", b"413")
    both = head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert raw(browser.port, both).split(b" ")[1] in (b"400", b"403", b"413")
    endless = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (1 << 15)
    assert b" 400 " in raw(browser.port, endless)[:20]
    assert browser.post("/pipelines/up/pause", **{f"f{i}": "x" for i in range(30)}).status == 400


def test_slow_clients_are_hung_up_on(folder: Inside, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "_ASKING", 0.5)
    monkeypatch.setattr(gate, "_SENDING", 0.5)
    with site(folder) as browser:
        begun = time.monotonic()
        with suppress(ConnectionResetError):
            assert raw(browser.port, b"GET / HTTP/1.1\r\nHost: loc", until_closed=True) == b""
        head = f"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n".encode()
        assert b" 408 " in raw(browser.port, head + b"Content-Length: 100\r\n\r\n", b"csrf")[:20]
        assert time.monotonic() - begun < 10
        assert browser.get("/healthz").status == 200


def test_one_who_reads_nothing_is_hung_up_on(folder: Inside, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "_ANSWERING", 0.5)
    with site(folder) as browser:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else hundreds of pages fit in between
            client.settimeout(20)
            client.connect(("127.0.0.1", browser.port))
            asked = itertools.repeat(asking("/") * 100)
            with pytest.raises(ConnectionError):
                deque(map(client.sendall, asked), maxlen=0)
        assert browser.get("/healthz").status == 200


def test_every_answer_says_what_browsers_may_do_with_it(browser: Browser):
    for answer in (*map(browser.get, ("/sign-in", "/", "/static/live.js")), browser.get("/", Host="x")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "server" not in answer.headers
    browser.sign_in(ADMIN)
    page = browser.get("/pipelines/up")
    assert page.headers["Cache-Control"] == "no-store"
    assert "style=" not in page.text
    assert "onclick" not in page.text


def test_what_others_wrote_is_text_on_every_page(folder: Inside):
    name = "<i>&'"
    pipeline = f'from: db, sql: "SELECT n FROM gone", to: b, mode: append, description: "{EVIL}"'
    folder.write("specs/t.yaml", f'pipelines: {{ "{name}": {{ {pipeline} }} }}\n')
    folder.flowc("run", "--once")
    with site(folder) as browser:
        browser.sign_in(OPERATOR)
        listed = browser.get("/").text
        link = listed.partition('href="/pipelines/%3Ci')[2].partition('"')[0]
        pages = [listed, browser.get("/runs").text, browser.get("/lineage").text]
        pages.append(browser.get(f"/pipelines/%3Ci{link}").text)
        pages += [browser.get(f"/runs?{key}=%22%3E%3Cimg%20onerror=x%3E").text for key in ("pipeline", "before")]
        for page in pages:
            assert "<img" not in page
            assert "<i>" not in page
        assert "&lt;img" in pages[3]
        assert browser.get(f"/?done={EVIL.replace(' ', '%20')}").text.count("onerror") == 0


def test_what_no_database_takes_is_no_page(browser: Browser):
    browser.sign_in(OPERATOR)
    for path in ("/runs/%00", "/runs?before=%00x", "/runs?pipeline=%0d%0aSet-Cookie:x", "/runs?status=x", "/?page=%00"):
        answer = browser.get(path)
        assert answer.status == (200 if path.startswith("/?") else 404)
        assert answer.headers["Set-Cookie"] is None


def test_names_with_odd_letters_lead_back_to_their_page(folder: Inside):
    pipeline = '{ from: db, sql: "SELECT 1 AS n", to: b, schedule: "0 * * * *", mode: append }'
    folder.write("specs/t.yaml", f'pipelines: {{ "50% é?#": {pipeline} }}\n')
    with site(folder) as browser:
        browser.sign_in(OPERATOR)
        page = "/pipelines/50%25%20%C3%A9%3F%23"
        assert f'href="{page}"' in browser.get("/").text
        assert browser.get(page).status == 200
        assert browser.post(f"{page}/pause").place == f"{page}?done=paused"


def test_secrets_are_in_no_page(folder: Inside):
    spec = SPEC.replace("db: {", "far: { kind: postgres, url: 'postgres://me:${SECRET}@127.0.0.1:1/x' }, db: {")
    folder.write("specs/s.yaml", spec.replace("bad: { from: db", "bad: { from: far"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "hunter2-hunter2")
        with site(folder) as browser:
            browser.sign_in(ADMIN)
            browser.post("/drift")
            browser.post("/plan")
            time.sleep(1)
            found = "".join(browser.get(path).text for path in (*PAGES, "/pipelines/bad", "/sign-in"))
            assert "hunter2" not in found
            for token in (VIEWER, OPERATOR, ADMIN):
                assert token not in found


def test_strangers_learn_nothing_of_the_project(folder: Inside):
    folder.write("specs/s.yaml", SPEC.replace("project: shop", "project: secret_plans"))
    with site(folder) as browser:
        for path in ("/sign-in", "/sign-in/x", "/static/x", "/nothing"):
            text = browser.get(path).text
            assert "secret_plans" not in text
            assert "specs as they were" not in text
        browser.sign_in(VIEWER)
        assert "secret_plans" in browser.get("/sign-in").text


def test_messages_are_masked_before_they_are_cut_and_csrf_values_never():
    made = views.templates(lambda text: text.replace("hunter2", "***").replace("abc", "***"))
    text = "x" * 1990 + " hunter2 hunter2"
    shown = made.from_string("{{ text|cut }}|{{ hex|cut_hex }}|{{ csrf }}")
    words = shown.render(
        text=text, hex=(b"\xff hunter2").hex(), csrf=gate.Visit(guard.Role.ADMIN, csrf=Markup("abc")).csrf
    )
    plain, found, csrf = words.split("|")
    assert "hun" not in plain
    assert bytes.fromhex(found) == b"\xff ***"
    assert csrf == "abc"
