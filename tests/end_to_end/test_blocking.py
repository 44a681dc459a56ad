"""Scenarios that block: in threads they are paced and counted as any others; on the event loop they are found out."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.support import command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]


def press(directory: Path, text: str, *args: str) -> command.Ran:
    path = directory / "made.py"
    path.write_text(textwrap.dedent(text))
    return command.run(path, *args, json_file=directory / "r.json")


SLEEPS = """
    import threading, time
    from hybridpress import Press, check, step
    class Made(Press):
        def start(self):
            self.thread = threading.current_thread()
        def press(self):
            with step("sleep"):
                time.sleep(0.05)
            check(threading.current_thread() is self.thread, "one thread a slot")
            check(self.thread.name == f"slot-{self.slot}", "named after it")
        def stop(self):
            assert threading.current_thread() is self.thread
"""


@pytest.mark.alone
def test_the_pace_is_held(tmp_path: Path) -> None:
    """200 slots that sleep 50 ms hold 3,000/s to the iteration, as coroutines would."""
    args = ["--qps", "3000", "--concurrent", "200", "--duration", "3s"]
    found = press(tmp_path, SLEEPS, *args).found
    assert found["iterations"]["started"] + found["iterations"]["dropped"] == 9000
    assert abs(found["qps"]["error_pct"]) <= 0.5
    assert found["errors"] == []
    passed = {"passed": found["iterations"]["started"], "failed": 0}
    assert found["checks"] == {"named after it": passed, "one thread a slot": passed}
    assert found["steps"]["sleep"]["count"] == found["iterations"]["completed"]
    assert found["service_time_ms"]["min"] >= 50


@pytest.mark.parametrize("n", [1, 7, 100])
def test_iterations_are_exact(tmp_path: Path, n: int) -> None:
    """Unpaced, exactly so many start, and each is counted once."""
    found = press(tmp_path, SLEEPS, "--iterations", str(n), "--concurrent", "20", "--processes", "2").found
    assert (found["iterations"]["started"], found["iterations"]["completed"]) == (n, n)


def test_a_timeout_is_reported(tmp_path: Path) -> None:
    """A call that takes too long fails its iteration at --timeout; the run ends though its thread does not."""
    text = """
        import time
        from hybridpress import Press
        class Made(Press):
            def press(self, word):
                time.sleep(word)
            def vocab(self):
                return [0.001, 60]
    """
    args = ["--qps", "20", "--duration", "2s", "--concurrent", "50", "--timeout", "300ms"]
    found = press(tmp_path, text, *args).found
    (error,) = found["errors"]
    assert error["kind"] == "PressTimeoutError"
    assert "not done within 300 ms" in error["message"]
    assert 0 < error["count"] == found["iterations"]["failed"] < found["iterations"]["started"] == 40
    assert 300 <= found["service_time_ms"]["max"] < 600


def test_errors_are_data(tmp_path: Path) -> None:
    """What a thread raises is counted with the user's line; a coroutine that nobody awaits is told."""
    text = """
        import asyncio
        from hybridpress import Press
        class Made(Press):
            n = 0
            def press(self):
                self.n += 1
                if self.n % 3 == 0:
                    raise KeyError("gone")
                if self.n % 3 == 1:
                    return asyncio.sleep(0)
                self.http.get("/")
    """
    found = press(tmp_path, text, "--iterations", "30", "--concurrent", "1").found
    assert found["iterations"]["failed"] == 30
    kinds = sorted((error["kind"], error["message"][:40], error["count"]) for error in found["errors"])
    assert kinds == [
        ("KeyError", "'gone'", 10),
        ("TypeError", "press() returned a coroutine: write it a", 10),
        ("TypeError", "self.http and self.session are for an as", 10),
    ]


def test_words_are_prepared_for_threads_too(tmp_path: Path) -> None:
    """A press() that blocks may have a prepare() and a verify()."""
    text = """
        import os
        from hybridpress import Press, check
        class Made(Press):
            def vocab(self): return [1, 2, 3]
            def prepare(self, word): return word, os.getpid()
            def press(self, word):
                check(word[1] != os.getpid(), "prepared elsewhere")
                return word[0]
            def verify(self, word, reply): check(word == reply, "verified")
    """
    found = press(tmp_path, text, "--iterations", "200", "--cpu-workers", "1").found
    assert found["checks"] == {
        "prepared elsewhere": {"passed": 200, "failed": 0},
        "verified": {"passed": 200, "failed": 0},
    }


def test_in_thread(tmp_path: Path) -> None:
    """An async press() may hand a call to a thread: the loop goes on, and what it raises comes back."""
    text = """
        import time, threading
        from hybridpress import Press, check
        class Made(Press):
            async def press(self):
                name = await self.in_thread(self.work, 0.02)
                check(name.startswith("in_thread"), "in a thread")
                try:
                    await self.in_thread(int, "x", base=10)
                except ValueError:
                    check(True, "raised")
            def work(self, seconds):
                time.sleep(seconds)
                return threading.current_thread().name
    """
    found = press(tmp_path, text, "--qps", "200", "--duration", "1s", "--concurrent", "20").found
    assert found["iterations"]["completed"] == 200
    assert {name: check["passed"] for name, check in found["checks"].items()} == {"in a thread": 200, "raised": 200}


def test_a_stuck_thread_does_not_hold_the_end(tmp_path: Path) -> None:
    """What was given to in_thread() and never returns is given up with the run."""
    text = """
        import time
        from hybridpress import Press
        class Made(Press):
            async def press(self):
                await self.in_thread(time.sleep, 60)
    """
    found = press(tmp_path, text, "--qps", "10", "--duration", "1s", "--timeout", "200ms").found
    assert found["iterations"]["in_flight_at_end"] == found["iterations"]["started"] == 10
    assert found["events"] == []


BLOCKERS = {
    "sleep": "time.sleep(0.05)",
    "spin": "sum(range(3_000_000))",
}


@pytest.mark.alone
@pytest.mark.parametrize("how", BLOCKERS)
def test_a_blocking_call_is_found_out(tmp_path: Path, how: str) -> None:
    """An async press() that blocks the loop is in the verdict, with file and line."""
    text = f"""
        import asyncio, time
        from hybridpress import Press
        class Made(Press):
            async def press(self):
                await asyncio.sleep(0.001)
                {BLOCKERS[how]}
    """
    found = press(tmp_path, text, "--qps", "10", "--duration", "2s", "--processes", "1").found
    reasons = {reason["code"]: reason["text"] for reason in found["generator"]["reasons"]}
    assert "made.py:7 in press()" in reasons["event_loop_blocked"]
