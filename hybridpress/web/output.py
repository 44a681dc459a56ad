"""The run's side of a page: an output that passes on all it hears, over the link, and obeys what the page asks.

It computes nothing: a second goes out as it came in, and figures, history and viewers are the page's.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from hybridpress.config import RunConfig
from hybridpress.errors import HybridpressError
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.result import EventResult, Result
from hybridpress.report.output import Obey, Output
from hybridpress.web.address import Access, access_of, listen, url_of
from hybridpress.web.link import RunEnd
from hybridpress.web.story import Facts

_END_WITHIN_S = 5.0


class LivePage(Output):
    """Tells a page of the run: one that asked for it ("fd:N"), or one of its own, a process that it starts."""

    name = "--ui"

    def __init__(self, config: RunConfig) -> None:
        """
        Raises:
            UsageError: the page cannot listen where it was told to.
        """
        assert config.ui is not None
        self._config = config
        self._page: subprocess.Popen[bytes] | None = None
        self._has_finished = False
        if config.ui.startswith("fd:"):
            self._link = RunEnd(socket.socket(fileno=int(config.ui.removeprefix("fd:"))))
        else:
            self._link = self._start_page(config.ui)
        self._link.tell("facts", Facts.of(config))

    def _start_page(self, address: str) -> RunEnd:
        """A process that listens at *address*: a program of its own, not a fork with what this process has open."""
        ours, theirs = socket.socketpair()
        with listen(address) as listening, theirs:
            access = access_of(listening, address)
            self._page = start_program(listening.fileno(), theirs.fileno())
            self._url = url_of(listening, access)
        link = RunEnd(ours)
        link.tell("access", access)
        self._say(f"the run is shown at {self._url}", is_needed=self._is_unknown(access))
        return link

    def _is_unknown(self, access: Access) -> bool:
        """Whether nobody could know the address without being told."""
        assert self._config.ui is not None
        return access.token is not None or self._config.ui.endswith(":0")

    def _say(self, text: str, *, is_needed: bool = True) -> None:
        if is_needed or not self._config.quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def starting(self, text: str) -> None:
        self._link.tell("starting", text)

    async def open(self, obey: Obey) -> None:
        self._link.attach(obey, self._page_is_gone)

    def _page_is_gone(self) -> None:
        """A run that the page started has nobody left who could end it; one that started the page goes on."""
        if self._page is None:
            os.kill(os.getpid(), signal.SIGINT)

    def started(self) -> None:
        self._link.tell("started")

    def second(self, moment: Moment) -> None:
        self._link.tell(
            "second", moment.interval, moment.second, moment.target_qps, moment.n_slots, list(moment.workers),
            moment.verdict, list(moment.reasons),
        )  # fmt: skip

    def tick(self, status: Status) -> None:
        self._link.tell("tick", status)

    def event(self, event: EventResult) -> None:
        self._link.tell("event", event)

    def draining(self, in_flight: int) -> None:
        self._link.tell("draining", in_flight)

    async def shut(self) -> None:
        self._link.detach()

    def finished(self, result: Result) -> None:
        self._link.tell("finished", result)
        self._has_finished = True

    def close(self) -> None:
        page, self._page = self._page, None
        if page is not None and self._config.ui_stay and self._has_finished:
            self._say(f"the run is over; its page stays at {self._url} until Ctrl-C")
            with suppress(KeyboardInterrupt):
                page.wait()
        self._link.close()
        if page is not None:
            try:
                page.wait(_END_WITHIN_S)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                page.kill()
                page.wait()


def start_program(listening_fd: int, link_fd: int) -> subprocess.Popen[bytes]:
    """The page's process, which Ctrl-C on the terminal does not reach.

    Raises:
        HybridpressError: it cannot be started.
    """
    package_root = str(Path(__file__).parents[2])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        # -P: a file in the caller's directory must not hide a module of the same name.
        return subprocess.Popen(  # noqa: S603 (our own program, no shell)
            [sys.executable, "-P", "-m", "hybridpress.web", str(listening_fd), str(link_fd)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=(listening_fd, link_fd),
            start_new_session=True,
        )
    except OSError as error:
        raise HybridpressError(f"cannot start the live page: {error}") from None
