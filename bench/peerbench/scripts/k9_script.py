# mypy: ignore-errors
# (k9-load is in a virtual environment of its own, so its types are not known here)
"""What k9 runs in Python: one function an iteration, by the kind of case."""

import json
import os
from pathlib import Path

import k9

KIND = os.environ["PEER_KIND"]
URL = os.environ["PEER_URL"]
VALUE = json.loads(Path(os.environ["PEER_BODY_FILE"]).read_text())
options = json.loads((Path(os.environ["PEER_FOLDER"]) / "options.json").read_text())

if KIND == "get":

    async def default() -> None:
        await k9.http.get(URL)


if KIND == "json":

    async def default() -> None:
        reply = await k9.http.get(URL)
        k9.check(reply, {"the total is right": lambda reply: reply.json()["total"] == 16})


if KIND == "post":

    async def default() -> None:
        await k9.http.post(URL, json=VALUE)
