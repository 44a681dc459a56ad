"""How long a CPU worker may show no sign of life, before it is taken for one that hangs. No clock, no processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hybridpress.units import NS_PER_S

LOOK_EVERY_S = 0.5
_MOST_BETWEEN_NS = 2 * int(LOOK_EVERY_S * NS_PER_S)


@dataclass(slots=True)
class _Watched:
    beat: int = -1
    still_ns: int = 0


class Patience:
    """*beats* tell of each CPU worker a number that changes whenever it does anything, and at least once a second. Of
    those that have no such number nobody ever knows that they hang.
    """

    def __init__(self, beats: Sequence[Callable[[], int]], timeout_s: float) -> None:
        self._beats = beats
        self._timeout_ns = timeout_s * NS_PER_S
        self._watched = [_Watched() for _ in beats]
        self._looked_ns: int | None = None

    def look(self, now_ns: int) -> list[int]:
        """Who has shown none for too long. Where much time passed since the last look whoever looks stood still, and
        so, most likely, did all: that is nobody's fault.
        """
        past_ns = 0 if self._looked_ns is None else min(now_ns - self._looked_ns, _MOST_BETWEEN_NS)
        self._looked_ns = now_ns
        hanging = []
        for number, (beat, watched) in enumerate(zip(self._beats, self._watched, strict=True)):
            if (found := beat()) != watched.beat:
                watched.beat, watched.still_ns = found, 0
            else:
                watched.still_ns += past_ns
            if watched.still_ns > self._timeout_ns:
                hanging.append(number)
        return hanging

    def begin(self, number: int) -> None:
        """Another has taken the place of CPU worker *number*."""
        if number < len(self._watched):
            self._watched[number] = _Watched()
