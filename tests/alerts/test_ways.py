"""Each way of telling an alert, on real servers of HTTP and SMTP, and what each says when they fail."""

# ruff: noqa: E501 -- specs read best in one line

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.parser import BytesParser
from email.policy import default
from threading import Thread

import pytest

from flowc.compiler.passes.alert_bodies import FIELDS
from flowc.service.alerts import http, mail
from flowc.service.alerts.alert import RECOVERED
from flowc.service.alerts.undelivered import Undelivered
from tests.alerts.servers import CERTIFICATE, hook, mail_server
from tests.alerts.specs import ALERT, sender
from tests.services.machine import free_port

SECRET = "s3cr3tpath"


def refused(send, alert=ALERT):
    with pytest.raises(Undelivered) as caught:
        send(alert)
    assert SECRET not in str(caught.value)
    return caught.value


def test_lint_knows_the_fields_that_alerts_have():
    assert tuple(ALERT.fields) == FIELDS


def test_slack_gets_a_text_in_which_nothing_is_a_command(tmp_path):
    with hook() as server:
        sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": server.url})(ALERT)
    (body,) = server.bodies
    assert body == {"text": '*[shop] load failed*\nit failed: "why" &lt;b&gt; &amp; so'}
    assert server.got[0][1]["content-type"] == "application/json"


def test_pagerduty_opens_and_closes_one_incident(tmp_path):
    with hook(202, 202) as server:
        send = sender(tmp_path, '{ kind: pagerduty, routing_key: "${KEY}", url: "${HOOK}" }',
                      {"KEY": "k" * 32, "HOOK": server.url})  # fmt: skip
        send(ALERT)
        send(replace(ALERT, kind=RECOVERED))
    opened, closed = server.bodies
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == "flowc/shop/pipeline/load/failing"
    assert opened["routing_key"] == "k" * 32
    assert opened["payload"]["severity"] == "error"
    assert opened["payload"]["summary"].startswith("[shop] load failed: it failed")
    assert "payload" not in closed


def test_a_webhook_gets_its_headers_and_its_body(tmp_path):
    written = (
        '{ kind: webhook, url: "${HOOK}", headers: { authorization: "Bearer ${T}" }, '
        'body: \'{"text": {{ alert.message | tojson }}, "who": {{ alert.subject | tojson }}}\' }'
    )
    with hook() as server:
        sender(tmp_path, written, {"HOOK": server.url, "T": "t0ken"})(ALERT)
    assert server.bodies == [{"text": ALERT.message, "who": "load"}]
    assert server.got[0][1]["authorization"] == "Bearer t0ken"


def test_a_webhook_without_a_body_gets_all_there_is(tmp_path):
    with hook() as server:
        sender(tmp_path, '{ kind: webhook, url: "${HOOK}" }', {"HOOK": server.url})(ALERT)
    assert server.bodies == [json.loads(json.dumps(ALERT.fields))]


def test_standard_output_gets_a_line_of_json(tmp_path):
    lines = []
    sender(tmp_path, "{ kind: stdout }", write=lines.append)(replace(ALERT, message="two\nlines"))
    assert [json.loads(line)["message"] for line in lines] == ["two\nlines"]
    assert "\n" not in lines[0]


def test_a_mail_is_encrypted_and_logs_in(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with mail_server(password="right") as box:
        written = f'{{ kind: email, host: 127.0.0.1, port: {box.port}, username: flowc, password: "${{PW}}", from: f@example.com, to: [a@example.com, b@example.com] }}'
        sender(tmp_path, written, {"PW": "right"})(ALERT)
        wrong = refused(sender(tmp_path, written, {"PW": "wrong"}))
    (mail,) = box.mails
    assert box.encrypted == [True]
    assert mail.rcpt_tos == ["a@example.com", "b@example.com"]
    text = mail.content.decode()
    assert "Subject: [shop] load failed" in text
    assert 'it failed: "why" <b> & so' in text
    assert str(wrong) == "the mail server refused the login (535)"
    assert not wrong.again


ACTING = replace(ALERT, message="red \x1b[31m \x9b \u202e \x00 half \ud800\nsecond line", error="\ud800\x1b")
SHOWN = "red ␛[31m � � ␀ half �\nsecond line"


def test_no_way_of_telling_passes_on_what_acts_on_its_reader(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    lines = []
    with mail_server() as box, hook(200, 200, 200) as server:
        for written in (
            MAIL.format(port=box.port, more=""),
            f'{{ kind: slack, url: "{server.url}" }}',
            f'{{ kind: webhook, url: "{server.url}" }}',
            f'{{ kind: webhook, url: "{server.url}", headers: {{ content-type: text/plain }}, body: "{{{{ alert.message }}}}" }}',
        ):
            sender(tmp_path, written)(ACTING)
        sender(tmp_path, "{ kind: stdout }", write=lines.append)(ACTING)
    assert SHOWN in BytesParser(policy=default).parsebytes(box.mails[0].content).get_content().replace("\r", "")
    slack, whole, template = (body for _, _, body in server.got)
    assert SHOWN in json.loads(slack)["text"]
    assert json.loads(whole)["message"] == json.loads(lines[0])["message"] == template.decode() == SHOWN
    assert json.loads(lines[0])["error"] == "�␛"


MAIL = "{{ kind: email, host: 127.0.0.1, port: {port}, from: f@example.com, to: [a@example.com]{more} }}"


def test_a_mail_server_that_is_not_trusted_or_does_not_encrypt_gets_no_mail(tmp_path):
    with mail_server() as box:
        why = refused(sender(tmp_path, MAIL.format(port=box.port, more="")))
    assert str(why).startswith("the certificate of the mail server is not trusted")
    with mail_server(starttls=False) as plain:
        why = refused(sender(tmp_path, MAIL.format(port=plain.port, more="")))
        assert str(why) == "the mail server does not encrypt by STARTTLS"
        sender(tmp_path, MAIL.format(port=plain.port, more=", tls: none"))(ALERT)
    assert (len(box.mails), len(plain.mails)) == (0, 1)


@pytest.mark.parametrize(("answer", "again"), [("550 no such user", False), ("451 come again", True)])
def test_a_mail_that_is_refused_says_so(tmp_path, answer, again):
    with mail_server(starttls=False) as box:
        box.refuses = answer
        why = refused(sender(tmp_path, MAIL.format(port=box.port, more=", tls: none")))
    assert str(why) == f"the mail server refused all recipients ({answer[:3]})"
    assert why.again is again


def test_a_mail_server_that_is_not_there(tmp_path):
    why = refused(sender(tmp_path, MAIL.format(port=free_port(), more="")))
    assert (str(why), why.again) == ("no mail server listens there", True)


@pytest.mark.parametrize(
    ("answer", "words", "again", "after"),
    [
        (500, "it answered 500: said no", True, None),
        ((503, {"Retry-After": "7"}), "it answered 503: said no", True, 7.0),
        ((429, {"Retry-After": "86400"}), "it answered 429: said no", True, 60.0),
        ((429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), "it answered 429: said no", True, 0.0),
        ((429, {"Retry-After": "soon"}), "it answered 429: said no", True, None),
        (404, "it answered 404: said no", False, None),
    ],
)
def test_what_a_server_refuses_is_told_and_tried_again_where_that_may_help(tmp_path, answer, words, again, after):
    with hook(answer) as server:
        why = refused(sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": server.url}))
    assert (str(why), why.again, why.after) == (words, again, after)


def test_no_redirect_is_followed(tmp_path):
    with (
        hook() as other,
        hook((307, {"Location": other.url})) as server,
        hook((302, {"Location": other.url})) as second,
    ):
        for url in (server.url, second.url):
            why = refused(sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": url}))
            assert "redirects are not followed" in str(why)
            assert not why.again
    assert other.got == []


def test_a_server_that_hangs_or_never_ends_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(http.post, "__kwdefaults__", {"timeout": 0.5})
    with hook("hang", "endless") as server:
        send = sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": server.url})
        began = time.monotonic()
        hanging, endless = refused(send), refused(send)
        assert time.monotonic() - began < 5
    assert (str(hanging), hanging.again) == (
        "it may have taken this, but gave no answer within 0.5 s, or hung up", False,
    )  # fmt: skip
    assert str(endless).startswith("it answered 500")


def test_a_server_that_is_not_there_or_not_trusted(tmp_path):
    nobody = sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": f"http://127.0.0.1:{free_port()}/{SECRET}"})
    assert str(refused(nobody)) == "nothing listens there"
    with hook(tls=True) as server:
        why = refused(sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": server.url}))
    assert str(why).startswith("its certificate is not trusted")
    assert not why.again


def test_tls_works_where_the_server_is_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with hook(tls=True) as server:
        sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": server.url})(ALERT)
    assert len(server.got) == 1


@pytest.mark.parametrize("value", ["http://[::1", "nothing", "file:///etc/hostname#", "http://127.0.0.1:1/a b\n"])
def test_an_address_that_is_none_is_not_shown(tmp_path, value):
    why = refused(sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": value + SECRET}))
    assert not why.again or "listens" in str(why)


def test_a_secret_that_is_not_set_is_named(tmp_path):
    why = refused(sender(tmp_path, '{ kind: slack, url: "${HOOK}" }'))
    assert str(why) == "the variable `HOOK` is not set"


def test_what_a_server_says_of_a_secret_is_masked(tmp_path):
    with hook() as server:
        send = sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": server.url})
        send(ALERT)
    text = f"POST {server.url} failed for {SECRET}"
    assert SECRET not in send.resolver.redact(text)


@pytest.mark.parametrize(("pause", "seconds"), [(0.05, 1.0), (0.0, 30.0)])
def test_a_mail_server_whose_answer_never_ends_is_left(tmp_path, monkeypatch, pause, seconds):
    monkeypatch.setattr(mail, "_WHOLE", seconds)

    def talk(client):
        with suppress(OSError), client:
            while True:
                client.sendall(b"220-" + b"x" * 40 + b"\r\n")
                time.sleep(pause)

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=lambda: talk(server.accept()[0]), daemon=True).start()
        began = time.monotonic()
        why = refused(sender(tmp_path, MAIL.format(port=server.getsockname()[1], more="")))
    assert time.monotonic() - began < 10
    assert (str(why)[:32], why.again) == ("the mail server gave no answer w", True)


class Postman:
    """A mail server that answers as a test says: by the command, `.` for a mail; None hangs up."""

    def __init__(self, **answers):
        self.answers, self.mails = answers, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with suppress(OSError), client, client.makefile("rb") as lines:
            client.sendall(b"220 hi\r\n")
            inside = False
            for line in lines:
                word = "mail_end" if line == b".\r\n" else line.split()[0].decode().lower() if not inside else ""
                self.mails += word == "mail_end"
                inside = word == "data" or (inside and word != "mail_end")
                answer = self.answers.get(word, "354 go" if word == "data" else "250 ok") if word else ""
                if answer is None:
                    client.shutdown(socket.SHUT_RDWR)
                if answer:
                    client.sendall(f"{answer}\r\n".encode())


@pytest.mark.parametrize("answer", ["421 closing", "250 ok", "what?", None])
def test_a_mail_that_was_taken_is_delivered_however_the_server_takes_leave(tmp_path, answer):
    with Postman(quit=answer) as server:
        sender(tmp_path, MAIL.format(port=server.port, more=", tls: none"))(ALERT)
    assert server.mails == 1


@pytest.mark.parametrize(
    ("answers", "words", "again"),
    [
        ({"mail_end": None}, "the mail server may have taken the mail, but gave no answer", False),
        ({"mail_end": "what?"}, "the mail server answered -1", False),
        ({"mail_end": "451 later"}, "the mail server answered 451: later", True),
        ({"mail_end": "554 never", "quit": "421 closing"}, "the mail server answered 554: never", False),
        ({"data": None}, "the mail server gave no answer", True),
    ],
)
def test_a_mail_that_may_have_been_taken_is_not_sent_again(tmp_path, answers, words, again):
    with Postman(**answers) as server:
        why = refused(sender(tmp_path, MAIL.format(port=server.port, more=", tls: none")))
    assert (str(why)[: len(words)], why.again) == (words, again)


@contextmanager
def dripping(first, then):
    """A server that answers what it hears first, and then says a bit every now and then for 8 seconds; its port."""

    def talk(client):
        with suppress(OSError), client:
            client.recv(4096)
            client.sendall(first)
            for _ in range(160):
                client.sendall(then)
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=lambda: talk(server.accept()[0]), daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("by_proxy", [True, False], ids=["proxy", "handshake"])
def test_a_proxy_or_a_handshake_that_never_ends_is_left(tmp_path, monkeypatch, by_proxy):
    monkeypatch.setattr(http.post, "__kwdefaults__", {"timeout": 0.5})
    connected, record = (b"HTTP/1.1 200 ok\r\n", b"X-A: 1\r\n"), (b"\x16\x03\x03\x40\x00\x02", b"\0")
    with dripping(*(connected if by_proxy else record)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}" if by_proxy else "")
        url = f"https://{'nobody.example' if by_proxy else f'127.0.0.1:{port}'}/{SECRET}"
        began = time.monotonic()
        why = refused(sender(tmp_path, '{ kind: slack, url: "${HOOK}" }', {"HOOK": url}))
    assert time.monotonic() - began < 5
    assert why.again


def test_a_mail_server_that_takes_no_password_says_so(tmp_path):
    more = ", tls: none, username: u, password: p"
    with Postman(ehlo="250-ok\r\n250 AUTH XOAUTH2 NTLM") as server:
        why = refused(sender(tmp_path, MAIL.format(port=server.port, more=more)))
    assert (str(why), why.again) == ("the mail server takes no login by user name and password", False)
