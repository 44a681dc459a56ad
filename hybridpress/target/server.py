"""The target's parent process: takes the port, forks the serving processes, freezes and ends them.

It runs no event loop and no threads, so that a fork is clean at any time, and it answers no request itself.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from hybridpress.clock import now_ns
from hybridpress.errors import RunError
from hybridpress.machine import raise_file_limit
from hybridpress.target.counters import Counters
from hybridpress.target.process import BACKLOG, STALL, serve_until_death
from hybridpress.target.routes import countable_answers
from hybridpress.target.sides import DATAGRAMS, KEPT, countable

_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_READY_WITHIN_S = 10.0
_END_WITHIN_S = 2.0
_PARENT_LOOK_S = 0.5  # how often we look whether who started us is still there


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a server is to be found, once it serves."""

    host: str
    port: int
    pids: list[int]
    ports: dict[str, int] = field(default_factory=dict)
    """Of the other protocols that were asked for, by name."""

    @property
    def url(self) -> str:
        """The server's address, to put a path behind."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def serve(
    host: str,
    port: int,
    processes: int,
    on_ready: Callable[[Listening], None],
    *,
    life_line: int | None = None,
    sides: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Serve until SIGINT or SIGTERM; what was counted until then, as /stats tells it.

    Port 0 takes a free one. *sides* are the ports of other protocols, by their names in `SIDES`. *on_ready* is called
    once all processes take connections. With *life_line*, a readable descriptor, it is that pipe's end (or the death of
    our own parent) that ends the server, as does SIGTERM, and SIGINT is left to who holds the other end.

    Raises:
        RunError: the address cannot be listened on, or a process could not start.
    """
    sides = sides or {}
    answers = countable_answers() + countable(tuple(sides))
    listeners = listen(host, port, processes)
    others: dict[str, list[socket.socket]] = {}
    try:
        for side, side_port in sides.items():
            kind = socket.SOCK_DGRAM if side in DATAGRAMS else socket.SOCK_STREAM
            flag = f"--{side}-port"
            others[side] = listen(host, side_port, processes, flag=flag, kind=kind, is_kept=side in KEPT)
    except RunError:
        for listener in listeners + [one for group in others.values() for one in group]:
            listener.close()
        raise
    raise_file_limit()
    with _wakeup_on_signals(ignore_interrupt=life_line is not None) as wakeup:
        server = _Server(listeners, others, answers, wakeup, life_line)
        try:
            server.start()
            ports = {side: group[0].getsockname()[1] for side, group in others.items()}
            on_ready(Listening(host, listeners[0].getsockname()[1], server.pids(), ports))
            server.watch()
        finally:
            server.end()
    return server.counters.stats()


def listen(
    host: str,
    port: int,
    processes: int,
    *,
    flag: str = "--port",
    kind: socket.SocketKind = socket.SOCK_STREAM,
    is_kept: bool = False,
) -> list[socket.socket]:
    """One listening socket a process, all on the same address, among which the kernel deals the connections.

    Those that are only *kept* are bound, and do not listen: others will, on the same port.

    Raises:
        RunError: the address is taken, unknown, or not ours to use.
    """
    listeners: list[socket.socket] = []
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        if processes > 1 and port:
            # Sockets with SO_REUSEPORT would share the port even with another target: see first that it is free.
            _listen(family, kind, address, reuse_port=False).close()
        for _ in range(processes):
            listener = _listen(family, kind, address, reuse_port=processes > 1 or is_kept, is_kept=is_kept)
            listeners.append(listener)
            address = listener.getsockname()
    except OSError as error:
        for listener in listeners:
            listener.close()
        reason = (error.strerror or str(error)).lower()
        way_out = _WAYS_OUT.get(error.errno or 0, "choose another with --host").format(flag=flag)
        shown = f"[{host}]" if ":" in host else host
        raise RunError(f"cannot listen on {shown}:{port}: {reason}; {way_out}") from error
    return listeners


_WAYS_OUT = {
    errno.EADDRINUSE: "choose another with {flag}",
    errno.EACCES: "choose another with {flag}, 1024 or above",
}


def _listen(
    family: int, kind: socket.SocketKind, address: Any, *, reuse_port: bool, is_kept: bool = False
) -> socket.socket:
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        if kind == socket.SOCK_STREAM and not is_kept:
            listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


@contextmanager
def _wakeup_on_signals(*, ignore_interrupt: bool) -> Iterator[int]:
    """Have SIGINT, SIGTERM and SIGCHLD write their number to a pipe, whose reading end is given."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # set_wakeup_fd insists
    before = {number: signal.getsignal(number) for number in (*_END_SIGNALS, signal.SIGCHLD)}
    for number in before:
        signal.signal(number, _noted)
    if ignore_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    wakeup_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _noted(number: int, frame: FrameType | None) -> None:
    """A signal's handler must exist for the pipe to be written to."""


class _Server:
    def __init__(
        self,
        listeners: list[socket.socket],
        others: dict[str, list[socket.socket]],
        answers: list[tuple[str, int]],
        wakeup: int,
        life_line: int | None,
    ) -> None:
        self._listeners = listeners
        self._others = others
        self._wakeup = wakeup
        self._outer_life_line = life_line
        self._outer_parent = os.getppid()
        self.counters = Counters(len(listeners), answers)
        self._secret = os.urandom(32)
        self._life_line = os.pipe()
        self._stall = os.pipe()
        self._frozen_until_ns = 0
        self._numbers: dict[int, int] = {}  # pid: number of the process

    def pids(self) -> list[int]:
        return sorted(self._numbers, key=lambda pid: self._numbers[pid])

    def start(self) -> None:
        for number in range(len(self._listeners)):
            self._fork(number)

    def _fork(self, number: int) -> None:
        """Start process *number*, and wait until it serves."""
        reading, writing = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        # Blocked, so that no signal meets the parent's handlers in the child and is lost there.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_END_SIGNALS, signal.SIGCHLD))
        pid = os.fork()
        if pid == 0:
            self._be_process(number, parent, writing)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._numbers[pid] = number
        os.close(writing)
        is_readable = select.select([reading], [], [], _READY_WITHIN_S)[0]
        is_ready = bool(is_readable) and os.read(reading, 1) == b"+"
        os.close(reading)
        if not is_ready:
            raise RunError(f"the target's process {number} (pid {pid}) did not start")

    def _be_process(self, number: int, parent: int, ready: int) -> None:
        """The child's life. Never returns: nothing of the parent's stack may run in it."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            os.close(self._life_line[1])
            os.close(self._stall[0])
            os.close(self._wakeup)
            if self._outer_life_line is not None:
                os.close(self._outer_life_line)
            for group in (self._listeners, *self._others.values()):
                for other, listener in enumerate(group):
                    if other != number:
                        listener.close()
            serve_until_death(
                self._listeners[number],
                {side: group[number] for side, group in self._others.items()},
                number,
                self.counters,
                self._secret,
                parent=parent,
                life_line=self._life_line[0],
                ready=ready,
                stall=self._stall[1],
            )
            status = 0
        except BaseException:  # noqa: BLE001 -- said here, as nobody above may hear of it
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)

    def watch(self) -> None:
        """Replace who dies, freeze when asked to; until we are told to end."""
        watched = [self._wakeup, self._stall[0]]
        if self._outer_life_line is not None:
            watched.append(self._outer_life_line)
        while True:
            readable = select.select(watched, [], [], self._patience_s())[0]
            if self._wakeup in readable and set(os.read(self._wakeup, 4096)).intersection(_END_SIGNALS):
                return
            if self._outer_life_line is not None and self._is_orphan(readable):
                return
            if self._stall[0] in readable:
                self._freeze(STALL.unpack(os.read(self._stall[0], STALL.size))[0])
            if self._frozen_until_ns and now_ns() >= self._frozen_until_ns:
                self._frozen_until_ns = 0
                self._signal_all(signal.SIGCONT)
            for number in self._reap():
                self._fork(number)

    def _patience_s(self) -> float | None:
        if self._frozen_until_ns:
            return max(0.0, min(_PARENT_LOOK_S, (self._frozen_until_ns - now_ns()) / 1e9))
        return None if self._outer_life_line is None else _PARENT_LOOK_S

    def _is_orphan(self, readable: list[int]) -> bool:
        # The pipe alone would not do: a fork of who started us may hold it open.
        line = self._outer_life_line
        assert line is not None
        return os.getppid() != self._outer_parent or (line in readable and not os.read(line, 4096))

    def _freeze(self, stall_ns: int) -> None:
        """Stop all processes as a pause of the whole machine would: the kernel goes on taking connections."""
        self._frozen_until_ns = max(self._frozen_until_ns, now_ns() + stall_ns)
        self._signal_all(signal.SIGSTOP)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._numbers:
            os.kill(pid, number)  # ours and not reaped yet, so the pid is theirs still

    def _reap(self) -> list[int]:
        """The numbers of the processes that died since we last looked."""
        dead = []
        for pid in list(self._numbers):
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                number = self._numbers.pop(pid)
                self.counters.forget_process(number)
                end = os.waitstatus_to_exitcode(status)
                how = f"signal {-end}" if end < 0 else f"exit code {end}"
                print(f"the target's process {number} (pid {pid}) died: {how}", file=sys.stderr, flush=True)  # noqa: T201 -- the operator must know, and the server goes on
                dead.append(number)
        return dead

    def end(self) -> None:
        """End all processes for certain, and give the address back."""
        for group in (self._listeners, *self._others.values()):
            for listener in group:
                listener.close()
        self._signal_all(signal.SIGTERM)
        self._signal_all(signal.SIGCONT)
        deadline_ns = now_ns() + int(_END_WITHIN_S * 1e9)
        while self._numbers:
            for pid in list(self._numbers):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    self.counters.forget_process(self._numbers.pop(pid))
            left_s = (deadline_ns - now_ns()) / 1e9
            if not self._numbers:
                break
            if left_s <= 0:
                self._signal_all(signal.SIGKILL)
            select.select([self._wakeup], [], [], max(0.01, min(0.1, left_s)))
        for end in (*self._life_line, *self._stall):
            os.close(end)
