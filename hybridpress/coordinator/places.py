"""Who is in the places of a run: worker processes, unless who derives from this says otherwise (a cluster's nodes)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hybridpress.config import RunConfig
from hybridpress.coordinator.dealer import Dealer
from hybridpress.coordinator.ending import how
from hybridpress.coordinator.tally import Worker

BEGIN_AHEAD_NS = 10_000_000
"""The load begins so long after the order goes out, so that every worker has it in time."""


class WorkerPlaces:
    """What a run's state asks of its places."""

    __slots__ = ()

    begin_ahead_ns: ClassVar[int] = BEGIN_AHEAD_NS
    loss: ClassVar[str] = "worker_lost"
    all_gone: ClassVar[str] = "all worker processes died"

    config: RunConfig
    places: list[Worker]

    @property
    def n_places(self) -> int:
        return self.config.processes

    def slots_wanted(self, number: int) -> int:
        """How many slots are to be in place *number*."""
        return self.config.slots_by_worker[number]

    def name_of(self, number: int) -> str:
        """Who is in place *number*, for a text."""
        return f"worker {number}"

    def told_failures(self, number: int, n_failed: int, failures: Sequence[str]) -> str:
        """That so many slots of who is in place *number* could not start, and the first reasons."""
        first_lines = "; ".join(failure.partition("\n")[0] for failure in failures[:3])
        n_all = max(self.slots_wanted(number), n_failed)
        return f"start() failed in {n_failed} of {n_all} slots of {self.name_of(number)}: {first_lines}"

    def told_end(self, number: int, exit_code: int) -> str:
        """That who is in place *number* is gone before its time."""
        return f"{self.name_of(number)} (process {self.places[number].totals.pid}) died: {how(exit_code)}"

    def new_dealer(self) -> Dealer:
        """Who deals to them."""
        return Dealer(self.config, self.places)
