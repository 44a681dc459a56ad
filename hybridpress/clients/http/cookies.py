"""Cookies of one slot (RFC 6265, without the list of public suffixes). No sockets here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Final

from hybridpress.clients.http.url import Origin
from hybridpress.clock import now_ns
from hybridpress.errors import RequestError

_FOREVER: Final = 1 << 62
_MAX_COOKIES: Final = 300  # a jar that a server could fill would be a leak
_MAX_BYTES: Final = 4096  # of one cookie, with its attributes
_MAX_DIGITS: Final = 12  # of a Max-Age: some 30,000 years


@dataclass(slots=True)
class Cookie:
    """One cookie and where it is sent to."""

    name: str
    value: str
    domain: str = ""  # "": any host
    host_only: bool = True
    path: str = "/"
    secure: bool = False
    expires_ns: int = _FOREVER

    def goes_to(self, origin: Origin, path: str) -> bool:
        """Whether it is sent with a request for *path* of *origin*."""
        if self.secure and origin.scheme != "https":
            return False
        if self.domain and not (origin.host == self.domain if self.host_only else _within(origin.host, self.domain)):
            return False
        return path == self.path or path.startswith(self.path if self.path.endswith("/") else self.path + "/")


class CookieJar(MutableMapping[str, str]):
    """Cookies by name. `jar["name"] = value` is sent to every host; servers' cookies go where they may."""

    __slots__ = ("_cookies",)

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def __getitem__(self, name: str) -> str:
        for cookie in self._fresh():
            if cookie.name == name:
                return cookie.value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        if not name or any(letter in name + value for letter in "\r\n\0;") or set(name) & set("=, \t"):
            raise RequestError(f"cookie {name!r} cannot have the value {value!r}")
        self._put(Cookie(name, value))

    def __delitem__(self, name: str) -> None:
        keys = [key for key in self._cookies if key[0] == name]
        if not keys:
            raise KeyError(name)
        for key in keys:
            del self._cookies[key]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(cookie.name for cookie in self._fresh()))

    def __len__(self) -> int:
        return len({cookie.name for cookie in self._fresh()})

    def __repr__(self) -> str:
        return f"<CookieJar {', '.join(self)}>"

    def header(self, origin: Origin, target: str) -> str:
        """The value of the Cookie header for a request, longest paths first; "" if there is no cookie for it."""
        if not self._cookies:
            return ""
        path = target.partition("?")[0]
        cookies = [cookie for cookie in self._fresh() if cookie.goes_to(origin, path)]
        cookies.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)

    def take(self, set_cookies: Iterable[str], origin: Origin, target: str) -> None:
        """Keep what a reply's Set-Cookie headers say; what they may not say is ignored."""
        for text in set_cookies:
            cookie = _parse(text, origin, target.partition("?")[0])
            if cookie is not None:
                self._put(cookie)

    def _put(self, cookie: Cookie) -> None:
        key = (cookie.name, cookie.domain, cookie.path)
        if cookie.expires_ns <= now_ns():
            self._cookies.pop(key, None)
            return
        if key not in self._cookies and len(self._cookies) >= _MAX_COOKIES:
            del self._cookies[next(iter(self._cookies))]
        self._cookies[key] = cookie

    def _fresh(self) -> list[Cookie]:
        now = now_ns()
        for key in [key for key, cookie in self._cookies.items() if cookie.expires_ns <= now]:
            del self._cookies[key]
        return list(self._cookies.values())


def _parse(text: str, origin: Origin, path: str) -> Cookie | None:
    if len(text) > _MAX_BYTES:
        return None
    pair, *attributes = text.split(";")
    name, equals, value = (part.strip() for part in pair.partition("="))
    if not equals or not name:
        return None
    directory = path.rpartition("/")[0] or "/"
    cookie = Cookie(name, value, domain=origin.host, path=directory)
    max_age: int | None = None
    for attribute in attributes:
        key, _, said = (part.strip() for part in attribute.partition("="))
        match key.lower():
            case "domain" if said.lstrip("."):
                cookie.domain = said.lstrip(".").lower()
                cookie.host_only = False
            case "path" if said.startswith("/"):
                cookie.path = said
            case "secure":
                cookie.secure = True
            case "max-age" if said.isascii() and said.removeprefix("-").isdecimal():
                max_age = int(said[:_MAX_DIGITS])
            case "expires" if max_age is None:
                cookie.expires_ns = _expiry_ns(said)
    if max_age is not None:
        cookie.expires_ns = now_ns() + max_age * 1_000_000_000 if max_age > 0 else 0
    if not cookie.host_only and not _may_set(origin.host, cookie.domain):
        return None
    if cookie.secure and origin.scheme != "https":
        return None
    return cookie


def _expiry_ns(date: str) -> int:
    """A date of HTTP on our clock; dates nobody can read never come."""
    import datetime as dt
    import email.utils  # slow to load, and most runs keep no cookies

    try:
        expires = email.utils.parsedate_to_datetime(date.replace("-", " "))
        if expires.tzinfo is None:
            expires = expires.replace(tzinfo=dt.UTC)
        left = expires - dt.datetime.now(dt.UTC)
    except (ValueError, ArithmeticError, LookupError, TypeError):  # the library's parser trusts what it reads
        return _FOREVER
    return now_ns() + int(left.total_seconds() * 1e9)


def _within(host: str, domain: str) -> bool:
    return host == domain or (host.endswith("." + domain) and not host.replace(".", "").isdecimal())


def _may_set(host: str, domain: str) -> bool:
    """Whether *host* may set a cookie for *domain*: itself or above it, and no top-level domain."""
    return host == domain or (_within(host, domain) and "." in domain)
