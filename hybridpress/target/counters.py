"""What was answered, counted in memory that all processes share; exact without a lock, as each word has one writer.

Every serving process has a row of 64-bit words that only it writes: a few gauges, then one word for each
(path, status). Whoever asks adds the rows up. A reset does not touch the rows: it notes what they summed to
then, and later sums are told from there, so no count that happens meanwhile is lost.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from typing import Any

# Words at the start of each row.
PID = 0
ACCEPTED = 1  # connections, ever
OPEN = 2  # connections, now
WAITING = 3  # requests whose reply is not due yet, now
ABANDONED = 4  # requests whose client left before the reply
BYTES_IN = 5
BYTES_OUT = 6
UNCOUNTED = 7  # where answers on control paths go: nobody reads it
_N_GAUGES = 8

_NOT_RESET = (PID, OPEN, WAITING)


class Counters:
    """The shared counts of *processes* processes; made before they are forked.

    *answers* are the (path template, status) pairs that can be counted.
    """

    def __init__(self, processes: int, answers: Sequence[tuple[str, int]]) -> None:
        self._processes = processes
        self._answers = list(answers)
        self._slots = {answer: _N_GAUGES + i for i, answer in enumerate(self._answers)}
        self._width = -(-(_N_GAUGES + len(self._answers)) // 8) * 8
        self._memory = mmap.mmap(-1, 8 * self._width * (processes + 1))  # the last row: sums at the reset
        self._words = memoryview(self._memory).cast("q")

    def row(self, process: int) -> memoryview[int]:
        """The words that process number *process* writes, and nobody else."""
        return self._words[process * self._width : (process + 1) * self._width]

    def slots(self, path: str) -> Mapping[int, int]:
        """Status to index in a row, for the answers on *path*."""
        return {status: slot for (known, status), slot in self._slots.items() if known == path}

    def forget_process(self, process: int) -> None:
        """Note that a process died: its connections are closed, and whoever waited is abandoned.

        Called by the parent, when nobody writes that row.
        """
        row = self.row(process)
        row[ABANDONED] += row[WAITING]
        row[OPEN] = row[WAITING] = 0

    def reset(self) -> None:
        """Count from here. What is open or waiting stays so. One caller at a time."""
        sums = self._sums()
        for word in _NOT_RESET:
            sums[word] = 0
        base = self.row(self._processes)
        for word, value in enumerate(sums):
            base[word] = value

    def _sums(self) -> list[int]:
        rows = [self.row(process).tolist() for process in range(self._processes)]
        return [sum(column) for column in zip(*rows, strict=True)]

    def stats(self) -> dict[str, Any]:
        """Everything counted since the start or the last reset, over all processes, ready for JSON.

        `processes` tells what each process did since the start, whatever was reset.
        """
        sums = self._sums()
        base = self.row(self._processes).tolist()
        counts = [value - before for value, before in zip(sums, base, strict=True)]
        paths: dict[str, dict[str, int]] = {}
        statuses: dict[str, int] = {}
        for (path, status), slot in self._slots.items():
            if counts[slot]:
                paths.setdefault(path, {})[str(status)] = counts[slot]
                statuses[str(status)] = statuses.get(str(status), 0) + counts[slot]
        return {
            "requests": sum(statuses.values()),
            "paths": paths,
            "statuses": dict(sorted(statuses.items())),
            "connections": {"accepted": counts[ACCEPTED], "open": counts[OPEN]},
            "waiting": counts[WAITING],
            "abandoned": counts[ABANDONED],
            "bytes": {"in": counts[BYTES_IN], "out": counts[BYTES_OUT]},
            "processes": [self._process_stats(process) for process in range(self._processes)],
        }

    def _process_stats(self, process: int) -> dict[str, int]:
        row = self.row(process).tolist()
        return {
            "pid": row[PID],
            "requests": sum(row[_N_GAUGES:]),
            "accepted": row[ACCEPTED],
            "open": row[OPEN],
        }
