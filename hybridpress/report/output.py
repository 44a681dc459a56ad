"""Whoever is told of a run: the interface of all outputs, and the one that tells them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hybridpress.errors import HybridpressError
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.result import EventResult, Result

Obey = Callable[[str], dict[str, Any]]
"""Takes a command for the run ("qps 500", "pause", …): {"ok": whether it was done, "text": what, or why not, …}."""


class Output:
    """Is told of one run, in this order: `starting`; `open`, `started`, `second`, `tick`, `event`, `draining`, `shut`
    while it runs; `finished`; `close`. All do nothing here: a subclass has those that it wants.

    The calls come on the coordinator's event loop and must be short: what waits for a disk or a network does so in a
    thread or a task of its own. One that raises is told once, and the output then hears nothing more but `shut` and
    `close`; the run goes on.
    """

    name = ""
    """What failures are told with: "--json"."""

    def complain(self, text: str) -> None:
        """Say that something went wrong, without giving up: an event of the run. To be called in the calls below."""

    def starting(self, text: str) -> None:
        """Something that takes a while begins before the load: "building the word table"."""

    async def open(self, obey: Obey) -> None:
        """The loop runs, the load does not yet; *obey* takes commands for the run."""

    def started(self) -> None:
        """The load begins."""

    def second(self, moment: Moment) -> None:
        """A second is complete. Those of the drain at the end come too."""

    def tick(self, status: Status) -> None:
        """Some 250 ms have passed."""

    def event(self, event: EventResult) -> None:
        """Something that happens seldom: a worker was lost, the run was interrupted."""

    def draining(self, in_flight: int) -> None:
        """No iteration is started any more; *in_flight* are waited for."""

    async def shut(self) -> None:
        """The load is over; the loop ends after this."""

    def finished(self, result: Result) -> None:
        """The result. Not called where the load never began.

        Raises:
            HybridpressError: what was to be made of it could not be.
        """

    def close(self) -> None:
        """The end, whatever came before. Called once more than needed now and then."""


class Outputs(Output):
    """Tells all of *outputs*, in their order, and keeps their failures from the run and from one another."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = list(outputs)
        self._deaf: set[Output] = set()
        self._at_s = 0.0
        self._is_over = False
        self.failures: list[EventResult] = []
        """What went wrong with the outputs, and when."""
        for output in self._outputs:
            output.complain = partial(self._note, output)  # type: ignore[method-assign]  # it has no more to say than this

    def starting(self, text: str) -> None:
        self._tell(lambda output: output.starting(text))

    async def open(self, obey: Obey) -> None:
        for output in self._hearing():
            try:
                await output.open(obey)
            except Exception as error:  # noqa: BLE001 (an output may be anybody's)
                self._failed(output, error)

    def started(self) -> None:
        self._tell(lambda output: output.started())

    def second(self, moment: Moment) -> None:
        self._tell(lambda output: output.second(moment))

    def tick(self, status: Status) -> None:
        self._at_s = status.elapsed_s
        self._tell(lambda output: output.tick(status))

    def event(self, event: EventResult) -> None:
        self._tell(lambda output: output.event(event))

    def draining(self, in_flight: int) -> None:
        self._tell(lambda output: output.draining(in_flight))

    async def shut(self) -> None:
        for output in self._outputs:
            try:
                await output.shut()
            except Exception as error:  # noqa: BLE001 (as above)
                self._failed(output, error)

    def finished(self, result: Result) -> None:
        self._is_over = True
        self._tell(lambda output: output.finished(result))

    def close(self) -> None:
        for output in self._outputs:
            try:
                output.close()
            except Exception as error:  # noqa: BLE001 (as above)
                self._failed(output, error)

    def _hearing(self) -> list[Output]:
        return [output for output in self._outputs if output not in self._deaf]

    def _tell(self, call: Callable[[Output], None]) -> None:
        for output in self._hearing():
            try:
                call(output)
            except Exception as error:  # noqa: BLE001 (as above)
                self._failed(output, error)

    def _failed(self, output: Output, error: Exception) -> None:
        """Say so once, to the others too: an output that failed is not asked again."""
        self._deaf.add(output)
        what = str(error) if isinstance(error, HybridpressError) else f"{type(error).__name__}: {error}"
        self._note(output, what)

    def _note(self, output: Output, what: str) -> None:
        failure = EventResult(self._at_s, "output_failed", f"{output.name or type(output).__name__}: {what}")
        self.failures.append(failure)
        if not self._is_over:  # what then is missing the command itself says at its end
            self.event(failure)
