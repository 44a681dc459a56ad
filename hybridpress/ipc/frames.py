"""Messages on a stream of bytes, each with its length before it, as `multiprocessing.connection` has it below 2 GiB."""

from __future__ import annotations

import struct

_HEADER = struct.Struct("!i")


def frame(body: bytes | memoryview) -> bytes:
    """*body* with its header."""
    return _HEADER.pack(len(body)) + body


class Frames:
    """Puts together the frames of a stream of bytes."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_within(self) -> bool:
        """Whether a frame has begun whose rest is still to come."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames' bodies that *data* completes."""
        buffer = self._buffer
        buffer += data
        bodies = []
        at, n_bytes = 0, len(buffer)
        while n_bytes - at >= _HEADER.size:
            end = at + _HEADER.size + _HEADER.unpack_from(buffer, at)[0]
            if end > n_bytes:
                break
            bodies.append(bytes(memoryview(buffer)[at + _HEADER.size : end]))
            at = end
        del buffer[:at]
        return bodies
