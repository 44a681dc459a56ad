"""Tokens, keys and VMs: as functions, and over real sockets."""

from __future__ import annotations

import base64
import http.client
import json
import os
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hybridpress.target import Target
from hybridpress.target.login import KINDS, Login, facts, password_of
from hybridpress.target.message import BadRequestError


def post(target: Target, path: str, body: bytes, **headers: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=10)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return reply.status, reply.headers["Content-Type"], reply.read()
    finally:
        connection.close()


def login(target: Target, account: str) -> dict[str, str]:
    body = json.dumps({"account": account, "password": password_of(account)}).encode()
    status, _, answer = post(target, "/login", body)
    assert status == 200
    entered: dict[str, str] = json.loads(answer)
    return entered


def test_a_token_is_known_to_every_process(pair: Target) -> None:
    """What one process gave out, each of them knows."""
    token = login(pair, "ann")["token"]
    for _ in range(20):  # each over a new connection: the kernel deals them
        status, _, answer = post(pair, "/vm/query", b'{"vm": "vm-17"}', Authorization=f"Bearer {token}")
        assert (status, json.loads(answer)) == (200, facts("ann", "vm", "vm-17"))
    assert all(process["requests"] for process in pair.stats()["processes"])


def test_an_encrypted_query_is_answered_in_kind(target: Target) -> None:
    """Parameters sealed under the key of the login get a reply sealed under it, with a nonce of its own."""
    entered = login(target, "ünal")
    cipher = AESGCM(base64.b64decode(entered["key"]))
    nonces = set()
    for n in (0, 42, 9999):
        nonce = os.urandom(12)
        sealed = nonce + cipher.encrypt(nonce, json.dumps({"vm": f"vm-{n}"}).encode(), None)
        status, kind, answer = post(
            target,
            "/vm/query",
            sealed,
            Authorization=f"Bearer {entered['token']}",
            Content_Type="application/octet-stream",
        )
        assert (status, kind) == (200, "application/octet-stream")
        told: dict[str, Any] = json.loads(cipher.decrypt(answer[:12], answer[12:], None))
        assert told == facts("ünal", "vm", f"vm-{n}")
        nonces.add(answer[:12])
    assert len(nonces) == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"account": "ann"}', 400),
        (b'{"account": 7, "password": "x"}', 400),
        (b'{"account": "", "password": ""}', 400),
        (b'{"account": "ann", "password": "guess"}', 403),
    ],
)
def test_a_bad_login_is_refused(target: Target, body: bytes, status: int) -> None:
    """What is not a login gets 400, a wrong password 403."""
    assert post(target, "/login", body)[0] == status


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Bearer YW5u.00", "Basic YW5u", "Bearer ü.ü"])
def test_who_has_no_token_is_401(target: Target, authorization: str) -> None:
    """No token, or one that was not given out here, gets 401."""
    assert post(target, "/vm/query", b'{"vm": "vm-1"}', Authorization=authorization)[0] == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b'"vm-1"', 400), (b'{"vm": 1}', 400), (b'{"vm": "vm-10000"}', 404), (b'{"vm": "vm-01"}', 404)],
)
def test_a_query_that_cannot_be_answered(target: Target, body: bytes, status: int) -> None:
    """What is not a query gets 400, an unknown VM 404; sealed queries alike."""
    entered = login(target, "bob")
    bearer = f"Bearer {entered['token']}"
    assert post(target, "/vm/query", body, Authorization=bearer)[0] == status
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(base64.b64decode(entered["key"])).encrypt(nonce, body, None)
    kind = "application/octet-stream"
    assert post(target, "/vm/query", sealed, Authorization=bearer, Content_Type=kind)[0] == status


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 12, b"x" * 100])
def test_a_bad_ciphertext_is_400(target: Target, sealed: bytes) -> None:
    """What does not open under the account's key gets 400."""
    bearer = f"Bearer {login(target, 'eve')['token']}"
    kind = "application/octet-stream"
    assert post(target, "/vm/query", sealed, Authorization=bearer, Content_Type=kind)[0] == 400


def test_without_the_cipher_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sealed query gets 501 and the command to run where the package cryptography is missing."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(BadRequestError, match=r"pip install 'hybridpress\[crypto\]'") as caught:
        Login(b"secret").query_sealed("ann", b"x" * 40)
    assert caught.value.status == 501


def test_another_secret_does_not_know_the_token() -> None:
    """Tokens and keys are those of one server's secret."""
    body = json.dumps({"account": "ann", "password": password_of("ann")}).encode()
    here, there = Login(b"one").enter(body), Login(b"two").enter(body)
    assert here["key"] != there["key"]
    assert Login(b"one").account(b"Bearer " + here["token"].encode()) == "ann"
    with pytest.raises(BadRequestError):
        Login(b"two").account(b"Bearer " + here["token"].encode())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_thing(target: Target, kind: str) -> None:
    """Each has a path of its own, that knows its own things and no others, for those who are logged in."""
    bearer = f"Bearer {login(target, 'ann')['token']}"
    ask = json.dumps({kind: f"{kind}-42"}).encode()
    status, _, answer = post(target, f"/{kind}/query", ask, Authorization=bearer)
    assert (status, json.loads(answer)) == (200, facts("ann", kind, f"{kind}-42"))
    other = "eip" if kind != "eip" else "vm"
    wrong = json.dumps({kind: f"{other}-42"}).encode()
    assert post(target, f"/{kind}/query", wrong, Authorization=bearer)[0] == 404
    assert post(target, f"/{kind}/query", b"{}", Authorization=bearer)[0] == 400
    assert post(target, f"/{kind}/query", ask)[0] == 401
