"""Mails, by SMTP."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import IO, Any

from flowc.compiler.names.alerts import is_loopback
from flowc.controls import printable
from flowc.service.access.deadline import Deadline
from flowc.service.alerts.alert import Alert
from flowc.service.alerts.http import TIMEOUT
from flowc.service.alerts.undelivered import Undelivered

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_WHOLE = 30.0
"""Seconds that a delivery may take in all, as a mail is several questions and answers."""
_MOST = 100_000
"""Bytes that a mail server may say on a connection."""
_LATER = range(400, 500)
"""The codes by which a mail server asks for another try."""
_GO_ON = 354
"""The code by which a mail server asks for the mail itself."""
_SILENT = f"gave no answer within {TIMEOUT:g} s, was not done within {_WHOLE:g} s, or hung up"


def send_mail(alert: Alert, options: Mapping[str, Any]) -> None:
    """Sends a mail. Raises Undelivered."""
    tls = str(options.get("tls", "starttls"))
    host, password = str(options["host"]), options.get("password")
    if tls == "none" and password is not None and not is_loopback(host):
        raise Undelivered("its password would be sent in the clear: leave `tls` out, or use `tls: tls`")
    try:
        refused = _sent(host, int(options.get("port", _PORTS[tls])), tls, alert, options)
    except smtplib.SMTPNotSupportedError as error:
        what = "encrypt by STARTTLS" if "STARTTLS" in str(error) else "take a login, or an address that is no ASCII"
        raise Undelivered(f"the mail server does not {what}") from None
    except smtplib.SMTPAuthenticationError as error:
        raise Undelivered(
            f"the mail server refused the login ({error.smtp_code})", again=error.smtp_code in _LATER
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise _all_refused(error) from None
    except smtplib.SMTPResponseException as error:
        said = " ".join(printable(_words(error.smtp_error)).split())[:200]
        words = f"the mail server answered {error.smtp_code}: {said}"
        raise Undelivered(words, again=error.smtp_code in _LATER) from None
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"the certificate of the mail server is not trusted: {error.verify_message}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise _unreachable(error) from None
    except (ValueError, UnicodeError):
        raise Undelivered("`from` or `to` holds what is no address of mail") from None
    if refused:
        raise Undelivered(f"the mail server refused {len(refused)} of {len(options['to'])} recipients")


def _sent(host: str, port: int, tls: str, alert: Alert, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Sends it; the recipients that were refused."""
    deadline = Deadline()
    with deadline.within(_WHOLE, reads=False), _connected(host, port, tls, deadline) as server:
        if options.get("username") is not None:
            server.login(str(options["username"]), str(options.get("password") or ""))
        return server.send_message(_mail(alert, options))


def _connected(host: str, port: int, tls: str, deadline: Deadline) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if tls == "tls":
        return deadline.minded(_Encrypted)(host, port, timeout=TIMEOUT, context=context)  # type: ignore[no-any-return]
    server: smtplib.SMTP = deadline.minded(_Bounded)(host, port, timeout=TIMEOUT)
    if tls == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


class _Answers:
    """What a mail server says, as far as it comes to an end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, _MOST

    def readline(self, size: int) -> bytes:
        """The next line. Raises OSError when there are too many."""
        line = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the answer has no end")
        return line

    def close(self) -> None:
        """Closes it."""
        self._file.close()


class _Bounded(smtplib.SMTP):
    """Reads no more than so much, and knows whether a mail was asked for."""

    _asked = False

    def __exit__(self, *error: Any) -> None:
        """Takes leave: what the server says to that changes nothing."""
        with suppress(smtplib.SMTPResponseException):
            super().__exit__(*error)

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Hands a mail over. Raises Undelivered where the server may have taken it, and does not say so."""
        try:
            return super().data(msg)
        except smtplib.SMTPServerDisconnected:
            if self._asked:
                raise Undelivered(f"the mail server may have taken the mail, but {_SILENT}") from None
            raise

    def getreply(self) -> tuple[int, bytes]:
        """The next answer."""
        if self.file is None and self.sock is not None:
            self.file = _Answers(self.sock.makefile("rb"))
        code, said = super().getreply()
        self._asked = code == _GO_ON
        return code, said


class _Encrypted(_Bounded, smtplib.SMTP_SSL):
    """By TLS from the first byte."""


def _mail(alert: Alert, options: Mapping[str, Any]) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = printable(alert.title)[:500]
    mail["From"] = str(options["from"])
    mail["To"] = ", ".join(map(str, options["to"]))
    mail["Date"] = formatdate(alert.at.timestamp())
    mail["Message-ID"] = make_msgid(domain=str(options["from"]).rpartition("@")[2].strip("> ") or None)
    mail["Auto-Submitted"] = "auto-generated"
    facts = [f"{name}: {value}" for name, value in alert.fields.items() if value is not None and name in _FACTS]
    mail.set_content("\n".join((alert.text, "", *facts)) + "\n")
    return mail


_FACTS = ("kind", "project", "environment", "at", "since", "run", "due_at", "attempt", "next_attempt", "value")


def _all_refused(error: smtplib.SMTPRecipientsRefused) -> Undelivered:
    codes = {code for code, _ in error.recipients.values()}
    words = f"the mail server refused all recipients ({', '.join(map(str, sorted(codes)))})"
    return Undelivered(words, again=all(code in _LATER for code in codes))


def _words(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


def _unreachable(error: Exception) -> Undelivered:
    if type(error) is smtplib.SMTPException:  # of a login: what the server offers is not known
        return Undelivered("the mail server takes no login by user name and password")
    if isinstance(error, ConnectionRefusedError):
        return Undelivered("no mail server listens there", again=True)
    if isinstance(error, socket.gaierror):
        return Undelivered("the host of the mail server is not known", again=True)
    return Undelivered(f"the mail server {_SILENT}", again=True)
