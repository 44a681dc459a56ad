"""Notes say afterwards, in a recorder, what would have been said there at once."""

from __future__ import annotations

import pickle

import pytest

from hybridpress.clients.trace import Step
from hybridpress.errors import ConnectError
from hybridpress.metrics.recorder import StepRecorder
from hybridpress.press import check, running_slot, step
from hybridpress.worker.notes import Notes, error_of


class Book:
    def __init__(self) -> None:
        self.checked: list[tuple[str, bool]] = []
        self.steps: dict[str, StepRecorder] = {}

    def check(self, name: str, *, ok: bool) -> None:
        self.checked.append((name, ok))

    def step(self, name: str) -> Step:
        return self.steps.setdefault(name, StepRecorder())


def test_they_are_entered_in_order() -> None:
    """Checks and steps come as they were made, those that failed too, also after a way through a pickle."""
    notes = Notes()
    token = running_slot.set(notes)
    check(ok=True, name="a")
    check(ok=False, name="b")
    check(ok=True, name="a")
    with step("one"):
        pass
    with pytest.raises(KeyError), step("one"):
        raise KeyError
    notes.step("two").done(5_000, 10, 20)
    running_slot.reset(token)
    book = Book()
    pickle.loads(pickle.dumps(notes)).enter(book)  # noqa: S301 (our own)
    assert book.checked == [("a", True), ("b", False), ("a", True)]
    one, two = book.steps["one"].take(), book.steps["two"].take()
    assert (one.count, one.failed) == (2, 1)
    assert (two.count, two.bytes_out, two.bytes_in, two.times.sum_ns) == (1, 10, 20, 5_000)
    assert not notes.all_held


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ValueError("bad\nline 2"), "", ("ValueError", "bad")),
        (ValueError("bad"), "PrepareError", ("PrepareError", "ValueError: bad")),
        (ValueError(), "PrepareError", ("PrepareError", "ValueError")),
        (ConnectError("refused", "10.0.0.1:80"), "", ("ConnectError", "refused")),
    ],
)
def test_errors_in_words(error: Exception, kind: str, words: tuple[str, str]) -> None:
    """Kind and message are those of what is counted together; the example may be left out."""
    assert error_of(error, kind)[:2] == words
    assert error_of(error, kind)[2]
    assert error_of(error, kind, with_example=False)[2] == ""
