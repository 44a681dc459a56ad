"""Replies that say they hold more than they do, or what cannot be: found out, and never counted through."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from hybridpress.clients.thrift.client import ThriftOptions
from hybridpress.clients.thrift.codec import IncompleteError
from hybridpress.clients.thrift.generated import GeneratedService
from hybridpress.clients.thrift.method import IdlService
from hybridpress.errors import ProtocolError
from tests.clients.thrift.apache import IDL

BIG = b"\x7f\xff\xff\xff"
END = b"\0"
STRICT = b"\x80\x01\0\x02\0\0\0\x04echo\0\0\0\x01"
LOOSE = b"\0\0\0\x04echo\x02\0\0\0\x01"
COMPACT = b"\x82\x41\x01\x04echo"
JSON = b'[1,"echo",2,1,%b]'
COMPACT_BIG = b"\xff\xff\xff\xff\x07"
UNKNOWN_LIST = b"\x0f\0\x63\x20" + BIG

REPLIES: dict[str, tuple[dict[str, Any], bytes]] = {
    "a list of no type": ({}, STRICT + UNKNOWN_LIST + END),
    "many of them": ({}, STRICT + UNKNOWN_LIST * 10_000 + END),
    "one where a number is due": ({}, STRICT + b"\x0c\0\0\x0f\0\x05\0" + BIG + END * 2),
    "a list of numbers": ({}, STRICT + b"\x0c\0\0\x0f\0\x0c\x08" + BIG + END * 2),
    "a list of structs": ({}, STRICT + b"\x0f\0\x63\x0c" + BIG + END),
    "a map of no types": ({}, STRICT + b"\x0d\0\x63\x20\x20" + BIG + END),
    "a string": ({}, STRICT + b"\x0b\0\x63" + BIG + END),
    "a string of less than nothing": ({}, STRICT + b"\x0b\0\x63\xff\xff\xff\xf0" + END),
    "a name": ({}, STRICT[:4] + BIG + b"echo"),
    "a name of less than nothing": ({}, STRICT[:4] + b"\xff\xff\xff\xf0echo"),
    "lists in lists": ({}, STRICT + b"\x0f\0\x63" + b"\x0f\0\0\0\x01" * 100_000),
    "structs in structs": ({}, STRICT + b"\x0c\0\x63" * 100_000),
    "without a version": ({"strict": False}, LOOSE + UNKNOWN_LIST + END),
    "a list, compact": ({"protocol": "compact"}, COMPACT + b"\x09\xc6\x01\xf0" + COMPACT_BIG + END),
    "a list that is known, compact": ({"protocol": "compact"}, COMPACT + b"\x0c\0\xc9\xf5" + COMPACT_BIG + END * 2),
    "a map, compact": ({"protocol": "compact"}, COMPACT + b"\x0b\xc6\x01" + COMPACT_BIG + b"\0" + END),
    "a number without end, compact": ({"protocol": "compact"}, COMPACT + b"\x16" + b"\xff" * 1_000_000),
    "a size without end, compact": ({"protocol": "compact"}, COMPACT + b"\x18" + b"\xff" * 1_000_000),
    "lists in lists, compact": ({"protocol": "compact"}, COMPACT + b"\x09\xc6\x01" + b"\x19" * 100_000),
    "structs in structs, compact": ({"protocol": "compact"}, COMPACT + b"\x1c" * 100_000),
    "lists in lists, JSON": ({"protocol": "json"}, JSON % (b"[" * 100_000 + b"]" * 100_000)),
    "structs in structs, JSON": ({"protocol": "json"}, JSON % (b'{"1":{"rec":' * 9_000 + b"1" + b"}}" * 9_000)),
    "a number that is none, JSON": ({"protocol": "json"}, JSON % b'{"0":{"rec":{"4":{"i32":Infinity}}}}'),
}


def options(**given: Any) -> ThriftOptions:
    return ThriftOptions("127.0.0.1", 1, **given)


def outcome(decode: Callable[[bytes, int], Any], reply: bytes) -> Any:
    """What comes of *reply* where its frame ends with it: an end that is too early is unlawful there."""
    try:
        return decode(reply, 1)
    except IncompleteError:
        return ProtocolError("its frame ends before it does")


@pytest.mark.parametrize("case", REPLIES)
def test_by_the_idl(case: str) -> None:
    """Each is told as unlawful, in no more time than its bytes take, and the next reply is read as ever."""
    given, reply = REPLIES[case]
    service = IdlService(IDL, "Everybody", None, options(**given))
    assert isinstance(outcome(service.method("echo").decode, reply), ProtocolError)
    lawful = {"compact": COMPACT + b"\x0c\0\x45\x0e" + END * 2, "json": JSON % b'{"0":{"rec":{"4":{"i32":7}}}}'}
    binary = (LOOSE if "strict" in given else STRICT) + b"\x0c\0\0\x08\0\x04\0\0\0\x07" + END * 2
    value = service.method("echo").decode(lawful.get(given.get("protocol", ""), binary), 1)
    assert value.middle == 7


@pytest.mark.parametrize("case", REPLIES)
def test_by_generated_code(case: str, generated: tuple[ModuleType, ModuleType]) -> None:
    """The same where Apache's library reads."""
    given, reply = REPLIES[case]
    service = GeneratedService(generated[0], options(**given))
    assert isinstance(outcome(service.method("echo").decode, reply), ProtocolError)
