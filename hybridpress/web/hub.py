"""The viewers of a page: each frame is encoded once, and a viewer who does not keep up is dropped, not waited for.

Frames are server-sent events. Knows not what is in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

MOST_VIEWERS = 100
MOST_WAITING = 64
"""Frames that may wait for a viewer: some ten seconds. One who is dropped may come again, and gets all anew."""


class Viewer:
    """Somebody who looks on. *drop* ends the connection at once, whatever it waits for; *is_gone* says whether it is
    closed at the other end, which is not noticed while there is nothing to send.
    """

    def __init__(self, drop: Callable[[], None], is_gone: Callable[[], bool]) -> None:
        self._frames: list[bytes] = []
        self._has_news = asyncio.Event()
        self._drop = drop
        self.is_gone = is_gone
        self.is_over = False

    def put(self, frame: bytes) -> bool:
        """Whether there was room for *frame*."""
        if len(self._frames) >= MOST_WAITING:
            return False
        self._frames.append(frame)
        self._has_news.set()
        return True

    def end(self, *, at_once: bool) -> None:
        """Nothing more comes."""
        self.is_over = True
        self._has_news.set()
        if at_once:
            self._drop()

    async def next(self, patience_s: float) -> bytes:
        """All frames that wait, in one; empty when none came in *patience_s*, or none will."""
        if not self._frames and not self.is_over:
            try:
                async with asyncio.timeout(patience_s):
                    await self._has_news.wait()
            except TimeoutError:
                return b""
        self._has_news.clear()
        frames, self._frames = self._frames, []
        return b"".join(frames)


class Hub:
    """All viewers. *story* makes what one who comes gets first: the events and their data."""

    def __init__(self, story: Callable[[], list[tuple[str, Any]]]) -> None:
        self._story = story
        self._viewers: set[Viewer] = set()
        self._first: bytes | None = None
        self.n_dropped = 0

    def has_room(self) -> bool:
        """Whether one more may join."""
        if len(self._viewers) >= MOST_VIEWERS:
            for viewer in [viewer for viewer in self._viewers if viewer.is_gone()]:
                self._viewers.discard(viewer)
                viewer.end(at_once=True)
        return len(self._viewers) < MOST_VIEWERS

    def __len__(self) -> int:
        return len(self._viewers)

    def join(self, drop: Callable[[], None], is_gone: Callable[[], bool] = lambda: False) -> Viewer:
        """A viewer who gets the story so far, then every frame."""
        if self._first is None:
            self._first = b"".join(frame_of(event, data) for event, data in self._story())
        viewer = Viewer(drop, is_gone)
        viewer.put(self._first)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)

    def tell(self, event: str, data: Any) -> None:
        """Send a frame to all."""
        self._first = None
        if not self._viewers:
            return
        frame = frame_of(event, data)
        for viewer in [viewer for viewer in self._viewers if not viewer.put(frame)]:
            self._viewers.discard(viewer)
            self.n_dropped += 1
            viewer.end(at_once=True)

    def close(self) -> None:
        """Nothing more is told; what waits still goes out."""
        for viewer in self._viewers:
            viewer.end(at_once=False)


def frame_of(event: str, data: Any) -> bytes:
    """A server-sent event. JSON has no line breaks of its own, whatever is in it."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), orjson.dumps(data))
