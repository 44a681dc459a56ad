"""Who hangs among the CPU workers, by what they show of life."""

from __future__ import annotations

from hybridpress.coordinator.patience import LOOK_EVERY_S, Patience
from hybridpress.units import NS_PER_S

EVERY_NS = int(LOOK_EVERY_S * NS_PER_S)


def test_who_hangs() -> None:
    """One that shows no sign of life for longer than the limit; one that goes on, however slowly, does not."""
    beats = [0, 0]
    patience = Patience([lambda: beats[0], lambda: beats[1]], 5.0)
    found = []
    for k in range(40):
        beats[0] += k % 8 == 0  # every 4 s
        found.append(patience.look(k * EVERY_NS))
    first = found.index([1])
    assert all(not each for each in found[:first])
    assert 5.0 < first * LOOK_EVERY_S <= 6.0
    assert all(each == [1] for each in found[first:])


def test_a_fresh_one_has_all_the_time() -> None:
    """Whatever the one before it had used up of it."""
    patience = Patience([lambda: 7], 2.0)
    looks = iter(range(1_000))
    while not patience.look(next(looks) * EVERY_NS):
        pass
    patience.begin(0)
    n = 0
    while not patience.look(next(looks) * EVERY_NS):
        n += 1
    assert n * LOOK_EVERY_S >= 2.0


def test_all_stood_still() -> None:
    """After a time in which nobody was looked at (Ctrl-Z, a machine that slept) nobody is taken for one that hangs."""
    patience = Patience([lambda: 7], 5.0)
    assert patience.look(0) == []
    assert patience.look(EVERY_NS) == []
    assert patience.look(3_600 * NS_PER_S) == []
    assert patience.look(3_600 * NS_PER_S + EVERY_NS) == []
