"""The made-up cloud behind /login and /vm/query and its kin: who may ask, under which key, and what each thing is.

Nothing is stored: token and key follow from the account and a secret that all processes of a server share, so
whichever process answers knows them. Every account exists; its password is `password_of(account)`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from hybridpress.target.message import BadRequestError

NONCE_BYTES = 12  # what AES-GCM takes
_MAX_ACCOUNT_CHARS = 64
_NAME = re.compile(r"[a-z]+-(0|[1-9][0-9]{0,3})")


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


def password_of(account: str) -> str:
    """The password of *account*, known to everybody who reads this."""
    return f"secret-of-{account}"


def facts(account: str, kind: str, name: str) -> dict[str, Any]:
    """What /{kind}/query answers about the thing called *name*: "vm-17" of the kind "vm"; each kind has 0 to 9999.

    Raises:
        BadRequestError: there is no such thing (404).
    """
    match = _NAME.fullmatch(name)
    if match is None or not name.startswith(f"{kind}-"):
        told = {"vm": "VM", "eip": "EIP"}.get(kind, kind)
        raise BadRequestError(f"no such {told}: {name[:80]!r}; there are {kind}-0 to {kind}-9999", 404)
    number = int(match[1])
    return {kind: name, "state": "running", "account": account, **_FACTS[kind](number)}


def _of_vm(number: int) -> dict[str, Any]:
    size = 1 << number % 5
    return {"cpus": size, "memory_mb": 2048 * size}


_FACTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "vm": _of_vm,
    "eip": lambda number: {"address": f"198.18.{number // 256}.{number % 256}", "bound_to": f"vm-{number}"},
    "image": lambda number: {"size_gb": 10 + number % 90, "os": ("debian", "rocky", "freebsd")[number % 3]},
    "snapshot": lambda number: {"size_gb": 1 + number % 50, "of": f"vm-{number}"},
}
KINDS = tuple(_FACTS)
"""What can be asked for."""


class Login:
    """Gives out tokens and keys, and knows them again."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # Kept, as a run asks with the same few tokens again and again: the HMAC costs 2 µs, the cipher 5 µs.
        self._known = functools.lru_cache(maxsize=65_536)(self._account_of)
        self._ciphers = functools.lru_cache(maxsize=65_536)(self._make_cipher)

    def enter(self, body: bytes) -> dict[str, str]:
        """The reply to a login: `token` for the Authorization header, `key` (base64) for AES-256-GCM.

        Raises:
            BadRequestError: *body* is not what was asked for (400), or the password is wrong (403).
        """
        wanted = 'expected JSON such as {"account": "ann", "password": "…"}'
        ask = _json_object(body, wanted)
        account, password = ask.get("account"), ask.get("password")
        if not isinstance(account, str) or not isinstance(password, str):
            raise BadRequestError(wanted)
        if not 0 < len(account) <= _MAX_ACCOUNT_CHARS:
            raise BadRequestError(f"an account has 1 to {_MAX_ACCOUNT_CHARS} characters, got {len(account)}")
        if password != password_of(account):
            raise BadRequestError("wrong password", 403)
        name = base64.urlsafe_b64encode(account.encode()).decode()
        key = base64.b64encode(self._derived(b"key", account)).decode()
        return {"token": f"{name}.{self._derived(b'token', account).hex()}", "key": key}

    def _derived(self, purpose: bytes, account: str) -> bytes:
        return hmac.digest(self._secret, purpose + b":" + account.encode(), hashlib.sha256)

    def account(self, authorization: bytes | None) -> str:
        """Whose token the Authorization header carries.

        Raises:
            BadRequestError: none that we gave out (401).
        """
        scheme, _, token = (authorization or b"").partition(b" ")
        account = self._known(token.strip()) if scheme.lower() == b"bearer" else None
        if account is None:
            message = "not logged in: POST /login gives a token for the header Authorization: Bearer …"
            raise BadRequestError(message, 401, b"WWW-Authenticate: Bearer\r\n")
        return account

    def _account_of(self, token: bytes) -> str | None:
        name, _, proof = token.partition(b".")
        try:
            account = base64.b64decode(name, altchars=b"-_", validate=True).decode()
        except ValueError:
            return None
        if not hmac.compare_digest(proof, self._derived(b"token", account).hex().encode()):
            return None
        return account

    def query(self, account: str, body: bytes, kind: str = "vm") -> bytes:
        """The reply, as JSON, to a query in plain JSON for a thing of *kind*.

        Raises:
            BadRequestError: *body* is not what was asked for (400), or there is no such thing (404).
        """
        wanted = f'expected JSON such as {{"{kind}": "{kind}-17"}}'
        name = _json_object(body, wanted).get(kind)
        if not isinstance(name, str):
            raise BadRequestError(wanted)
        return orjson.dumps(facts(account, kind, name))

    def query_sealed(self, account: str, sealed: bytes) -> bytes:
        """The sealed reply to a sealed query: 12 bytes of nonce, then ciphertext and tag of AES-256-GCM.

        Raises:
            BadRequestError: as `query`; not sealed under the account's key (400); no cipher here (501).
        """
        cipher = self._ciphers(account)
        try:
            body = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except Exception as error:  # InvalidTag, which cannot be named without the import
            raise BadRequestError("not sealed under the key that /login gave to this account") from error
        nonce = os.urandom(NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, self.query(account, body), None)

    def _make_cipher(self, account: str) -> _Cipher:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            message = "encrypted parameters need a package: pip install 'hybridpress[crypto]'"
            raise BadRequestError(message, 501) from error
        return AESGCM(self._derived(b"key", account))


def _json_object(body: bytes, wanted: str) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"{wanted}; {error}") from error
    if not isinstance(value, dict):
        raise BadRequestError(wanted)
    return value
