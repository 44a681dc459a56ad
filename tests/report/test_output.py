"""Outputs: all are told, and one that fails is told once and harms nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hybridpress.errors import HybridpressError
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.news import Moment
from hybridpress.metrics.result import EventResult, Result
from hybridpress.report.output import Obey, Output, Outputs
from tests.report.made import config_of, moment_of, result_of, second


class Listening(Output):
    """Writes down what it hears, and fails at the calls in *bad*."""

    name = "--listening"

    def __init__(self, *bad: str, error: Exception | None = None) -> None:
        self._bad = bad
        self._error = error or HybridpressError("the disk is full")
        self.heard: list[str] = []
        self.events: list[EventResult] = []

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        if what in self._bad:
            raise self._error

    def starting(self, text: str) -> None:
        self._hear("starting")

    async def open(self, obey: Obey) -> None:
        assert obey("status") == {"ok": True}
        self._hear("open")

    def started(self) -> None:
        self._hear("started")

    def second(self, moment: Moment) -> None:
        self._hear("second")

    def event(self, event: EventResult) -> None:
        self.events.append(event)
        self._hear("event")

    async def shut(self) -> None:
        self._hear("shut")

    def finished(self, result: Result) -> None:
        self._hear("finished")

    def close(self) -> None:
        self._hear("close")


def run(*outputs: Output) -> Outputs:
    """A whole run, as far as outputs are told of it."""

    def obey(_: str) -> dict[str, Any]:
        return {"ok": True}

    told = Outputs(outputs)

    async def conduct() -> None:
        await told.open(obey)
        told.started()
        told.second(moment_of(second(0), Interval(0), config_of()))
        await told.shut()

    told.starting("building")
    asyncio.run(conduct())
    told.finished(result_of())
    told.close()
    return told


WHOLE = ["starting", "open", "started", "second", "shut", "finished", "close"]


def test_all_hear_everything_in_order() -> None:
    one, two = Listening(), Listening()
    assert run(one, two).failures == []
    assert one.heard == two.heard == WHOLE


@pytest.mark.parametrize("call", ["starting", "open", "started", "second"])
def test_one_that_fails_hears_no_more_but_the_end(call: str) -> None:
    """The others hear of it, and everything else; the run has it as an event."""
    bad, good = Listening(call), Listening()
    told = run(bad, good)
    assert [failure.text for failure in told.failures] == ["--listening: the disk is full"]
    assert [heard for heard in good.heard if heard != "event"] == WHOLE
    assert good.events == told.failures
    assert bad.heard == [*WHOLE[: WHOLE.index(call) + 1], "shut", "close"]


def test_what_is_not_written_at_the_end_is_a_failure_but_no_event() -> None:
    bad, good = Listening("finished"), Listening()
    told = run(bad, good)
    assert [failure.kind for failure in told.failures] == ["output_failed"]
    assert good.heard == WHOLE
    assert good.events == []


def test_an_error_of_the_outputs_own_is_named() -> None:
    told = run(Listening("second", error=ValueError("bad tag")))
    assert [failure.text for failure in told.failures] == ["--listening: ValueError: bad tag"]


def test_an_end_that_fails_lets_the_others_end() -> None:
    bad, good = Listening("shut", "close"), Listening()
    assert len(run(bad, good).failures) == 2
    assert [heard for heard in good.heard if heard != "event"] == WHOLE
