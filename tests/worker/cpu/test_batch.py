"""Batches: what comes back is what was asked for, in order, with what each item took and what went wrong with it."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.ipc.frames import Frames, frame
from hybridpress.press import Press, check, step
from hybridpress.worker.cpu.batch import (
    NO_WORD,
    PREPARE_FAILED,
    VERIFY_FAILED,
    Bench,
    Prepared,
    Spoiled,
    ToPrepare,
    ToVerify,
    Unprepared,
    Verified,
    dump,
    load,
)


class Doubles(Press):
    """prepare() doubles; verify() looks whether the reply is the double."""

    def prepare(self, word: Any) -> Any:
        if word == "bad":
            raise ValueError("no such word")
        if word == "odd":
            return lambda: None  # cannot be pickled
        return word * 2

    def verify(self, word: Any, reply: Any) -> None:
        if reply == "boom":
            raise KeyError("boom")
        check(reply == (None if word is None else word * 2), "doubled")


class Fussy:
    """Can be pickled, and not be read again."""

    def __reduce__(self) -> Any:
        return int, ("not a number",)


def bench(*words: Any) -> Bench:
    return Bench(Doubles(), words, [0])


def asked(bench: Bench, ask: ToPrepare | ToVerify) -> Any:
    return load(bench.answer(dump(ask)), PREPARE_FAILED)


@given(st.lists(st.binary(max_size=40), max_size=10), st.integers(1, 60))
def test_frames_come_back_whole(bodies: list[bytes], cut: int) -> None:
    """However the stream is cut, the same bodies come out, in order."""
    stream = b"".join(map(frame, bodies))
    frames = Frames()
    found = [body for at in range(0, len(stream), cut) for body in frames.feed(stream[at : at + cut])]
    assert found == bodies


def test_words_are_prepared_in_order() -> None:
    """Each number asked for gets its word, prepared, and its time."""
    answer = asked(bench(1, 2, 3), ToPrepare(7, array("q", [2, 0, 0])))
    assert isinstance(answer, Prepared)
    assert (answer.batch, answer.words) == (7, [6, 2, 2])
    assert len(answer.durations_ns) == 3
    assert min(answer.durations_ns) >= 0


def test_a_word_that_cannot_be_prepared() -> None:
    """It spoils no other word; the first error of a kind comes with the user's line, the next without."""
    answer = asked(bench(1, "bad"), ToPrepare(1, array("q", [1, 0, 1])))
    first, word, second = answer.words
    assert word == 2
    assert isinstance(first, Unprepared)
    assert first.error[:2] == (PREPARE_FAILED, "ValueError: no such word") == second.error[:2]
    assert 'raise ValueError("no such word")' in first.error[2]
    assert second.error[2] == ""


def test_a_word_that_cannot_be_pickled() -> None:
    """That is its error; the others of its batch come back."""
    answer = asked(bench(1, "odd"), ToPrepare(1, array("q", [0, 1])))
    assert answer.words[0] == 2
    assert answer.words[1].error[0] == PREPARE_FAILED
    assert "local object" in answer.words[1].error[1], "in the words of Python, which changed with 3.13"


def test_replies_are_verified() -> None:
    """Checks are noted one by one; an iteration fails once, and not again if it had failed before."""
    items = [(0, 2, False), (0, 3, False), (0, 3, True), (1, "boom", False), (NO_WORD, None, False)]
    answer = asked(bench(1, 5), ToVerify(3, items))
    assert isinstance(answer, Verified)
    assert answer.notes.checked == [("doubled", ok) for ok in (True, False, False, True)]
    assert (answer.n_failed, answer.n_newly_failed) == (3, 2)
    assert [error[:2] for error in answer.errors] == [(VERIFY_FAILED, "KeyError: 'boom'")]
    assert len(answer.durations_ns) == 5


def test_a_reply_that_cannot_be_read() -> None:
    """The batch comes back as spoiled, by its number."""
    answer = load(bench(1).answer(dump(ToVerify(9, [(0, Fussy(), False)]))), PREPARE_FAILED)
    assert isinstance(answer, Spoiled)
    assert (answer.batch, answer.error[0]) == (9, VERIFY_FAILED)


def test_prepare_has_no_slot() -> None:
    """check() and step() in prepare() are mistakes, and told as its errors."""

    class Checks(Press):
        def prepare(self, word: Any) -> Any:
            check(word, "there is a word")

    answer = asked(Bench(Checks(), [1], [0]), ToPrepare(1, array("q", [0])))
    assert "no slot runs here" in answer.words[0].error[1]


def test_steps_in_verify() -> None:
    """step() times code of verify() as it does in press()."""

    class Steps(Press):
        def verify(self, word: Any, reply: Any) -> None:
            with step("decrypt"):
                pass
            with pytest.raises(ZeroDivisionError), step("divide"):
                1 / 0  # noqa: B018

    answer = asked(Bench(Steps(), [], [0]), ToVerify(1, [(NO_WORD, 1, False)] * 2))
    assert {name: [kept[3] for kept in step.kept] for name, step in answer.notes.steps.items()} == {
        "decrypt": [False] * 2,
        "divide": [True] * 2,
    }
