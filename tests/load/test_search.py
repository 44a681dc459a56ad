"""The search for the highest rate, against servers whose limit is known, and against outcomes of no sense at all."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import UsageError
from hybridpress.load.search import Outcome, Search
from tests.load.servers import NOISY, Server, slow_p99_s

QUEUE = Server()
SLOW = Server(slow_p99_s, 0.050)


def tried(search: Search) -> list[float]:
    return [outcome.rate for outcome in search.steps]


def test_step_by_step() -> None:
    """It rises by the factor, halves in proportion, tries the lowest that failed once more, and then the answer."""
    search = Search(100, precision=0.5)
    found = Server(lambda rate: rate, objective_s=580).searched(search)
    assert tried(search) == pytest.approx(
        [100, 200, 400, 800, 400 * 2**0.5, 400 * 2**0.75, 400 * 2**0.75, 400 * 2**0.5]
    )
    assert found.rate == pytest.approx(565.69, abs=0.01)
    assert (found.limit, found.reason) == ("objective", "565.69/s: the objectives broke at 672.72/s (p99 is 672.717 s)")
    assert found.steps == tuple(search.steps)
    assert search.rate is None


def test_without_trying_again() -> None:
    """What failed need not be tried again; the answer is, all the same."""
    search = Search(100, precision=0.5, retry=False)
    Server(lambda rate: rate, objective_s=580).searched(search)
    assert tried(search)[-2:] == pytest.approx([400 * 2**0.75, 400 * 2**0.5])


@pytest.mark.parametrize("server", [QUEUE, SLOW], ids=["queue", "slow"])
@given(st.floats(1, 50_000), st.floats(0.001, 1), st.floats(1.1, 100))
def test_names_the_limit(server: Server, start_rate: float, precision: float, growth: float) -> None:
    """Without noise the limit is from the answer to the answer and the precision, in steps that can be foretold."""
    found = server.searched(Search(start_rate, precision=precision, growth=growth, max_steps=200))
    assert found.limit == "objective"
    assert found.rate is not None
    assert found.rate <= server.limit * (1 + 1e-9)
    assert server.limit <= found.rate * (1 + precision)
    n_moves = abs(math.log(server.limit / start_rate)) / math.log(growth) + 2
    n_halvings = max(math.log2(math.log(growth) / math.log(1 + precision / 2)), 0) + 1
    assert len(found.steps) <= n_moves + n_halvings + 2


@pytest.mark.parametrize("name", NOISY)
def test_names_the_limit_of_a_noisy_server(name: str) -> None:
    """In at least 9 of 10 searches the answer is within the precision, and it takes but few steps more."""
    found = [NOISY[name].searched(Search(100 + seed), seed) for seed in range(100)]
    assert sum(NOISY[name].is_named(one) for one in found) >= 90
    assert sum(len(one.steps) for one in found) <= 18 * len(found)


@pytest.mark.parametrize("generator_rate", [170, 1000, 1400])
def test_the_generator_is_not_the_server(generator_rate: float) -> None:
    """What the generator cannot deliver says nothing of the server: the answer is the least that it bears."""
    server = Server(generator_rate=generator_rate)
    found = server.searched(Search(100))
    assert found.limit == "generator"
    assert found.rate is not None
    assert generator_rate / 1.05 <= found.rate <= generator_rate
    assert found.reason.startswith("at least ")
    assert "the generator could not deliver" in found.reason
    assert found.reason.endswith("/s (no CPU left)")


def test_a_generator_beyond_the_server() -> None:
    """A generator that gives up above the server's limit bounds the search, and the answer is the server's own."""
    server = Server(generator_rate=1_550)
    found = server.searched(Search(100))
    assert any(outcome.generator_limited for outcome in found.steps)
    assert found.limit == "objective"
    assert server.is_named(found)


def test_a_generator_that_delivers_one_of_two() -> None:
    """Where one step was delivered and broke the objectives, the limit is the server's, whatever the other one was."""
    for first, second in ((True, False), (False, True)):
        search = Search(100, precision=1, growth=1.2)
        for outcome in (
            Outcome(100, kept=True),
            Outcome(120, kept=False, generator_limited=first, why="first"),
            Outcome(120, kept=False, generator_limited=second, why="second"),
            Outcome(100, kept=True),
        ):
            search.tell(outcome)
        assert search.found is not None
        assert search.found.limit == "objective"
        assert search.found.reason == f"100/s: the objectives broke at 120/s ({'second' if first else 'first'})"


def test_never_fails() -> None:
    """A server that bears everything ends the search at the highest rate allowed, confirmed."""
    search = Search(100, max_rate=1000)
    found = Server(lambda _: 0.0).searched(search)
    assert (found.rate, found.limit) == (1000, "max_rate")
    assert found.reason == "at least 1,000/s, the highest rate that was to be tried"
    assert tried(search) == [100, 200, 400, 800, 1000, 1000]


def test_never_fails_without_a_highest_rate() -> None:
    """Without a highest rate, the number of steps is the end."""
    found = Server(lambda _: 0.0).searched(Search(1, max_steps=11))
    assert (found.rate, found.limit) == (1024, "max_steps")
    assert found.reason == "at least 1,024/s, and stopped after 11 steps: nothing above it was tried"


def test_always_fails() -> None:
    """It goes down by the factor to the lowest rate, tries that twice, and gives up."""
    search = Search(100, min_rate=10)
    found = Server(lambda _: 1.0).searched(search)
    assert (found.rate, found.limit) == (None, "none kept")
    assert found.reason == "no rate kept the objectives: the objectives broke at 10/s (p99 is 1.000 s)"
    assert tried(search) == [100, 50, 25, 12.5, 10, 10]


def test_cannot_even_begin() -> None:
    """A generator that delivers nothing is not a server that keeps nothing."""
    found = Server(generator_rate=0).searched(Search(4))
    assert (found.rate, found.limit) == (None, "generator")
    assert found.reason == "no rate was found: the generator could not deliver 1/s (no CPU left)"


def test_stopped_without_a_rate() -> None:
    """A search that is stopped before it found a rate says so."""
    found = Server(lambda _: 1.0).searched(Search(1000, max_steps=2))
    assert (found.rate, found.limit) == (None, "max_steps")
    assert found.reason == "no rate was found: the objectives broke at 500/s (p99 is 1.000 s)"


def test_a_pause_on_the_way_up() -> None:
    """One step that fails far below the limit is found out, and the search rises again."""
    search, drawn = Search(100), random.Random(0)
    while search.rate is not None:
        outcome = QUEUE.outcome(search.rate, drawn)
        search.tell(Outcome(search.rate, kept=False) if len(search.steps) == 2 else outcome)
    assert search.found is not None
    assert QUEUE.is_named(search.found)


def test_luck_is_not_confirmed() -> None:
    """An answer that fails when it is tried again counts as failed, and the search goes on below it."""
    search, drawn = Search(100), random.Random(0)
    lucky = QUEUE.limit * 1.2
    while search.rate is not None:
        outcome = QUEUE.outcome(search.rate, drawn)
        is_first = search.rate not in tried(search)
        search.tell(Outcome(search.rate, kept=True) if is_first and search.rate < lucky else outcome)
    assert search.found is not None
    assert QUEUE.is_named(search.found)


@given(
    st.floats(0.5, 1e5),
    st.floats(0.001, 1),
    st.one_of(st.none(), st.floats(1e5, 1e7)),
    st.integers(1, 80),
    st.randoms(use_true_random=False),
)
def test_always_ends(
    start_rate: float, precision: float, max_rate: float | None, max_steps: int, drawn: random.Random
) -> None:
    """Outcomes by chance: the search ends within its steps and its rates, and its answer was kept at last."""
    search = Search(start_rate, precision=precision, min_rate=0.5, max_rate=max_rate, max_steps=max_steps)
    share = drawn.random()
    while search.rate is not None:
        assert 0.5 <= search.rate <= search.max_rate
        if search.floor is not None and search.ceiling is not None:
            assert search.floor <= search.rate <= search.ceiling
        search.tell(Outcome(search.rate, drawn.random() < share, generator_limited=drawn.random() < 0.1))
    found = search.found
    assert found is not None
    assert 1 <= len(found.steps) <= max_steps
    if found.rate is None:
        assert found.limit in {"none kept", "generator", "max_steps"}
    else:
        assert next(one for one in reversed(found.steps) if one.rate == found.rate).counts_as_kept
    if found.rate is not None and found.limit != "max_steps":
        assert sum(one.counts_as_kept for one in found.steps if one.rate == found.rate) >= 2


@given(st.floats(0.001, 1), st.randoms(use_true_random=False))
def test_no_rate_is_tried_for_ever(precision: float, drawn: random.Random) -> None:
    """Each rate is tried four times at most, so that the search between two rates ends by itself."""
    search = Search(100, precision=precision, min_rate=50, max_rate=200, max_steps=10**6)
    while search.rate is not None:
        search.tell(Outcome(search.rate, kept=drawn.random() < 0.5))
    rates = tried(search)
    assert max(map(rates.count, rates)) <= 4


@pytest.mark.parametrize(
    ("arguments", "mistakes"),
    [
        ({"start_rate": 0}, ["the start rate must be from the lowest rate, 1/s (above 0), up, got 0/s"]),
        (
            {"start_rate": 100, "max_rate": 50},
            ["the start rate must be from the lowest rate, 1/s (above 0), to the highest, 50/s, got 100/s"],
        ),
        (
            {"start_rate": math.nan, "precision": 0, "growth": 1, "max_steps": 0},
            [
                "the start rate must be from the lowest rate, 1/s (above 0), up, got nan/s",
                "the precision must be from 0.001 to 1, such as 0.05 for 5 %, got 0",
                "the growth must be a factor from 1.1 to 100, got 1",
                "the steps must be 1 or more, got 0",
            ],
        ),
    ],
)
def test_mistakes(arguments: dict[str, float], mistakes: list[str]) -> None:
    """All mistakes at once, each with the thing, the value and the way out."""
    with pytest.raises(UsageError) as caught:
        Search(**arguments)  # type: ignore[arg-type]
    assert caught.value.mistakes == mistakes


def test_the_outcome_of_another_rate() -> None:
    """Only the step that was asked for can be told, and none when the search is over."""
    search = Search(100, max_rate=100)
    with pytest.raises(ValueError, match=r"one at 100.0/s, got one at 50/s"):
        search.tell(Outcome(50, kept=True))
    search.tell(Outcome(100, kept=True))
    search.tell(Outcome(100, kept=True))
    with pytest.raises(ValueError, match=r"one at None/s, got one at 100/s"):
        search.tell(Outcome(100, kept=True))
