"""`hybridpress ui`: a page that starts runs, one after another, each a process of its own.

A run is the command that a user would type. So it forks from what has no server's threads and loops, reads the
scenario anew, and what it breaks it breaks alone.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridpress.errors import UsageError
from hybridpress.web.address import access_of, listen, url_of
from hybridpress.web.form import asked, shown
from hybridpress.web.link import PageEnd
from hybridpress.web.server import Reply, Server, Steering

MOST_COMPLAINT_BYTES = 65_536
_MARK = "hybridpress: "


class Runs:
    """Starts the runs of *scenarios* ("FILE:Class=WEIGHT", as `hybridpress run` takes them), with *flags* for all."""

    def __init__(self, scenarios: Sequence[str], flags: Sequence[str], say: Callable[[str], None]) -> None:
        self._scenarios = list(scenarios)
        self._flags = list(flags)
        self._say = say
        self._server: Server | None = None
        self._link: PageEnd | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._following: asyncio.Task[None] | None = None
        self._is_ending = False

    async def serve(self, address: str, scenario: str, form: list[dict[str, Any]]) -> None:
        """Serve the page of *scenario* at *address* until Ctrl-C, which ends the run that is under way first.

        Raises:
            UsageError: it cannot listen there.
        """
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted, ended)
        with listen(address) as listening:
            access = access_of(listening, address)
            self._server = Server(access, scenario=scenario, form=form)
            await self._server.open(listening, Steering(self._ask, self._start))
            self._say(f"the page is at {url_of(listening, access)}; Ctrl-C ends it")
            await ended.wait()
            await self._server.close()

    def _interrupted(self, ended: asyncio.Event) -> None:
        self._is_ending = True
        if self._following is None:
            ended.set()
            return
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # once it drains, twice it ends at once
        self._following.add_done_callback(lambda _: ended.set())

    async def _ask(self, command: str) -> Reply:
        if self._link is None or self._process is None:
            return {"ok": False, "text": "no run is under way"}
        if self._is_starting and command == "stop":
            self._process.send_signal(signal.SIGINT)  # it may build a long word table, and hear nothing
            return {"ok": True, "text": "stopped before the load began"}
        return await self._link.ask(command)

    @property
    def _is_starting(self) -> bool:
        assert self._server is not None
        run = self._server.story.run
        return run is not None and run.state == "starting"

    async def _start(self, settings: Mapping[str, Any]) -> Reply:
        if self._following is not None or self._is_ending:
            return {"ok": False, "text": "a run is under way; stop it first"}
        try:
            words = [*self._flags, *asked(settings)]
        except UsageError as error:
            return {"ok": False, "text": str(error), "mistakes": error.mistakes}
        self._following = asyncio.create_task(self._run(words))
        return {"ok": True, "text": "starting"}

    async def _run(self, words: Sequence[str]) -> None:
        """One run from its start to its end."""
        assert self._server is not None
        story = self._server.story
        command = ["run", *self._scenarios, *words]
        told = shlex.join(["hybridpress", *map(shown, command)])
        story.begin(told)
        try:
            ours, theirs = socket.socketpair()
            self._link = PageEnd(ours)
            with theirs:
                process = self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", "hybridpress", *command, "--quiet", f"--ui=fd:{theirs.fileno()}",
                    stdin=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env=_environment(),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )  # fmt: skip
            self._say(told)
            _, complaint = await asyncio.gather(self._link.follow(story.told), _last_of(process.stderr))
            exit_code = await process.wait()
            mistakes = _mistakes_in(complaint, exit_code)
        except OSError as error:
            exit_code, mistakes = 1, [f"the run could not be started: {error.strerror or error}"]
        finally:
            self._link = self._process = self._following = None
        story.over(exit_code, mistakes)
        self._say("\n".join([f"over, exit code {exit_code}", *mistakes]))


def _environment() -> dict[str, str]:
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


async def _last_of(stream: asyncio.StreamReader | None) -> str:
    """The last of what *stream* has, to its end."""
    assert stream is not None
    found = b""
    while part := await stream.read(MOST_COMPLAINT_BYTES):
        found = (found + part)[-MOST_COMPLAINT_BYTES:]
    return found.decode("utf-8", "replace")


def _mistakes_in(complaint: str, exit_code: int) -> list[str]:
    """What the command said was wrong; of one that ended otherwise than it should, all that it said."""
    said = [part.strip() for part in f"\n{complaint}".split(f"\n{_MARK}")]
    mistakes = [part for part in said[1:] if part]
    if not mistakes and exit_code not in (0, 3, 99, 130, -signal.SIGINT):
        mistakes = [said[0] or f"the process of the run ended with exit code {exit_code}"]
    return mistakes
