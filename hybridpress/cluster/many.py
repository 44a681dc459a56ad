"""The hands of a run over a cluster: agents on its nodes, a process of ours under each, and the head that conducts.

Everything is checked before the load: that all nodes run the same versions, how well their clocks are known, that their
words are the same, and that each of them can reach the host.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from hybridpress import control
from hybridpress.clock import now_ns
from hybridpress.cluster.agent import versions
from hybridpress.cluster.clocks import MOST_UNSURE_NS, Offset, drift_ns
from hybridpress.cluster.crew import GoneError, LostCallError, NodeCrew
from hybridpress.cluster.head import WORDS_USED, HeadState, Node
from hybridpress.cluster.janitor import Janitor
from hybridpress.cluster.link import Inbox, Outbox
from hybridpress.cluster.messages import Closing, Hello, Job, Standing, Told
from hybridpress.cluster.packing import pack, unpack
from hybridpress.cluster.placement import Placement
from hybridpress.cluster.recipe import Stage
from hybridpress.config import RunConfig
from hybridpress.coordinator.coordinator import Coordinator
from hybridpress.coordinator.seeker import Seeker
from hybridpress.coordinator.state import RunState
from hybridpress.errors import HybridpressError, RunError, UsageError
from hybridpress.ipc.messages import Report
from hybridpress.load.split import deal
from hybridpress.metrics.summary import RunFacts
from hybridpress.parts import OF_A_PART, layers_of
from hybridpress.report.output import Outputs
from hybridpress.run.cast import Cast
from hybridpress.run.finish import facts_of, tell
from hybridpress.run.hands import told_start
from hybridpress.units import format_count, format_ms

PATIENCE_S = 0.5
WORDS = ":words"
"""How checksums of words are called, as against those of files."""


class Head(Coordinator):
    """Conducts a run over nodes."""

    def heard_from(self, report: Report | Told | Closing) -> None:
        """A node reported."""
        assert isinstance(self.state, HeadState)
        self._act(self.state.heard_from(report, now_ns()))


class ManyMachines:
    """The nodes of a cluster. `close` ends what was started on them."""

    def __init__(self, cast: Cast, flags: Mapping[str, Any]) -> None:
        self._cast = cast
        self._flags = {name: flags[name] for name in OF_A_PART if name in flags}
        self._is_sized = any("processes" in layer.settings for layer in layers_of(cast.press, flags))
        self._janitor = Janitor()
        self._folder = Path(tempfile.mkdtemp(prefix="hybridpress-stage-"))
        self._janitor.add(self._folder)
        with suppress(HybridpressError):
            given = cast.config.control
            self._janitor.add(control.path_of(os.getpid()) if given is None else Path(given))
        assert cast.config.cluster is not None
        self._where: str = cast.config.cluster
        self._placement = Placement(self._where, cast.config.nodes, self._folder, self._janitor)
        self._nodes: list[Node] = []
        self._offsets: list[Offset] = []
        self._pids: list[int] = []
        self._lines: list[tuple[Outbox, Inbox]] = []
        self._notes: list[tuple[str, str]] = []

    def ready(self, outputs: Outputs) -> tuple[RunConfig, int]:
        stage = Stage(self._folder)
        recipe = stage.add(self._cast.press)
        stage.add_modules()
        hellos = self._placement.open(outputs.starting)
        check_versions(hellos)
        outputs.starting("comparing clocks")
        self._offsets = self._placement.offsets(range(len(hellos)))
        check_clocks(hellos, self._offsets)
        n_cpus_each = [hello.n_cpus for hello in hellos]
        sizes = sizes_of(
            self._cast.config, n_cpus_each, is_given=self._is_sized, are_one=self._where.startswith("local:")
        )
        config = replace(self._cast.config, processes=sum(sizes))
        workers = [range(*bounds) for bounds in pairwise([0, *accumulate(sizes)])]
        self._nodes = [
            Node(hello, own, offset.unsure_ns / 1e6)
            for hello, own, offset in zip(hellos, workers, self._offsets, strict=True)
        ]
        outputs.starting(f"building the word table on {_nodes(len(hellos))}")
        of_nodes = replace(config, json=None, control=None, quiet=True, cluster=None, nodes=None)
        jobs = [
            pack(Job(k, len(hellos), of_nodes, recipe, self._flags, own.start, own.stop))
            for k, own in enumerate(workers)
        ]
        self._pids = self._placement.launch(jobs)
        self._lines = [(Outbox(), Inbox()) for _ in jobs]
        standings = asyncio.run(self._standings())
        drawn = [part.config.policy for part in self._cast.parts] or [self._cast.config.policy]
        names = [self._name(node) for node in range(len(standings))]
        are_shared_out = not all(policy.is_default for policy in drawn)
        n_words, differences = check_standings(standings, names, stage.large, are_shared_out=are_shared_out)
        self._notes += [("words_differ", text) for text in differences]
        config = replace(config, cpu_workers=sum(standing.n_cpu_workers for standing in standings))
        outputs.starting(f"{told_start(config, n_words)} on {_nodes(len(hellos))}")
        return config, n_words

    def coordinator(self, config: RunConfig, outputs: Outputs, seeker: Seeker | None) -> Coordinator:
        state = HeadState(config, now_ns(), self._nodes, seeker)
        tell(self._notes, state, outputs)
        ahead_ns = [offset.ahead_ns for offset in self._offsets]
        return Head(state, NodeCrew(self._placement, self._lines, self._pids, ahead_ns), outputs)

    def beside(self, config: RunConfig) -> AbstractContextManager[None]:
        return nullcontext()

    def tell_words(self, state: RunState, outputs: Outputs) -> str | None:
        assert isinstance(state, HeadState)
        tell([(WORDS_USED, text) for text in state.words_used()], state, outputs)
        tell([("clock_drift", text) for text in self._drifts()], state, outputs)
        return state.complaint

    def facts(self, config: RunConfig, n_words: int, state: RunState) -> RunFacts:
        assert isinstance(state, HeadState)
        facts = facts_of(replace(self._cast, config=config), n_words, state)
        return replace(facts, workers=state.all_workers, nodes=state.results())

    def close(self) -> None:
        self._placement.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._janitor.close()

    def _drifts(self) -> list[str]:
        """Which clocks went off meanwhile. A node that cannot be asked any more says nothing of that."""
        left = [k for k, node in enumerate(self._nodes) if node.closing is not None]
        with suppress(RunError):
            now = self._placement.offsets(left)
            return told_drifts([self._name(k) for k in left], [self._offsets[k] for k in left], now)
        return []

    async def _standings(self) -> list[Standing]:
        return await asyncio.gather(*(self._standing(k, *line) for k, line in enumerate(self._lines)))

    async def _standing(self, node: int, outbox: Outbox, inbox: Inbox) -> Standing:
        """What stands on a node; or what kept it from that."""
        again = False
        while True:
            try:
                answer = await self._placement.exchange(node, outbox.batch(), inbox.heard, PATIENCE_S, again=again)
            except LostCallError:
                again = True
                continue
            except GoneError as error:
                raise RunError(f"{self._name(node)} was lost before the load began: {error}") from None
            again = False
            for message in inbox.take(answer.pieces):
                standing: Standing = unpack(message)
                return standing
            if answer.exit_code is not None:
                raise RunError(
                    f"the process on {self._name(node)} died before the load began (exit code {answer.exit_code})"
                )

    def _name(self, node: int) -> str:
        return f"node {node} ({self._nodes[node].hello.address})"


def check_standings(
    standings: Sequence[Standing], names: Sequence[str], large: Sequence[Path], *, are_shared_out: bool
) -> tuple[int, list[str]]:
    """That all nodes can begin, and, where words *are_shared_out* among them, with the same ones. Returns how many
    words there are, and in what they differ where that does no harm. *large*: files that were not shipped.

    Raises:
        UsageError: what stands against it, on which node.
    """
    mistakes: list[str] = []
    for text in dict.fromkeys(mistake for standing in standings for mistake in standing.mistakes):
        having = [name for name, standing in zip(names, standings, strict=True) if text in standing.mistakes]
        mistakes.append(text if len(having) == len(names) else f"{', '.join(having)}: {text}")
    if mistakes and large:
        files = ", ".join(f'"{path.name}"' for path in large)
        mistakes.append(f"{files}: too large to be shipped; put it on every node, and name it by its whole path")
    differences = []
    first = standings[0]
    for name, standing in zip(names[1:], standings[1:], strict=True):
        if mistakes:
            break
        if standing.n_words != first.n_words and are_shared_out:
            mistakes.append(
                f"{name} has {format_count(standing.n_words)} words, {names[0]} {format_count(first.n_words)}: words "
                "that are drawn once, in order or by parts must be the same on all nodes"
            )
        for what, digest in standing.sums.items():
            if digest == first.sums.get(what):
                continue
            are_words = what.endswith(WORDS)
            text = (
                f"{'the words' if are_words else what} of {name} differ from those of {names[0]} "
                f"(sha256 {digest[:12]}…, {first.sums.get(what, 'nothing')[:12]}…)"
            )
            if are_shared_out and not are_words:
                mistakes.append(f"{text}: put the same file on all nodes")
            else:
                differences.append(text)
    if mistakes:
        raise UsageError(mistakes)
    return first.n_words, differences


def sizes_of(config: RunConfig, n_cpus_each: Sequence[int], *, is_given: bool, are_one: bool) -> list[int]:
    """How many worker processes each node has. *is_given*: as many as the settings say; *are_one*: the nodes are one
    machine.

    Raises:
        UsageError: there are not slots enough for that.
    """
    n_nodes = len(n_cpus_each)
    most = min(n for n in (config.concurrent - sum(config.own_slots), *config.own_slots) if n)
    if most < n_nodes:
        raise UsageError(
            f"--concurrent {most} is fewer than the {n_nodes} nodes of the cluster: each needs a slot of its own; "
            "ask for more slots, or for fewer --nodes"
        )
    if is_given:
        if config.processes * n_nodes > most:
            raise UsageError(
                f"--processes {config.processes} on each of {n_nodes} nodes is more than --concurrent {most}: "
                "every process needs a slot of its own; ask for fewer processes or more slots"
            )
        return [config.processes] * n_nodes
    # One CPU of each node is left to Ray: a node that is too busy to answer is taken for dead.
    sizes = [max(n // n_nodes if are_one else n - 1, 1) for n in n_cpus_each]
    return sizes if sum(sizes) <= most else [1 + n for n in deal(most - n_nodes, sizes)]


def check_versions(hellos: Sequence[Hello]) -> None:
    """That all nodes run what we run.

    Raises:
        UsageError: they do not; each version is named.
    """
    ours = versions()
    mistakes = []
    for k, hello in enumerate(hellos):
        different = [
            f"{name} {hello.versions.get(name, 'unknown')} instead of {version}"
            for name, version in ours.items()
            if _matters(name, hello.versions.get(name, "")) != _matters(name, version)
        ]
        if different:
            mistakes.append(
                f"node {k} ({hello.address}) has {', '.join(different)}: install the same on it as here, or start the "
                "run from there"
            )
    if mistakes:
        raise UsageError(mistakes)


def _matters(name: str, version: str) -> str:
    """What of a version must be the same: of Python's the minor one, for messages between them are pickled."""
    return ".".join(version.split(".")[:2]) if name == "Python" else version


def check_clocks(hellos: Sequence[Hello], offsets: Sequence[Offset]) -> None:
    """That all clocks are known well enough to begin by.

    Raises:
        UsageError: they are not.
    """
    mistakes = [
        f"the clock of node {k} ({hello.address}) is known to ± {format_ms(offset.unsure_ns / 1e6)} only, and to begin "
        f"at one instant takes ± {MOST_UNSURE_NS / 1e6:g} ms: the way there is too slow, or the node too busy"
        for k, (hello, offset) in enumerate(zip(hellos, offsets, strict=True))
        if not offset.is_sure
    ]
    if mistakes:
        raise UsageError(mistakes)


def told_drifts(names: Sequence[str], before: Sequence[Offset], after: Sequence[Offset]) -> list[str]:
    """Which nodes' clocks went off by more than they had to be known to before the load, and what that means."""
    drifts = [drift_ns(*pair) for pair in zip(before, after, strict=True)]
    return [
        f"the clock of {name} went {format_ms(abs(drift) / 1e6)} {'ahead of' if drift > 0 else 'behind'} the head's "
        "over the run: towards the end, its seconds are off by that"
        for name, drift in zip(names, drifts, strict=True)
        if abs(drift) > MOST_UNSURE_NS
    ]


def _nodes(n: int) -> str:
    return f"{n} node{'' if n == 1 else 's'}"
