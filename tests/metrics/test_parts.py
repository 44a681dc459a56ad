"""Parts of a mix: every iteration is counted under its own part, beside the whole."""

from __future__ import annotations

import numpy as np

from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.parts import PartCounts, PartsRecorder
from hybridpress.metrics.recorder import Recorder


def end(recorder: Recorder, parts: PartsRecorder, kind: int, *, failed: bool, late_ns: int = 0) -> None:
    """One iteration of 1 ms ends."""
    parts.ended.append(2 * kind + failed)
    recorder.service_ns.append(1_000_000)
    recorder.lateness_ns.append(late_ns)
    recorder.n_failed += failed


def test_each_its_own() -> None:
    """Ends, failures and response times go to the part that the iteration was of."""
    recorder = Recorder(paced=True)
    parts = recorder.parts = PartsRecorder(["vm", "eip"])
    parts.n_started[0] += 2
    parts.n_started[1] += 2
    end(recorder, parts, 0, failed=False)
    end(recorder, parts, 1, failed=True, late_ns=9_000_000)
    end(recorder, parts, 0, failed=True)
    found = recorder.flush(0, None, [1], Health())
    assert {name: (part.started, part.completed, part.failed) for name, part in found.parts.items()} == {
        "vm": (2, 1, 1),
        "eip": (2, 0, 1),
    }
    assert found.parts["eip"].response.max_ns >= 9_900_000
    assert found.parts["vm"].response.max_ns < 1_100_000
    again = recorder.flush(1, None, [1], Health())
    assert all((part.started, part.completed, part.failed) == (0, 0, 0) for part in again.parts.values())


def test_an_end_that_was_noted_and_not_yet_sampled() -> None:
    """A flush between the two leaves it to the next."""
    parts = PartsRecorder(["vm", "eip"])
    parts.ended.extend([0, 3])
    first = parts.take(np.array([5], dtype=np.int64))
    assert (first["vm"].completed, first["eip"].failed) == (1, 0)
    second = parts.take(np.array([7], dtype=np.int64))
    assert (second["vm"].completed, second["eip"].failed) == (0, 1)


def test_parts_merge_as_intervals_do() -> None:
    """Over workers and over time, by name."""
    one, other = (
        Interval(0, parts={"vm": PartCounts(3, 2, 1)}),
        Interval(0, parts={"vm": PartCounts(1, 1), "eip": PartCounts(2)}),
    )
    one.merge(other)
    later = Interval(1, parts={"eip": PartCounts(1, 1, 1, 1)})
    one.extend(later)
    counts = {name: (part.started, part.completed, part.failed, part.dropped) for name, part in one.parts.items()}
    assert counts == {"vm": (4, 3, 1, 0), "eip": (3, 1, 1, 1)}


def test_counts_since_the_run_began() -> None:
    """They go on over flushes, and know of what was noted since."""
    recorder = Recorder(paced=True)
    parts = recorder.parts = PartsRecorder(["vm", "eip"])
    assert parts.counts() == {"vm": (0, 0, 0), "eip": (0, 0, 0)}
    parts.n_started[0] += 3
    end(recorder, parts, 0, failed=False)
    recorder.flush(0, None, [1, 1], Health())
    end(recorder, parts, 0, failed=True)
    parts.n_started[1] += 1
    assert parts.counts() == {"vm": (3, 1, 1), "eip": (1, 0, 0)}
