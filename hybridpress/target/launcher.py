"""`Target`: the server as a context manager, in processes of its own, gone when the caller is."""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hybridpress.errors import RunError

_START_WITHIN_S = 20.0
_STOP_WITHIN_S = 5.0
_ASK_WITHIN_S = 70.0  # longer than the longest stall


class Target:
    """A target server beside the caller.

    It is started as a program, not forked: the caller may have threads and loops. It ends when the context
    does, and when the caller dies, be it by SIGKILL. Ctrl-C does not end it: a caller that drains needs it.
    """

    def __init__(self, processes: int = 1, port: int = 0, host: str = "127.0.0.1", sides: Sequence[str] = ()) -> None:
        self.processes = processes
        self.host = host
        self.port = port  # the real one, once started
        self.url = ""
        self.sides = tuple(sides)  # other protocols to be spoken: "thrift", …
        self.ports: dict[str, int] = {}  # theirs, once started
        self.pid = 0  # of the parent of the serving processes
        self.pids: list[int] = []  # of the serving processes, as they were started
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        where = self.url or "not started"
        return f"<Target {where}, {self.processes} {'process' if self.processes == 1 else 'processes'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return once it takes connections.

        Raises:
            RunError: it could not start; the message says why.
        """
        package_root = str(Path(__file__).parents[2])
        paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
        arguments = ["--host", self.host, "--port", str(self.port), "--processes", str(self.processes)]
        for side in self.sides:
            arguments += [f"--{side}-port", "0"]
        # -P: a file in the caller's directory must not hide a module of the same name.
        self._process = subprocess.Popen(  # noqa: S603 -- our own program, no shell
            [sys.executable, "-P", "-m", "hybridpress.target", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        try:
            said = self._first_line(self._process)
        except BaseException:
            self.stop()
            raise
        self.host, self.port, self.url = said["host"], said["port"], said["url"]
        self.pid, self.pids, self.ports = self._process.pid, said["pids"], said["ports"]

    def _first_line(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], _START_WITHIN_S)[0]:
            raise RunError(f"the target did not start within {_START_WITHIN_S:.0f} s")
        line = process.stdout.readline()
        if not line:
            raise RunError(f"the target did not start: exit code {process.wait()}")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise RunError(said["error"])
        return said

    def stop(self) -> None:
        """End it for certain. Does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()  # the serving processes go with it
            process.wait()
        process.stdout.close()

    def stats(self) -> dict[str, Any]:
        """What it counted since the start or the last `reset()`, over all processes. Asking is not counted."""
        return self._ask("GET", "/stats")

    def reset(self) -> None:
        """Count from zero. What is open stays counted as open."""
        self._ask("POST", "/stats/reset")

    def stall(self, stall_ms: float) -> None:
        """Freeze the whole server for so long. Returns at once; it freezes within some ms."""
        self._ask("POST", f"/stall?ms={stall_ms:.6f}")

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_ASK_WITHIN_S)
        try:
            connection.request(method, path)
            reply = connection.getresponse()
            body = reply.read()
            if reply.status != 200:
                raise RunError(f"the target answered {method} {path} with {reply.status}: {body.decode()}")
            answer: dict[str, Any] = json.loads(body)
            return answer
        finally:
            connection.close()
