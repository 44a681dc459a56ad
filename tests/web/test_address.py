"""Where a page listens, and what it takes to get in there."""

from __future__ import annotations

import socket

import pytest

from hybridpress.errors import UsageError
from hybridpress.settings import PAGE, parse_page
from hybridpress.web.address import TOKEN, access_of, listen, url_of


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, PAGE),
        (False, None),
        (9000, "127.0.0.1:9000"),
        ("0", "127.0.0.1:0"),
        (":9000", "127.0.0.1:9000"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("[::1]:80", "[::1]:80"),
        ("box.example:80", "box.example:80"),
        ("fd:7", "fd:7"),
    ],
)
def test_addresses(value: object, meant: str | None) -> None:
    """A port is one of loopback; others are asked for by name or address."""
    assert parse_page(value) == meant


@pytest.mark.parametrize(
    "value", ["scenario.py", "localhost", "127.0.0.1:", "127.0.0.1:70000", "a b:80", "fd:x", "-1", "x:٣"]
)
def test_what_is_none(value: str) -> None:
    """The message says what it may be, and that a value is taken where none was meant."""
    with pytest.raises(UsageError, match="must be a port such as"):
        parse_page(value)


def test_loopback_asks_for_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless its user has one of his own: then it is that."""
    monkeypatch.delenv(TOKEN, raising=False)
    with listen("127.0.0.1:0") as ours:
        assert access_of(ours, "127.0.0.1:0").token is None
        monkeypatch.setenv(TOKEN, "mine")
        access = access_of(ours, "127.0.0.1:0")
        assert access.token == "mine"
        assert url_of(ours, access) == f"http://127.0.0.1:{access.port}/?token=mine"


def test_other_addresses_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new token for each page, long enough not to be guessed, told with the address."""
    monkeypatch.delenv(TOKEN, raising=False)
    with listen("0.0.0.0:0") as ours:
        tokens = {access_of(ours, "0.0.0.0:0").token or "" for _ in range(10)}
        assert len(tokens) == 10
        assert all(len(token) >= 32 for token in tokens)
        access = access_of(ours, "0.0.0.0:0")
        url = url_of(ours, access)
        assert url.endswith(f":{access.port}/?token={access.token}")
        assert "0.0.0.0" not in url
        assert socket.gethostname().lower() in access.names
        assert access.by_address


def test_an_address_that_cannot_be_had_is_told() -> None:
    """With the way out, before anything is sent."""
    with listen("127.0.0.1:0") as ours:
        port = ours.getsockname()[1]
        with pytest.raises(
            UsageError, match=f"--ui 127.0.0.1:{port}: cannot listen there: address already in use; port 0"
        ):
            listen(f"127.0.0.1:{port}")
    with pytest.raises(UsageError, match="there is no such address"):
        listen("no-such-host.invalid:80")
    with pytest.raises(UsageError, match="cannot listen there"):
        listen("192.0.2.1:0")
