"""How many words a part of a mix will want: its share of what the gates of the mix let begin. Nobody begins by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from hybridpress.worker.gate import Gate


class Foresight:
    """What of several gates is one part's, each with its share there."""

    def __init__(self, gates: Sequence[tuple[Gate, Callable[[], float]]]) -> None:
        self._gates = gates

    @property
    def due_ns(self) -> int:
        return min(gate.due_ns for gate, _ in self._gates)

    @property
    def is_over(self) -> bool:
        return all(gate.is_over for gate, _ in self._gates)

    def take(self) -> int:
        """One of its iterations has begun, by the gates themselves."""
        return 0

    def n_due(self, until_ns: int) -> int:
        return math.ceil(sum(share() * gate.n_due(until_ns) for gate, share in self._gates))
