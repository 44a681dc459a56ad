"""What head and nodes decide together: the plan is one, whoever is frozen or dies, and what is counted adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.coordinator.phase import Phase
from hybridpress.load.arrivals import Poisson
from hybridpress.metrics.histogram import Histogram
from hybridpress.units import NS_PER_S
from tests.cluster.bottle import Bottle


def assert_lawful(bottle: Bottle) -> None:
    head = bottle.head
    assert head.phase is Phase.OVER
    total = head.total
    for name in ("started", "completed", "failed", "dropped"):
        assert sum(getattr(second, name) for second in head.seconds) == getattr(total, name), name
    assert [second.at_s for second in head.seconds] == sorted({second.at_s for second in head.seconds})
    assert total.started - total.completed - total.failed - head.n_lost >= 0
    assert sum(place.totals.started for place in head.places) == total.started
    if head.n_planned is not None:
        assert head.n_planned >= total.started + total.dropped


@pytest.mark.parametrize("workers", [[1], [2, 2], [3, 1, 2]])
@pytest.mark.parametrize(
    "load",
    [
        {"qps": 333, "duration": "3s"},
        {"profile": "ramp(0, 400, 2s) + hold(1s)"},
        {"qps": 300, "iterations": 500},
        {"qps": 400, "duration": "2s", "arrivals": "poisson"},
    ],
)
def test_one_plan(workers: list[int], load: dict[str, Any]) -> None:
    """Everything that is planned is started once, when it is due, whoever of which node starts it."""
    bottle = Bottle(workers, **load)
    bottle.run_to_end()
    assert_lawful(bottle)
    head, dues = bottle.head, bottle.dues
    assert (head.total.dropped, head.n_lost) == (0, 0)
    assert head.total.started == head.total.completed == len(dues)
    profile = bottle.config.profile
    assert profile is not None
    if load.get("arrivals") == "poisson":
        points = Poisson(1).own(0, (1,), 0, len(dues), len(dues)).points
    else:
        assert len(dues) == head.n_planned
        points = np.arange(len(dues), dtype=np.float64)
    assert dues == (profile.due_ns_at(points) + head.start_ns).tolist()


def test_clocks_that_differ() -> None:
    """Nodes whose clocks are hours apart start the same plan, at the same instants."""
    found = []
    for ahead_ns in ([0, 0], [3_600 * NS_PER_S, -7]):
        bottle = Bottle([2, 1], ahead_ns, qps=200, duration="2s")
        bottle.run_to_end()
        assert_lawful(bottle)
        found.append(bottle.dues)
    assert found[0] == found[1]


def test_percentiles_of_all() -> None:
    """What is merged over workers, nodes and seconds is the histogram of all samples."""
    bottle = Bottle([2, 3, 1], qps=700, duration="4s")
    bottle.run_to_end()
    samples = [1_000 + due_ns % 10_000_000 for workers in bottle.workers for w in workers for due_ns in w.dues]
    whole = Histogram()
    whole.add(np.array(samples, dtype=np.int64))
    assert bottle.head.total.response == whole
    assert bottle.head.total.response.percentiles_ns(50, 90, 99, 99.9) == whole.percentiles_ns(50, 90, 99, 99.9)


def test_a_node_without_room() -> None:
    """Feedback goes over nodes: one that cannot start its share hands it on, and the QPS is held."""
    bottle = Bottle([2, 2, 2], qps=900, duration="12s")
    bottle.run_until(2)
    for worker in bottle.workers[1]:
        worker.most = 5  # a tick: 50/s of its 150/s
    bottle.run_to_end()
    assert_lawful(bottle)
    assert bottle.head.total.started == 10_800
    assert all(abs(started - 900) <= 18 for started in bottle.seconds[5:11]), bottle.seconds
    started = [place.totals.started for place in bottle.head.places]
    assert started[1] < started[0] / 2


@pytest.mark.parametrize("frozen_s", [2.0, 10.0])
def test_a_node_that_is_frozen(frozen_s: float) -> None:
    """While it stands still the others have its share; back, it has its own again, and nothing is lost or doubled."""
    bottle = Bottle([2, 2, 2], qps=600, duration="20s")
    bottle.run_until(3)
    bottle.frozen.add(1)
    bottle.run_until(3 + frozen_s)
    bottle.frozen.clear()
    before = bottle.head.places[1].totals.started
    bottle.run_to_end()
    assert_lawful(bottle)
    assert bottle.head.total.started == len(bottle.dues) == 12_000
    kinds = [event.kind for event in bottle.head.events]
    if frozen_s > 3:
        assert kinds == ["node_silent", "node_back"]
        assert all(abs(second.started - 600) <= 12 for second in bottle.head.seconds[8:13])
        assert bottle.head.places[1].totals.started - before >= 0.9 * 200 * (17 - frozen_s)
    assert len(set(bottle.dues)) == 12_000


def test_a_node_that_dies() -> None:
    """The others have its share; what was due there and never started is dropped, and told."""
    bottle = Bottle([2, 2, 2], qps=600, duration="10s")
    bottle.run_until(3)
    bottle.kill(2)
    bottle.run_to_end()
    assert_lawful(bottle)
    head = bottle.head
    assert head.n_planned == head.total.started + head.total.dropped == 6_000
    assert head.total.dropped <= 60
    assert [event.kind for event in head.events] == ["node_lost"]
    assert [node.state for node in head.results()] == ["ok", "ok", "lost"]
    assert [second.nodes for second in head.seconds][5:10] == [2] * 5
    assert head.conditions().n_nodes_lost == 1


def test_a_node_that_never_comes_back() -> None:
    """Nobody waits for it once all the others are done."""
    bottle = Bottle([1, 1], qps=100, duration="6s")
    bottle.run_until(2)
    bottle.frozen.add(0)
    bottle.run_until(12)
    assert_lawful(bottle)
    assert [node.state for node in bottle.head.results()] == ["lost", "ok"]


@settings(max_examples=40)
@given(st.data())
def test_whatever_happens(data: st.DataObject) -> None:
    """The counts add up, and nothing is started twice, whenever a node is slow, stands still, comes back or dies."""
    n_nodes = data.draw(st.integers(2, 4))
    bottle = Bottle(
        data.draw(st.lists(st.integers(1, 3), min_size=n_nodes, max_size=n_nodes)),
        data.draw(st.lists(st.integers(-(10**12), 10**12), min_size=n_nodes, max_size=n_nodes)),
        qps=data.draw(st.sampled_from([37, 200, 555])),
        duration="9s",
        arrivals=data.draw(st.sampled_from(["uniform", "poisson"])),
    )
    at_s = 0.0
    for _ in range(data.draw(st.integers(0, 5))):
        at_s += data.draw(st.sampled_from([0.1, 0.5, 1.0, 3.5]))
        bottle.run_until(at_s)
        node = data.draw(st.integers(0, n_nodes - 1))
        match data.draw(st.sampled_from(["slow", "fast", "freeze", "thaw", "kill"])):
            case "slow":
                bottle.workers[node][0].most = 1
            case "fast":
                bottle.workers[node][0].most = 10**9
            case "freeze":
                bottle.frozen.add(node)
            case "thaw":
                bottle.frozen.discard(node)
            case "kill" if node not in bottle.dead and len(bottle.dead) < n_nodes - 1:
                bottle.kill(node)
    bottle.run_until(60)
    bottle.frozen.clear()
    bottle.run_until(120)
    assert_lawful(bottle)
    dues = bottle.dues
    assert len(set(dues)) == len(dues) or bottle.config.arrivals == "poisson"
    if not bottle.dead:
        assert bottle.head.total.started == len(dues)
