# mypy: ignore-errors
# (molotov is in a virtual environment of its own, so its types are not known here)
"""What molotov runs: one scenario, by the kind of case. It does not tell how long it ran, so its hooks write that."""

import json
import os
import time
from pathlib import Path

from molotov import global_setup, global_teardown, scenario

KIND = os.environ["PEER_KIND"]
URL = os.environ["PEER_URL"]
VALUE = json.loads(Path(os.environ["PEER_BODY_FILE"]).read_text())
TOLD = Path(os.environ["PEER_FOLDER"]) / "molotov.json"
begun = 0.0


@global_setup()
def begin(args) -> None:
    global begun
    begun = time.monotonic()


@global_teardown()
def end() -> None:
    TOLD.write_text(json.dumps({"seconds": time.monotonic() - begun}))


if KIND == "get":

    @scenario(weight=1)
    async def get(session) -> None:
        async with session.get(URL) as reply:
            assert reply.status == 200
            await reply.read()


if KIND == "json":

    @scenario(weight=1)
    async def get_json(session) -> None:
        async with session.get(URL) as reply:
            assert (await reply.json())["total"] == 16


if KIND == "post":

    @scenario(weight=1)
    async def post(session) -> None:
        async with session.post(URL, json=VALUE) as reply:
            assert reply.status == 200
            await reply.read()
