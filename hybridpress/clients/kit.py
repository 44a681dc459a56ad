"""All the clients of one worker: opened when first used, closed together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridpress.clients.http import HttpClient, HttpEngine, HttpSettings
from hybridpress.clients.trace import Trace, Untraced

if TYPE_CHECKING:
    import aiohttp


class Clients:
    """One worker's clients. Made inside the worker's running loop."""

    def __init__(self, settings: HttpSettings, trace: Trace) -> None:
        self._settings = settings
        self._trace = trace
        self._engine = HttpEngine(settings, trace)
        if self._engine.base is not None:
            # Reading the system's certificates takes some 50 ms: now, not in the first request.
            self._engine.pool(self._engine.base.origin)
        self._session: aiohttp.ClientSession | None = None

    def http(self) -> HttpClient:
        """A client for one slot; connections are shared."""
        return self._engine.client()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            from hybridpress.clients.session import open_session

            self._session = open_session(self._settings, self._trace)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._engine.close()


async def probe(settings: HttpSettings) -> None:
    """Open one connection to the base URL and close it again; nothing is sent over it (TLS: the handshake is).

    Raises:
        ClientError: it cannot be opened.
    """
    engine = HttpEngine(settings, Untraced())
    try:
        if engine.base is not None:
            await engine.pool(engine.base.origin).connect(settings.timeout_s)
    finally:
        await engine.close()
