"""What every peer is asked to do: the cases, and the JSON that goes over the wire in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

Kind = Literal["get", "json", "post"]

N_ITEMS = 16
JSON_BYTES = 1024


def json_text() -> str:
    """The JSON that is served at /vms and posted to /post: 1,024 bytes, with a "total" to check."""
    value = {"total": N_ITEMS, "items": [{"id": f"vm-{n}", "cores": n, "on": n % 2 == 0} for n in range(N_ITEMS)]}
    bare = json.dumps({**value, "note": ""}, separators=(",", ":"))
    return json.dumps({**value, "note": "n" * (JSON_BYTES - len(bare))}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Case:
    """One load: what is asked for, over how many connections, and how often (None: as often as the peer can)."""

    name: str
    kind: Kind
    connections: int
    rate_per_s: int | None = None

    @property
    def path(self) -> str:
        return {"get": "/", "json": "/vms", "post": "/post"}[self.kind]

    @property
    def title(self) -> str:
        what = {
            "get": "GET of 128 bytes",
            "json": "GET of 1 KB of JSON, parsed and checked by the scripted peers",
            "post": "POST of 1 KB of JSON, encoded anew each time by the scripted peers",
        }[self.kind]
        pace = "as fast as it can" if self.rate_per_s is None else f"{self.rate_per_s:,}/s asked"
        return f"{what}, {self.connections} connection{'s' * (self.connections > 1)}, {pace}"


CASES = [
    Case("get-1", "get", 1),
    Case("get-64", "get", 64),
    Case("get-512", "get", 512),
    Case("json-64", "json", 64),
    Case("post-64", "post", 64),
    Case("paced-1k", "get", 64, 1_000),
    Case("paced-10k", "get", 64, 10_000),
]
