"""Where a page listens, by which names it is reached, and who may: addresses, and the token."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from dataclasses import dataclass

from hybridpress.errors import UsageError

TOKEN = "HYBRIDPRESS_UI_TOKEN"  # noqa: S105 (the name of the variable)
"""Environment variable with a token of the user's own; it is then asked for on loopback too."""
_N_WAITING = 128


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a page: those who call it by one of *names* (or, with *by_address*, by any IP address, which no
    other site can pretend to be), and who have the *token*, if there is one.
    """

    port: int
    names: frozenset[str]
    by_address: bool
    token: str | None


def listen(address: str) -> socket.socket:
    """A socket that listens at "HOST:PORT".

    Raises:
        UsageError: it cannot.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"--ui {address}: there is no such address: {error.strerror or error}") from None
    # Of "localhost" the one that browsers try first and every machine has.
    family, kind, protocol, _, bindable = min(found, key=lambda info: info[0] != socket.AF_INET)
    ours = socket.socket(family, kind, protocol)
    try:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ours.bind(bindable)
        ours.listen(_N_WAITING)
    except OSError as error:
        ours.close()
        raise UsageError(
            f"--ui {address}: cannot listen there: {(error.strerror or str(error)).lower()}; port 0 takes a free one"
        ) from None
    return ours


def access_of(ours: socket.socket, address: str) -> Access:
    """Who may use the page that listens on *ours*, as "HOST:PORT" in *address* asked for."""
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]").lower()
    bound, port = ours.getsockname()[:2]
    is_loopback = ipaddress.ip_address(bound.partition("%")[0]).is_loopback
    names = {host, "localhost", "127.0.0.1", "::1"}
    if not is_loopback:
        names |= {socket.gethostname().lower()}
    token = os.environ.get(TOKEN) or (None if is_loopback else secrets.token_urlsafe(24))
    return Access(port, frozenset(names), not is_loopback, token)


def url_of(ours: socket.socket, access: Access) -> str:
    """What to open in a browser. The token is in it, if there is one."""
    bound, port = ours.getsockname()[:2]
    if ipaddress.ip_address(bound.partition("%")[0]).is_unspecified:
        bound = _outward(ours.family) or "127.0.0.1"
    host = f"[{bound}]" if ":" in bound else bound
    return f"http://{host}:{port}/" + (f"?token={access.token}" if access.token else "")


def _outward(family: int) -> str | None:
    """The address by which this machine goes out. Nothing is sent: a datagram socket is only told where it would."""
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect(("192.0.2.1", 9) if family == socket.AF_INET else ("2001:db8::1", 9))
            found: str = trial.getsockname()[0]
        except OSError:
            return None
    return found
