"""From what `vocab()` gives to a table in memory."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any


def collect(given: Any) -> list[Any] | None:
    """All words of what `vocab()` returned: an iterable, an async iterable, or a coroutine that returns one.

    None for None: no table. To be called where no event loop runs.

    Raises:
        TypeError: *given* is none of these.
    """
    if inspect.isawaitable(given) or isinstance(given, AsyncIterable):
        return asyncio.run(_collect_async(given))
    if given is None:
        return None
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"vocab() must return or yield words, got {type(given).__name__}")
    return list(given)


async def _collect_async(given: Any) -> list[Any] | None:
    if inspect.isawaitable(given):
        given = await given
    if isinstance(given, AsyncIterable):
        return [word async for word in given]
    return collect(given)
