"""The parts of a mix in a run: whose settings win, and how the load is divided."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from hybridpress.errors import UsageError
from hybridpress.mixed import MixedPress, Share
from hybridpress.parts import RunPart, mixed_config, run_parts
from hybridpress.press import Press


class QueryVm(Press):
    host = "http://127.0.0.1:1"
    qps = 3
    draw = "sequential"
    vocab = range(6)

    async def press(self, word: int) -> None:
        pass


class QueryEip(Press):
    timeout = "3s"
    vocab = range(4)

    async def press(self, word: int) -> None:
        pass


class Wordless(Press):
    async def press(self) -> None:
        pass


def parts_in(mixed: MixedPress, **flags: Any) -> list[RunPart]:
    return run_parts(mixed, mixed_config(mixed, flags), flags)


def test_whose_settings_win() -> None:
    """A part's own settings are weaker than the mix's, and those weaker than the command line's. What concerns the
    whole run is the mix's alone.
    """
    mixed = MixedPress({QueryVm: 1, QueryEip: 1}, qps=50, timeout="5s")
    assert mixed_config(mixed, {}).qps == 50
    vm, eip = parts_in(mixed, concurrent=7)
    assert (vm.config.host, eip.config.host) == ("http://127.0.0.1:1", None)
    assert (vm.config.draw, eip.config.draw) == ("sequential", "random")
    assert (vm.config.timeout_s, eip.config.timeout_s) == (5, 5)
    assert (vm.press.host, vm.press.qps, vm.press.concurrent) == ("http://127.0.0.1:1", 50, 7)  # type: ignore[attr-defined]
    vm, eip = parts_in(mixed, host="http://127.0.0.1:2", draw="once")
    assert {vm.config.host, eip.config.host} == {"http://127.0.0.1:2"}
    assert {vm.config.draw, eip.config.draw} == {"once"}


def test_weights() -> None:
    """Given ones are taken as they are; without any, they are the lengths of the tables, once these stand."""
    assert [part.turns for part in parts_in(MixedPress({QueryVm: 7, QueryEip: 0.5}))] == [7, Fraction(1, 2)]
    by_table = parts_in(MixedPress([QueryVm, QueryEip]))
    for part in by_table:
        part.build()
    assert [part.turns for part in by_table] == [6, 4]


def test_a_qps_of_its_own() -> None:
    """It comes on top of the mix's QPS, which the others share by their weights."""
    mixed = MixedPress({QueryVm: Share(qps=10), QueryEip: 3, Wordless: 1}, qps=100)
    assert mixed_config(mixed, {}).qps == 110
    assert [part.turns for part in parts_in(mixed)] == [10, 75, 25]
    alone = MixedPress({QueryVm: Share(qps=10), QueryEip: Share(qps="2.5/s")})
    assert mixed_config(alone, {}).qps == 12.5
    assert [part.turns for part in parts_in(alone)] == [10, Fraction(5, 2)]


def test_rates_over_time() -> None:
    """The run's rate is the sum of what the parts ask for and what the others share; it lasts as long as any of them
    says, or as the command line does.
    """
    mixed = MixedPress({QueryVm: Share(profile="ramp(0, 20, 10s)"), QueryEip: 3, Wordless: 1}, qps=100)
    config = mixed_config(mixed, {})
    assert config.profile is not None
    assert [config.profile.rate(t) for t in (0, 5, 9.999, 10, 1000)] == pytest.approx(
        [100, 110, 120, 100, 100], abs=0.01
    )
    assert (config.qps, config.duration_s) == (None, 10)
    assert mixed_config(mixed, {"duration": "1m"}).duration_s == 60
    assert mixed_config(mixed, {"iterations": 5}).duration_s is None
    vm, eip, wordless = parts_in(mixed)
    assert [part.is_sharing for part in (vm, eip, wordless)] == [False, True, True]
    assert [part.weight for part in (vm, eip, wordless)] == [10, 75, 25]
    assert eip.stream == wordless.stream
    assert vm.stream is not None
    assert vm.stream.describe() == "0 → 20/s over 10 s"


def test_a_rate_that_changes_for_all_but_one() -> None:
    """What the others share may change, too, beside a part with a constant QPS."""
    mixed = MixedPress({QueryVm: Share(qps=10), QueryEip: 3}, stage=["10s:100"])
    config = mixed_config(mixed, {})
    assert config.profile is not None
    assert [config.profile.rate(t) for t in (0, 5, 10)] == [10, 60, 10]
    assert config.duration_s == 10
    vm, eip = parts_in(mixed)
    assert [part.weight for part in (vm, eip)] == [10, 50]


@pytest.mark.parametrize(
    ("mixed", "says"),
    [
        (MixedPress({QueryVm: Share(qps=10)}, qps=100), "each part has a rate of its own; leave it out"),
        (MixedPress({QueryVm: Share(qps=10), QueryEip: 1}), "say by --qps what the others share"),
        (MixedPress({QueryVm: Share(1, concurrent=2)}, concurrent=9), "each part has its own; leave it out"),
        (MixedPress({QueryVm: Share(1, concurrent=1), QueryEip: 1}, processes=2), "QueryVm: 1 slots for 2 processes"),
        (MixedPress({QueryVm: 0}, qps="fast"), 'MixedPress(qps=…) must be a rate such as "500"'),
        (MixedPress({QueryVm: 1, Wordless: 1}, draw="once"), "Wordless.press() takes no word"),
    ],
)
def test_what_cannot_be(mixed: MixedPress, says: str) -> None:
    """Shares and settings that contradict one another are told."""
    with pytest.raises(UsageError) as caught:
        parts_in(mixed)
    assert any(says in mistake for mistake in caught.value.mistakes)


def test_slots_of_their_own() -> None:
    """They come on top of those that are shared; each group is dealt to all workers."""
    mixed = MixedPress({QueryVm: Share(1, concurrent=5), QueryEip: 2, Wordless: 1}, concurrent=4, processes=2)
    config = mixed_config(mixed, {})
    assert (config.concurrent, config.slots_by_worker) == (9, [5, 4])
    assert [part.slots_by_worker for part in parts_in(mixed)] == [[3, 2], [2, 2], [2, 2]]
    each = MixedPress({QueryVm: Share(1, concurrent=5), QueryEip: Share(2, concurrent=1)})
    config = mixed_config(each, {})
    assert (config.concurrent, config.processes) == (6, 1)
    assert [part.slots_by_worker for part in parts_in(each)] == [[5], [1]]


def test_no_table_to_go_by() -> None:
    """Without weights, each part needs a word table."""
    _, part = parts_in(MixedPress([QueryVm, Wordless]))
    with pytest.raises(UsageError, match="Wordless has no word table to be mixed by the length of; give each part a"):
        part.build()


def test_words_of_parts_are_not_in_step() -> None:
    """Two tables of one length are gone through in different orders."""
    first, second = parts_in(MixedPress({QueryVm: 1, QueryEip: 1}), draw="shuffle", seed=1)
    for part in (first, second):
        part.supply.fill(range(50))
    orders = [
        [part.supply.draw(0).next(0) for _ in range(1)] + [part.supply.draw(0).next(0)] for part in (first, second)
    ]
    assert orders[0] != orders[1]
