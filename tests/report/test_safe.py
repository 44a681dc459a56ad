"""No text takes over the terminal, and no stream breaks the run."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.report.safe import SafeStream, cut, visible, visible_lines


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("GET /vm/query", "GET /vm/query"),
        ("[red]x[/red]\x1b[2J", "[red]x[/red]\\x1b[2J"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edef", "abc\\u202edef"),
        ("\udcff", "\\udcff"),
        ("订单 µs ✓ 🚀", "订单 µs ✓ 🚀"),
    ],
)
def test_visible(text: str, seen: str) -> None:
    """Control characters, marks of direction and lone surrogates are shown as numbers; all else is left alone."""
    assert visible(text) == seen


@given(st.text())
def test_nothing_unsafe_is_left(text: str) -> None:
    """Whatever comes in, what goes out is one line that can be written and controls nothing."""
    seen = visible(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in seen)
    assert len(seen.encode().decode().splitlines()) <= 1


def test_lines() -> None:
    """Lines stay lines, and tabs become spaces."""
    assert visible_lines("a\r\n\tb\n\x1bc\r") == ["a", "    b", "\\x1bc\\x0d"]


def test_cut() -> None:
    """What is too long ends in an ellipsis, and is never longer than allowed."""
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")


def test_what_cannot_be_encoded() -> None:
    """A stream in another encoding shows a question mark, and goes on."""
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    stream.write("412 µs ✓\n")
    assert raw.getvalue() == b"412 ?s ?\n"


class _Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_reader_that_has_gone() -> None:
    """A closed pipe, or a closed file, is written to in silence."""
    stream = SafeStream(_Closed())
    stream.flush()
    assert stream.write("text") == 4
    stream = SafeStream(_Closed())
    assert [stream.write("text"), stream.write("more")] == [4, 4]
    stream.flush()
    file = io.StringIO()
    file.close()
    stream = SafeStream(file)
    assert not stream.isatty()
    stream.write("text")
    stream.flush()
