"""A Ray cluster for tests: several nodes on this machine, which can be killed and frozen, and are gone in the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

N_NODES = 3
NODE_PROCESS = "hybridpress.cluster.node.process"
_PATIENCE_S = 30.0

Start = Callable[..., subprocess.Popen[str]]
"""Starts a run over all nodes with these arguments."""


class Boxes:
    """*n* nodes of a Ray cluster. The first is the head's, from which runs are started: it is never killed."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._folder = ""
        self._process: subprocess.Popen[str] | None = None
        self._boxes: list[Box] = []
        self.address = ""

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="hp-t-")
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _start(self) -> None:
        # Where Ray notes that there is a cluster, for whoever asks for "auto".
        Path(self._folder, "ray").mkdir()
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("raylets.py"), self._folder],
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": self._folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        first = self._answer()
        self.address = first["address"]
        self._boxes = [Box(first["pid"])]
        for _ in range(self._n - 1):
            self.add()

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        left = [process for box in self._boxes for process in box.processes()]
        self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self) -> None:
        """One more node."""
        self._boxes.append(Box(self._told("add")["pid"]))

    def pressing(self) -> list[Box]:
        """The nodes on which a run's workers are by now, but the head's."""
        return [box for box in self._boxes[1:] if box.workers()]

    def wait_until_pressing(self, n: int, patience_s: float = 60.0) -> list[Box]:
        """Wait until *n* nodes besides the head's have workers."""
        until = time.monotonic() + patience_s
        while len(found := self.pressing()) < n:
            assert time.monotonic() < until, f"only {len(found)} nodes press"
            time.sleep(0.05)
        return found

    def wait_until_idle(self, patience_s: float = 15.0) -> None:
        """Wait until nothing of ours runs on any node."""
        until = time.monotonic() + patience_s
        while busy := [box for box in self._boxes if box.node_process() is not None]:
            assert time.monotonic() < until, f"{len(busy)} nodes are still busy"
            time.sleep(0.05)

    def kill(self, box: Box) -> None:
        """Kill the node's raylet and its agent."""
        agent = box.agent()
        assert agent is not None
        psutil.Process(box.pid).kill()
        agent.kill()

    def replace(self, box: Box) -> None:
        """A fresh node in the place of one that was killed."""
        self._boxes.remove(box)
        self._told(f"remove {box.pid}")
        self.add()

    def _told(self, command: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) and not line.startswith("{"):
            pass
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True)
class Box:
    """One node of the cluster, by its raylet's process."""

    pid: int

    def processes(self) -> list[psutil.Process]:
        """The raylet and all below it."""
        try:
            raylet = psutil.Process(self.pid)
            return [raylet, *raylet.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def node_process(self) -> psutil.Process | None:
        """Our process on the node: the first one of its name."""
        for process in self.processes():
            with suppress(psutil.Error):
                if NODE_PROCESS in process.cmdline():
                    return process
        return None

    def agent(self) -> psutil.Process | None:
        """The agent's process."""
        process = self.node_process()
        return None if process is None else process.parent()

    def workers(self) -> list[psutil.Process]:
        """The workers: what the spawner, our process's one child, has forked."""
        process = self.node_process()
        try:
            return [] if process is None else [worker for child in process.children() for worker in child.children()]
        except psutil.NoSuchProcess:
            return []

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Everything on the node stands still, as if it were cut off."""
        processes = self.processes()
        try:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGSTOP)
            yield
        finally:
            for process in reversed(processes):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)
