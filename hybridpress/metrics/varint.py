"""Whole numbers as bytes: 7 bits a byte, the lowest first, all but a number's last byte marked (LEB128)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
_MOST_BYTES = 9


def pack(numbers: Numbers) -> bytes:
    """The bytes of *numbers*, each from 0 to 2 ** 63 - 1."""
    if not len(numbers):
        return b""
    n_bytes = np.ones(len(numbers), dtype=np.int64)
    for shift in range(7, 63, 7):
        n_bytes += (numbers >> shift) > 0
    places = np.arange(int(n_bytes.max()))
    groups = (numbers[:, None] >> (7 * places)) & 127
    groups |= np.where(places < n_bytes[:, None] - 1, 128, 0)
    return groups[places < n_bytes[:, None]].astype(np.uint8).tobytes()


def unpack(data: bytes) -> Numbers:
    """The numbers that `pack` made *data* of.

    Raises:
        ValueError: it made no such thing.
    """
    if not data:
        return np.zeros(0, dtype=np.int64)
    groups = np.frombuffer(data, dtype=np.uint8).astype(np.int64)
    is_last = groups < 128
    if not is_last[-1]:
        raise ValueError("the last number is cut off")
    starts = np.concatenate(([0], np.flatnonzero(is_last)[:-1] + 1))
    lengths = np.diff(np.append(starts, len(groups)))
    if int(lengths.max()) > _MOST_BYTES:
        raise ValueError("a number is too long")
    places = np.arange(len(groups)) - np.repeat(starts, lengths)
    found: Numbers = np.add.reduceat((groups & 127) << (7 * places), starts)
    return found
