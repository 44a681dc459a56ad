"""How many sockets this process has open."""

from __future__ import annotations

import asyncio
from pathlib import Path


def n_sockets() -> int:
    """Sockets alone: loops keep a descriptor or two of other kinds in reserve."""
    fds = Path("/proc/self/fd")
    return sum(str(fd.readlink()).startswith("socket:") for fd in fds.iterdir() if fd.is_symlink())


async def down_to(n_before: int) -> None:
    """Wait until no more than *n_before* sockets are open: both ends of a connection take some turns to close."""
    async with asyncio.timeout(5):
        while n_sockets() > n_before:
            await asyncio.sleep(0.001)
