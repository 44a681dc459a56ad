"""Bare aiohttp on uvloop: so many coroutines, each asking again as soon as it has its reply. Prints what it counted."""

import asyncio
import json
import os
import time
from pathlib import Path

import aiohttp
import numpy as np
import uvloop

KIND = os.environ["PEER_KIND"]
URL = os.environ["PEER_URL"]
VALUE = json.loads(Path(os.environ["PEER_BODY_FILE"]).read_text())
CONNECTIONS = int(os.environ["PEER_CONNECTIONS"])
SECONDS = float(os.environ["PEER_SECONDS"])


async def get(session: aiohttp.ClientSession) -> bool:
    async with session.get(URL) as reply:
        await reply.read()
        return reply.status == 200


async def get_json(session: aiohttp.ClientSession) -> bool:
    async with session.get(URL) as reply:
        return bool((await reply.json())["total"] == 16)


async def post(session: aiohttp.ClientSession) -> bool:
    async with session.post(URL, json=VALUE) as reply:
        await reply.read()
        return reply.status == 200


async def main() -> None:
    ask = {"get": get, "json": get_json, "post": post}[KIND]
    times_ns: list[int] = []
    n_errors = 0

    async def loop(session: aiohttp.ClientSession, until_ns: int) -> None:
        nonlocal n_errors
        now_ns = time.monotonic_ns()
        while now_ns < until_ns:
            try:
                n_errors += not await ask(session)
            except (aiohttp.ClientError, OSError, TimeoutError):
                n_errors += 1
            end_ns = time.monotonic_ns()
            times_ns.append(end_ns - now_ns)
            now_ns = end_ns

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        begun_ns = time.monotonic_ns()
        await asyncio.gather(*(loop(session, begun_ns + int(SECONDS * 1e9)) for _ in range(CONNECTIONS)))
        length_s = (time.monotonic_ns() - begun_ns) / 1e9
    p50_ms, p99_ms = np.percentile(times_ns, [50, 99]) / 1e6
    told = {"requests": len(times_ns), "errors": n_errors, "seconds": length_s, "p50_ms": p50_ms, "p99_ms": p99_ms}
    print(json.dumps(told))


if __name__ == "__main__":
    uvloop.run(main())
