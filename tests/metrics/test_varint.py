"""Numbers as bytes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.metrics.varint import pack, unpack


@given(st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1))))
def test_there_and_back(numbers: list[int]) -> None:
    """What was packed comes back."""
    assert unpack(pack(np.array(numbers, dtype=np.int64))).tolist() == numbers


@pytest.mark.parametrize(
    ("number", "data"), [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (2**14, b"\x80\x80\x01")]
)
def test_the_bytes(number: int, data: bytes) -> None:
    """The bytes are those of LEB128."""
    assert pack(np.array([number])) == data


@pytest.mark.parametrize("data", [b"\x80", b"\x01\xff", b"\x80" * 9 + b"\x01"])
def test_no_numbers(data: bytes) -> None:
    """A number that is cut off, or longer than any, is refused."""
    with pytest.raises(ValueError, match=r"cut off|too long"):
        unpack(data)
