"""One iteration in this very process, for writing and debugging a scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hybridpress.clients.kit import Clients
from hybridpress.clients.trace import Observer
from hybridpress.clock import now_ns
from hybridpress.metrics.interval import CheckCounts, Health
from hybridpress.metrics.recorder import Recorder
from hybridpress.press import running_slot
from hybridpress.worker.cpu.batch import NO_WORD
from hybridpress.worker.process import Seat, http_settings, make_slots
from hybridpress.worker.slots import Slots, SlotTrace, is_our_end
from hybridpress.worker.staged import StagedSlot


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the one iteration went. *errors* are (kind, message, example)."""

    word: Any
    returned: Any
    checks: dict[str, CheckCounts]
    errors: list[tuple[str, str, str]]
    duration_ns: int
    step_times_ns: dict[str, int]
    has_failed: bool


async def run_once(seat: Seat, observer: Observer) -> Outcome:
    """start(), one press() with the first word that is drawn, stop(). *observer* sees every exchange."""
    recorder = Recorder(paced=False)
    trace = SlotTrace(recorder)
    trace.observer = observer
    clients = Clients(http_settings(seat.config), trace)
    slots = make_slots(seat, clients, recorder, lambda _: None)
    assert isinstance(slots, Slots)  # a part of a mix is run by itself
    slot = slots.make_slot(0, seat.press.in_slot(0, 0, clients))
    number = seat.supply.draw(0).next(0) if seat.shape.takes_word else NO_WORD
    words = [] if number == NO_WORD else [seat.supply.table[number]]
    returned = None
    running_slot.set(slot)
    error = await slot.start()
    start_ns = now_ns()
    if error is None:
        try:
            if isinstance(slot, StagedSlot):
                returned = await slot.once(number)
            else:
                returned = await slot.press.press(*words)
        except BaseException as raised:
            if is_our_end(raised):
                raise
            slot.fail(raised)
        end_ns = now_ns()
        await slot.stop()
    else:
        slot.fail(error)
        end_ns = now_ns()
    await slots.drain(0)
    await clients.close()
    interval = recorder.flush(0, None, [], Health())
    times_ns = {name: step.times.sum_ns for name, step in interval.steps.items()}
    work = {"prepare()": interval.cpu.prepare, "verify()": interval.cpu.verify}
    times_ns |= {name: times.sum_ns for name, times in work.items() if times.count}
    return Outcome(
        words[0] if words else None,
        returned,
        interval.checks,
        [(kind, message, counts.example) for (kind, message), counts in interval.errors.items()],
        end_ns - start_ns,
        times_ns,
        slot.failed,
    )
