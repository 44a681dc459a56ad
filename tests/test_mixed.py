"""MixedPress: which parts there are, what share each has, and what is wrong with those that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from hybridpress.errors import ScenarioError
from hybridpress.load.profile import constant, ramp
from hybridpress.mixed import MixedPress, Part, Share, parts_of, told_share
from hybridpress.press import Press


class QueryVm(Press):
    async def press(self) -> None:
        pass


class QueryEip(QueryVm):
    pass


class Cannot(QueryVm):
    def __init__(self) -> None:
        raise ValueError("no account")


def shares(parts: Any) -> list[tuple[str, float | None, str | None, int | None]]:
    return [
        (part.name, part.weight, None if part.profile is None else part.profile.describe(), part.concurrent)
        for part in parts_of(MixedPress(parts))
    ]


def test_by_weights() -> None:
    """A dict says whose part is how large; an object may stand for its class."""
    assert shares({QueryVm: 7, QueryEip(): 2.5}) == [("QueryVm", 7, None, None), ("QueryEip", 2.5, None, None)]


def test_by_tables() -> None:
    """A list says nothing of shares: they follow from the word tables."""
    assert shares([QueryVm, QueryEip]) == [("QueryVm", None, None, None), ("QueryEip", None, None, None)]


def test_shares_of_their_own() -> None:
    """A part may have a QPS and slots for itself, and another name."""
    found = shares({QueryVm: Share(qps="30/m", concurrent=3), QueryEip: Share(weight=1, name="eip")})
    assert found == [("QueryVm", None, "0.5/s without end", 3), ("eip", 1, None, None)]


def test_rates_over_time() -> None:
    """A part may have stages or a profile of its own; stages begin at its QPS, or at 0."""
    found = shares(
        {
            QueryVm: Share(qps=5, stage=["10s:50", "1m:50"]),
            QueryEip(): Share(profile="ramp(0, 5, 1m)"),
            QueryEip: Share(profile=ramp(1, 2, "1s"), name="eip"),
        }
    )
    assert found == [
        ("QueryVm", None, "5 → 50/s over 10 s, 50/s for 1 min", None),
        ("QueryEip", None, "0 → 5/s over 1 min", None),
        ("eip", None, "1 → 2/s over 1 s", None),
    ]


def test_on_the_class() -> None:
    """The parts may stand on a class; the constructor's win."""

    class Cloud(MixedPress):
        parts = {QueryVm: 1}  # noqa: RUF012 (as scenarios write it)

    assert [part.name for part in parts_of(Cloud())] == ["QueryVm"]
    assert [part.name for part in parts_of(Cloud({QueryEip: 1}, qps=5))] == ["QueryEip"]
    assert Cloud({QueryEip: 1}, qps=5).settings == {"qps": 5}


def test_one_class_twice() -> None:
    """Two objects of one class are two parts, if they have different names."""
    one, other = QueryVm(), QueryVm()
    assert [name for name, *_ in shares({one: Share(1, name="a"), other: Share(1, name="b")})] == ["a", "b"]
    with pytest.raises(ScenarioError, match=r'two are named "QueryVm"; give one another name'):
        parts_of(MixedPress({one: 1, other: 1}))


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({}, "parts is empty"),
        ([], "parts is empty"),
        (7, "parts must be a dict of presses and weights, or a list of presses, got 7"),
        ({QueryVm: 0}, "the weight of QueryVm must be a number above 0, got 0"),
        ({QueryVm: -1}, "the weight of QueryVm must be a number above 0, got -1"),
        ({QueryVm: True}, "the weight of QueryVm must be a number above 0, got True"),
        ({QueryVm: float("nan")}, "the weight of QueryVm must be a number above 0, got nan"),
        ({QueryVm: float("inf")}, "the weight of QueryVm must be a number above 0, got inf"),
        ({QueryVm: "7"}, "the weight of QueryVm must be a number above 0, got '7'"),
        ({"QueryVm": 7}, "must be subclasses of Press, or objects of them, and no mixes themselves, got 'QueryVm'"),
        ([MixedPress], "and no mixes themselves, got <class"),
        ({QueryVm: Share(qps=0)}, 'the rate of QueryVm: must be a rate above 0, got "0"'),
        ({QueryVm: Share(1, qps=1)}, "QueryVm has a weight and a rate of its own; give one"),
        (
            {QueryVm: Share(stage="10s:5")},
            'the rate of QueryVm: stage must be a list such as ["10s:500"], got "10s:5"',
        ),
        ({QueryVm: Share(stage=["10s"])}, "the rate of QueryVm: must be DURATION:RATE"),
        ({QueryVm: Share(profile="ramp(1)")}, "the rate of QueryVm: "),
        ({QueryVm: Share(profile="constant(5)", qps=5)}, "the rate of QueryVm: profile excludes qps and stage"),
        ({QueryVm: Share(1, stage=["1s:5"])}, "QueryVm has a weight and a rate of its own; give one"),
        ({QueryVm: Share(1, concurrent=0)}, "the slots of QueryVm must be a whole number above 0, got 0"),
        ({QueryVm: 1, QueryEip: Share()}, "give each of them a weight, or none of them; there is none for QueryEip"),
        ({QueryVm: Share(qps=1), QueryEip: Share()}, "beside parts with a rate of their own, each of the others needs"),
        ([Cannot], "Cannot() raised ValueError: no account"),
    ],
)
def test_what_is_no_mix(parts: Any, says: str) -> None:
    """Each mistake is told with its part."""
    with pytest.raises(ScenarioError) as caught:
        parts_of(MixedPress(parts))
    (found,) = caught.value.mistakes
    assert says in found


def test_a_mix_has_no_press_of_its_own() -> None:
    """A method of the mix that would never be called is told."""

    class Cloud(MixedPress):
        parts = [QueryVm]  # noqa: RUF012 (as scenarios write it)
        vocab = range(3)

        async def start(self) -> None:
            pass

    with pytest.raises(ScenarioError) as caught:
        parts_of(Cloud())
    assert caught.value.mistakes == [
        "Cloud.vocab is never used: each part has its own; write it there",
        "Cloud.start is never used: each part has its own; write it there",
    ]


def test_all_mistakes_at_once() -> None:
    """What is wrong with several parts is told together."""
    with pytest.raises(ScenarioError) as caught:
        parts_of(MixedPress({QueryVm: 0, QueryEip: Share(-1, concurrent=0), Cannot: 1}))
    assert len(caught.value.mistakes) == 4


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Part("a", QueryVm(), 7, None, None), "=7"),
        (Part("a", QueryVm(), 2.5, None, None), "=2.5"),
        (Part("a", QueryVm(), None, constant(5), None), "=5/s"),
        (Part("a", QueryVm(), None, ramp(0, 5, "1m"), None), "=0 → 5/s over 1 min"),
        (Part("a", QueryVm(), None, None, None), ""),
    ],
)
def test_how_a_share_is_told(part: Part, told: str) -> None:
    """As on the command line."""
    assert told_share(part) == told
