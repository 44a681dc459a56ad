"""Where a redirect leads, and as what (RFC 9110, 15.4). No sockets here."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

from hybridpress.clients.http.message import UNSET, Body
from hybridpress.clients.http.url import is_absolute, parse
from hybridpress.errors import ProtocolError, RequestError

_OF_A_BODY = {"content-type", "content-encoding", "content-language", "content-location"}
_OF_A_USER = {"authorization", "cookie"}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LAWFUL_IN_URL = "%/?:@!$&'()*+,;=~-._[]#"


def next_url(url: str, location: str) -> str:
    """The whole URL that *location*, answered by *url*, stands for.

    Raises:
        ProtocolError: it is no URL that can be followed.
    """
    location = quote(location.strip(), safe=_LAWFUL_IN_URL)
    before = parse(url)
    if location.startswith("//"):
        location = f"{before.origin.scheme}:{location}"
    if not is_absolute(location):
        if _SCHEME.match(location):
            raise ProtocolError("the redirect leads to no URL of HTTP", location)
        location = f"{before.origin}{urljoin(before.target, location)}"
    try:
        origin = parse(location).origin
    except RequestError as error:
        raise ProtocolError("the redirect leads to no URL of HTTP", str(error)) from None
    if origin.unix_path is not None and origin != before.origin:
        # A server may not lead us to what only this machine can reach.
        raise ProtocolError("the redirect leads to a Unix socket", location)
    return location


def next_method(status: int, method: str) -> str:
    """The method of the next request; when it is not *method*, the body is left behind."""
    if method == "HEAD" or status in {307, 308}:
        return method
    if status == 303 or method == "POST":
        return "GET"
    return method


@dataclass(slots=True)
class Again:
    """What of a request is sent again to where it is led."""

    headers: Mapping[str, str] | None
    json: Any
    data: Body | None
    timeout: float | None
    auth: tuple[str, str] | None
    decompress: bool
    expect: int | Collection[int] | None

    def become(self, method: str, before: str) -> None:
        """Go on as *method*, without the body if that is another one than *before*.

        Raises:
            RequestError: the body would have to be sent twice, and is gone.
        """
        if method != before:
            self.json = UNSET
            self.data = None
            self.headers = self._without(_OF_A_BODY)
        elif isinstance(self.data, Iterable | AsyncIterable) and not isinstance(
            self.data, bytes | bytearray | memoryview | str | Mapping
        ):
            raise RequestError("a body in chunks cannot be sent again to where the redirect leads")

    def headers_for(self, *, stranger: bool) -> Mapping[str, str] | None:
        """The headers of the next request; those that tell who we are are not for a stranger."""
        return self._without(_OF_A_USER) if stranger else self.headers

    def _without(self, names: Collection[str]) -> Mapping[str, str] | None:
        if self.headers is None:
            return None
        return {name: value for name, value in self.headers.items() if name.lower() not in names}
