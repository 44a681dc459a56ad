"""The server we ship to shoot at: HTTP over many processes, fast, with known answers and exact counts.

`Target` starts it beside the caller, in processes of its own:

    with Target(processes=2) as target:
        press(target.url)
        print(target.stats()["requests"])
"""

from __future__ import annotations

from hybridpress.target.launcher import Target

__all__ = ["Target"]
