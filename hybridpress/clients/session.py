"""`self.session`: an aiohttp.ClientSession whose requests are timed as steps, for what the fast client leaves out.

HTTP proxies, multipart forms, WebSockets, Brotli, streamed replies. It costs several times the CPU of `self.http`.
This module loads aiohttp: import it only when a scenario uses it.
"""

from __future__ import annotations

import ssl
from types import EllipsisType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.connector import BaseConnector

from hybridpress.clients.http.settings import HttpSettings
from hybridpress.clients.http.tls import client_context
from hybridpress.clients.http.url import parse
from hybridpress.clock import now_ns
from hybridpress.errors import StatusError

if TYPE_CHECKING:
    from hybridpress.clients.trace import Trace


def open_session(
    settings: HttpSettings, trace: Trace, *, timeout_s: float | EllipsisType | None = ...
) -> aiohttp.ClientSession:
    """A session for one slot; whoever opens it closes it. Call it inside a running loop.

    A request, its redirects included, is one step named "METHOD path", or as `trace_request_ctx={"name": …}` says. It
    lasts until the head of the reply is there, and fails by an exception, or by a status of 400 and above, which also
    fails the iteration. What the scenario reads of the body later is not part of it; its bytes are counted from
    Content-Length where the server gives one. *timeout_s* of a request is that of *settings* if it is not given.
    """
    tls: ssl.SSLContext | bool = True
    if settings.ca_file is not None or not settings.verify:
        tls = client_context(verify=settings.verify, ca_file=settings.ca_file)
    base_url, connector = _place(settings, tls)
    return aiohttp.ClientSession(
        base_url,
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=settings.timeout_s if timeout_s is ... else timeout_s),
        headers=dict(settings.headers),
        cookie_jar=None if settings.cookies else aiohttp.DummyCookieJar(),
        trace_configs=[_timing(trace), *([_telling()] if settings.follows else [])],
    )


def _place(settings: HttpSettings, tls: ssl.SSLContext | bool) -> tuple[str | None, BaseConnector]:
    """The base URL as aiohttp wants it, and the connector for it. Slots bound the connections, not the connector."""
    if settings.base_url is None:
        return None, aiohttp.TCPConnector(limit=0, ssl=tls)
    url = parse(settings.base_url)
    prefix = url.path.rstrip("/") + "/"
    if url.origin.unix_path is not None:
        return f"http://localhost{prefix}", aiohttp.UnixConnector(url.origin.unix_path, limit=0)
    return f"{url.origin}{prefix}", aiohttp.TCPConnector(limit=0, ssl=tls)


def _telling() -> aiohttp.TraceConfig:
    """Tells the server the id of the iteration that it is asked by, where that is followed."""
    from hybridpress.clients.follow import HEADER, following

    telling = aiohttp.TraceConfig()

    async def start(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
        if (mine := following.get()) is not None:
            params.headers.setdefault(HEADER, mine.header)

    telling.on_request_start.append(start)
    return telling


def _timing(trace: Trace) -> aiohttp.TraceConfig:
    timing = aiohttp.TraceConfig()

    async def start(
        _: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestStartParams
    ) -> None:
        given: Any = context.trace_request_ctx
        name = given.get("name") if isinstance(given, dict) else None
        context.name = name or f"{params.method} {params.url.path}"
        context.bytes_out = 0
        context.started_ns = now_ns()

    async def sent(
        _: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestChunkSentParams
    ) -> None:
        context.bytes_out += len(params.chunk)

    async def end(_: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        duration_ns = now_ns() - context.started_ns
        reply = params.response
        bytes_in = reply.content_length or 0
        step = trace.step(context.name)
        if reply.status < 400:
            step.done(duration_ns, context.bytes_out, bytes_in)
            return
        step.failed(duration_ns, context.bytes_out, bytes_in)
        status = f"{reply.status} {reply.reason or ''}".rstrip()
        trace.fail(StatusError(f"{context.name}: status {status}"))

    async def broken(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestExceptionParams
    ) -> None:
        trace.step(context.name).failed(now_ns() - context.started_ns, context.bytes_out, 0)

    timing.on_request_start.append(start)
    timing.on_request_chunk_sent.append(sent)
    timing.on_request_end.append(end)
    timing.on_request_exception.append(broken)
    return timing
