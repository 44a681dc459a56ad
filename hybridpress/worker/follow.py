"""Iterations that are followed through the server's tracing (--trace-sample): drawn, noted by step, told each second.

All of it stands around the scenario's own press() and around the steps, put there before the load where a run asks for
it. The slots' turns and the clients of a run that does not ask know nothing of it.
"""

from __future__ import annotations

import os
import random
from typing import Any

from hybridpress.clients.follow import Following, following
from hybridpress.clients.trace import Step
from hybridpress.clock import now_ns
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.recorder import Recorder, StepRecorder
from hybridpress.metrics.traces import FollowedIteration, Span
from hybridpress.press import Press, running_slot

MAX_A_SECOND = 100
"""So many iterations of one worker are followed in a second at most; the rest are counted."""


class FollowedStep:
    """A step that also tells the iteration that it is of, where that is followed.

    Not a `StepBase`, whose samples the compiled exchange notes without calling it.
    """

    __slots__ = ("_name", "_step")

    def __init__(self, step: StepRecorder, name: str) -> None:
        self._step = step
        self._name = name

    def done(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self._step.done(duration_ns, bytes_out, bytes_in)
        if (mine := following.get()) is not None:
            mine.ended(self._name, duration_ns, failed=False)

    def failed(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self._step.failed(duration_ns, bytes_out, bytes_in)
        if (mine := following.get()) is not None:
            mine.ended(self._name, duration_ns, failed=True)

    def resent(self) -> None:
        self._step.resent()


class FollowingRecorder(Recorder):
    """A recorder that also keeps the iterations that were followed since the last flush."""

    def __init__(self, *, paced: bool) -> None:
        super().__init__(paced=paced)
        self._followed: list[FollowedIteration] = []
        self._n_unfollowed = 0
        self._followed_steps: dict[str, FollowedStep] = {}

    def step(self, name: str) -> Step:  # type: ignore[override]  # it notes into the step of the same name
        found = self._followed_steps.get(name)
        if found is None:
            step: object = super().step(name)
            if isinstance(step, FollowedStep):
                return step  # of all the names that are too many
            assert isinstance(step, StepRecorder)
            found = self._followed_steps[name] = FollowedStep(step, name)
        return found

    def may_follow(self) -> bool:
        """Whether one more can be followed in this second."""
        if len(self._followed) < MAX_A_SECOND:
            return True
        self._n_unfollowed += 1
        return False

    def followed(self, iteration: FollowedIteration) -> None:
        self._followed.append(iteration)

    def flush(self, index: int, until_ns: int | None, in_flight_since_ns: list[int], health: Health) -> Interval:
        interval = super().flush(index, until_ns, in_flight_since_ns, health)
        interval.followed, self._followed = self._followed, []
        interval.n_unfollowed, self._n_unfollowed = self._n_unfollowed, 0
        return interval


def follow(press: Press, recorder: FollowingRecorder, share: float) -> None:
    """From now on, follow *share* of the iterations of *press*, an async one, and of all its copies."""
    scenario = type(press)
    # Of its own, and not by the seed of the run: two runs with one seed must not share a sequence of draws by chance.
    draw = random.Random(os.urandom(16)).random

    class Followed(scenario):  # type: ignore[misc, valid-type]  # the user's own class
        async def press(self, *word: Any) -> Any:
            if draw() >= share or not recorder.may_follow():
                return await super().press(*word)
            mine = Following.begin()
            token = following.set(mine)
            begin_ns = now_ns()
            has_failed = True
            try:
                reply = await super().press(*word)
                has_failed = bool(getattr(running_slot.get(), "failed", False))
            finally:
                following.reset(token)
                recorder.followed(_iteration(scenario.__name__, mine, begin_ns, has_failed=has_failed))
            return reply

    Followed.__name__, Followed.__qualname__ = scenario.__name__, scenario.__qualname__
    Followed.__module__ = scenario.__module__
    press.__class__ = Followed


def _iteration(name: str, mine: Following, begin_ns: int, *, has_failed: bool) -> FollowedIteration:
    root = Span(mine.span_id, "", name, begin_ns, now_ns(), has_failed)
    steps = [
        Span(span_id, mine.span_id, step, step_begin_ns, end_ns, failed, is_request)
        for span_id, step, step_begin_ns, end_ns, failed, is_request in mine.notes
    ]
    return FollowedIteration(mine.trace_id, (root, *steps))
