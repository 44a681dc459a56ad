"""What a client tells the run of its exchanges: the one thing that clients know of measuring.

A client asks for a `Step` once for each name, keeps it, and reports each exchange to it: on the hot path that is one
call, no lookup.
"""

from __future__ import annotations

from typing import Protocol


class Step(Protocol):
    """Where the exchanges of one name are counted."""

    def done(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        """One exchange was answered. Bytes are those on the wire, heads included (inside TLS: before it)."""

    def failed(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        """One exchange failed, by an error that is now raised, or by a reply that says so (see `Trace.fail`)."""

    def resent(self) -> None:
        """A request is sent once more, on a fresh connection; it is one exchange still."""


class Observer(Protocol):
    """Sees whole exchanges as text: `--once` prints them. Absent in a run."""

    def exchange(self, name: str, request: bytes, reply: bytes, duration_ns: int, error: BaseException | None) -> None:
        """One exchange, as it went over the wire; bodies of replies are decoded where they were chunked."""


class Trace(Protocol):
    """The run, as one client sees it."""

    observer: Observer | None

    def step(self, name: str) -> Step:
        """The step of this name; the same object for the same name."""

    def fail(self, error: Exception) -> None:
        """Count *error*, and fail the iteration that runs now, without raising."""


class _Nothing:
    """A step that forgets."""

    def done(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        pass

    failed = done

    def resent(self) -> None:
        pass


class Untraced:
    """A `Trace` for using a client outside a run: it measures nothing."""

    observer: Observer | None = None
    _step = _Nothing()

    def step(self, name: str) -> Step:
        return self._step

    def fail(self, error: Exception) -> None:
        pass
