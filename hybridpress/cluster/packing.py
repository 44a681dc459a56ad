"""Messages as bytes and back.

Whoever unpacks runs what the sender wants. What is unpacked comes by the calls of a Ray cluster, which itself executes
whatever those in it send one another, or over a pair of sockets between an agent and the process that it started, or
was packed by this very process.
"""

from __future__ import annotations

import pickle
from typing import Any


def pack(message: object) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def unpack(packed: bytes) -> Any:
    return pickle.loads(packed)  # noqa: S301 (see above)
