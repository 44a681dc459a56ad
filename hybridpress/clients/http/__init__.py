"""The fast HTTP/1.1 client: keep-alive on asyncio protocols, replies parsed by httptools."""

from hybridpress.clients.http.client import HttpClient
from hybridpress.clients.http.cookies import CookieJar
from hybridpress.clients.http.engine import HttpEngine
from hybridpress.clients.http.response import Headers, Response
from hybridpress.clients.http.settings import HttpSettings

__all__ = ["CookieJar", "Headers", "HttpClient", "HttpEngine", "HttpSettings", "Response"]
