"""The phases of a run."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """Each comes after the one before it; any may be followed by the last."""

    STARTING = auto()
    """Workers are forked, and their slots start."""
    PRESSING = auto()
    """The load is on."""
    DRAINING = auto()
    """Nothing is started any more; what is in flight is waited for."""
    OVER = auto()
