"""The worker process: from the fork to its last word."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
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
from hybridpress.errors import EXIT_BROKEN
from hybridpress.ipc.channel import WorkerEnd
from hybridpress.ipc.messages import Begin, Broken, Done, Ready, Stop
from hybridpress.load.pacer import Pacer, Piece
from hybridpress.load.plan import CATCH_UP_S
from hybridpress.metrics.recorder import Recorder
from hybridpress.parts import RunPart
from hybridpress.press import Press
from hybridpress.scenario import Shape, told
from hybridpress.units import NEVER_NS, NS_PER_S
from hybridpress.vocab.supply import Supply
from hybridpress.worker.drawn import Drawing, DrawnPress
from hybridpress.worker.flush import Reporter
from hybridpress.worker.gate import OpenGate
from hybridpress.worker.groups import MixedSlots
from hybridpress.worker.health import Watch
from hybridpress.worker.mix import PartsClients, PartTrace
from hybridpress.worker.slots import Pressable, Slots, SlotTrace

POLL_S = 0.005
"""How often a worker looks whether all iterations have started, where their number ends the run."""
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
    parts: Sequence[RunPart] = ()
    """Of a mix: what stands in the place of *press*, *shape* and *supply*."""


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
    )


def open_clients(seat: Seat, recorder: Recorder) -> Clients | PartsClients:
    """The worker's clients; those of a mix are each part's own. To be called inside the loop."""
    if not seat.parts:
        return Clients(http_settings(seat.config), SlotTrace(recorder))
    return PartsClients(
        {part.name: Clients(http_settings(part.config), PartTrace(recorder, part.name)) for part in seat.parts}
    )


def make_slots(seat: Seat, clients: Any, recorder: Recorder, ran_out: Callable[[str], None]) -> Slots | MixedSlots:
    """The worker's slots. *ran_out* is called when there are no more words for them, with the part's name in a mix."""
    if seat.parts:
        return MixedSlots(seat.parts, seat.slots, seat.worker, clients, recorder, ran_out)
    words, takes_word = seat.supply.table, seat.shape.takes_word
    press: Pressable = seat.press
    if takes_word and not seat.supply.policy.is_default:
        press, takes_word = DrawnPress(seat.press, Drawing(seat.supply, seat.worker, partial(ran_out, ""))), False
    return Slots(
        press, seat.slots, seat.worker, clients, recorder, words=words, takes_word=takes_word, seed=seat.config.seed
    )


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


class _Worker:
    def __init__(self, seat: Seat, channel: WorkerEnd) -> None:
        self._seat = seat
        self._channel = channel
        self._pacer = Pacer()
        self._slots: Slots | MixedSlots | None = None
        self._begun: Begin | None = None
        self._drain_until_ns: int | None = None
        self._is_out_of_words = False
        self._heard = asyncio.Event()

    async def run(self) -> None:
        seat = self._seat
        loop = asyncio.get_running_loop()
        gc.set_threshold(*GC_THRESHOLDS)
        recorder = Recorder(paced=seat.config.is_paced)
        clients = open_clients(seat, recorder)
        slots = self._slots = make_slots(seat, clients, recorder, self._run_out)
        watch = Watch(loop)  # before the slots start: they may use up the open files, of which it needs one
        loop.add_reader(self._channel.fileno(), self._hear)
        failures = await slots.start()
        recorder.forget_steps()
        gc.collect()
        gc.freeze()
        slots.open()
        texts = tuple(dict.fromkeys(told(error) for error in failures))
        self._channel.send(Ready(seat.worker, os.getpid(), len(slots), texts))

        reporter = Reporter(seat.worker, self._channel, recorder, slots, watch)
        await self._begin(slots, reporter, watch)
        n_unstarted = await self._until_over(slots)
        await slots.drain(self._drain_until_ns or now_ns() + int(seat.config.timeout_s * NS_PER_S))
        interval = reporter.end(slots.given_up_ns)
        interval.dropped = n_unstarted
        if isinstance(slots, MixedSlots):
            slots.drop(n_unstarted, interval)
        watch.close()
        last_start_ns = slots.last_start_ns()
        self._channel.send(
            Done(seat.worker, interval, last_start_ns, recorder.last_end_ns, is_out_of_words=self._is_out_of_words)
        )
        await slots.stop(seat.config.timeout_s)
        await clients.close()
        loop.remove_reader(self._channel.fileno())

    async def _begin(self, slots: Slots | MixedSlots, reporter: Reporter, watch: Watch) -> None:
        """Wait for the order to begin, then for the instant it names, and open the gate."""
        while self._begun is None and not self._must_stop:
            await self._wait()
        if self._begun is None:
            return
        watch.begin()
        reporter.begin(self._begun.start_ns)
        if self._begun.pace is not None:
            slots.follow(self._pacer)
        else:
            while not self._must_stop and (ahead_ns := self._begun.start_ns - now_ns()) > 0:
                await self._wait(ahead_ns / NS_PER_S)
            slots.follow(OpenGate(self._begun.iterations))

    async def _until_over(self, slots: Slots | MixedSlots) -> int:
        """Wait until all that was planned has started, the time is over, or the coordinator says stop; start nothing
        from then on. Returns how many were due and never started.
        """
        begun = self._begun
        if begun is None:
            slots.close()
            return 0
        until_ns = NEVER_NS if begun.until_ns is None else begun.until_ns
        grace_ns = int(CATCH_UP_S * NS_PER_S) if begun.pace is not None else 0
        while not self._must_stop and not self._is_out_of_words:
            now = now_ns()
            all_started = slots.gate.due_ns == NEVER_NS
            if now >= until_ns + grace_ns or (all_started and (now >= until_ns or begun.until_ns is None)):
                break
            if now >= until_ns or begun.until_ns is None:
                await self._wait(POLL_S)  # until the gate has nothing more
            else:
                await self._wait((until_ns - now) / NS_PER_S)
        n_unstarted = 0 if self._is_out_of_words else slots.gate.n_due(min(now_ns(), until_ns))
        slots.close()
        return n_unstarted

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

    @property
    def _must_stop(self) -> bool:
        return self._drain_until_ns is not None

    def _hear(self) -> None:
        """One order of the coordinator."""
        order = self._channel.receive()
        self._heard.set()
        if order is None:
            # The coordinator is gone, however it went: there is nobody left to report to.
            os._exit(EXIT_BROKEN)
        if isinstance(order, Begin):
            self._begun = order
            if order.pace is not None:
                self._pacer.apply(order.pace)
        elif isinstance(order, Piece):
            self._pacer.apply(order)
            if self._slots is not None:
                self._slots.follow(self._pacer)  # slots that wait may be due earlier now
        else:
            assert isinstance(order, Stop)
            self._drain_until_ns = order.drain_until_ns
