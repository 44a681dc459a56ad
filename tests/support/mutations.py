"""Bytes that are nearly right: lawful ones with a few places changed, cut out, doubled or made up."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

Change = tuple[str, int, bytes]
_LIKELY = [
    b"",
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\0\0",
    b"\r\n",
    b"\n",
    b"-1",
    b"0" * 20,
    b"\xff" * 9,
]


def changes() -> st.SearchStrategy[list[Change]]:
    """Some changes: what is done, where (of any message: modulo its length), and with which bytes."""
    kind = st.sampled_from(["set", "insert", "cut", "double", "end"])
    return st.lists(st.tuples(kind, st.integers(0, 400), st.sampled_from(_LIKELY) | st.binary(max_size=6)), max_size=4)


def changed(data: bytes, by: Sequence[Change]) -> bytes:
    """*data* after these changes, one after the other."""
    for kind, place, new in by:
        at = place % (len(data) + 1)
        before, after = data[:at], data[at:]
        if kind == "set":
            data = before + new + after[len(new) :]
        elif kind == "insert":
            data = before + new + after
        elif kind == "cut":
            data = before + after[len(new) or 1 :]
        elif kind == "double":
            data = before + after[: len(new) or 1] * 2 + after[len(new) or 1 :]
        else:
            data = before
    return data


def pieces(data: bytes, lengths: Sequence[int]) -> list[bytes]:
    """*data* in pieces of these lengths, in turn; all of it in one where there are none."""
    found, at, number = [], 0, 0
    while at < len(data):
        length = lengths[number % len(lengths)] if lengths else len(data)
        found.append(data[at : at + length])
        at += length
        number += 1
    return found
