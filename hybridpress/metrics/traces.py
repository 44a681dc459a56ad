"""Iterations that were followed through the server's tracing: what came when, with the ids that it was told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A step of a followed iteration, or the iteration itself (*parent_id* is empty). Instants are ns of the run's
    clock.

    Ids are those of W3C's `traceparent`, in hexadecimal digits.
    """

    span_id: str
    parent_id: str
    name: str
    begin_ns: int
    end_ns: int
    failed: bool
    is_request: bool = False
    """Whether the server was told this id."""


@dataclass(frozen=True, slots=True)
class FollowedIteration:
    """One iteration that was followed, its own span first."""

    trace_id: str
    spans: tuple[Span, ...]
