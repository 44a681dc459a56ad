"""The simulation of a large cluster still runs, and what it merges adds up."""

from __future__ import annotations

import pytest
from cluster_sim import simulated


@pytest.mark.slow
def test_a_small_cluster() -> None:
    """Costs and sizes are found for a few nodes, too."""
    found = simulated(n_nodes=4, n_workers=3, n_steps=2, rate=10, n_seconds=2)
    assert 0 < found.node_cpu < 1
    assert 0 < found.head_cpu < 1
    assert found.order_bytes < 1_000 < found.second_bytes < 100_000
