"""Batches: what a load worker asks of a CPU worker, what it gets back, and the work itself. No processes, no sockets.

A batch travels as one frame (`hybridpress.ipc.frames`): its number, then a pickle.
Words travel as their numbers where they can, for both sides have the table.
"""

from __future__ import annotations

import pickle
import struct
from array import array
from collections.abc import MutableSequence
from dataclasses import dataclass, field
from typing import Any

from hybridpress.clock import now_ns
from hybridpress.press import Press, running_slot
from hybridpress.vocab.table import Table
from hybridpress.worker.notes import Error, Notes, error_of

PREPARE_FAILED = "PrepareError"
VERIFY_FAILED = "VerifyError"
NO_WORD = -1
"""The number of the word of an iteration without one."""
MAX_EXAMPLES = 100
"""Different errors that one CPU worker describes with the user's lines to one load worker; the rest by kind alone."""

_NUMBER = struct.Struct("!q")


class Unprepared:
    """In place of a word whose prepare() failed: why."""

    __slots__ = ("error",)

    def __init__(self, error: Error) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return Unprepared, (self.error,)


@dataclass(slots=True)
class ToPrepare:
    """The numbers of the words."""

    batch: int
    numbers: array[int]


@dataclass(slots=True)
class ToVerify:
    """(number of the word, reply, whether the iteration has failed already) of each."""

    batch: int
    items: list[tuple[int, Any, bool]]


@dataclass(slots=True)
class Prepared:
    """What prepare() made of each word, or an `Unprepared`; and how long each took, in ns."""

    batch: int
    words: list[Any]
    durations_ns: array[int]


@dataclass(slots=True)
class Verified:
    """What verify() found, over the whole batch; how long each took, in ns; how many iterations it made fail."""

    batch: int
    durations_ns: array[int]
    notes: Notes = field(default_factory=Notes)
    errors: list[Error] = field(default_factory=list)
    n_failed: int = 0
    """Replies that did not pass."""
    n_newly_failed: int = 0
    """Those whose iteration had not failed before."""


@dataclass(slots=True)
class Spoiled:
    """The batch came, but cannot be read: why."""

    batch: int
    error: Error


Ask = ToPrepare | ToVerify
Answer = Prepared | Verified | Spoiled


def dump(message: Ask | Answer) -> bytes:
    """The body of *message*'s frame.

    Raises:
        Exception: something in it cannot be pickled; whatever its pickling raises.
    """
    return _NUMBER.pack(message.batch) + pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def load(body: bytes, kind: str) -> Any:
    """What `dump` made *body* of; a `Spoiled` of *kind* where unpickling it raises."""
    try:
        return pickle.loads(memoryview(body)[_NUMBER.size :])  # noqa: S301 (from a process of this very run)
    except Exception as error:  # noqa: BLE001 (the user's objects raise what they like)
        return Spoiled(_NUMBER.unpack_from(body)[0], error_of(error, kind))


class Bench:
    """Where batches are worked on: the scenario, its words, and one side's errors that were described before. The first
    of *pulse* is set to the time after each word and each reply.
    """

    def __init__(self, press: Press, words: Table, pulse: MutableSequence[int] | memoryview[int]) -> None:
        self._prepare = press.prepare
        self._verify = press.verify
        self._words = words
        self._pulse = pulse
        self._described: set[tuple[str, str]] = set()

    def answer(self, body: bytes) -> bytes:
        """Do what the frame with this *body* asks for; the body of the answer."""
        ask: Ask | Spoiled = load(body, VERIFY_FAILED)  # the numbers of words can always be read
        if isinstance(ask, ToPrepare):
            return self._dumped(self.prepare(ask))
        return dump(self.verify(ask) if isinstance(ask, ToVerify) else ask)

    def prepare(self, ask: ToPrepare) -> Prepared:
        """prepare() of each word. What it raises stands in the place of what it made."""
        prepare, words, clock, pulse = self._prepare, self._words, now_ns, self._pulse
        made: list[Any] = []
        durations_ns = array("q")
        begun = clock()
        for number in ask.numbers:
            try:
                word = prepare(words[number])
            except BaseException as error:  # noqa: BLE001 (whatever it raises is data)
                word = Unprepared(self._error(error, PREPARE_FAILED))
            pulse[0] = ended = clock()
            made.append(word)
            durations_ns.append(ended - begun)
            begun = ended
        return Prepared(ask.batch, made, durations_ns)

    def verify(self, ask: ToVerify) -> Verified:
        """verify() of each reply."""
        found = Verified(ask.batch, array("q"))
        token = running_slot.set(found.notes)
        verify, words, clock, pulse = self._verify, self._words, now_ns, self._pulse
        checked = found.notes.checked
        begun = clock()
        for number, reply, has_failed in ask.items:
            n_before, has_raised = len(checked), False
            try:
                verify(None if number == NO_WORD else words[number], reply)
            except BaseException as error:  # noqa: BLE001 (whatever it raises is data)
                found.errors.append(self._error(error, VERIFY_FAILED))
                has_raised = True
            if has_raised or not all(ok for _, ok in checked[n_before:]):
                found.n_failed += 1
                found.n_newly_failed += not has_failed
            pulse[0] = ended = clock()
            found.durations_ns.append(ended - begun)
            begun = ended
        running_slot.reset(token)
        return found

    def _error(self, error: BaseException, kind: str) -> Error:
        key = error_of(error, kind, with_example=False)[:2]
        if key in self._described or len(self._described) >= MAX_EXAMPLES:
            return (*key, "")
        self._described.add(key)
        return error_of(error, kind)

    def _dumped(self, prepared: Prepared) -> bytes:
        """The answer; where a word in it cannot be pickled, that is this word's error."""
        try:
            return dump(prepared)
        except Exception:  # noqa: BLE001 (the user's objects raise what they like)
            prepared.words = [self._picklable(word) for word in prepared.words]
            return dump(prepared)

    def _picklable(self, word: Any) -> Any:
        if (error := why_not_picklable(word)) is None:
            return word
        return Unprepared(self._error(error, PREPARE_FAILED))


def why_not_picklable(value: Any) -> Exception | None:
    """What pickling *value* raises."""
    try:
        pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 (the user's objects raise what they like)
        return error
    return None
