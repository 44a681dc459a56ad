"""prepare() and verify() in CPU workers: every word and every reply, whatever happens to the processes."""

from __future__ import annotations

import os
import random
import re
import signal
import textwrap
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from hybridpress.target import Target
from tests.support import command
from tests.support.command import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

SCENARIO = """
    import os
    import time
    from hybridpress import Press, check

    class Made(Press):
        def vocab(self):
            return list(range(100))

        def prepare(self, word):
            time.sleep(float(self.params.get("prepare_s", 0)))
            if word == int(self.params.get("bad", -1)):
                raise ValueError("no such word")
            while word == int(self.params.get("endless", -1)):
                pass
            if word == int(self.params.get("deadly", -1)):
                os._exit(7)
            return {"word": word, "prepared_in": os.getpid()}

        async def press(self, word):
            is_here = word["prepared_in"] == os.getpid()
            check(is_here == (self.params.get("where") == "here"), "prepared where it should be")
            self.note(word["word"])
            return {"reply to": word["word"]}

        def note(self, word):
            if "into" in self.params:
                with open(self.params["into"], "a") as file:
                    file.write(f"{word}\\n")

        def verify(self, word, reply):
            time.sleep(float(self.params.get("verify_s", 0)))
            check(reply["reply to"] == word, "the reply to this word")
            check(word != int(self.params.get("wrong", -1)), "not the wrong one")
"""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "made.py"
    path.write_text(textwrap.dedent(SCENARIO))
    return path


def press(made: Path, *args: str) -> command.Ran:
    ran = command.run(made, *args, json_file=made.parent / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    return ran


def where(n_cpu_workers: str) -> list[str]:
    """So many CPU workers, and what the scenario is to see of that."""
    return ["--cpu-workers", n_cpu_workers, "--param", "where=here" if n_cpu_workers == "0" else "where=there"]


def children_of(pid: int, n_wanted: int) -> list[psutil.Process]:
    """The children of *pid*, as soon as there are so many."""
    for _ in range(200):
        found = psutil.Process(pid).children()
        if len(found) >= n_wanted:
            return found
        time.sleep(0.02)
    raise AssertionError(f"process {pid} has {len(found)} children, not {n_wanted}")


@pytest.mark.parametrize("pace", [[], ["--qps", "500"]], ids=["unpaced", "paced"])
@pytest.mark.parametrize("n_cpu_workers", [1, 3])
def test_every_word_and_every_reply(made: Path, n_cpu_workers: int, pace: list[str]) -> None:
    """Each iteration has a word that was prepared in another process, and each reply is verified, once."""
    args = ["--iterations", "1000", "--processes", "2", "--concurrent", "7", "--cpu-workers", str(n_cpu_workers)]
    found = press(made, *args, *pace).found
    assert found["iterations"]["completed"] == 1000
    names = ["not the wrong one", "prepared where it should be", "the reply to this word"]
    assert found["checks"] == {name: {"passed": 1000, "failed": 0} for name in names}
    tier = found["cpu_tier"]
    assert (tier["workers"], tier["verified"], tier["unverified"], tier["restarts"]) == (n_cpu_workers, 1000, 0, 0)
    assert tier["prepared"] >= 1000 == tier["verify_ms"]["count"]
    assert found["errors"] == []
    # A machine that others use may be behind for a while.
    assert {event["kind"] for event in found["events"]} <= {"saturation"}


@pytest.mark.parametrize("n_cpu_workers", ["0", "1", "3"])
def test_the_words_are_the_same_with_and_without(made: Path, n_cpu_workers: str) -> None:
    """The seed alone says which words are pressed, and in which order: not where they are prepared."""
    into = made.parent / "words"
    args = ["--iterations", "200", "--processes", "1", "--concurrent", "1", "--seed", "7", "--qps", "1000"]
    press(made, *args, "--param", f"into={into}", *where(n_cpu_workers))
    draw = random.Random("7/0").random
    assert list(map(int, into.read_text().split())) == [int(draw() * 100) for _ in range(200)]


@pytest.mark.parametrize("n_cpu_workers", ["0", "1"])
def test_an_error_of_prepare(made: Path, n_cpu_workers: str) -> None:
    """It fails the iteration under a kind of its own, with the user's line, and press() is not called."""
    args = ["--iterations", "300", "--qps", "1000", "--param", "bad=3", "--seed", "1"]
    found = press(made, *args, *where(n_cpu_workers)).found
    (error,) = found["errors"]
    assert (error["kind"], error["message"]) == ("PrepareError", "ValueError: no such word")
    assert 'raise ValueError("no such word")' in error["example"]
    n_failed = found["iterations"]["failed"]
    assert n_failed == error["count"] == found["cpu_tier"]["prepare_failed"] > 0
    n = found["iterations"]
    assert n["planned"] == n["started"] + n["dropped"] == 300
    assert n["completed"] == n["started"] - n_failed == sum(found["checks"]["prepared where it should be"].values())


@pytest.mark.parametrize("n_cpu_workers", ["0", "1"])
def test_a_reply_that_is_wrong(made: Path, n_cpu_workers: str) -> None:
    """What verify() finds fails the iteration, in the second in which it ended, however late it is found."""
    args = ["--duration", "2s", "--qps", "300", "--param", "wrong=3", "--param", "verify_s=0.001", "--seed", "1"]
    found = press(made, *args, *where(n_cpu_workers)).found
    n_failed = found["iterations"]["failed"]
    assert n_failed == found["checks"]["not the wrong one"]["failed"] == found["cpu_tier"]["verify_failed"] > 0
    assert [(error["kind"], error["count"]) for error in found["errors"]] == [("CheckFailed", n_failed)]
    assert all(second["completed"] >= 0 and second["failed"] >= 0 for second in found["intervals"])


def test_a_sample_of_the_replies(made: Path) -> None:
    """--verify-sample verifies about so many, and the others count as completed."""
    args = ["--iterations", "2000", "--cpu-workers", "1", "--verify-sample", "10%", "--seed", "3"]
    found = press(made, *args).found
    assert found["iterations"]["completed"] == 2000
    assert 120 < found["cpu_tier"]["verified"] < 290


def test_a_cpu_worker_is_killed(made: Path) -> None:
    """Another takes its place and does its batches again: every iteration has its word, every reply is verified."""
    args = ["--duration", "3s", "--qps", "200", "--processes", "1", "--cpu-workers", "1"]
    process = command.started(made, *args, "--param", "prepare_s=0.002", "--json", made.parent / "r.json")
    (spawner,) = children_of(process.pid, 1)
    cpu_worker = children_of(spawner.pid, 2)[0]
    os.kill(cpu_worker.pid, signal.SIGKILL)
    ran = command.finish(process, made.parent / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["iterations"]["completed"] == 600
    assert ran.found["cpu_tier"]["verified"] == 600
    assert ran.found["cpu_tier"]["restarts"] == 1
    (event,) = ran.found["events"]
    assert event["kind"] == "cpu_worker_lost"
    assert f"CPU worker 0 (process {cpu_worker.pid}) died: killed by signal 9" in event["text"]


def test_a_cpu_worker_that_hangs(made: Path) -> None:
    """It is killed, another takes its place and does its batches, and so the run catches up with its plan."""
    args = ["--duration", "6s", "--qps", "200", "--processes", "1", "--cpu-workers", "1", "--cpu-timeout", "1s"]
    process = command.started(made, *args, *where("1"), "--json", made.parent / "r.json")
    (spawner,) = children_of(process.pid, 1)
    cpu_worker = children_of(spawner.pid, 2)[0]
    cpu_worker.suspend()
    ran = command.finish(process, made.parent / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    n = ran.found["iterations"]
    assert n["planned"] == n["started"] + n["dropped"] == 1_200
    assert n["started"] == n["completed"] > 900
    (event,) = (event for event in ran.found["events"] if event["kind"] == "cpu_worker_lost")
    assert f"(process {cpu_worker.pid}) died: it hung for 1s (--cpu-timeout) and was killed" in event["text"]
    assert psutil.wait_procs([spawner, cpu_worker], timeout=10)[1] == []


def test_a_word_over_which_they_hang(made: Path) -> None:
    """Its prepare() does not come back: after some CPU workers it is given up, an error as any; all others are done."""
    args = ["--iterations", "400", "--qps", "200", "--processes", "1", "--cpu-workers", "2", "--cpu-timeout", "1s"]
    ran = press(made, *args, *where("2"), "--param", "endless=7", "--draw", "sequential", "--timeout", "5s")
    n = ran.found["iterations"]
    assert n["planned"] == n["started"] + n["dropped"] == 400
    errors = {(error["kind"], error["message"]): error["count"] for error in ran.found["errors"]}
    assert errors == {("PrepareError", "4 CPU workers died over it"): n["failed"]}
    assert n["failed"] >= 1
    assert n["completed"] >= 350


def test_a_word_that_kills(made: Path) -> None:
    """A word over which every CPU worker dies fails its own iterations, and no others."""
    args = ["--iterations", "100", "--cpu-workers", "1", "--processes", "1", "--param", "deadly=3", "--seed", "1"]
    ran = press(made, *args)
    (error,) = ran.found["errors"]
    assert error["kind"] == "PrepareError"
    assert "CPU workers died over it" in error["message"]
    assert ran.found["iterations"]["failed"] == error["count"] > 0
    assert ran.found["iterations"]["completed"] == 100 - error["count"]
    assert ran.found["cpu_tier"]["restarts"] >= 4


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_of_a_batch(made: Path, signal_number: int) -> None:
    """Nothing is left of a run that is stopped while CPU workers work, gently or not."""
    args = ["--qps", "500", "--cpu-workers", "2", "--param", "prepare_s=0.3", "--timeout", "1s"]
    process = command.started(made, *args, "--json", made.parent / "r.json")
    (spawner,) = children_of(process.pid, 1)
    watched = [spawner, *children_of(spawner.pid, 4)]
    os.kill(process.pid, signal_number)
    process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGKILL)
    _, alive = psutil.wait_procs(watched, timeout=10)
    assert not alive


@pytest.mark.alone
def test_cpu_workers_are_the_limit(made: Path) -> None:
    """When prepare() is slower than the pace, that is said, with how many CPU workers more would do."""
    spin = made.read_text().replace(
        'time.sleep(float(self.params.get("prepare_s", 0)))',
        "end = time.thread_time_ns() + 4_000_000\n        while time.thread_time_ns() < end: pass",
    )
    made.write_text(spin)
    args = ["--qps", "350", "--duration", "2s", "--processes", "1", "--cpu-workers", "1"]
    found = press(made, *args).found
    assert found["cpu_tier"]["waits"] > 100
    texts = [reason["text"] for reason in found["generator"]["reasons"] if reason["code"] == "cpu_saturated"]
    assert re.match(r"CPU workers are the limit: \d more would hold this QPS", texts[0])


@pytest.mark.alone
def test_work_in_line_is_told(made: Path) -> None:
    """prepare() on the event loop is a visible part of its time, and the verdict says so."""
    args = ["--qps", "100", "--duration", "2s", "--processes", "1", "--param", "prepare_s=0.002"]
    found = press(made, *args, *where("0")).found
    reasons = {reason["code"]: reason["text"] for reason in found["generator"]["reasons"]}
    assert "prepare() and verify() ran on the event loops" in reasons["event_loop_blocked"]
    assert found["service_time_ms"]["p50"] < 1 < 2 <= found["cpu_tier"]["prepare_ms"]["p50"]
    assert found["cpu_tier"]["workers"] == 0


def test_replies_travel_whole(tmp_path: Path) -> None:
    """verify() has of a reply what press() had: status, headers, body, JSON; and the target counts what we count."""
    path = tmp_path / "made.py"
    path.write_text(
        textwrap.dedent("""
        from hybridpress import Press, check
        class Made(Press):
            async def press(self):
                return await self.http.get("/json")
            def verify(self, word, reply):
                check(word is None and reply.status == 200 and reply.ok, "status")
                check(reply.headers["content-type"] == "application/json", "headers")
                check(len(reply.body) == 1024 and reply.json()["total"] > 0, "body")
                check(reply.url.endswith("/json") and reply.elapsed_s > 0 and reply.name == "GET /json", "the rest")
    """)
    )
    with Target() as target:
        found = press(path, "--host", target.url, "--iterations", "200", "--cpu-workers", "1").found
        assert target.stats()["requests"] == 200
    assert found["errors"] == []
    assert [check["passed"] for check in found["checks"].values()] == [200] * 4


def test_encrypted_parameters(tmp_path: Path) -> None:
    """The scenario that encrypts runs in CPU workers, and every reply is decrypted and right."""
    with Target() as target:
        args = ["--host", target.url, "--qps", "200", "--duration", "2s", "--cpu-workers", "1"]
        ran = command.run(SCENARIOS / "encrypted_params.py", *args, json_file=tmp_path / "r.json")
    assert ran.found["checks"]["the reply is about the VM asked for"] == {"passed": 400, "failed": 0}
    assert (ran.found["cpu_tier"]["workers"], ran.found["cpu_tier"]["verified"]) == (1, 400)


@pytest.mark.parametrize("lost_words", ["report", "again"])
def test_each_word_once_over_a_killed_worker(made: Path, lost_words: str) -> None:
    """Words that were made ready and not pressed are not lost with a worker: each is used once, or told of."""
    into = made.parent / "words"
    noted = 'self.note(word["word"])'
    killed = [
        noted,
        '        if word["word"] == 2_700 and not os.path.exists("dead"):',
        '            open("dead", "x").close()',
        "            os.kill(os.getpid(), 9)",
    ]
    made.write_text(made.read_text().replace("list(range(100))", "range(6_000)").replace(noted, "\n".join(killed)))
    args = ["--draw", "once", "--lost-words", lost_words, "--processes", "2", "--concurrent", "4", *where("1")]
    file = made.parent / "r.json"
    ran = command.run(made, *args, "--param", f"into={into}", json_file=file, cwd=made.parent)
    assert any(event["kind"] == "worker_lost" for event in ran.found["events"]), ran.err
    told = command.numbers_told(ran.found)
    used = Counter(map(int, into.read_text().split()))
    twice = {word for word, n in used.items() if n > 1}
    if lost_words == "report":
        assert not twice
        assert 2_700 in told["words_lost"]
        assert len(told["words_lost"]) <= 2
    else:
        assert 2_700 in twice
        assert len(twice) <= 2
        assert not told["words_lost"]
    assert set(used) | told["words_lost"] | told["words_unused"] == set(range(6_000))
    assert not set(used) & told["words_unused"]
