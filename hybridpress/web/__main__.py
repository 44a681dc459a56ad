"""The process of a page that belongs to one run: `python -m hybridpress.web LISTENING_FD LINK_FD`, by `web.output`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import Any

import uvloop

from hybridpress.web.address import Access
from hybridpress.web.link import PageEnd
from hybridpress.web.server import Server, Steering

_LOOK_EVERY_S = 1.0


async def serve(listening: socket.socket, link: PageEnd) -> None:
    """Show the run at the other end of *link* until that end is closed."""
    server: Server | None = None
    opening: list[asyncio.Task[None]] = []

    def told(call: str, args: tuple[Any, ...]) -> None:
        nonlocal server
        if call == "access":
            access: Access = args[0]
            server = Server(access)
            server.story.begin()
            opening.append(asyncio.create_task(server.open(listening, Steering(link.ask))))
        else:
            assert server is not None  # who may use it is told first
            server.story.told(call, args)

    following = asyncio.create_task(link.follow(told))
    # The end of the run's process closes its end, unless a process that the scenario started holds that open.
    parent = os.getppid()
    while not following.done() and os.getppid() == parent:
        await asyncio.wait([following], timeout=_LOOK_EVERY_S)
    if not following.cancel():
        await following  # what went wrong there is to be seen
    await asyncio.gather(*opening)
    if server is not None:
        await server.close()


def main() -> None:
    """Serve the sockets that were handed to this process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    listening_fd, link_fd = map(int, sys.argv[1:])
    uvloop.run(serve(socket.socket(fileno=listening_fd), PageEnd(socket.socket(fileno=link_fd))))


if __name__ == "__main__":
    main()
