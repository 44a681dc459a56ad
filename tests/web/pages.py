"""A page that is served for a test, as it is: real sockets, a real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from hybridpress.web.address import Access, access_of, listen
from hybridpress.web.server import Server, Steering


@dataclass
class Page:
    """A page that is up, a client, and what it was asked."""

    server: Server
    session: aiohttp.ClientSession
    port: int
    asked: list[str] = field(default_factory=list)
    started: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def status(self, path: str = "/", method: str = "GET", **options: Any) -> int:
        async with self.session.request(method, self.url + path, allow_redirects=False, **options) as reply:
            return reply.status

    async def command(self, **options: Any) -> int:
        """Ask the run that is under way for a pause, in the way that *options* say."""
        if self.server.story.run is None:
            self.server.story.begin()
        return await self.status("/command", "POST", **({"json": {"command": "pause"}} | options))


@asynccontextmanager
async def served(token: str | None = None, *, can_start: bool = True, by_address: bool = False) -> AsyncIterator[Page]:
    with listen("127.0.0.1:0") as listening:
        found = access_of(listening, "127.0.0.1:0")
        access = Access(found.port, found.names, by_address, token)
        server = Server(access, form=[] if can_start else None)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            page = Page(server, session, access.port)

            async def ask(command: str) -> dict[str, Any]:
                page.asked.append(command)
                return {"ok": True, "text": "done"}

            async def start(settings: Mapping[str, Any]) -> dict[str, Any]:
                page.started.append(settings)
                return {"ok": True, "text": "starting"}

            await server.open(listening, Steering(ask, start if can_start else None))
            try:
                yield page
            finally:
                await server.close()


def on_page(test: Callable[[Page], Awaitable[None]], token: str | None = None, **options: Any) -> None:
    """Run *test* on a page."""

    async def run() -> None:
        async with served(token, **options) as page, asyncio.timeout(20):
            await test(page)

    asyncio.run(run())
