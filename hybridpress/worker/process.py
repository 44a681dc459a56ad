"""The worker process: from the fork to its last word."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvloop

from hybridpress import __version__, machine
from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clock import now_ns
from hybridpress.config import RunConfig
from hybridpress.errors import EXIT_BROKEN, EXIT_DONE
from hybridpress.ipc.channel import WorkerEnd
from hybridpress.ipc.messages import Begin, Broken, Done, GiveUp, Order, Ready
from hybridpress.load.plan import CATCH_UP_S
from hybridpress.metrics.cpu import CpuRecorder
from hybridpress.metrics.recorder import Recorder
from hybridpress.parts import RunPart
from hybridpress.press import Press
from hybridpress.scenario import Shape, told
from hybridpress.units import NEVER_NS, NS_PER_S
from hybridpress.vocab.supply import Supply
from hybridpress.worker.cpu.process import Door
from hybridpress.worker.cpu.tier import AHEAD_NS, Tier
from hybridpress.worker.drawn import Drawing, DrawnPress
from hybridpress.worker.flush import Reporter
from hybridpress.worker.gate import Gate
from hybridpress.worker.groups import MixedSlots
from hybridpress.worker.health import Watch
from hybridpress.worker.mix import PartsClients, PartTrace
from hybridpress.worker.orders import Orders
from hybridpress.worker.slots import Pressable, Slots, SlotTrace
from hybridpress.worker.staged import StagedSlots
from hybridpress.worker.stages import Stages, tier_of

POLL_S = 0.005
"""How often a worker looks whether all iterations have started, where their number ends the run."""
FILL_S = 1.0
"""So long a worker waits at most for words to be prepared, before it says that it is ready."""
IN_THREAD = "in_thread"
MAX_THREADS = 1_024
"""Most threads of one worker for what a scenario gives to in_thread()."""
GC_THRESHOLDS = (50_000, 20, 100)
"""What the collector has to look at is what starting makes, which stays, then what iterations leave behind in cycles,
which is little: it may wait for more of it. With 10,000 slots that saves a quarter of the CPU of starting them.
"""


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker's place in the run, and all it needs there."""

    worker: int
    config: RunConfig
    press: Press
    shape: Shape
    supply: Supply
    slots: range
    doors: Sequence[Door] = ()
    """The ways to the CPU workers; none: their work is done in line."""
    parts: Sequence[RunPart] = ()
    """Of a mix: what stands in the place of *press*, *shape* and *supply*."""
    first: int = 0
    """The number of this machine's first worker: plans are dealt to a machine's workers, from place 0 on."""


def http_settings(config: RunConfig) -> HttpSettings:
    """What of the run's settings concerns the clients."""
    return HttpSettings(
        base_url=config.host,
        timeout_s=config.timeout_s,
        verify=not config.insecure,
        ca_file=config.ca_file,
        max_body_bytes=config.max_body_bytes,
        cookies=config.cookies,
        headers={"User-Agent": f"hybridpress/{__version__}", "Accept": "*/*"},
        local_addresses=config.local_addresses,
        follows=config.trace_sample > 0,
        grpc_channels=config.grpc_channels,
    )


def open_recorder(seat: Seat) -> Recorder:
    """The worker's recorder; with --trace-sample one that also follows iterations of the seat's presses."""
    config = seat.config
    if not config.trace_sample:
        return Recorder(paced=config.is_paced)
    from hybridpress.worker.follow import FollowingRecorder, follow

    recorder = FollowingRecorder(paced=config.is_paced)
    for press in [part.press for part in seat.parts] or [seat.press]:
        follow(press, recorder, config.trace_sample)
    return recorder


def open_clients(seat: Seat, recorder: Recorder) -> Clients | PartsClients:
    """The worker's clients; those of a mix are each part's own. To be called inside the loop."""
    if not seat.parts:
        return Clients(http_settings(seat.config), SlotTrace(recorder))
    return PartsClients(
        {part.name: Clients(http_settings(part.config), PartTrace(recorder, part.name)) for part in seat.parts}
    )


def make_slots(seat: Seat, clients: Any, recorder: Recorder, ran_out: Callable[[str], None]) -> Slots | MixedSlots:
    """The slots of this worker: the plain ones, those with stages where the scenario has any, or those of a mix. Inside
    the loop. *ran_out* is called when there are no more words for them, with the part's name in a mix.
    """
    config, shape, words = seat.config, seat.shape, seat.supply.table
    if seat.parts:
        return MixedSlots(seat.parts, seat.slots, seat.worker, clients, recorder, ran_out, seat.doors, config.profile)
    if not shape.has_stages:
        press: Pressable = seat.press
        takes_word = shape.takes_word
        if takes_word and not seat.supply.policy.is_default:
            press, takes_word = DrawnPress(seat.press, Drawing(seat.supply, seat.worker, partial(ran_out, ""))), False
        return Slots(
            press, seat.slots, seat.worker, clients, recorder, words=words, takes_word=takes_word, seed=config.seed
        )
    samples = CpuRecorder()
    if shape.has_cpu_work:
        recorder.cpu = samples
    stages = Stages(
        seat.press,
        shape,
        words,
        seat.supply.draw(seat.worker) if shape.takes_word else None,
        recorder,
        samples,
        timeout_s=config.timeout_s,
        sample=config.verify_sample,
        seed=f"{config.seed}/{seat.worker}",
        ran_out=partial(ran_out, ""),
    )
    if seat.doors:
        stages.attach(tier_of(stages, seat.doors, len(seat.slots)), is_gated=True)
    return StagedSlots(seat.press, seat.slots, seat.worker, clients, recorder, {0: stages})


def tiers_of(slots: Slots | MixedSlots) -> dict[str, Tier]:
    """What *slots* have of the CPU workers, by the parts' names in a mix."""
    return slots.tiers if isinstance(slots, StagedSlots | MixedSlots) else {}


def _n_words_at_first(seat: Seat, share: float) -> int:
    """How many words should be ready when the load begins: what this worker's share of the pace needs, or of that the
    *share* of a part.
    """
    config = seat.config
    n_slots = len(seat.slots)
    if config.peak_qps is None:
        return math.ceil(n_slots * share)
    return math.ceil(config.peak_qps * n_slots / config.concurrent * AHEAD_NS / NS_PER_S * share)


def work(seat: Seat, channel: WorkerEnd) -> None:
    """Be worker number `seat.worker` until the coordinator says stop, or is gone. To be called in a fresh process."""
    # The terminal's Ctrl-C reaches every process of its group; what it means is the coordinator's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        if seat.config.pin_cpus:
            cpus = machine.cpus()
            machine.pin({cpus[seat.worker % len(cpus)]})
        uvloop.run(_Worker(seat, channel).run())
    except (Exception, SystemExit) as error:  # noqa: BLE001 (told to the coordinator, whatever it is)
        channel.send(Broken(seat.worker, told(error)))
        channel.close()
        sys.exit(EXIT_BROKEN)
    channel.close()


def _is_anybody_left(name: str) -> bool:
    """Whether threads of this name still run, a moment after they were told to end."""
    patience_s = 0.1
    for thread in threading.enumerate():
        if thread.name.startswith(name):
            thread.join(patience_s)
            if thread.is_alive():
                return True
    return False


class _Worker:
    def __init__(self, seat: Seat, channel: WorkerEnd) -> None:
        self._seat = seat
        self._channel = channel
        self._orders = Orders(seat.worker, seat.config, channel.send, seat.worker - seat.first)
        self._slots: Slots | MixedSlots | None = None
        self._is_out_of_words = False
        self._is_done = False
        self._heard = asyncio.Event()

    async def run(self) -> None:
        seat, orders = self._seat, self._orders
        loop = asyncio.get_running_loop()
        gc.set_threshold(*GC_THRESHOLDS)
        recorder = open_recorder(seat)
        clients = open_clients(seat, recorder)
        slots = self._slots = make_slots(seat, clients, recorder, self._run_out)
        tiers = tiers_of(slots)
        threads = ThreadPoolExecutor(min(len(seat.slots), MAX_THREADS), IN_THREAD)
        loop.set_default_executor(threads)
        watch = Watch(loop)  # before the slots start: they may use up the open files, of which it needs one
        loop.add_reader(self._channel.fileno(), self._hear)
        failures = await slots.start()
        recorder.forget_steps()
        for tier in tiers.values():
            tier.open()
        shares = {part: slots.share_of(part) if isinstance(slots, MixedSlots) else 1.0 for part in tiers}
        await asyncio.gather(*(t.fill(_n_words_at_first(seat, shares[part]), FILL_S) for part, t in tiers.items()))
        gc.collect()
        gc.freeze()
        slots.open()
        texts = tuple(dict.fromkeys(told(error) for error in failures))
        self._channel.send(Ready(seat.worker, os.getpid(), len(slots), texts))

        reporter = Reporter(seat.worker, self._channel, recorder, slots, watch, orders.late)
        reporter.settling = list(tiers.values())
        for part, tier in tiers.items():
            tier.failed_late = partial(reporter.failed_late, part=part)
        begun = await self._begin(slots, reporter, watch)
        unstarted = await self._until_over(slots) if begun else None
        slots.close()
        drain_until_ns = orders.drain_until_ns or now_ns() + int(seat.config.timeout_s * NS_PER_S)
        await slots.drain(drain_until_ns)
        await orders.close()
        for tier in tiers.values():
            await tier.settle(drain_until_ns)
            tier.close()
        # Only now: what another worker gave up may have come here after the end.
        n_unstarted = 0 if unstarted is None else unstarted[0].n_due(unstarted[1])
        interval = reporter.end(slots.given_up_ns)
        interval.dropped += n_unstarted
        if isinstance(slots, MixedSlots):
            slots.drop(n_unstarted, interval)
        watch.close()
        self._is_done = True
        self._channel.send(
            Done(
                seat.worker,
                interval,
                slots.last_start_ns(),
                recorder.last_end_ns,
                is_out_of_words=self._is_out_of_words,
                n_taken_over=orders.n_taken_over,
                n_beyond=orders.n_beyond,
            )
        )
        await slots.stop(seat.config.timeout_s)
        await clients.close()
        loop.remove_reader(self._channel.fileno())
        threads.shutdown(wait=False, cancel_futures=True)
        if _is_anybody_left(IN_THREAD):
            # Python would wait for what was given to in_thread() and still runs; nobody else does.
            self._channel.close()
            os._exit(EXIT_DONE)

    async def _begin(self, slots: Slots | MixedSlots, reporter: Reporter, watch: Watch) -> bool:
        """Wait for the order to begin, then for the instant it names, and open the gate. Whether it came to that."""
        orders = self._orders
        while orders.begun is None and not orders.must_stop:
            await self._wait()
        begun: Begin | None = orders.begun
        if begun is None:
            return False
        watch.begin()
        reporter.begin(begun.start_ns, begun.first_index)
        slots.resize(begun.n_slots)
        while begun.leg is None and not orders.must_stop and (ahead_ns := begun.start_ns - now_ns()) > 0:
            await self._wait(ahead_ns / NS_PER_S)
        orders.conduct(slots)
        return True

    async def _until_over(self, slots: Slots | MixedSlots) -> tuple[Gate, int] | None:
        """Wait until all that was planned has started, the time is over, or the coordinator says stop. Returns the gate
        that knows what was due by then and has not started, and when that was; None: that does not count.
        """
        orders = self._orders
        gate = slots.behind
        while not orders.must_stop and not self._is_out_of_words:
            now, gate = now_ns(), slots.behind
            until_ns = NEVER_NS if orders.until_ns is None else orders.until_ns
            grace_ns = int(CATCH_UP_S * NS_PER_S) if self._seat.config.is_paced else 0
            if now >= until_ns + grace_ns or (gate.is_over and (now >= until_ns or until_ns == NEVER_NS)):
                break
            if until_ns == NEVER_NS or now >= until_ns:
                await self._wait(POLL_S)  # until the gate has nothing more
            else:
                await self._wait((until_ns - now) / NS_PER_S)
        if self._is_out_of_words:
            return None
        return gate, now_ns() if orders.must_stop else NEVER_NS

    async def _wait(self, timeout_s: float | None = None) -> None:
        """Wait for the next order, *timeout_s* at most."""
        self._heard.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._heard.wait()

    def _run_out(self, _: str) -> None:
        """There is no word for the iteration that was to begin, and will be none."""
        if not self._is_out_of_words and self._slots is not None:
            self._is_out_of_words = True
            self._slots.close()
            self._heard.set()

    def _hear(self) -> None:
        """All orders that wait. Who stood still has many, and would start by the first, or give up, what the last gives
        to others, who have started it already.
        """
        self._heard.set()
        orders = self._channel.receive()
        if orders is None:
            # The coordinator is gone, however it went: there is nobody left to report to.
            os._exit(EXIT_BROKEN)
        for order in sorted(orders, key=lambda order: isinstance(order, GiveUp)):
            self._obey(order)

    def _obey(self, order: Order) -> None:
        # What was due was told with the last word: it is nobody's to give up or to take over any more.
        if not self._is_done:
            self._orders.obey(order)
