"""A reason not to believe a run: what was wrong with the generator, how bad that is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["valid", "degraded", "invalid"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was wrong with the generator: its code, how bad it is, and a sentence with its number and the way
    out.
    """

    code: str
    verdict: Verdict
    text: str


def graded(value: float, degraded: float, invalid: float | None = None) -> Verdict:
    """How bad *value* is, by the limits from which on it is so; no limit: it never is."""
    if invalid is not None and value >= invalid:
        return "invalid"
    return "degraded" if value >= degraded else "valid"
