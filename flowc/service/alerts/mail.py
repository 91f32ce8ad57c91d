"""Mails, by SMTP."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from flowc.compiler.names.alerts import is_loopback
from flowc.controls import printable
from flowc.service.alerts.alert import Alert
from flowc.service.alerts.http import TIMEOUT
from flowc.service.alerts.undelivered import Undelivered

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LATER = range(400, 500)
"""The codes by which a mail server asks for another try."""


def send_mail(alert: Alert, options: Mapping[str, Any]) -> None:
    """Sends a mail. Raises Undelivered."""
    tls = str(options.get("tls", "starttls"))
    host, password = str(options["host"]), options.get("password")
    if tls == "none" and password is not None and not is_loopback(host):
        raise Undelivered("its password would be sent in the clear: leave `tls` out, or use `tls: tls`")
    try:
        with _connected(host, int(options.get("port", _PORTS[tls])), tls) as server:
            if options.get("username") is not None:
                server.login(str(options["username"]), str(password or ""))
            refused = server.send_message(_mail(alert, options))
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
        again = error.smtp_code in _LATER or error.smtp_code < 0
        raise Undelivered(f"the mail server answered {error.smtp_code}: {said}", again=again) from None
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"the certificate of the mail server is not trusted: {error.verify_message}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Undelivered(_reason(error), again=True) from None
    except (ValueError, UnicodeError):
        raise Undelivered("`from` or `to` holds what is no address of mail") from None
    if refused:
        raise Undelivered(f"the mail server refused {len(refused)} of {len(options['to'])} recipients")


def _connected(host: str, port: int, tls: str) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if tls == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    if tls == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


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


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "no mail server listens there"
    if isinstance(error, socket.gaierror):
        return "the host of the mail server is not known"
    return f"the mail server gave no answer within {TIMEOUT:g} s, or hung up"
