"""A text file's words are found, whatever its size, its line ends and its encoding, and shared by all processes."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import TableChangedError, UsageError
from hybridpress.vocab.textfile import LinesTable, TextFile, build_lines, find_file
from tests.vocab.files import file_of, wide_index
from tests.vocab.forks import fork

line_text = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)


def lines_of(data: bytes | str, encoding: str = "utf-8", block: int | None = None) -> LinesTable:
    with file_of(data, block=block) as base:
        return build_lines("words.txt", base, encoding)


@given(st.lists(line_text), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 40))
def test_every_line_is_a_word(lines: list[str], end: str, is_ended: bool, block: int) -> None:
    """All that are not blank, in their order, however the file is cut into blocks."""
    wanted = [line for line in lines if line]
    content = end.join(lines) + end * is_ended
    if not wanted or content.startswith("\ufeff"):
        return
    assert list(lines_of(content, block=block)) == wanted


@given(st.lists(line_text.filter(bool), min_size=1))
def test_a_wide_index(lines: list[str]) -> None:
    """Files above 4 GiB have an index of wider numbers, and the same words."""
    with wide_index():
        assert list(lines_of("\n".join(lines).removeprefix("\ufeff") + "\nlast"))[-1] == "last"


def test_a_byte_order_mark_is_no_text() -> None:
    """The mark that some editors set is not part of the first word."""
    assert list(lines_of(b"\xef\xbb\xbfann\nbob\n")) == ["ann", "bob"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "cp1252", "utf-8-sig"])
@pytest.mark.parametrize("block", [3, None])
def test_encodings(encoding: str, block: int | None) -> None:
    """Text in another encoding gives the same words."""
    words = ["élan", "naïve", "x"]
    assert list(lines_of("\n".join(words).encode(encoding), encoding, block)) == words


@pytest.mark.parametrize("name", ["words.txt.gz", "words.txt"])
def test_gzip(name: str) -> None:
    """A compressed file is read, known by its name or by its first bytes."""
    with file_of(gzip.compress("é\nb\n".encode("latin-1")), name) as base:
        assert list(build_lines(name, base, "latin-1")) == ["é", "b"]


def told(data: bytes, encoding: str = "utf-8") -> list[str]:
    with pytest.raises(UsageError) as caught:
        lines_of(data, encoding)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("data", "encoding", "sentence"),
    [
        (b"", "utf-8", "words.txt is empty"),
        (b"\n\r\n\n", "utf-8", "words.txt holds no words"),
        (b"\xef\xbb\xbf", "utf-8", "words.txt holds no words"),
        (b"a\nb\xff\n", "utf-8", "words.txt:2: is not UTF-8: invalid start byte at byte 2"),
        (b"a\nb\xe9", "ascii", "words.txt:2: is not ascii: ordinal not in range(128)"),
        (b"a\n", "klingon", 'words.txt: there is no encoding "klingon"'),
        (b"a\n", "hex", 'words.txt: there is no encoding "hex"'),
        (gzip.compress(b"a\nb\n", mtime=0)[:-6], "utf-8", "words.txt is not a whole gzip file: "),
    ],
)
def test_what_is_wrong_with_a_file(data: bytes, encoding: str, sentence: str) -> None:
    """It is said in a sentence that names the file, and the line where there is one."""
    (mistake,) = told(data, encoding)
    assert mistake.startswith(sentence)


def test_all_bad_lines_are_told() -> None:
    """Each line that is not UTF-8, and no other."""
    assert [mistake.partition(": ")[0] for mistake in told(b"\xff\nb\n\nd\xc3\ne\n\xff")] == [
        "words.txt:1",
        "words.txt:4",
        "words.txt:6",
    ]


def test_where_files_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the scenario's directory, then in the working directory; where they were not found is said."""
    scenario, here = tmp_path / "scenario", tmp_path / "here"
    for directory in (scenario, here):
        directory.mkdir()
        (directory / "both.txt").write_text(directory.name)
    (here / "one.txt").write_text("one")
    monkeypatch.chdir(here)
    assert find_file("both.txt", scenario) == scenario / "both.txt"
    assert find_file("one.txt", scenario) == here / "one.txt"
    assert find_file(here / "one.txt", scenario) == here / "one.txt"
    for path, sentence in (
        ("none.txt", f'there is no file "none.txt" in {scenario} or {here}'),
        (str(here / "none.txt"), f'there is no file "{here / "none.txt"}"'),
        (".", '"." is not a regular file'),
    ):
        with pytest.raises(UsageError, match=f"^{re.escape(sentence)}$"):
            find_file(path, scenario)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """The system's reason is told."""
    (tmp_path / "words.txt").write_text("a")
    (tmp_path / "words.txt").chmod(0)
    with pytest.raises(UsageError, match=r"words\.txt cannot be read: Permission denied"):
        build_lines("words.txt", tmp_path, "utf-8")


def test_a_line_longer_than_a_block() -> None:
    """It is one word still, and its neighbours theirs."""
    long = "x" * 1000
    assert list(lines_of(f"a\n{long}\nb\n{long}", block=16)) == ["a", long, "b", long]


def test_blocks_are_whole_lines() -> None:
    """Together they are the file, with the number of each one's first line."""
    content = "".join(f"{'x' * (i % 7)}\n" for i in range(100))
    with file_of(content, block=20) as base:
        blocks = list(TextFile("words.txt", base).blocks())
    assert b"".join(block.raw for block in blocks) == content.encode()
    assert [block.first_line for block in blocks] == [1 + content[: block.offset].count("\n") for block in blocks]
    assert len(blocks) > 10


@pytest.mark.parametrize("content", [b"aaaa\nb\xff\xffb\n", b"aaaa\nbb", b"aaaa\n"])
def test_a_file_that_changes_below_us(content: bytes) -> None:
    """A word that cannot be read any more is an error that names the file and the word; so is one that is cut off."""
    with file_of("aaaa\nbbbb\n") as base:
        table = build_lines("words.txt", base, "utf-8")
        (base / "words.txt").write_bytes(content)
        assert table[0] == "aaaa"
        with pytest.raises(
            TableChangedError, match=r"words\.txt was changed during the run: word 1 cannot be read: "
        ) as told:
            table[1]
        assert told.value.summary == "words.txt was changed during the run"


def test_a_file_that_is_cut_short_while_it_is_read() -> None:
    """It is said, and no table is built of half of it."""
    with file_of("aaaa\n" * 100, block=50) as base:
        text = TextFile("words.txt", base)
        blocks = text.blocks()
        next(blocks)
        os.truncate(base / "words.txt", 120)
        with pytest.raises(UsageError, match=r"words\.txt was cut short while it was read"):
            list(blocks)


def n_open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_file_is_left_open() -> None:
    """When nobody has the table any more, its file is closed."""
    before = n_open_files()
    table = lines_of("ann\n")
    assert table[0] == "ann"
    del table
    assert n_open_files() == before


def test_the_index_is_small() -> None:
    """Four bytes a line, and one more entry for the end."""
    assert lines_of("a\nb\n\nc\n").n_index_bytes == 16


def test_shared_by_fork() -> None:
    """A child process draws the same words from the same file."""
    table = lines_of("ann\nbob\n")
    readable, writable = os.pipe()
    if (pid := fork()) == 0:
        os.write(writable, table[1].encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(readable, 10) == b"bob"
    os.close(readable)
    os.close(writable)
