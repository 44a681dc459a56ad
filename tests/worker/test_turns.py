"""Whose turn it is in one worker: by weights, or by what each part's rate is when an iteration is due."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hybridpress.load.plan import Leg
from hybridpress.load.profile import constant
from hybridpress.mixed import MixedPress, Share
from hybridpress.parts import mixed_config, run_parts
from hybridpress.press import Press
from hybridpress.units import NS_PER_S
from hybridpress.worker.gate import OpenGate
from hybridpress.worker.turns import ChangingTurns, SteadyTurns, Turns, TurnsGate, turns_of

START_NS = 1_000 * NS_PER_S


class Vm(Press):
    async def press(self) -> None: ...


class Eip(Vm): ...


class Image(Vm): ...


def turns_in(parts: Any, **settings: Any) -> Turns:
    mixed = MixedPress(parts, **settings)
    config = mixed_config(mixed, {"processes": 1, "seed": 1})
    return turns_of(run_parts(mixed, config, {}), config.profile)


def leg(origin_s: float, first: int = 0, base: float = 0.0, *, is_final: bool = True, rate: float | None = None) -> Leg:
    profile = None if rate is None else constant(rate)
    return Leg(first, None, START_NS + int(origin_s * NS_PER_S), base, profile, (1,), is_final=is_final)


def count(turns: Turns, dues_s: list[float]) -> Counter[int]:
    return Counter(turns.at(START_NS + int(due_s * NS_PER_S)) for due_s in dues_s)


def test_steady_where_rates_are() -> None:
    """Constant rates are weights: exact, and without a look at the time."""
    turns = turns_in({Vm: 3, Eip: Share(qps=20)}, qps=60)
    assert isinstance(turns, SteadyTurns)
    assert count(turns, [0.0] * 80) == {0: 60, 1: 20}


def test_unpaced_there_is_no_time() -> None:
    """Weights count."""
    assert isinstance(turns_in({Vm: 3, Eip: 1}), SteadyTurns)


def test_parts_that_share_a_rate_beside_one_with_its_own() -> None:
    """The shared rate is divided by the weights, exactly, while the other's comes and goes."""
    turns = turns_in({Vm: 3, Eip: 1, Image: Share(profile="ramp(0, 60, 1s) + constant(60, 1s)")}, qps=60)
    assert isinstance(turns, ChangingTurns)
    turns.plan(leg(0))
    in_the_middle = count(turns, [1 + k / 120 for k in range(120)])
    assert in_the_middle[2] in (59, 60, 61)
    assert abs(in_the_middle[0] - 45) <= 1
    assert abs(in_the_middle[1] - 15) <= 1
    assert count(turns, [2 + k / 60 for k in range(60)])[2] <= 1
    assert [round(weight, 3) for weight in turns.weights()] == [0.75, 0.25, 0]


def test_a_pause_stops_the_time() -> None:
    """After it the parts' rates go on where they were."""
    turns = turns_in({Vm: 1, Image: Share(profile="constant(60, 1s)")}, qps=60)
    turns.plan(leg(0))
    assert count(turns, [k / 120 for k in range(60)])[1] in (29, 30, 31)
    turns.plan(leg(0.5, 60, 60.0, is_final=False))
    turns.plan(leg(10.0, 60))  # as the coordinator says it: everything 10 s later
    assert count(turns, [10.5 + k / 120 for k in range(60)])[1] in (29, 30, 31)
    assert count(turns, [11 + k / 60 for k in range(60)])[1] <= 1


def test_a_rate_that_the_user_sets() -> None:
    """It is shared as the plan before it would have been at that time."""
    turns = turns_in({Vm: 1, Image: Share(profile="constant(60, 1s)")}, qps=60)
    turns.plan(leg(0))
    turns.plan(leg(0.5, 60, 60.0, rate=1_000))
    assert count(turns, [0.5 + k / 1000 for k in range(400)])[1] in (199, 200, 201)
    assert count(turns, [1.2 + k / 1000 for k in range(400)])[1] <= 101


def test_whose_it_is_is_told_when_it_is_taken() -> None:
    """The gate around another says so, and is else that gate."""
    told: list[int] = []
    gate = TurnsGate(OpenGate(3), lambda due_ns: 7 + due_ns, told.append)
    assert (gate.due_ns, gate.is_over, gate.n_due(5)) == (0, False, 0)
    while not gate.is_over:
        assert gate.take() == 0
    assert told == [7, 7, 7]
