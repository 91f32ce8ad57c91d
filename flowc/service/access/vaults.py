"""Readers of secret stores: HashiCorp Vault, AWS Secrets Manager, Google Secret Manager."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException, InvalidURL
from string import punctuation
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

from flowc.errors import FlowcError, TransientError, UsageError
from flowc.service.access.deadline import Deadline, Encrypted, Plain

_TIMEOUT = 10.0
"""Seconds that an answer may take, as a whole."""
_MOST = 1 << 20
"""Bytes that it may have."""


class _Encrypted(HTTPRedirectHandler):
    """Goes where Vault's standby sends, with the token; but what was asked over TLS is never asked without."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        """The request at the new address."""
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise URLError("it sends to an address without TLS, which the token is kept from")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def read_vault(reference: str, env: Mapping[str, str]) -> str:
    """`path#key` from Vault; the path may leave out the `data/` of a version 2 store."""
    path, _, key = reference.partition("#")
    if not key:
        raise _bad(f"`${{vault:{reference}}}` names no key", "unknown-reference", "write `${vault:path#key}`")
    for variable in ("VAULT_ADDR", "VAULT_TOKEN"):
        if not env.get(variable):
            message = f"`${{vault:{reference}}}` needs the variable `{variable}`"
            raise _bad(message, "unset-variable", f"set it: `export {variable}=…`")
    mount, _, rest = path.strip("/").partition("/")
    body = _vault_get(f"{mount}/{rest}", env)
    if body is None and not rest.startswith("data/"):
        body = _vault_get(f"{mount}/data/{rest}", env)
    if body is None:
        raise _bad(f"Vault has no secret at `{path}`", "unreadable-secret", "check path and policy of the token")
    data = body.get("data") or {}
    if not isinstance(data, dict):
        raise _no_secret(path)
    values = data["data"] if isinstance(data.get("data"), dict) and "metadata" in data else data
    return _pick(values, key, f"${{vault:{reference}}}")


def _vault_get(path: str, env: Mapping[str, str]) -> dict[str, Any] | None:
    """One answer of Vault; None for what is not there."""
    address = f"{env['VAULT_ADDR'].rstrip('/')}/v1/{quote(path, safe=punctuation)}"
    if not address.startswith(("http://", "https://")):
        raise _bad("`VAULT_ADDR` is no web address", "unreadable-secret", "for instance `https://vault:8200`")
    headers = {"X-Vault-Token": env["VAULT_TOKEN"]}
    if env.get("VAULT_NAMESPACE"):
        headers["X-Vault-Namespace"] = env["VAULT_NAMESPACE"]
    deadline = Deadline()
    opener = build_opener(Plain(deadline), Encrypted(deadline), _Encrypted)
    try:
        with deadline.within(_TIMEOUT), opener.open(Request(address, headers=headers), timeout=_TIMEOUT) as answer:
            body = answer.read(_MOST + 1)
    except HTTPError as error:
        error.close()
        if error.code in (403, 404):
            return None
        raise _unreachable("Vault", f"it answered {error.code}") from None
    except InvalidURL:
        raise _bad("`VAULT_ADDR` is no web address", "unreadable-secret", "for instance `https://vault:8200`") from None
    except (URLError, HTTPException, ValueError, OSError) as error:
        raise _unreachable("Vault", str(getattr(error, "reason", "") or "no answer")) from None
    if len(body) > _MOST:
        raise _unreachable("Vault", f"its answer has more than {_MOST >> 20} MiB")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise _unreachable("Vault", "its answer is no JSON, or was cut off") from None
    if not isinstance(found, dict):
        raise _no_secret(path)
    return found


def read_aws(reference: str) -> str:
    """`id#key` from AWS Secrets Manager; without a key the whole text."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise _extra("aws", reference, "boto3") from None
    name, _, key = reference.partition("#")
    try:
        text: str = boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    except (BotoCoreError, ClientError) as error:
        raise _unreachable("AWS Secrets Manager", str(error)) from None
    return _member(text, key, f"${{aws:{reference}}}")


def read_gcp(reference: str, env: Mapping[str, str]) -> str:
    """`id`, or `projects/…/secrets/…`, from Google Secret Manager, at its latest version."""
    try:
        from google.api_core.exceptions import GoogleAPIError
        from google.cloud import secretmanager
    except ImportError:
        raise _extra("gcp", reference, "google-cloud-secret-manager") from None
    name, _, key = reference.partition("#")
    if not name.startswith("projects/"):
        project = env.get("GOOGLE_CLOUD_PROJECT")
        if not project:
            message = f"`${{gcp:{reference}}}` needs the variable `GOOGLE_CLOUD_PROJECT`"
            raise _bad(message, "unset-variable", "set it, or write `${gcp:projects/…/secrets/…}`")
        name = f"projects/{project}/secrets/{name}"
    full = name if "/versions/" in name else f"{name}/versions/latest"
    try:
        client = secretmanager.SecretManagerServiceClient()
        text: str = client.access_secret_version(name=full).payload.data.decode("utf-8")
    except GoogleAPIError as error:
        raise _unreachable("Google Secret Manager", str(error)) from None
    return _member(text, key, f"${{gcp:{reference}}}")


def _member(text: str, key: str, reference: str) -> str:
    """The whole text, or one key of the JSON it holds."""
    if not key:
        return text
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad(f"the secret of `{reference}` is not JSON", "unreadable-secret", "leave out `#key`") from None
    return _pick(values if isinstance(values, dict) else {}, key, reference)


def _pick(values: Mapping[str, Any], key: str, reference: str) -> str:
    if key not in values:
        known = ", ".join(f"`{name}`" for name in values) or "none"
        raise _bad(f"the secret of `{reference}` has no key `{key}`", "unreadable-secret", f"its keys: {known}")
    if values[key] is None or isinstance(values[key], dict | list):
        message = f"the secret of `{reference}` holds no text for `{key}`"
        raise _bad(message, "unreadable-secret", "give the key a value that is a text or a number")
    return str(values[key])


def _no_secret(path: str) -> UsageError:
    message = f"what `VAULT_ADDR` answers for `{path}` is no secret of Vault"
    return _bad(message, "unreadable-secret", "see whether the address is that of Vault, and the path that of a secret")


def _bad(message: str, code: str, help: str) -> UsageError:
    return UsageError(message, code=code, help=help)


def _extra(scheme: str, reference: str, package: str) -> UsageError:
    message = f"`${{{scheme}:{reference}}}` needs the package `{package}`"
    return UsageError(message, code="missing-extra", help=f"pip install 'flowc[{scheme}]', or pip install {package}")


def _unreachable(store: str, reason: str) -> FlowcError:
    return TransientError(f"{store} could not be asked: {reason}", code="secret-store-unreachable", help="try again")
