"""hybridpress: a stress tester for servers, with scenarios in async Python.

What a scenario may import is in `__all__`; the rest of the package is reachable, not promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

from hybridpress.load.profile import constant, curve, hold, ramp, sine, spike, steps
from hybridpress.mixed import MixedPress, Share
from hybridpress.press import Press, check, step
from hybridpress.vocab import Vocab, access_log, csv, jsonl, lines, repeat, rows, sql

if TYPE_CHECKING:
    from hybridpress.metrics.result import Result

__all__ = [
    "MixedPress",
    "Press",
    "Result",
    "Share",
    "Vocab",
    "__version__",
    "access_log",
    "check",
    "constant",
    "csv",
    "curve",
    "hold",
    "jsonl",
    "lines",
    "ramp",
    "repeat",
    "rows",
    "sine",
    "spike",
    "sql",
    "step",
    "steps",
]


def __getattr__(name: str) -> Any:
    # Result brings numpy with it, which a scenario that only asks for Press need not wait for.
    if name == "Result":
        from hybridpress.metrics.result import Result

        return Result
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
