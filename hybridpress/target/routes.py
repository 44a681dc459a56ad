"""What each path answers: the table of paths, and the known answers; knows no sockets and no processes.

Control paths (/stats, /stats/reset, /stall) are not counted, so that the counts are those of the load alone.
All others are counted under their template: /bytes/17 as "/bytes/{n}".
"""

from __future__ import annotations

import gzip
import json as readable_json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from hybridpress.clock import now_ns
from hybridpress.target.counters import UNCOUNTED, Counters
from hybridpress.target.login import Login
from hybridpress.target.message import BINARY, JSON, BadRequestError, Fate, Reply, Request, json, text

MAX_BODY_BYTES = 64 * 2**20
MAX_DELAY_MS = 3_600_000
MAX_STALL_MS = 60_000
MAX_REDIRECTS = 100
MAX_EVENTS = 1_000_000

UNKNOWN = "(unknown path)"
MALFORMED = "(malformed)"
NO_REPLY = 0  # the status under which a reset connection is counted

HOME_BODY = (
    b"hybridpress target: a server with known answers. This body has 128 bytes, always the same ones.".ljust(127)
    + b"\n"
)
ALPHABET = b"abcdefghijklmnopqrstuvwxyz"
_BLOCK_BYTES = 26 * 10_080  # 256 KiB, nearly: pieces of a long body are whole alphabets
_ALPHABETS = ALPHABET * (10_080 + 1)  # a block from any letter on

_ANY: frozenset[bytes] | None = None
_GET = frozenset((b"GET", b"HEAD"))
_POST = frozenset((b"POST",))
_STALL = _GET | _POST
_COMMON_STATUSES = (200, 302, 400, 401, 403, 404, 405, 413, 431, 500, 501)

Answer = Callable[[Request, str], Reply]


def vm_list_body() -> bytes:
    """What /json answers: a list of VMs, and padding up to exactly 1024 bytes."""
    vms = [{"vm": f"vm-{n}", "state": "running", "cpus": 1 << n % 5, "memory_mb": 2048 << n % 5} for n in range(15)]
    body = readable_json.dumps({"total": len(vms), "vms": vms, "padding": ""}, separators=(",", ":"))
    return (body[:-2] + "." * (1024 - len(body)) + body[-2:]).encode()


@dataclass(frozen=True, slots=True)
class Route:
    """One path template: who answers it, to which methods, and where its answers are counted, by status."""

    template: str
    methods: frozenset[bytes] | None
    answer: Answer
    slots: Mapping[int, int]
    is_control: bool = False

    def reply(self, request: Request, tail: str) -> Reply:
        """The reply to *request*. Never raises for what a client sent."""
        if self.methods is not None and request.method not in self.methods:
            allowed = b", ".join(sorted(self.methods))
            message = f"{request.method.decode()} is not answered here, only {allowed.decode()}"
            return text(message, 405, b"Allow: %b\r\n" % allowed)
        try:
            return self.answer(request, tail)
        except BadRequestError as error:
            return error.reply()


class Routes:
    """The table of all paths of one serving process.

    *stall* freezes the whole server for so many ms; it is called once the reply is on its way.
    """

    def __init__(self, counters: Counters, login: Login, stall: Callable[[float], None]) -> None:
        self._counters = counters
        self._login = login
        self._stall_all = stall
        self._exact: dict[bytes, Route] = {}
        self._by_prefix: dict[bytes, Route] = {}
        for template, methods in _COUNTED.items():
            self._add(template, methods, counters.slots(template))
        uncounted = dict.fromkeys(_COMMON_STATUSES, UNCOUNTED)
        for template, methods in _CONTROL.items():
            self._add(template, methods, uncounted, is_control=True)
        self._unknown = Route(UNKNOWN, _ANY, _no_such_path, counters.slots(UNKNOWN))
        self.malformed = Route(MALFORMED, _ANY, _no_such_path, counters.slots(MALFORMED))

    def _add(
        self,
        template: str,
        methods: frozenset[bytes] | None,
        slots: Mapping[int, int],
        *,
        is_control: bool = False,
    ) -> None:
        prefix, _, parameter = template.partition("{")
        route = Route(template, methods, getattr(self, _method_name(template)), slots, is_control)
        if parameter:
            self._by_prefix[prefix.encode()] = route
        else:
            self._exact[template.encode()] = route

    def find(self, path: bytes) -> tuple[Route, str]:
        """The route that answers *path*, and what stands in the place of its parameter."""
        route = self._exact.get(path)
        if route is not None:
            return route, ""
        slash = path.rfind(b"/") + 1
        return self._by_prefix.get(path[:slash], self._unknown), path[slash:].decode("latin-1")

    def _get_root(self, request: Request, tail: str) -> Reply:
        return Reply(body=HOME_BODY)

    def _json(self, request: Request, tail: str) -> Reply:
        return Reply(body=_VM_LIST, content_type=JSON)

    def _gzip(self, request: Request, tail: str) -> Reply:
        return Reply(body=_VM_LIST_GZIP, content_type=JSON, headers=b"Content-Encoding: gzip\r\n")

    def _bytes(self, request: Request, tail: str) -> Reply:
        n = _whole_number(tail, "bytes", MAX_BODY_BYTES)
        if n <= _BLOCK_BYTES:
            return Reply(body=_ALPHABETS[:n], content_type=BINARY)
        return Reply(stream=_pieces(n, _BLOCK_BYTES), length=n, content_type=BINARY, is_pure=False)

    def _chunked(self, request: Request, tail: str) -> Reply:
        """At least four chunks, when there are four bytes; at most 64 KiB a chunk."""
        n = _whole_number(tail, "bytes", MAX_BODY_BYTES)
        size = min(26 * 2520, max(1, -(-n // 4)))
        return Reply(stream=_pieces(n, size), content_type=BINARY, is_pure=False)

    def _events(self, request: Request, tail: str) -> Reply:
        n = _whole_number(tail, "events", MAX_EVENTS)
        stream = (b'id: %d\nevent: tick\ndata: {"n":%d}\n\n' % (number, number) for number in range(n))
        return Reply(stream=stream, content_type=b"text/event-stream", is_pure=False)

    def _delay(self, request: Request, tail: str) -> Reply:
        delay_ms = _milliseconds(tail, MAX_DELAY_MS)
        reply = json({"delay_ms": delay_ms})
        reply.is_pure = False
        reply.wait_ns = math.ceil(delay_ms * 1e6)
        return reply

    def _status(self, request: Request, tail: str) -> Reply:
        status = _whole_number(tail, "status", 599)
        if status < 200:
            raise BadRequestError(f"status must be 200 to 599, got {status}")
        return text(f"status {status}", status)

    def _echo(self, request: Request, tail: str) -> Reply:
        if b"describe=1" not in request.query.split(b"&"):
            return Reply(body=request.body, content_type=request.header(b"content-type") or BINARY)
        headers: dict[str, str] = {}
        for name, value in request.headers:
            key = name.decode("latin-1").lower()
            shown = value.decode("latin-1")
            headers[key] = f"{headers[key]}, {shown}" if key in headers else shown
        return json(
            {
                "method": request.method.decode("latin-1"),
                "path": request.path.decode("latin-1"),
                "query": request.query.decode("latin-1"),
                "headers": headers,
                "body_bytes": len(request.body),
            }
        )

    def _redirect(self, request: Request, tail: str) -> Reply:
        n = _whole_number(tail, "redirects", MAX_REDIRECTS)
        if n == 0:
            raise BadRequestError(f"redirects must be 1 to {MAX_REDIRECTS}, got 0")
        location = b"/redirect/%d" % (n - 1) if n > 1 else b"/"
        return text("go on", 302, b"Location: %b\r\n" % location)

    def _cookies(self, request: Request, tail: str) -> Reply:
        cookies: dict[str, str] = {}
        for name, value in request.headers:
            if name.lower() == b"cookie":
                for pair in value.decode("latin-1").split(";"):
                    key, _, content = pair.strip().partition("=")
                    if key:
                        cookies[key] = content
        return json(cookies)

    def _cookies_set(self, request: Request, tail: str) -> Reply:
        pairs = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
        if not pairs:
            raise BadRequestError("name a cookie: /cookies/set?name=value")
        for name, value in pairs:
            if not _COOKIE_NAME.fullmatch(name) or not _COOKIE_VALUE.fullmatch(value):
                raise BadRequestError(f"not a cookie by RFC 6265: {name!r}={value!r}")
        lines = [f"Set-Cookie: {name}={value}; Path=/\r\n" for name, value in pairs]
        return json(dict(pairs), headers="".join(lines).encode())

    def _login_(self, request: Request, tail: str) -> Reply:
        return json(self._login.enter(request.body))

    def _vm_query(self, request: Request, tail: str) -> Reply:
        account = self._login.account(request.header(b"authorization"))
        if request.header(b"content-type") == BINARY:
            sealed = self._login.query_sealed(account, request.body)
            return Reply(body=sealed, content_type=BINARY, is_pure=False)
        return Reply(body=self._login.query(account, request.body), content_type=JSON)

    def _eip_query(self, request: Request, tail: str) -> Reply:
        return self._query(request, "eip")

    def _image_query(self, request: Request, tail: str) -> Reply:
        return self._query(request, "image")

    def _snapshot_query(self, request: Request, tail: str) -> Reply:
        return self._query(request, "snapshot")

    def _query(self, request: Request, kind: str) -> Reply:
        account = self._login.account(request.header(b"authorization"))
        return Reply(body=self._login.query(account, request.body, kind), content_type=JSON)

    def _close(self, request: Request, tail: str) -> Reply:
        """100 bytes of 1000, then the end."""
        return Reply(stream=_pieces(100, 100), length=1000, content_type=BINARY, fate=Fate.CLOSE, is_pure=False)

    def _reset(self, request: Request, tail: str) -> Reply:
        return Reply(NO_REPLY, fate=Fate.RESET, is_pure=False)

    def _stall(self, request: Request, tail: str) -> Reply:
        """Answers first, and tells when, on CLOCK_MONOTONIC; a ms later no process does anything for so long."""
        query = dict(parse_qsl(request.query.decode("latin-1")))
        stall_ms = _milliseconds(query.get("ms", "1000"), MAX_STALL_MS)
        reply = json({"stall_ms": stall_ms, "from_ns": now_ns()})
        reply.is_pure = False
        reply.after = lambda: self._stall_all(stall_ms)
        return reply

    def _stats(self, request: Request, tail: str) -> Reply:
        reply = json(self._counters.stats())
        reply.is_pure = False
        return reply

    def _stats_reset(self, request: Request, tail: str) -> Reply:
        self._counters.reset()
        reply = json({"reset": True})
        reply.is_pure = False
        return reply


_COUNTED: dict[str, frozenset[bytes] | None] = {
    "/": _GET,
    "/json": _GET,
    "/gzip": _GET,
    "/bytes/{n}": _GET,
    "/chunked/{n}": _GET,
    "/events/{n}": _GET,
    "/delay/{ms}": _ANY,
    "/status/{code}": _ANY,
    "/echo": _ANY,
    "/redirect/{n}": _GET,
    "/cookies": _GET,
    "/cookies/set": _GET,
    "/login": _POST,
    "/vm/query": _POST,
    "/eip/query": _POST,
    "/image/query": _POST,
    "/snapshot/query": _POST,
    "/close": _GET,
    "/reset": _ANY,
}
_CONTROL = {"/stats": _GET, "/stats/reset": _POST, "/stall": _STALL}


def _method_name(template: str) -> str:
    words = template.partition("{")[0].strip("/").replace("/", "_")
    return {"": "_get_root", "login": "_login_"}.get(words, f"_{words}")


def countable_answers() -> list[tuple[str, int]]:
    """Every (template, status) that may be counted."""
    answers = [(template, s) for template in (*_COUNTED, UNKNOWN, MALFORMED) for s in _COMMON_STATUSES]
    answers += [("/status/{code}", status) for status in range(200, 600) if status not in _COMMON_STATUSES]
    answers.append(("/reset", NO_REPLY))
    return answers


def _no_such_path(request: Request, tail: str) -> Reply:
    known = ", ".join((*_COUNTED, *_CONTROL))
    return text(f"no such path; there are {known}", 404)


def _pieces(n_bytes: int, size: int) -> Iterator[bytes]:
    """The first *n_bytes* of the endless alphabet, in pieces of *size*."""
    piece, made_of = b"", (-1, -1)
    for start in range(0, n_bytes, size):
        cut = (start % 26, min(size, n_bytes - start))
        if cut != made_of:  # else the very same piece again
            piece, made_of = _ALPHABETS[cut[0] : sum(cut)], cut
        yield piece


def _whole_number(shown: str, what: str, most: int) -> int:
    # isdecimal alone would let other scripts' digits in
    if not (shown.isascii() and shown.isdecimal() and len(shown) < 20) or int(shown) > most:
        raise BadRequestError(f"{what} must be a whole number up to {most}, got {shown[:40]!r}")
    return int(shown)


def _milliseconds(shown: str, most: int) -> float:
    if not _MILLISECONDS.fullmatch(shown) or float(shown) > most:
        raise BadRequestError(f"ms must be a number up to {most}, such as 12.5, got {shown[:40]!r}")
    return float(shown)


_MILLISECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")
_VM_LIST = vm_list_body()
_VM_LIST_GZIP = gzip.compress(_VM_LIST, mtime=0)
