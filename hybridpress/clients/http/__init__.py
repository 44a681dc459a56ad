"""The fast HTTP/1.1 client: keep-alive over asyncio protocols, parsed by httptools, made for millions of small calls."""

from hybridpress.clients.http.client import HttpClient
from hybridpress.clients.http.cookies import CookieJar
from hybridpress.clients.http.engine import HttpEngine
from hybridpress.clients.http.response import Headers, Response
from hybridpress.clients.http.settings import HttpSettings

__all__ = ["CookieJar", "Headers", "HttpClient", "HttpEngine", "HttpSettings", "Response"]
