"""hybridpress: a stress tester for servers, with scenarios in async Python.

What a scenario may import is in `__all__`; the rest of the package is reachable, not promised.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hybridpress.load.profile import constant, curve, hold, ramp, sine, spike, steps
    from hybridpress.metrics.result import Result
    from hybridpress.mixed import MixedPress, Share
    from hybridpress.press import Press, check, step
    from hybridpress.vocab import Vocab, access_log, csv, jsonl, lines, repeat, rows, sql

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

_HOMES = {
    "load.profile": ("constant", "curve", "hold", "ramp", "sine", "spike", "steps"),
    "metrics.result": ("Result",),
    "mixed": ("MixedPress", "Share"),
    "press": ("Press", "check", "step"),
    "vocab": ("Vocab", "access_log", "csv", "jsonl", "lines", "repeat", "rows", "sql"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # What is not asked for is not imported: Result brings numpy with it, Press asyncio, and pytest, whose plugin is in
    # this package, needs neither to start.
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
