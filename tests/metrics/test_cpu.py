"""What prepare() and verify() cost: noted, taken once, merged by adding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridpress.metrics.cpu import CpuCounts, CpuRecorder

times = st.lists(st.integers(0, 10**9), max_size=5)
counts = st.integers(0, 100)
recorded = st.tuples(times, times, counts, counts, counts, counts)


def recorder_of(prepare: list[int], verify: list[int], *n: int) -> CpuRecorder:
    recorder = CpuRecorder()
    recorder.prepare_ns.extend(prepare)
    recorder.verify_ns.extend(verify)
    recorder.n_waits, recorder.n_prepare_failed, recorder.n_verify_failed, recorder.n_unverified = n
    return recorder


def merged(*parts: CpuCounts) -> CpuCounts:
    total = CpuCounts()
    for part in parts:
        total.merge(part)
    return total


@given(recorded)
def test_taken_once(given: tuple[list[int], list[int], int, int, int, int]) -> None:
    """All that was noted is taken, and nothing is left."""
    recorder = recorder_of(*given)
    found = recorder.take()
    prepare, verify, *n = given
    assert (found.prepare.count, found.verify.count) == (len(prepare), len(verify))
    assert found.busy_ns == sum(prepare) + sum(verify)
    assert [found.waits, found.prepare_failed, found.verify_failed, found.unverified] == n
    assert recorder.take() == CpuCounts()


@given(recorded, recorded)
def test_merging_adds(one: tuple[list[int], ...], other: tuple[list[int], ...]) -> None:
    """Merged are all samples of both, as if one had noted them."""
    both = [a + b for a, b in zip(one, other, strict=True)]
    found = merged(recorder_of(*one).take(), recorder_of(*other).take())  # type: ignore[arg-type]
    wanted = recorder_of(*both).take()  # type: ignore[arg-type]
    assert (found.busy_ns, found.waits, found.unverified) == (wanted.busy_ns, wanted.waits, wanted.unverified)
    assert found.prepare == wanted.prepare
    assert found.verify == wanted.verify
