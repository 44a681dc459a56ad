"""What it costs to merge a large cluster, and how large its messages are: the code of head and node, without Ray.

    python bench/cluster_sim.py [--nodes 1000] [--workers 64] [--steps 50] [--rate 20] [--seconds 3] [--json FILE]

Every worker starts RATE iterations a second, each of STEPS steps. A node merges what its workers tell (first level),
and tells one second of all; the head merges the nodes' seconds (second level). Both are told as parts of one core.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from harness import surroundings

from hybridpress.cluster.head import HeadState, Node
from hybridpress.cluster.link import Inbox, Outbox
from hybridpress.cluster.messages import Hello
from hybridpress.cluster.node.state import NodeState
from hybridpress.config import Layer, RunConfig
from hybridpress.ipc.messages import Begin, Counts, Measured, Ready, Report
from hybridpress.metrics.interval import Interval, StepCounts
from hybridpress.units import NS_PER_S

KINDS_OF_SECOND = 8
"""So many different seconds are made and told in turn: what is counted in them costs the same."""


@dataclass(frozen=True, slots=True)
class Found:
    """CPU as parts of one core; sizes of what a node tells a second, in bytes."""

    nodes: int
    workers: int
    steps: int
    rate: float
    node_cpu: float
    head_cpu: float
    head_counts_cpu: float
    second_bytes: int
    counts_bytes: int
    order_bytes: int
    filled_places: int

    def __str__(self) -> str:
        return (
            f"{self.nodes:,} nodes × {self.workers} workers, {self.steps} steps, {self.rate:g} iterations/s a worker\n"
            f"  node: merge of {self.workers} workers at 1 Hz        {100 * self.node_cpu:6.1f} % of one core\n"
            f"  head: merge of {self.nodes:,} nodes at 1 Hz       {100 * self.head_cpu:6.1f} % of one core\n"
            f"  head: their counts, told once a second    {100 * self.head_counts_cpu:6.1f} % of one core\n"
            f"  messages of a node: a second {self.second_bytes:,} bytes (some {self.filled_places:,} places of a step "
            f"filled), counts {self.counts_bytes:,}, an order {self.order_bytes:,}"
        )


def config_of(n_workers: int) -> RunConfig:
    settings = {"qps": 1_000_000, "concurrent": 4 * n_workers, "processes": n_workers, "duration": "1h"}
    return RunConfig.build("sim.py:Sim", [Layer(settings, str)])


def second_of(index: int, n_steps: int, n_iterations: int, random: np.random.Generator) -> Interval:
    """What a worker might measure in a second."""
    found = Interval(index, started=n_iterations, completed=n_iterations)

    def times(mean_ms: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return (random.lognormal(np.log(mean_ms * 1e6), 0.3, n_iterations)).astype(np.int64)

    for times_of in (found.response, found.service, found.lateness, found.health.loop_lag):
        times_of.add(times(20 * n_steps))
    for k in range(n_steps):
        step = StepCounts(n_iterations, 0, 1_000, 100)
        step.times.add(times(5 + 2 * k))
        found.steps[f"step {k}"] = step
    return found


def of_node(n_workers: int, seconds: Sequence[bytes], n_seconds: int) -> tuple[float, list[bytes]]:
    """CPU of a node's merge, as a part of one core, and what it tells the head for each second."""
    config = config_of(n_workers)
    state = NodeState(config, 0, 0, 0, config.slots_by_worker)
    for worker in range(n_workers):
        state.forked(worker, worker + 1)
        state.heard(Ready(worker, worker + 1, 4, ()), 1)
    state.obey(Begin(2, None, None, None, config.concurrent), 2)
    state.take_said()
    told: list[bytes] = []
    begun = time.process_time()
    for index in range(n_seconds):
        for worker in range(n_workers):
            interval: Interval = pickle.loads(seconds[(index + worker) % len(seconds)])  # noqa: S301 (its own)
            interval.index = index
            state.heard(Measured(worker, interval), (index + 1) * NS_PER_S)
        told += [pickle.dumps(report, pickle.HIGHEST_PROTOCOL) for report in state.take_said()]
    return (time.process_time() - begun) / n_seconds, told


def of_head(n_nodes: int, second: bytes, n_seconds: int) -> tuple[float, float]:
    """CPU of the head's merge, and of the nodes' counts, as parts of one core."""
    config = config_of(n_nodes)
    hello = Hello("10.0.0.1", "box", 1, 64, {})
    state = HeadState(config, 0, [Node(hello, range(k, k + 1)) for k in range(n_nodes)])
    for node in range(n_nodes):
        state.forked(node, node + 1)
    for node in range(n_nodes):
        state.heard_from(Ready(node, node + 1, 4, ()), 1)
    inboxes = [Inbox() for _ in range(n_nodes)]
    outboxes = [Outbox() for _ in range(n_nodes)]
    merging = counting = 0.0
    for index in range(n_seconds):
        now_ns = state.start_ns + (index + 1) * NS_PER_S
        report: Measured = pickle.loads(second)  # noqa: S301 (its own)
        report.interval.index = index
        messages = [pickle.dumps(Measured(node, report.interval), pickle.HIGHEST_PROTOCOL) for node in range(n_nodes)]
        begun = time.process_time()
        for node, message in enumerate(messages):
            outboxes[node].put(message)
            _take(state, inboxes[node], outboxes[node], now_ns)
        merging += time.process_time() - begun
        counts = Counts(0, now_ns, 1_000, 900, 0, 100, 0, now_ns)
        packed = [pickle.dumps(replace(counts, worker=node), pickle.HIGHEST_PROTOCOL) for node in range(n_nodes)]
        begun = time.process_time()
        for node, message in enumerate(packed):
            outboxes[node].put(message)
            _take(state, inboxes[node], outboxes[node], now_ns)
        counting += time.process_time() - begun
    return merging / n_seconds, counting / n_seconds


def _take(state: HeadState, inbox: Inbox, outbox: Outbox, now_ns: int) -> None:
    while pieces := outbox.batch():
        for message in inbox.take(pieces):
            report: Report = pickle.loads(message)  # noqa: S301 (its own)
            state.heard_from(report, now_ns)
    outbox.confirmed(inbox.heard)


def simulated(n_nodes: int, n_workers: int, n_steps: int, rate: float, n_seconds: int) -> Found:
    """One cluster."""
    random = np.random.default_rng(1)
    seconds = [pickle.dumps(second_of(0, n_steps, max(int(rate), 1), random)) for _ in range(KINDS_OF_SECOND)]
    node_cpu, told = of_node(n_workers, seconds, n_seconds)
    head_cpu, counts_cpu = of_head(n_nodes, told[-1], n_seconds)
    last: Measured = pickle.loads(told[-1])  # noqa: S301 (its own)
    filled = [len(step.times.places()[0]) for step in last.interval.steps.values()]
    counts = pickle.dumps(Counts(0, 10**15, 1_000, 900, 0, 100, 0, 10**12), pickle.HIGHEST_PROTOCOL)
    order = pickle.dumps(Begin(10**15, 10**15, None, None, 100), pickle.HIGHEST_PROTOCOL)
    return Found(
        nodes=n_nodes,
        workers=n_workers,
        steps=n_steps,
        rate=rate,
        node_cpu=node_cpu,
        head_cpu=head_cpu,
        head_counts_cpu=counts_cpu,
        second_bytes=len(told[-1]),
        counts_bytes=len(counts),
        order_bytes=len(order),
        filled_places=int(np.mean(filled)) if filled else 0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found = simulated(args.nodes, args.workers, args.steps, args.rate, args.seconds)
    print(found)
    if args.json is not None:
        args.json.write_text(json.dumps({**surroundings(), "found": asdict(found)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
