"""What hybridpress runs: one class a kind of case."""

import os
from pathlib import Path

import orjson

from hybridpress import Press, check

VALUE = orjson.loads(Path(os.environ["PEER_BODY_FILE"]).read_bytes())


class Get(Press):
    async def press(self) -> None:
        await self.http.get("/")


class GetJson(Press):
    async def press(self) -> None:
        reply = await self.http.get("/vms")
        check(reply.json()["total"] == 16, "the total is right")


class PostJson(Press):
    async def press(self) -> None:
        await self.http.post("/post", json=VALUE)
