"""Where a request goes: origins, base URLs and URL templates. Knows nothing of sockets or of HTTP messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from hybridpress.errors import RequestError

Params = Mapping[str, object] | Iterable[tuple[str, object]]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_NEVER_IN_URL = re.compile(r"[\x00-\x20\x7f<>\"{}|\\^`]")
_SPLIT = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections lead: scheme, host and port, or the path of a Unix socket."""

    scheme: str  # "http" or "https"
    host: str  # without brackets, in ASCII
    port: int
    unix_path: str | None = None

    @property
    def authority(self) -> str:
        """The value of the Host header: the port left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        """Host and port, or the socket's path, as error messages show it."""
        if self.unix_path is not None:
            return self.unix_path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        if self.unix_path is not None:
            return f"http+unix://{quote(self.unix_path, safe='')}"
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Url:
    """A URL taken apart: its origin, what follows it, and the user it names."""

    origin: Origin
    target: str  # path and query as sent; begins with "/"
    userinfo: tuple[str, str] | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


def parse(url: str) -> Url:
    """An absolute URL, taken apart. The fragment is dropped, non-ASCII characters are percent-encoded.

    Raises:
        RequestError: not an http, https or http+unix URL, or with characters that a URL cannot hold.
    """
    match = _SPLIT.fullmatch(url)
    if match is None:
        raise RequestError(f'URL must begin with "http://", "https://" or "http+unix://", got {url!r}')
    scheme = match["scheme"].lower()
    userinfo_text, at, hostport = match["authority"].rpartition("@")
    userinfo = None
    if at:
        user, _, password = userinfo_text.partition(":")
        userinfo = (unquote(user), unquote(password))
    if scheme in _DEFAULT_PORTS:
        host, port = _host_and_port(hostport, url)
        origin = Origin(scheme, host, port or _DEFAULT_PORTS[scheme])
    elif scheme == "http+unix":
        if not hostport:
            raise RequestError(f'http+unix URL must name a socket as in "http+unix://%2Frun%2Fapp.sock", got {url!r}')
        origin = Origin("http", "localhost", 80, unquote(hostport))
    else:
        raise RequestError(f'URL must begin with "http://", "https://" or "http+unix://", got {url!r}')
    return Url(origin, encoded_target(match["rest"]), userinfo)


def _host_and_port(hostport: str, url: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+(?:%25[\w.~-]+|%[\w.~-]+)?)\]|([^:\[\]]+))(?::(\d{0,9}))?", hostport)
    if match is None:
        raise RequestError(f"URL has no valid host: {url!r}")
    host = (match[1] or unquote(match[2])).replace("%25", "%")
    try:
        host = host.encode("ascii").decode() if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise RequestError(f"URL has no valid host: {url!r}") from None
    if re.search(r"[\x00-\x20\x7f/?#@\\<>\"]", host):
        raise RequestError(f"URL has no valid host: {url!r}")
    port = int(match[3]) if match[3] else None
    if port is not None and not 0 < port < 65536:
        raise RequestError(f"URL has a port outside 1 to 65535: {url!r}")
    return host.lower(), port


def encoded_target(rest: str) -> str:
    """Path and query fit to be sent: without fragment, beginning with "/", in ASCII.

    Raises:
        RequestError: it holds a character that a URL cannot hold; percent-encode it.
    """
    rest = rest.partition("#")[0]
    bad = _NEVER_IN_URL.search(rest)
    if bad is not None:
        raise RequestError(f"URL cannot hold {bad[0]!r}, percent-encode it as {quote(bad[0])}: {rest!r}")
    if not rest.isascii():
        rest = quote(rest, safe="%/?:@!$&'()*+,;=~-._[]")
    return rest if rest.startswith("/") else "/" + rest


def is_absolute(url: str) -> bool:
    """Whether *url* names its own origin."""
    return "://" in url and _SPLIT.fullmatch(url) is not None


def resolve(url: str, base: Url | None) -> Url:
    """*url* itself if absolute, otherwise below *base*, whose path is kept as a prefix.

    Raises:
        RequestError: *url* is relative and there is no base, or it is no URL.
    """
    if is_absolute(url):
        return parse(url)
    if base is None:
        raise RequestError(f"URL {url!r} has no host: pass --host, or write the whole URL")
    prefix = base.path.rstrip("/")
    target = encoded_target(url)
    is_base = url[:1] in {"", "?", "#"}  # the base itself, with a query perhaps
    target = (prefix or "/") + target[1:] if is_base else prefix + target
    return Url(base.origin, target, base.userinfo)


class Template:
    """A URL with places to fill in its path and query, such as "/vm/{id}", below *base* if it is not whole.

    Raises:
        RequestError: it is no URL, or has a place elsewhere.
    """

    __slots__ = ("_fields", "_pattern", "_text", "url")

    def __init__(self, text: str, base: Url | None) -> None:
        self._text = text
        self._fields = tuple(_PLACEHOLDER.findall(text))
        mark = "p0"  # stands in every place while the URL is taken apart
        while mark in text.lower() or (base is not None and mark in base.target):
            mark += "0"
        self.url = resolve(_PLACEHOLDER.sub(mark, text), base)
        plain = self.url.target.split(mark)
        if len(plain) != len(self._fields) + 1:
            raise RequestError(f'URL "{text}" may have places in its path and query only')
        self._pattern = "%s".join(part.replace("%", "%%") for part in plain)

    def target(self, values: Mapping[str, object]) -> str:
        """Path and query with *values* in their places, percent-encoded.

        Raises:
            RequestError: a place has no value, or a value no place.
        """
        fields = self._fields
        if not fields and not values:
            return self.url.target
        try:
            filled = self._pattern % tuple([_encoded(values[field]) for field in fields])
        except KeyError:
            missing = ", ".join(field for field in fields if field not in values)
            raise RequestError(f'URL "{self._text}" needs a value for {missing}') from None
        if len(values) != len(set(fields)):
            spare = ", ".join(name for name in values if name not in fields)
            raise RequestError(f'"{spare}" is neither an option of the request nor a place in URL "{self._text}"')
        return filled


def _encoded(value: object) -> str:
    text = str(value)
    return text if text.isalnum() and text.isascii() else quote(text, safe="")


def with_params(target: str, params: Params) -> str:
    """*target* with *params* added to its query. A sequence as a value gives its name more than once."""
    pairs = params.items() if isinstance(params, Mapping) else params
    query = urlencode(list(pairs), doseq=True)
    if not query:
        return target
    return f"{target}{'&' if '?' in target else '?'}{query}"
