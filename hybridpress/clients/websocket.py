"""`self.websocket(url)`: a WebSocket that a slot holds, over aiohttp. This module loads aiohttp.

Steps are: connecting, each round trip of `ask()`, each `send()`, and each `receive()`, with the time it waited.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson
from aiohttp import WSMsgType

from hybridpress.clock import now_ns
from hybridpress.errors import (
    ClientError,
    ConnectError,
    ConnectionClosedError,
    FrameTooLargeError,
    ProtocolError,
    RequestError,
    RequestTimeoutError,
    StatusError,
    TLSError,
    WebSocketClosedError,
)
from hybridpress.hot import uncancel

if TYPE_CHECKING:
    from hybridpress.clients.trace import Step
    from hybridpress.clients.wire import Wires

Message = str | bytes
_TOO_BIG = 1009


class WebSocket:
    """One WebSocket: `async with self.websocket("/ws") as ws: …`. Its time limit is that of each single wait.

    A wait that fails or is cancelled ends the connection.
    """

    __slots__ = (
        "_asking",
        "_connecting",
        "_expired",
        "_options",
        "_ping",
        "_receiving",
        "_sending",
        "_session",
        "_task",
        "_timeout_ns",
        "_url",
        "_wires",
        "_ws",
        "deadline_ns",
        "name",
    )

    def __init__(
        self,
        wires: Wires,
        session: aiohttp.ClientSession,
        url: str,
        *,
        name: str | None,
        timeout: float | None,
        headers: Mapping[str, str] | None,
        protocols: Iterable[str],
        max_bytes: int | None,
    ) -> None:
        timeout_s = wires.settings.timeout_s if timeout is None else timeout
        if not 0 < timeout_s < 1e9:
            raise RequestError(f"timeout must be a number of seconds above 0, got {timeout!r}")
        self.name = name or f"WS {url.partition('?')[0]}"
        self._url = _http(url)
        self._wires = wires
        self._session = session
        self._options: dict[str, Any] = {
            "headers": dict(headers or {}),
            "protocols": tuple(protocols),
            "max_msg_size": max_bytes or wires.settings.max_body_bytes,
            "autoping": True,
        }
        self._timeout_ns = int(timeout_s * 1e9)
        wires.deadlines.allow_for(self._timeout_ns)
        step = wires.trace.step
        self._connecting = step(f"{self.name} connect")
        self._asking = step(self.name)
        self._sending = step(f"{self.name} send")
        self._receiving = step(f"{self.name} receive")
        self._ws: aiohttp.ClientWebSocketResponse
        # What the deadlines of a worker ask of whoever waits
        self.deadline_ns = 1 << 62
        self._task: asyncio.Task[Any] | None = None
        self._expired = False

    async def __aenter__(self) -> Self:
        started_ns = now_ns()
        try:
            async with asyncio.timeout(self._timeout_ns / 1e9):
                self._ws = await self._session.ws_connect(self._url, **self._options)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            meant = _meaning(error, self.name)
            self._connecting.failed(now_ns() - started_ns, 0, 0)
            raise meant from error
        self._connecting.done(now_ns() - started_ns, 0, 0)
        self._wires.live.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._wires.live.discard(self)
        if not self._ws.closed:
            await self._leave(1000 if kind is None else 1001)

    @property
    def close_code(self) -> int | None:
        """The code that the connection was closed with; None while it is open."""
        return self._ws.close_code

    @property
    def protocol(self) -> str | None:
        """The subprotocol that was agreed on."""
        return self._ws.protocol

    async def ask(self, message: Message) -> Message:
        """Send *message* and return the next one that comes: one step, the round trip.

        Raises:
            WebSocketClosedError: the server closed the WebSocket; its `code` tells why.
            ClientError: there is no answer.
        """
        started_ns = now_ns()
        data = await self._send(message, self._asking, started_ns)
        return await self._receive(self._asking, started_ns, data)

    async def ask_json(self, value: Any) -> Any:
        """Send *value* as JSON and return what comes, as JSON too: one step."""
        return _from_json(await self.ask(orjson.dumps(value).decode()))

    async def send(self, message: Message) -> None:
        """Send text (str) or bytes; a step that is done once the system has taken it."""
        started_ns = now_ns()
        data = await self._send(message, self._sending, started_ns)
        self._sending.done(now_ns() - started_ns, len(data), 0)

    async def send_json(self, value: Any) -> None:
        """Send *value* as JSON, in a text message."""
        await self.send(orjson.dumps(value).decode())

    async def receive(self) -> Message:
        """The next message, text as str: a step that lasts as long as it was waited for; raises as `ask` does."""
        return await self._receive(self._receiving, now_ns(), b"")

    async def receive_json(self) -> Any:
        """The next message, which is JSON; raises ProtocolError if it is not."""
        return _from_json(await self.receive())

    async def ping(self, message: bytes = b"") -> None:
        """Send a ping. Pings of the server are answered while a message is waited for."""
        await self._ws.ping(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with *code*, and wait for the server to agree."""
        await self._leave(code, reason)

    # What the deadlines of a worker, and its end, ask

    def is_waiting(self) -> bool:
        """Whether a message is waited for."""
        return self._task is not None

    def expire(self) -> None:
        """The wait was too long."""
        if self._task is not None and not self._expired:
            self._expired = True
            self._task.cancel()

    def abandon(self) -> None:
        """Nobody needs it any more: the session's end closes it."""
        self._wires.live.discard(self)

    # Inside

    async def _leave(self, code: int, reason: str = "") -> None:
        try:
            async with asyncio.timeout(self._timeout_ns / 1e9):
                await self._ws.close(code=code, message=reason.encode())
        except (aiohttp.ClientError, OSError):  # a TimeoutError is one
            pass

    async def _send(self, message: Message, step: Step, started_ns: int) -> bytes:
        """Send it; its bytes."""
        try:
            if isinstance(message, str):
                data = message.encode()
                await self._ws.send_frame(data, WSMsgType.TEXT)
            elif isinstance(message, bytes | bytearray | memoryview):
                data = bytes(message)
                await self._ws.send_frame(data, WSMsgType.BINARY)
            else:
                raise RequestError(f"a message is a str or bytes, got {type(message).__name__}; for JSON: send_json()")
        except (aiohttp.ClientError, ConnectionError) as error:
            step.failed(now_ns() - started_ns, 0, 0)
            raise self._closed(self._ws.close_code, "") from error
        return data

    async def _receive(self, step: Step, started_ns: int, sent: bytes) -> Message:
        self.deadline_ns = started_ns + self._timeout_ns
        self._task = asyncio.current_task()
        try:
            kind, data, extra = await self._ws.receive()
        except asyncio.CancelledError:
            if not self._expired:
                raise
            self._expired = False
            uncancel()
            step.failed(now_ns() - started_ns, len(sent), 0)
            error = RequestTimeoutError("timed out waiting for a message", f"{self._timeout_ns / 1e9:g} s were given")
            raise error from None
        finally:
            self._task = None
        duration_ns = now_ns() - started_ns
        if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY:
            step.done(duration_ns, len(sent), len(data))
            answer: Message = data
            if self._wires.trace.observer is not None:
                told = data.encode() if isinstance(data, str) else data
                self._wires.trace.observer.exchange(self.name, sent, told, duration_ns, None)
            return answer
        step.failed(duration_ns, len(sent), 0)
        raise self._end(kind, data, extra)

    def _end(self, kind: WSMsgType, data: Any, extra: Any) -> ClientError:
        """What it means that no message came."""
        if kind is WSMsgType.ERROR:
            if getattr(data, "code", None) == _TOO_BIG:
                return FrameTooLargeError("the message is over the limit", str(data))
            return ProtocolError("what came is not lawful WebSocket", str(data))
        if kind is WSMsgType.CLOSE:
            return self._closed(data, extra or "")
        return self._closed(self._ws.close_code, "")

    def _closed(self, code: int | None, reason: str) -> ClientError:
        if code is None or code == 1006:
            return ConnectionClosedError("the server closed the connection without a word")
        return WebSocketClosedError(f"the server closed the WebSocket with code {code}", reason, code=code)


def _http(url: str) -> str:
    """*url* as aiohttp takes it: below the base URL, or whole with ws:// or wss://."""
    for ours, theirs in (("ws://", "http://"), ("wss://", "https://")):
        if url.startswith(ours):
            return theirs + url[len(ours) :]
    return url.lstrip("/") if "://" not in url else url


def _from_json(message: Message) -> Any:
    try:
        return orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise ProtocolError("the message is not JSON", str(error)) from error


def _meaning(error: Exception, name: str) -> ClientError:
    """The error that *error* of aiohttp is among ours."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return StatusError(f"{name}: the server did not open a WebSocket, status {error.status}", error.message)
    if isinstance(error, TimeoutError):
        return RequestTimeoutError(f"{name}: timed out connecting")
    if isinstance(error, aiohttp.ClientSSLError):
        return TLSError(f"the TLS handshake failed: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        why = error.os_error
        text = (os.strerror(why.errno) if why.errno else str(why) or type(why).__name__).lower()
        is_tls = error._conn_key.is_ssl  # noqa: SLF001  # `error.ssl` is true of either
        if is_tls and isinstance(why, ConnectionError) and not isinstance(why, ConnectionRefusedError):
            return TLSError(f"the TLS handshake with {error.host}:{error.port} failed: {text}")
        return ConnectError(f"cannot connect to {error.host}:{error.port}: {text}")
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return RequestError(f"{name}: the URL cannot be used", str(error))
    if isinstance(error, aiohttp.ClientResponseError):
        return ProtocolError("the reply is not lawful HTTP/1", error.message)
    return ConnectionClosedError(f"{name}: the connection ended in the handshake", str(error))
