"""What there is to an iteration of one press besides its press(), in one worker: its word, what becomes of its reply.

For all slots that run this press. A part of a mix has stages of its own, and what is noted of it bears its name.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

from hybridpress.clients.trace import Step
from hybridpress.clock import now_ns
from hybridpress.metrics.cpu import CpuRecorder
from hybridpress.metrics.parts import named
from hybridpress.metrics.recorder import Recorder
from hybridpress.parts import RunPart
from hybridpress.press import Press
from hybridpress.scenario import Shape
from hybridpress.vocab.draw import Draw, FixedDraw
from hybridpress.vocab.table import Table
from hybridpress.worker.cpu.batch import NO_WORD, PREPARE_FAILED, Unprepared
from hybridpress.worker.cpu.process import Door
from hybridpress.worker.cpu.tier import NO_WORDS_LEFT, Tier
from hybridpress.worker.notes import Error, Notes, error_of
from hybridpress.worker.slots import CHECK_FAILED

LATER = object()
"""In the place of a word: it is still to be waited for."""
USED_UP = object()
"""In the place of a word: there is none, and will be none."""
UNREAD = object()
"""In the place of a word: it is the table's, as it is."""


class Stages:
    """Of *press*, whose words are *words*, drawn by *draw* (None: press() takes none).

    With a tier words come from it ready, and replies go to it; without one both kinds of work are done in line, where
    they hold up the loop. *samples* takes what they cost, *sample* is the share of replies to verify.
    """

    def __init__(
        self,
        press: Press,
        shape: Shape,
        words: Table,
        draw: Draw | None,
        recorder: Recorder,
        samples: CpuRecorder,
        *,
        timeout_s: float,
        sample: float = 1.0,
        seed: str = "",
        part: str = "",
        ran_out: Callable[[], None] | None = None,
    ) -> None:
        self.press = press
        self.shape = shape
        self.words = words
        self.draw = draw
        self.samples = samples
        self.timeout_s = timeout_s
        self.sample = sample
        self.part = part
        self.ran_out = ran_out or _nobody_minds
        self.done: Callable[[int], None] = _nobody_counts if draw is None else draw.done
        """To be called with the slot when its iteration is over."""
        self.tier: Tier | None = None
        self.prepares_inline = shape.prepares
        self.verifies_inline = shape.verifies
        self.hand_over: Callable[..., None] | None = None
        self._recorder = recorder
        self._is_gated = False
        self._has_stock = False
        self._prepare, self.verify = press.prepare, press.verify  # of no slot's object, as in a CPU worker
        self._nowhere = Context()
        self._chance = random.Random(f"{seed}/verify").random

    def attach(self, tier: Tier, *, is_gated: bool) -> None:
        """From now on words come from *tier*, and replies go to it. *is_gated*: no iteration begins before its word is
        ready; else those that have begun wait for it.
        """
        self.tier = tier
        self.prepares_inline = self.verifies_inline = False
        self._is_gated = is_gated
        self._has_stock = self.draws_ahead
        if self.shape.verifies:
            self.hand_over = tier.hand_over if self.sample >= 1 else self._hand_over
        tier.noted = self._enter
        tier.ran_out = self.ran_out

    @property
    def draws_ahead(self) -> bool:
        """Whether words can be made ready before it is known which slot wants them."""
        return self.shape.prepares and self.draw is not None and not isinstance(self.draw, FixedDraw)

    # words

    def word(self, slot: int) -> tuple[int, Any]:
        """The number and the word of the iteration that begins in *slot* now. Instead of the word: `LATER`, `UNREAD`,
        or `USED_UP`.
        """
        draw, tier = self.draw, self.tier
        if draw is None:
            return NO_WORD, None
        if tier is None or not self.shape.prepares or draw.is_of_slot:
            number = draw.next(slot)
            if number < 0:
                self.ran_out()
                return NO_WORD, USED_UP
            if self.prepares_inline:
                return number, self.prepared(number)
            if not self.shape.prepares:
                return number, UNREAD
            if self._is_gated and self._has_stock:
                assert tier is not None
                tier.put_back()
            return number, LATER
        if self._is_gated:
            return tier.pop(slot)
        return tier.take(slot) or (NO_WORD, LATER)

    def later(self, slot: int, number: int) -> asyncio.Future[Any]:
        """What `word` said would come later; `came` tells what it is."""
        assert self.tier is not None
        return self.tier.wait(slot) if number == NO_WORD else self.tier.ask(number)

    def came(self, number: int, found: Any) -> tuple[int, Any]:
        """The number and the word that *found* is, which `later` gave for *number*."""
        if number != NO_WORD:
            return number, found
        return (NO_WORD, USED_UP) if found is None else found

    def prepared(self, number: int) -> Any:
        """Word *number*, prepared; an `Unprepared` where that fails. Not in a slot's context: prepare() is no part of
        the iteration, and finds no slot in a CPU worker either.
        """
        begun = now_ns()
        try:
            word = self._nowhere.run(self._prepare, self.words[number])
        except BaseException as error:  # noqa: BLE001 (whatever it raises is data)
            word = Unprepared(error_of(error, PREPARE_FAILED))
        self.samples.prepare_ns.append(now_ns() - begun)
        return word

    # replies

    def is_sampled(self) -> bool:
        """Whether the reply at hand is one to verify."""
        return self.sample >= 1 or self._chance() < self.sample

    def _hand_over(self, number: int, reply: Any, *, has_failed: bool) -> None:
        """Have *reply* verified by the tier, if it is one of the sample."""
        if self.is_sampled():
            assert self.tier is not None
            self.tier.hand_over(number, reply, has_failed=has_failed)

    # as `notes.Book`: what verify() noted in a CPU worker belongs to no slot any more

    def check(self, name: str, *, ok: bool) -> None:
        name = named(self.part, name)
        self._recorder.check(name, ok=ok)
        if not ok:
            self.note((CHECK_FAILED, name, f"the check did not hold: {name}"))

    def step(self, name: str) -> Step:
        return self._recorder.step(named(self.part, name))

    def note(self, error: Error) -> None:
        """Count an error that was put into words elsewhere."""
        kind, message, example = error
        self._recorder.error(kind, message, now_ns(), lambda: example)

    def _enter(self, notes: Notes, errors: Sequence[Error]) -> None:
        notes.enter(self)
        for error in errors:
            self.note(error)


def stages_of(
    kind: int,
    part: RunPart,
    worker: int,
    recorder: Recorder,
    ran_out: Callable[[], None],
    doors: Sequence[Door],
    n_slots: int,
) -> Stages:
    """The stages of *part*, number *kind* of a mix, in this worker. *doors* are the ways to the CPU workers, *n_slots*
    the slots that it has of its own, or so many as its share.
    """
    shape, config = part.shape, part.config
    if shape.has_cpu_work and recorder.cpu is None:
        recorder.cpu = CpuRecorder()
    samples = recorder.cpu or CpuRecorder()
    draw = part.supply.draw(worker) if shape.takes_word else None
    stages = Stages(
        part.press, shape, part.supply.table, draw, recorder, samples,
        timeout_s=config.timeout_s, sample=config.verify_sample, seed=f"{config.seed}/{worker}", part=part.name,
        ran_out=ran_out,
    )  # fmt: skip
    if doors and shape.has_cpu_work:
        stages.attach(tier_of(stages, doors, n_slots, kind), is_gated=False)
    return stages


def tier_of(stages: Stages, doors: Sequence[Door], n_slots: int, kind: int = 0) -> Tier:
    """What *stages* have of the CPU workers behind *doors*. Inside the loop."""
    loop = asyncio.get_running_loop()
    if stages.draw is None or not stages.draws_ahead:
        return Tier(loop, doors, stages.samples, None, n_slots, kind=kind)
    return Tier(loop, doors, stages.samples, tier_draw(stages.draw), n_slots, stages.draw.began, kind)


def tier_draw(draw: Draw) -> Callable[[], int]:
    """The numbers of *draw*'s words to come, as a tier wants them."""
    ahead = draw.ahead()
    return lambda: next(ahead, NO_WORDS_LEFT)


def _nobody_minds() -> None:
    """Words have no end, or nobody needs to know."""


def _nobody_counts(_: int) -> None:
    """There are no words."""
