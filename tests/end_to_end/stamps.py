"""A scenario that notes when each of its iterations started, for tests that judge when what takes effect."""

import time
from pathlib import Path

from hybridpress import Press

STARTED_NS: list[int] = []


class Stamps(Press):
    async def press(self) -> None:
        STARTED_NS.append(time.monotonic_ns())

    async def stop(self) -> None:
        if STARTED_NS:
            file = Path(self.params["folder"]) / f"{self.worker}"
            file.write_text("\n".join(map(str, STARTED_NS)))
            STARTED_NS.clear()


def read(folder: Path) -> list[int]:
    """All starts, in order, ns on CLOCK_MONOTONIC."""
    return sorted(at_ns for file in folder.iterdir() for at_ns in of(file))


def of(file: Path) -> list[int]:
    """The starts of one worker, in order."""
    return sorted(map(int, file.read_text().split()))
