"""A screen never keeps its caller waiting, whoever does or does not read."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator

import pytest

from hybridpress.report.safe import SafeStream
from hybridpress.report.screen import MAX_WAITING_LINES, Screen

LINE = "x" * 1_000


class Pipe:
    """A stream whose reader can be slow, or gone."""

    def __init__(self) -> None:
        self.read_fd, write_fd = os.pipe()
        self.stream = os.fdopen(write_fd, "w", encoding="utf-8")
        self.screen = Screen(SafeStream(self.stream))

    def read_all(self) -> str:
        """What was and will be written, read beside the writer."""
        found: list[bytes] = []

        def read() -> None:
            while piece := os.read(self.read_fd, 65_536):
                found.append(piece)

        reader = threading.Thread(target=read)
        reader.start()
        self.screen.end()
        self.stream.close()
        reader.join(10)
        return b"".join(found).decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    if not made.stream.closed:
        made.stream.close()
    os.close(made.read_fd)


def test_nobody_reads(pipe: Pipe) -> None:
    """What cannot be written is kept, the newest of it; what is left out is counted, and nothing waits."""
    pipe.screen.begin()
    n_lines = 3 * MAX_WAITING_LINES
    for number in range(n_lines):
        pipe.screen.say(f"{number} {LINE}")
    lines = pipe.read_all().splitlines()
    (told,) = [line for line in lines if line.startswith("(")]
    n_left_out = int(told.split()[0].strip("(").replace(",", ""))
    numbers = [int(line.split()[0]) for line in lines if not line.startswith("(")]
    assert n_left_out + len(numbers) == n_lines
    assert numbers == sorted(numbers)
    assert numbers[-MAX_WAITING_LINES:] == [*range(n_lines - MAX_WAITING_LINES, n_lines)]


def test_frames_that_nobody_reads(pipe: Pipe) -> None:
    """Of frames only the newest is of use; the old ones are not kept."""
    pipe.screen.begin()
    for number in range(10_000):
        pipe.screen.show([f"frame {number}", LINE], 80)
    text = pipe.read_all()
    assert text.count("frame ") < 200


def test_the_reader_has_gone(pipe: Pipe) -> None:
    """A closed pipe ends the writing, and no more."""
    pipe.screen.begin()
    pipe.screen.say("one")
    os.close(pipe.read_fd)
    pipe.read_fd = os.open(os.devnull, os.O_RDONLY)
    for _ in range(100):
        pipe.screen.say("two")
    pipe.screen.end()
    pipe.screen.say("three")


def test_without_a_descriptor() -> None:
    """What is no real file is written to by its own methods, at once; there is no thread for it."""
    stream = io.StringIO()
    screen = Screen(SafeStream(stream))
    screen.begin()
    screen.say("one")
    assert stream.getvalue() == "one\n"
    screen.show(["a", "b"], 80)
    screen.say("two")
    assert stream.getvalue().endswith("two\x1b[K\r\na\x1b[K\r\nb\x1b[J\x1b[?2026l")
    screen.end()
    assert stream.getvalue().endswith("b\x1b[J\x1b[?2026l\r\x1b[1A\x1b[J")


def test_what_cannot_be_encoded(pipe: Pipe) -> None:
    """What the stream's encoding has no character for becomes a question mark."""
    pipe.stream.reconfigure(encoding="ascii")
    pipe.screen.begin()
    pipe.screen.say("412 µs")
    assert pipe.read_all() == "412 ?s\n"
