"""An access log gives its requests; what is no request is left out, what is no log is told."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import UsageError
from hybridpress.vocab.weblog import AccessLogTable, build_access_log
from tests.vocab.files import file_of

TIME = "10/Oct/2000:13:55:36 -0700"
COMMON = f'127.0.0.1 - frank [{TIME}] "GET /apache_pb.gif HTTP/1.0" 200 2326'
COMBINED = f'{COMMON} "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
GET = {"method": "GET", "path": "/apache_pb.gif", "status": 200, "time": TIME, "client": "127.0.0.1", "user": "frank"}
PLAIN: dict[str, Any] = {"method": "GET", "path": "/", "status": 200, "time": TIME, "client": "::1"}


def table_of(content: bytes | str, name: str = "access.log", block: int | None = None) -> AccessLogTable:
    with file_of(content, name, block) as base:
        return build_access_log(name, base)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (COMMON, GET),
        (
            COMBINED,
            GET | {"referer": "http://www.example.com/start.html", "agent": "Mozilla/4.08 [en] (Win98; I ;Nav)"},
        ),
        (f"www.example.com:443 {COMMON}", GET | {"host": "www.example.com:443"}),
        (f'{COMMON} "-" "curl/8" 0.003 "10.0.0.1"', GET | {"agent": "curl/8"}),
        (f'::1 - - [{TIME}] "GET / HTTP/2.0" 200 - "-" "-"', PLAIN),
        (f'::1 - - [{TIME}] "GET /" 200 0', PLAIN),
        (f'::1 - ann lee [{TIME}] "GET / HTTP/1.1" 200 0', PLAIN | {"user": "ann lee"}),
        (f'shop ::1 - ann lee [{TIME}] "GET / HTTP/1.1" 200 0', PLAIN | {"host": "shop", "user": "ann lee"}),
        (f'::1 - - [{TIME}] "OPTIONS * HTTP/1.1" 405 0', PLAIN | {"method": "OPTIONS", "path": "*", "status": 405}),
        (f'::1 - - [{TIME}] "GET /a\\"b\\x22\\\\ HTTP/1.1" 200 0', PLAIN | {"path": '/a"b"\\'}),
        (f'::1 - - [{TIME}] "GET /\\xc3\\xa9 HTTP/1.1" 200 0', PLAIN | {"path": "/é"}),
        (f'::1 - - [{TIME}] "GET / HTTP/1.1" 200 0 "-" "a\\tb \\"c\\""', PLAIN | {"agent": 'a\tb "c"'}),
        (f'::1 - - [{TIME}] "GET /é HTTP/1.1" 200 0', PLAIN | {"path": "/é"}),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line(line: str, word: dict[str, Any], end: str) -> None:
    """What is logged is in the word, unescaped; what is not logged is not."""
    assert list(table_of(line + end)) == [word]


def test_what_is_no_request() -> None:
    """Lines of the log that no client sent as HTTP are left out, wherever they stand."""
    noise = [
        f'10.0.0.9 - - [{TIME}] "-" 408 0 "-" "-"',
        f'10.0.0.9 - - [{TIME}] "\\x16\\x03\\x01\\x02" 400 226 "-" "-"',
        f'10.0.0.9 - - [{TIME}] "" 400 0',
        f'10.0.0.9 - - [{TIME}] "GET /a b HTTP/1.1" 400 0',
        "",
    ]
    lines = [COMMON, *noise, COMBINED, *noise]
    for block in (40, None):
        table = table_of("\n".join(lines), block=block)
        assert [word["path"] for word in table] == ["/apache_pb.gif"] * 2
        assert ["agent" in word for word in table] == [False, True]


def test_what_is_no_log() -> None:
    """Lines in no format that we know are told with their numbers."""
    with pytest.raises(UsageError) as caught:
        table_of(f'{COMMON}\nstarted\n{COMMON}\n{{"path": "/"}}\n')
    sentence = "is neither in the common nor in the combined log format"
    assert caught.value.mistakes == [f"access.log:2: {sentence}", f"access.log:4: {sentence}"]


def test_no_requests() -> None:
    """A log without a single request is a mistake."""
    with pytest.raises(UsageError, match=r"access\.log holds no requests"):
        table_of(f'10.0.0.9 - - [{TIME}] "-" 408 0\n')


@pytest.mark.parametrize("name", ["access.log.gz", "access.log"])
def test_rotated_logs(name: str) -> None:
    """A compressed log needs no unpacking."""
    assert len(table_of(gzip.compress(f"{COMMON}\n{COMBINED}\n".encode()), name)) == 2


def escaped(text: str) -> str:
    """As Apache writes a value into its log."""
    return "".join(
        f"\\{char}" if char in '"\\' else char if " " <= char <= "~" else "".join(f"\\x{b:02x}" for b in char.encode())
        for char in text
    )


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10).filter(lambda text: text != "-"))
def test_values_come_back(text: str) -> None:
    """Whatever a client called itself, and wherever it came from: escaped in the log, and itself in the word."""
    (word,) = table_of(f'::1 - - [{TIME}] "GET / HTTP/1.1" 200 0 "{escaped(text)}" "{escaped(text)}"\n')
    assert word == PLAIN | {"referer": text, "agent": text}
