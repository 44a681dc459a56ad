"""`self.grpc(Stub, "host:port")`: gRPC over grpcio's asyncio channels. This module loads grpcio.

A generated stub asks its channel for one callable a method; the channel here hands out callables that time each call as
the step "package.Service/Method". Of a call that streams replies, the first one and each later one are steps as well.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from itertools import cycle
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import grpc
from grpc import aio

from hybridpress.clock import now_ns
from hybridpress.errors import GrpcError, RequestError

if TYPE_CHECKING:
    from hybridpress.clients.http.settings import HttpSettings
    from hybridpress.clients.trace import Step, Trace

S = TypeVar("S")
_METADATA_NAME: Final = re.compile(r"[a-z0-9_.-]+")
_METADATA_VALUE: Final = re.compile(r"[ -~]*")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Grpc:
    """The channels of one worker, shared by its slots."""

    def __init__(self, settings: HttpSettings, trace: Trace) -> None:
        self._settings = settings
        self._trace = trace
        self._channels: dict[Any, TimedChannels] = {}

    def stub(
        self,
        stub: Callable[[Any], S],
        target: str,
        *,
        tls: bool = False,
        channels: int | None = None,
        timeout: float | None = None,
        metadata: Mapping[str, str] = _NOTHING,
    ) -> S:
        """*stub*, a generated class, on channels to *target* that time its calls.

        Raises:
            RequestError: an option cannot be used.
        """
        if not isinstance(target, str) or not target:
            raise RequestError(f'target must be like "127.0.0.1:50051", got {target!r}')
        channels = self._settings.grpc_channels if channels is None else channels
        if not isinstance(channels, int) or channels < 1:
            raise RequestError(f"channels must be 1 or more, got {channels!r}")
        timeout_s = self._settings.timeout_s if timeout is None else timeout
        if not 0 < timeout_s < 1e9:
            raise RequestError(f"timeout must be a number of seconds above 0, got {timeout!r}")
        sent_along = checked_metadata(tuple(metadata.items()))
        key = (target, tls, channels, timeout_s, sent_along)
        found = self._channels.get(key)
        if found is None:
            made = [self._channel(target, number, tls=tls) for number in range(channels)]
            found = self._channels[key] = TimedChannels(made, self._trace, timeout_s, sent_along)
        return stub(found)

    def _channel(self, target: str, number: int, *, tls: bool) -> aio.Channel:
        # Channels with the same arguments share one connection: the number keeps them apart.
        options = [
            ("hybridpress.channel", number),
            ("grpc.max_receive_message_length", self._settings.max_body_bytes),
            ("grpc.enable_retries", 0),
        ]
        if not tls:
            return aio.insecure_channel(target, options=options)
        if not self._settings.verify:
            raise RequestError("grpcio always verifies certificates: name the authority with --ca-file")
        try:
            trusted = None if self._settings.ca_file is None else Path(self._settings.ca_file).read_bytes()
        except OSError as error:
            text = f"ca_file must be a file of PEM certificates, got {self._settings.ca_file!r}: {error}"
            raise RequestError(text) from None
        return aio.secure_channel(target, grpc.ssl_channel_credentials(trusted), options=options)

    async def close(self) -> None:
        """Close every channel; calls under way are cut."""
        for channels in self._channels.values():
            for channel in channels.all:
                await channel.close()


class TimedChannels:
    """What a stub takes for its channel. Calls go over the real ones in turn."""

    def __init__(
        self, channels: list[aio.Channel], trace: Trace, timeout_s: float, metadata: tuple[tuple[str, str | bytes], ...]
    ) -> None:
        self.all = channels
        self.trace = trace
        self.timeout_s = timeout_s
        self.metadata = metadata

    def _calls(self, kind: str, method: str, options: dict[str, Any]) -> Callable[[], Any]:
        made = cycle([getattr(channel, kind)(method, **options) for channel in self.all])
        return made.__next__

    def unary_unary(self, method: str, **options: Any) -> Any:
        """One message, one reply: `await stub.Method(request)`."""
        return self._awaited(method, self._calls("unary_unary", method, options))

    def stream_unary(self, method: str, **options: Any) -> Any:
        """An (async) iterable of messages, one reply: `await stub.Method(requests)`."""
        return self._awaited(method, self._calls("stream_unary", method, options))

    def unary_stream(self, method: str, **options: Any) -> Any:
        """One message, a stream of replies: `async for reply in stub.Method(request)`."""
        return self._streamed(method, self._calls("unary_stream", method, options))

    def stream_stream(self, method: str, **options: Any) -> Any:
        """Messages and replies as they come: given an iterable, or written with `write()`."""
        return self._streamed(method, self._calls("stream_stream", method, options))

    def _awaited(self, method: str, calls: Callable[[], Any]) -> Any:
        name = method.lstrip("/")
        step = self.trace.step(name)

        async def call(request: Any, *, timeout: float | None = None, metadata: Any = (), **options: Any) -> Any:  # noqa: ASYNC109
            started_ns = now_ns()
            try:
                reply = await calls()(
                    request,
                    timeout=timeout or self.timeout_s,
                    metadata=self.metadata if not metadata else (*self.metadata, *checked_metadata(metadata)),
                    **options,
                )
            except aio.AioRpcError as error:
                meant = _meaning(name, error)
                self._report(step, name, started_ns, request, meant, meant)
                raise meant from error
            self._report(step, name, started_ns, request, reply, None)
            return reply

        return call

    def _report(
        self, step: Step, name: str, started_ns: int, request: Any, reply: Any, error: GrpcError | None
    ) -> None:
        duration_ns = now_ns() - started_ns
        (step.done if error is None else step.failed)(duration_ns, size_of(request), size_of(reply))
        if self.trace.observer is not None:
            told = b"" if error else str(reply).encode()
            self.trace.observer.exchange(name, str(request).encode(), told, duration_ns, error)

    def _streamed(self, method: str, calls: Callable[[], Any]) -> Any:
        name = method.lstrip("/")

        def call(*request: Any, timeout: float | None = None, metadata: Any = (), **options: Any) -> GrpcStream:
            sent_along = self.metadata if not metadata else (*self.metadata, *checked_metadata(metadata))
            made = calls()(*request, timeout=timeout or self.timeout_s, metadata=sent_along, **options)
            return GrpcStream(made, name, self.trace)

        return call


class GrpcStream:
    """The replies of one call, as they come. Steps: "NAME first", "NAME message", and "NAME" for the whole."""

    def __init__(self, call: Any, name: str, trace: Trace) -> None:
        self._call = call
        self._name = name
        self._whole = trace.step(name)
        self._first = trace.step(f"{name} first")
        self._each = trace.step(f"{name} message")
        self._started_ns = self._last_ns = now_ns()
        self._n_came = self._bytes_in = 0
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        reply = await self.read()
        if reply is aio.EOF:
            raise StopAsyncIteration
        return reply

    async def read(self) -> Any:
        """The next reply; `grpc.aio.EOF` after the last."""
        if self._is_over:
            return aio.EOF
        try:
            reply = await self._call.read()
        except aio.AioRpcError as error:
            self._end(failed=True)
            raise _meaning(self._name, error) from error
        now = now_ns()
        if reply is aio.EOF:
            code = await self._call.code()
            self._end(failed=code is not grpc.StatusCode.OK)
            if code is not grpc.StatusCode.OK:
                raise GrpcError(f"{self._name}: {code.name}", await self._call.details() or "", code=code.name)
            return reply
        n_bytes = size_of(reply)
        self._bytes_in += n_bytes
        (self._each if self._n_came else self._first).done(now - self._last_ns, 0, n_bytes)
        self._n_came += 1
        self._last_ns = now
        return reply

    async def write(self, request: Any) -> None:
        """Send one more message."""
        try:
            await self._call.write(request)
        except (aio.AioRpcError, asyncio.InvalidStateError) as error:
            self._end(failed=True)
            code = await self._call.code()
            raise GrpcError(f"{self._name}: {code.name}", await self._call.details() or "", code=code.name) from error

    async def done_writing(self) -> None:
        """No more messages will be sent."""
        await self._call.done_writing()

    def cancel(self) -> None:
        """Read no more: the call is over, as far as we are concerned."""
        self._call.cancel()
        self._end(failed=False)

    def _end(self, *, failed: bool) -> None:
        if not self._is_over:
            self._is_over = True
            (self._whole.failed if failed else self._whole.done)(now_ns() - self._started_ns, 0, self._bytes_in)

    def __del__(self) -> None:
        if not self._is_over:
            self._call.cancel()
            self._end(failed=False)


def checked_metadata(pairs: Iterable[tuple[str, str | bytes]]) -> tuple[tuple[str, str | bytes], ...]:
    """*pairs* as they may be sent; grpcio would take them, and break in the call.

    Raises:
        RequestError: one of them is not lawful.
    """
    found = tuple(pairs)
    for name, value in found:
        if not isinstance(name, str) or not _METADATA_NAME.fullmatch(name):
            raise RequestError(f"a name of metadata is made of a-z, 0-9, dots and dashes, got {name!r}")
        if name.endswith("-bin"):
            if not isinstance(value, bytes):
                raise RequestError(f"metadata {name} must be bytes, got {value!r}")
        elif not isinstance(value, str) or not _METADATA_VALUE.fullmatch(value):
            raise RequestError(f"metadata {name} must be printable ASCII, got {value!r}")
    return found


def size_of(message: Any) -> int:
    """How many bytes a message has; 0 for what tells nothing of it, as a stream of them."""
    if isinstance(message, bytes):
        return len(message)
    size = None if isinstance(message, AsyncIterable) else getattr(message, "ByteSize", None)
    return int(size()) if size is not None else 0


def _meaning(name: str, error: aio.AioRpcError) -> GrpcError:
    code = error.code().name
    return GrpcError(f"{name}: {code}", error.details() or "", code=code)
