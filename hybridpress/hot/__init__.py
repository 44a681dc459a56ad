"""What runs for each iteration: compiled if it could be built, else in Python. Both twins have the same names.

It imports no other room but the clock, so that those that measure and those that speak to servers can both stand on it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("HYBRIDPRESS_PURE", "0") not in ("", "0"):
    from hybridpress.hot import pure as twin
else:
    try:
        from hybridpress.hot import compiled as twin
    except ImportError:
        from hybridpress.hot import pure as twin

NoWordError = twin.NoWordError
StepBase = twin.StepBase
RecorderBase = twin.RecorderBase
SlotsBase = twin.SlotsBase
SlotBase = twin.SlotBase
turns = twin.turns
uncancel = twin.uncancel
give_way = twin.give_way
ALONE_NS = twin.ALONE_NS
HeadBase = twin.HeadBase
ResponseBase = twin.ResponseBase
Waits = twin.Waits
RouteBase = twin.RouteBase
RequestBase = twin.RequestBase
ConnectionBase = twin.ConnectionBase
exchange = twin.exchange

IS_COMPILED = twin.__name__.endswith("compiled")
"""Whether the hot path runs in C; `hybridpress --version` tells."""
