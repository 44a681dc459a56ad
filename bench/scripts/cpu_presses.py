"""What `bench/cpu_tier.py` runs: CPU work of a given length beside a request, or beside nothing; a press that blocks.

`--param ms=1` is how long prepare() works, in ms of CPU.
"""

from __future__ import annotations

import time
from typing import Any

from hybridpress import Press, check


def work(ms: float) -> None:
    """Use so much CPU."""
    until_ns = time.thread_time_ns() + int(ms * 1e6)
    while time.thread_time_ns() < until_ns:
        pass


class Bare(Press):
    """A request for each word, without CPU work."""

    def vocab(self) -> list[int]:
        return list(range(1_000))

    async def press(self, word: int) -> Any:
        reply = await self.http.get("/")
        check(reply.status == 200, "status is 200")


class Works(Bare):
    """The same, each word prepared."""

    def prepare(self, word: int) -> int:
        work(float(self.params["ms"]))
        return word


class Records(Press):
    """Nothing but CPU work: press() only records."""

    def vocab(self) -> list[int]:
        return list(range(1_000))

    def prepare(self, word: int) -> int:
        work(float(self.params["ms"]))
        return word

    async def press(self, word: int) -> None:
        pass


class Plain(Press):
    """A word, and nothing else: what an item with an empty prepare() is compared with."""

    def vocab(self) -> list[int]:
        return list(range(1_000))

    async def press(self, word: int) -> None:
        pass


class Empty(Plain):
    """The same, each word handed to a CPU worker and back."""

    def prepare(self, word: int) -> int:
        return word


class Verifies(Plain):
    """The same, each reply handed to a CPU worker."""

    async def press(self, word: int) -> Any:
        return word

    def verify(self, word: int, reply: int) -> None:
        pass


class Blocks(Press):
    """A client library that waits 50 ms."""

    def press(self) -> None:
        time.sleep(0.05)
