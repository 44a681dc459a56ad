"""What `--once` shows of an exchange and of the iteration."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.clients.trace import Observer
from hybridpress.metrics.interval import CheckCounts
from hybridpress.report.once import MAX_BODY_BYTES, OncePrinter
from tests.report.made import HOSTILE


def shown(name: str, request: bytes, reply: bytes, error: BaseException | None = None) -> list[str]:
    out = io.StringIO()
    printer: Observer = OncePrinter(out=out)
    printer.exchange(name, request, reply, 1_234_567, error)
    return out.getvalue().split("\n")


def reply(body: bytes, *fields: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", *fields])
    return head.encode() + b"\r\n\r\n" + body


def body_lines(body: bytes, *fields: str) -> list[str]:
    lines = shown("GET /", b"", reply(body, *fields))
    assert lines[0] == "GET /  1.23 ms"
    assert lines[1] == "< HTTP/1.1 200 OK"
    return lines[2 + len(fields) : -2]


def test_an_exchange() -> None:
    """Name and time, the request after ">", the reply after "<", each head apart from its body, then an empty line."""
    request = b'POST /vm HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\r\n{"vm":1}'
    assert shown("query vm", request, reply(b"fine\nreally", "Content-Type: text/plain")) == [
        "query vm  1.23 ms",
        "> POST /vm HTTP/1.1",
        "> Host: h",
        "> Content-Type: application/json",
        ">",
        "> {",
        '>   "vm": 1',
        "> }",
        "< HTTP/1.1 200 OK",
        "< Content-Type: text/plain",
        "<",
        "< fine",
        "< really",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("Authorization: Bearer abc.def", "> Authorization: Bearer ***"),
        ("authorization: abc", "> authorization: ***"),
        ("Proxy-Authorization: Basic YTpi", "> Proxy-Authorization: Basic ***"),
        ("X-Authorization-Note: none", "> X-Authorization-Note: none"),
    ],
)
def test_credentials_are_not_shown(field: str, line: str) -> None:
    assert shown("x", f"GET / HTTP/1.1\r\n{field}\r\n\r\n".encode(), b"")[2] == line


def test_an_exchange_that_failed() -> None:
    """The error comes last, with its type; a reply that never came is not shown."""
    assert shown("GET /", b"GET / HTTP/1.1\r\n\r\n", b"", TimeoutError("no reply\nin 10s")) == [
        "GET /  1.23 ms",
        "> GET / HTTP/1.1",
        "TimeoutError: no reply\\x0ain 10s",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("body", "fields", "lines"),
    [
        (b"", [], []),
        (b'{"b": [1, 12345678901234567890123], "a": "\xc3\xa9"}', [], None),
        (b"{not json", ["Content-Type: application/json"], ["<", "< {not json"]),
        (
            bytes(1_024),
            ["Content-Type: application/octet-stream"],
            ["<", "< (1,024 bytes of application/octet-stream)"],
        ),
        (b"\x89", [], ["<", "< (1 byte)"]),
        (b"{}", ["Content-Encoding: gzip"], ["<", "< (2 bytes of gzip)"]),
        (
            b"{}",
            ["content-type: Application/JSON; charset=utf-8", "content-encoding: br"],
            ["<", "< (2 bytes of application/json, br)"],
        ),
        (b"caf\xe9", ["Content-Type: text/plain; charset=latin-1"], ["<", "< café"]),
        (b"00", ["Content-Type: text/plain; charset=hex"], ["<", "< (2 bytes of text/plain)"]),
        (b"00", ["Content-Type: text/plain; charset=nonsense"], ["<", "< (2 bytes of text/plain)"]),
        (b"a\x1b[2Jb", [], ["<", "< a\\x1b[2Jb"]),
        (b"[" * 3_000, [], ["<", "< " + "[" * 3_000]),
    ],
)
def test_bodies(body: bytes, fields: list[str], lines: list[str] | None) -> None:
    """JSON is indented, text shown as it is, and what is neither is told by its size and type."""
    if lines is None:
        lines = ["<", "< {", '<   "b": [', "<     1,", "<     12345678901234567890123", "<   ],", '<   "a": "é"', "< }"]
    assert body_lines(body, *fields) == lines


@pytest.mark.parametrize(
    ("n_bytes", "more"),
    [(MAX_BODY_BYTES, None), (MAX_BODY_BYTES + 1, "1"), (MAX_BODY_BYTES + 10_000, "10,000")],
)
def test_long_bodies(n_bytes: int, more: str | None) -> None:
    """A body over 4 KiB is cut, and it is said by how much."""
    _, text, *rest = body_lines(b"x" * n_bytes)
    assert len(text) == len("< ") + MAX_BODY_BYTES
    assert rest == ([] if more is None else [f"< … cut here, {more} bytes more"])


def test_a_character_that_is_cut_in_two() -> None:
    """A cut through a character leaves the character out; the body is text all the same."""
    body = b"x" * (MAX_BODY_BYTES - 1) + "é".encode() * 10
    assert body_lines(body)[1] == "< " + "x" * (MAX_BODY_BYTES - 1)


def test_what_is_not_http() -> None:
    """Bytes of another protocol are a body: text where they are, else their number."""
    assert shown("ping", b"PING", b"\x80\x01\x00") == ["ping  1.23 ms", "> PING", "< (3 bytes)", "", ""]


@given(st.text(max_size=10), st.binary(max_size=60), st.binary(max_size=60))
def test_anything_at_all(name: str, request: bytes, body: bytes) -> None:
    """Whatever is exchanged, it is shown without controlling the terminal."""
    lines = shown(name, request, reply(body, "Content-Type: application/json"), ValueError(name))
    assert not any(character < " " or character == "\x7f" for line in lines for character in line)


def outcome(**changes: Any) -> list[str]:
    out = io.StringIO()
    values: dict[str, Any] = {
        "word": {"vm": 1},
        "returned": None,
        "checks": {"status is 200": CheckCounts(1, 0)},
        "errors": [],
        "duration_ns": 2_500_000,
        "times": {"prepare": 40_000},
    }
    OncePrinter(out=out).outcome(**(values | changes))
    return out.getvalue().split("\n")


def test_a_completed_iteration() -> None:
    """The word, what came back, the checks, the steps' times, and how it ended."""
    assert outcome() == [
        "word      {'vm': 1}",
        "returned  None",
        "✓ status is 200",
        "prepare  40.0 µs",
        "iteration completed in 2.50 ms",
        "",
    ]


def test_a_failed_iteration() -> None:
    """A check that did not hold, or an error, fails the iteration; the error's example is shown where it says more."""
    assert outcome(checks={"a": CheckCounts(1, 2), "b": CheckCounts(2, 0)}, times=None)[2:-1] == [
        "✗ a  1 of 3",
        "✓ b  2 of 2",
        "iteration failed in 2.50 ms",
    ]
    errors = [
        ("AssertionError", "no vm", "Traceback …\n\tline 3"),
        ("A", "b", "b"),
        ("A", "b", "A: b"),
    ]
    assert outcome(errors=errors, checks={}, times={})[2:-1] == [
        "AssertionError: no vm",
        "  Traceback …",
        "      line 3",
        "A: b",
        "A: b",
        "iteration failed in 2.50 ms",
    ]


class _Rude:
    def __repr__(self) -> str:
        raise RuntimeError


def test_words_of_all_sorts() -> None:
    """A word is shown in one line of bounded length, even one whose repr fails."""
    assert outcome(word=_Rude())[0] == "word      (_Rude, whose repr() raised RuntimeError)"
    assert len(outcome(word="x" * 100_000)[0]) < 2_100
    assert "\x1b" not in "".join(outcome(word=HOSTILE, checks={HOSTILE: CheckCounts(0, 1)}, errors=[(HOSTILE,) * 3]))


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"),
    [(True, None, True), (True, "", True), (True, "1", False), (False, None, False)],
)
def test_colours(terminal: bool, no_color: str | None, coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are colours on a terminal only, and not where NO_COLOR is set."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    out = io.StringIO()
    OncePrinter(out=out, force_terminal=terminal).outcome(None, None, {}, [], 1_000_000)
    assert ("\x1b[32miteration completed in 1.00 ms\x1b[0m\n" in out.getvalue()) == coloured
    assert ("\x1b" in out.getvalue()) == coloured


def test_a_heading() -> None:
    """What a part of a mix printed stands under its name."""
    out = io.StringIO()
    OncePrinter(out=out).heading("Query\x1bVm")
    assert out.getvalue() == "— Query\\x1bVm —\n"
