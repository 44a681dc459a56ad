"""What the state of a run wants done: orders to workers, processes to begin or end, and what listeners are told."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.ipc.messages import Order
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.result import EventResult


@dataclass(frozen=True, slots=True)
class Tell:
    """Send *order* to *worker*."""

    worker: int
    order: Order


@dataclass(frozen=True, slots=True)
class Kill:
    """End *worker*'s process now."""

    worker: int


@dataclass(frozen=True, slots=True)
class Fork:
    """Have a fresh process in the place of *worker*'s."""

    worker: int


@dataclass(frozen=True, slots=True)
class Started:
    """The load begins."""


@dataclass(frozen=True, slots=True)
class Draining:
    """Nothing is started any more; so many are in flight."""

    in_flight: int


@dataclass(frozen=True, slots=True)
class Second:
    """One merged second is complete; so much was asked for in it (None: unpaced)."""

    interval: Interval
    target_qps: float | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """Something to show, and to keep in the result."""

    event: EventResult


Action = Tell | Kill | Fork | Started | Draining | Second | Happened
