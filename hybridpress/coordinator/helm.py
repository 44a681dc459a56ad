"""Changes a run while it runs: takes commands in words, from the control socket, the terminal, or whoever else."""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hybridpress import control
from hybridpress.clock import now_ns
from hybridpress.coordinator import live
from hybridpress.coordinator.actions import Action
from hybridpress.coordinator.course import AHEAD_NS
from hybridpress.coordinator.state import RunState
from hybridpress.errors import HybridpressError, UsageError
from hybridpress.units import parse_count, parse_rate_per_s

COMMANDS = "qps RATE, slots N, pause, resume, stop, status"
_MAX_LINE_BYTES = 1_000


class Helm:
    """Commands for one run. `act` carries out what its state wants done."""

    def __init__(self, state: RunState, act: Callable[[list[Action]], None]) -> None:
        self._state = state
        self._act = act
        self._server: asyncio.Server | None = None
        self._path: Path | None = None

    def obey(self, words: str) -> dict[str, Any]:
        """Do what *words* say: {"ok": whether it was done, "text": what was done or why not, "status": where it is}.

        "qps" and "slots" also take a change: "qps +10%", "slots -5".
        """
        try:
            text = self._done(words.split())
        except UsageError as error:
            return {"ok": False, "text": str(error)}
        return {"ok": True, "text": text, "status": asdict(live.status(self._state, now_ns()))}

    def _done(self, words: list[str]) -> str:
        state, now = self._state, now_ns()
        match words:
            case ["status"]:
                return ""
            case ["qps", value]:
                actions = live.set_qps(state, self._wanted(value, "qps"), now)
            case ["slots", value]:
                actions = live.set_slots(state, int(self._wanted(value, "slots")), now)
            case ["pause"]:
                actions = live.pause(state, now)
            case ["resume"]:
                actions = live.resume(state, now)
            case ["toggle"]:
                actions = live.resume(state, now) if state.dealer.is_paused else live.pause(state, now)
            case ["stop"]:
                actions = live.stop(state, now)
            case _:
                raise UsageError(f'"{" ".join(words)}" is not a command; there are {COMMANDS}')
        self._act(actions)
        return state.events[-1].text

    def _wanted(self, value: str, name: str) -> float:
        """The number that *value* says, which may be a change of what is."""
        if value[:1] not in "+-":
            try:
                return parse_rate_per_s(value) if name == "qps" else float(parse_count(value))
            except UsageError as error:
                raise UsageError(f"{name} {error}") from None
        # Of what the last change asked for, which is in force a little later.
        now = getattr(live.status(self._state, now_ns() + AHEAD_NS), name)
        if now is None:
            raise UsageError("the run is unpaced: it has a number of slots, but no rate")
        try:
            number = float(value.removesuffix("%"))
        except ValueError:
            raise UsageError(f'{name} must be a number or a change such as "+10%", got "{value}"') from None
        step = now * number / 100 if value.endswith("%") else number
        if name == "qps":
            wanted = float(now + step)
            if not (wanted > 0 and math.isfinite(wanted)):
                raise UsageError(f"qps must stay above 0, got {value} of {now:g}")
            return wanted
        return float(max(now + (math.ceil(step) if step > 0 else math.floor(step)), 1))

    async def serve(self) -> None:
        """Listen on the control socket from now on.

        Raises:
            HybridpressError: it cannot be had.
        """
        given = self._state.config.control
        path = control.path_of(os.getpid()) if given is None else Path(given)
        try:
            listener = control.listener_at(path)
        except OSError as error:
            raise HybridpressError(f'cannot listen on the control socket "{path}": {error}') from None
        self._path = path
        self._server = await asyncio.start_unix_server(self._hear, sock=listener, limit=_MAX_LINE_BYTES)

    async def close(self) -> None:
        """Listen no more, and leave no socket behind."""
        if self._server is not None:
            self._server.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, ValueError):
            if not control.is_ours(writer.get_extra_info("socket")):
                # Nobody else can get at the socket where we choose its folder; with --control its user does.
                writer.write(json.dumps({"ok": False, "text": "this run is another user's"}).encode() + b"\n")
                await writer.drain()
                return
            while line := await reader.readline():
                reply = self.obey(line.decode("utf-8", "replace"))
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
