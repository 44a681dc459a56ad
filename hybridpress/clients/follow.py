"""Which iteration runs now, where it is followed through the server's tracing: who sends requests tells their ids.

Used only in a run with --trace-sample; the clients of any other run know nothing of this.
"""

from __future__ import annotations

import os
from contextvars import ContextVar

from hybridpress.clock import now_ns

HEADER = "traceparent"


Note = tuple[str, str, int, int, bool, bool]
"""A step of an iteration: id, name, begin and end in ns, whether it failed, whether the server knows of it."""


class Following:
    """An iteration that is followed, or one exchange of it, whose id the server is told (`traceparent` of W3C)."""

    __slots__ = ("is_request", "notes", "span_id", "trace_id")

    def __init__(self, trace_id: str, notes: list[Note], *, is_request: bool = False) -> None:
        self.trace_id = trace_id
        self.span_id = os.urandom(8).hex()
        self.is_request = is_request
        self.notes = notes
        """What came to its end, of the whole iteration."""

    @classmethod
    def begin(cls) -> Following:
        """Follow an iteration."""
        return cls(os.urandom(16).hex(), [])

    def request(self) -> Following:
        """An exchange of this iteration, with an id of its own."""
        return Following(self.trace_id, self.notes, is_request=True)

    @property
    def header(self) -> str:
        """What the server is told."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def ended(self, name: str, duration_ns: int, *, failed: bool) -> None:
        """A step that took *duration_ns* has come to its end now."""
        end_ns = now_ns()
        # Where an exchange is redirected, the first one has the id.
        is_first = self.is_request and all(note[0] != self.span_id for note in self.notes)
        span_id = self.span_id if is_first else os.urandom(8).hex()
        self.notes.append((span_id, name, end_ns - duration_ns, end_ns, failed, self.is_request))


following: ContextVar[Following | None] = ContextVar("following", default=None)
"""The iteration that runs here, or the exchange of it, where it is followed."""
