"""The page's server: what can be asked for, and how it is answered. Who may ask is `guard`'s matter."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from hybridpress.metrics.result import Result
from hybridpress.report.json import encode
from hybridpress.report.page.document import CHART_STYLES, CHARTS, asset
from hybridpress.web.address import Access
from hybridpress.web.guard import MOST_BODY_BYTES, Guard, refused
from hybridpress.web.story import Story

_STATIC = Path(__file__).parent / "static"
_SCRIPTS = ("controls.js", "form.js", "views.js", "live.js")
_COMMANDS = {"qps": True, "slots": True, "pause": False, "resume": False, "stop": False}
"""What may be asked of a run, and whether it takes a value."""
_VALUE = re.compile(r"[+-]?[\w./%]{1,20}")
_ALIVE_EVERY_S = 15.0
_END_WITHIN_S = 2.0

Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Steering:
    """What the page can do: have the run obey a command in words, and, where it can, start one with settings."""

    ask: Callable[[str], Awaitable[Reply]]
    start: Callable[[Mapping[str, Any]], Awaitable[Reply]] | None = None


class Server:
    """Serves a story to all who may read it, and lets them steer."""

    def __init__(self, access: Access, *, scenario: str = "", form: list[dict[str, Any]] | None = None) -> None:
        self.story = Story(scenario, form)
        self.hub = self.story.hub
        self._steering: Steering | None = None
        app = web.Application(client_max_size=MOST_BODY_BYTES)
        Guard(access).install(app)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/static/{name}", self._file),
                web.get("/events", self._events),
                web.post("/command", self._command),
                web.post("/start", self._start),
                web.get("/result.json", self._result),
                web.get("/report.html", self._report),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_END_WITHIN_S)

    async def open(self, listening: socket.socket, steering: Steering) -> None:
        """Serve on *listening* from now on."""
        self._steering = steering
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def close(self) -> None:
        """Tell all viewers that the page ends, and end it."""
        self.story.close()
        self.hub.close()
        await self._runner.cleanup()

    async def _index(self, _: web.Request) -> web.Response:
        return web.Response(body=(_STATIC / "index.html").read_bytes(), content_type="text/html", charset="utf-8")

    async def _file(self, request: web.Request) -> web.Response:
        """A script or style, of those that there are: no path is ever made of what was asked for."""
        found = _files().get(request.match_info["name"])
        if found is None:
            return refused(404, "there is no such file")
        body, kind = found
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """All frames from now on, the story so far first."""
        if not self.hub.has_room():
            return refused(503, "too many look at this page already")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        transport = request.transport
        viewer = self.hub.join(
            lambda: transport.abort() if transport is not None else None,
            lambda: transport is None or transport.is_closing(),
        )
        try:
            while frames := await viewer.next(_ALIVE_EVERY_S) or (b"" if viewer.is_over else b":\n\n"):
                await response.write(frames)
        except ConnectionResetError:
            pass  # gone, or dropped
        finally:
            self.hub.leave(viewer)
        return response

    async def _command(self, request: web.Request) -> web.Response:
        """{"command": "qps", "value": "500"}: change the run."""
        asked = await _json_of(request)
        command, value = (asked.get("command"), asked.get("value")) if isinstance(asked, dict) else (None, None)
        takes_value = _COMMANDS.get(command) if isinstance(command, str) else None
        if takes_value is None:
            return refused(400, f"there is no such command; there are {', '.join(_COMMANDS)}")
        words = str(command)
        if takes_value:
            if not isinstance(value, str | int | float) or not _VALUE.fullmatch(str(value)):
                return refused(400, f'{command} needs a value such as 200 or "+10%"')
            words += f" {value}"
        elif value is not None:
            return refused(400, f"{command} takes no value")
        assert self._steering is not None
        run = self.story.run
        if run is None or run.state == "over":
            return refused(409, "no run is under way" if run is None else "the load is over")
        return _replied(await self._steering.ask(words))

    async def _start(self, request: web.Request) -> web.Response:
        """{"settings": {…}}: start a run with these."""
        assert self._steering is not None
        if self._steering.start is None:
            return refused(409, "this page belongs to one run; `hybridpress ui FILE` starts as many as you like")
        asked = await _json_of(request)
        settings = asked.get("settings") if isinstance(asked, dict) else None
        if not isinstance(settings, dict):
            return refused(400, 'the settings must be an object: {"settings": {"qps": "500"}}')
        return _replied(await self._steering.start(settings))

    async def _result(self, _: web.Request) -> web.Response:
        return await self._download(encode, "json", "application/json")

    async def _report(self, _: web.Request) -> web.Response:
        from hybridpress.report.page import report_page  # for who asks for one

        return await self._download(report_page, "html", "text/html")

    async def _download(self, make: Callable[[Result], bytes], ending: str, kind: str) -> web.Response:
        """The result as a file; made in a thread, because that of a long run takes its time."""
        run = self.story.run
        if run is None or run.result is None:
            return refused(404, "there is no result yet: it comes when the run is over")
        body = await asyncio.to_thread(make, run.result)
        name = re.sub(r"[^\w.-]+", "-", run.result.scenario).strip("-.") or "run"
        headers = {"Content-Disposition": f'attachment; filename="hybridpress-{name}.{ending}"'}
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """All scripts and styles: those that the report has too, and the page's own."""
    charts = asset(*CHARTS, "parts.js")
    own = "".join((_STATIC / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    styles = asset(*CHART_STYLES, "page.css") + (_STATIC / "live.css").read_text(encoding="utf-8")
    return {
        "charts.js": (charts.encode(), "text/javascript"),
        "live.js": (own.encode(), "text/javascript"),
        "live.css": (styles.encode(), "text/css"),
    }


async def _json_of(request: web.Request) -> Any:
    """What the body says; None: it is no JSON. One that is too long is refused by aiohttp while it is read."""
    body = await request.read()
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _replied(reply: Reply) -> web.Response:
    return web.json_response(
        reply, status=200 if reply["ok"] else 409, dumps=lambda value: orjson.dumps(value).decode()
    )
