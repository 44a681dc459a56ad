"""Where a Thrift message ends: as the reader has it, as either twin has it, and never beyond its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import thriftpy2
from hypothesis import example, given, settings
from hypothesis import strategies as st
from thriftpy2.protocol.cybin import TCyBinaryProtocol
from thriftpy2.transport.buffered import TCyBufferedTransport
from thriftpy2.transport.memory import TCyMemoryBuffer

from hybridpress.hot import thrift_pure
from hybridpress.hot.thrift import ENDS_EARLY, UNLAWFUL, struct_end
from tests.support.mutations import Change, changed, changes

IDL = Path(__file__).parents[1] / "clients" / "thrift" / "everything.thrift"
TYPES = thriftpy2.load(str(IDL), module_name="hot_everything_thrift")
POINT = TYPES.Point(x=1, y=2)
FULL = TYPES.Everything(
    yes=True,
    tiny=1,
    small=2,
    middle=3,
    large=4,
    real=0.5,
    text="text",
    raw=b"raw",
    colour=2,
    point=POINT,
    shape=TYPES.Shape(polygon=[POINT, POINT]),
    numbers=[1, 2, 3],
    names={"a", "b"},
    sizes={"a": 1, "b": 2},
    paths={1: [POINT], 2: []},
    deep=[{"a": [True, False]}, {}],
    reals={1: 0.5},
    blobs=[b"", b"blob"],
    far=7,
)


def written(struct: Any) -> bytes:
    out = TCyMemoryBuffer()
    TCyBinaryProtocol(out).write_struct(struct)
    data: bytes = out.getvalue()
    return data


class Source:
    """Bytes that a buffered transport reads, all that there are at once."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int) -> bytes:
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def n_taken(data: bytes, struct: Any) -> int:
    """How many of these bytes thriftpy2 reads for *struct*."""
    source = Source(data)
    transport = TCyBufferedTransport(source)
    TCyBinaryProtocol(transport).read_struct(struct)
    n_left = len(source.data)
    while True:
        try:
            transport.read(1)
        except Exception:  # noqa: BLE001 (its end, of whatever kind)
            return len(data) - n_left
        n_left += 1


def test_a_lawful_struct() -> None:
    """It ends where it does, and at none of its bytes before."""
    data = written(FULL)
    spec = FULL.thrift_spec
    assert struct_end(data + b"more", 0, spec) == len(data)
    assert struct_end(data + b"more", 0, None) == len(data)
    assert struct_end(b"12345" + data, 5, spec) == len(data) + 5
    assert {struct_end(data[:n], 0, spec) for n in range(len(data))} == {ENDS_EARLY}


BIG = b"\x7f\xff\xff\xff"


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", ENDS_EARLY),
        (b"\0", 1),
        (b"\x0f\0\x63\x20" + BIG + b"\0", UNLAWFUL),  # a list of what does not exist
        (b"\x0e\0\x63\0" + BIG + b"\0", UNLAWFUL),
        (b"\x0f\0\x63\x02" + BIG + b"\0", ENDS_EARLY),
        (b"\x0f\0\x63\x0c" + BIG + b"\0", ENDS_EARLY),
        (b"\x0f\0\x63\0\0\0\0\0\0", 9),  # an empty one may be of anything
        (b"\x0d\0\x63\x08\x20" + BIG + b"\0", UNLAWFUL),
        (b"\x0d\0\x63\x08\x08" + BIG + b"\0", ENDS_EARLY),
        (b"\x0d\0\x0f\x0b\x0f\0\0\0\1\0\0\0\0\x0c\0\0\0\0\0", UNLAWFUL),  # strings where the IDL has numbers
        (b"\x0b\0\x63\xff\xff\xff\xff\0", UNLAWFUL),
        (b"\x0f\0\x63\x08\xff\xff\xff\xff\0", UNLAWFUL),
        (b"\x07\0\1", UNLAWFUL),
        (b"\x0f\0\x63" + b"\x0f\0\0\0\1" * 100, UNLAWFUL),
        (b"\x0c\0\x63" * 100, UNLAWFUL),
    ],
)
def test_what_cannot_be(data: bytes, end: int) -> None:
    """Sizes over what is there, types that do not exist and nesting without end are found out, not counted through."""
    assert struct_end(data, 0, FULL.thrift_spec) == end
    assert thrift_pure.struct_end(data, 0, FULL.thrift_spec) == end


@settings(max_examples=400)
@given(changes(), st.booleans())
@example([("insert", 0, b"\x0d\0\x0f\x0b\x0f\0\0\0\1")], True)
def test_the_reader_takes_what_was_found(by: Sequence[Change], has_spec: bool) -> None:
    """Of nearly lawful bytes both twins say the same; and what they call lawful, thriftpy2 reads to that very end."""
    data = changed(written(FULL), by)
    spec = FULL.thrift_spec if has_spec else None
    end = struct_end(data, 0, spec)
    assert thrift_pure.struct_end(data, 0, spec) == end
    if end >= 0 and has_spec:
        assert n_taken(data[:end], TYPES.Everything()) == end
