"""Notes: what checks, steps and errors say where there is no recorder: in a thread, or in another process.

Plain data that pickles; whoever holds the recorder enters them there afterwards, on its own thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hybridpress.clients.trace import Step
from hybridpress.errors import ClientError
from hybridpress.press import Tally
from hybridpress.scenario import message_of, told

Error = tuple[str, str, str]
"""Kind, message, example."""


def error_of(error: BaseException, kind: str = "", *, with_example: bool = True) -> Error:
    """*error* in words, under *kind* (its own class, if none is given). The example takes some 50 µs."""
    message = error.summary if isinstance(error, ClientError) else message_of(error).partition("\n")[0]
    if kind:
        message = f"{type(error).__name__}: {message}".removesuffix(": ")
    return kind or type(error).__name__, message, told(error) if with_example else ""


class Book(Protocol):
    """Where notes are entered: a slot."""

    def check(self, name: str, *, ok: bool) -> None: ...

    def step(self, name: str) -> Step: ...


class _NotedStep:
    """A step whose times are kept as they come: (duration in ns, bytes out, bytes in, failed)."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: list[tuple[int, int, int, bool]] = []

    def done(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self.kept.append((duration_ns, bytes_out, bytes_in, False))

    def failed(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self.kept.append((duration_ns, bytes_out, bytes_in, True))

    def resent(self) -> None:
        """Not told: what notes are of is no part of the load."""


class Notes:
    """Satisfies `hybridpress.press.RunningSlot`."""

    __slots__ = ("checked", "steps")

    checks: Mapping[str, Tally] = {}
    """Always empty, so that every check comes here by `check`."""

    def __init__(self) -> None:
        self.checked: list[tuple[str, bool]] = []
        self.steps: dict[str, _NotedStep] = {}

    @property
    def all_held(self) -> bool:
        """Whether every check held."""
        return all(ok for _, ok in self.checked)

    def check(self, name: str, *, ok: bool) -> None:
        self.checked.append((name, ok))

    def step(self, name: str) -> Step:
        found = self.steps.get(name)
        if found is None:
            found = self.steps[name] = _NotedStep()
        return found

    def enter(self, book: Book) -> None:
        """Enter all that was noted into *book*, in order."""
        for name, ok in self.checked:
            book.check(name, ok=ok)
        for name, step in self.steps.items():
            entered = book.step(name)
            for duration_ns, bytes_out, bytes_in, has_failed in step.kept:
                (entered.failed if has_failed else entered.done)(duration_ns, bytes_out, bytes_in)
