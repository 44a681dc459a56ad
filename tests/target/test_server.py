"""The processes of a server: how they start, share, freeze and end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from hybridpress.errors import RunError
from hybridpress.target import Target
from hybridpress.target.server import listen


def until(is_so: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def get(target: Target, path: str) -> int:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=10)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


@pytest.mark.slow
def test_nothing_is_left_after_the_context() -> None:
    """When the context ends, so do all processes, and the port is free."""
    with Target(processes=2) as target:
        pids = [target.pid, *target.pids]
        assert all(map(is_alive, pids))
        assert target.url == f"http://127.0.0.1:{target.port}"
    assert not any(map(is_alive, pids))
    listen("127.0.0.1", target.port, 1)[0].close()


@pytest.mark.slow
def test_stop_may_be_called_twice() -> None:
    """A target that was stopped, or never started, can be stopped."""
    target = Target()
    target.stop()
    target.start()
    assert get(target, "/") == 200
    target.stop()
    target.stop()


@pytest.mark.slow
def test_no_process_outlives_a_killed_caller() -> None:
    """SIGKILL of the process that holds a Target ends the whole server."""
    program = (
        "import sys, time\n"
        "from hybridpress.target import Target\n"
        "with Target(processes=2) as target:\n"
        "    print(target.pid, *target.pids, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        pids = [int(pid) for pid in caller.stdout.readline().split()]
        assert len(pids) == 3
        caller.kill()
        caller.wait()
        until(lambda: not any(map(is_alive, pids)))


@pytest.mark.slow
def test_no_process_outlives_a_killed_parent() -> None:
    """SIGKILL of the serving processes' parent ends them, frozen or not."""
    for is_frozen in (False, True):
        target = Target(processes=2)
        target.start()
        if is_frozen:
            target.stall(60_000)
            until(lambda pids=target.pids: all(psutil.Process(p).status() == psutil.STATUS_STOPPED for p in pids))  # type: ignore[misc] # a lambda's default has no type
        os.kill(target.pid, signal.SIGKILL)
        until(lambda pids=target.pids: not any(map(is_alive, pids)))  # type: ignore[misc] # as above
        target.stop()


def test_ctrl_c_is_left_to_the_caller() -> None:
    """SIGINT, which a terminal sends to all, does not end a Target: its caller may still be draining."""
    with Target(processes=1) as target:
        for pid in (target.pid, *target.pids):
            os.kill(pid, signal.SIGINT)
        assert get(target, "/") == 200


@pytest.mark.slow
def test_a_process_that_dies_is_replaced() -> None:
    """When a serving process is killed another takes its place, and what it had counted stays."""
    with Target(processes=1) as target:
        for _ in range(5):
            get(target, "/json")
        os.kill(target.pids[0], signal.SIGKILL)
        assert get(target, "/json") == 200
        stats = target.stats()
        assert stats["paths"] == {"/json": {"200": 6}}
        assert stats["processes"][0]["pid"] != target.pids[0]
        assert stats["connections"]["open"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_used_port_is_told(processes: int) -> None:
    """A port in use, be it by another target that shares it among its own, gives one clear message."""
    with Target(processes=2) as target:
        with pytest.raises(RunError) as caught:
            Target(processes=processes, port=target.port).start()
        wanted = f"cannot listen on 127.0.0.1:{target.port}: address already in use; choose another with --port"
        assert str(caught.value) == wanted


def test_an_unknown_host_is_told() -> None:
    """An address that is not ours gives one clear message."""
    with pytest.raises(RunError, match=r"cannot listen on 192\.0\.2\.1:0: .*; choose another with --host"):
        Target(host="192.0.2.1").start()


@pytest.mark.slow
def test_ipv6_works_where_there_is_any() -> None:
    """An IPv6 host is served, and its URL has brackets."""
    try:
        listen("::1", 0, 1)[0].close()
    except RunError:
        pytest.skip("no IPv6 here")
    with Target(host="::1", processes=2) as target:
        assert target.url == f"http://[::1]:{target.port}"
        assert get(target, "/") == 200


@pytest.mark.slow
@pytest.mark.alone
def test_a_stall_freezes_all_processes() -> None:
    """During a stall no process answers, on old connections or new ones; after it all are answered."""
    with Target(processes=2) as target:
        connections = [http.client.HTTPConnection(target.host, target.port, timeout=10) for _ in range(16)]
        for connection in connections:
            connection.request("GET", "/")
            connection.getresponse().read()
        started = time.monotonic()
        target.stall(400)
        assert time.monotonic() - started < 0.3  # answered first, frozen then
        time.sleep(0.02)
        for connection in connections[:8]:
            connection.close()  # a new connection is made by the next request
        for connection in connections:
            connection.request("GET", "/")
        for connection in connections:
            assert connection.getresponse().read()
            took_s = time.monotonic() - started
            assert 0.4 <= took_s < 0.8
            connection.close()
        assert target.stats()["requests"] == 32


@pytest.mark.slow
def test_a_stopping_target_does_not_wait_for_a_stall() -> None:
    """A frozen server ends when it is told to."""
    started = time.monotonic()
    with Target(processes=2) as target:
        target.stall(60_000)
    assert time.monotonic() - started < 3


def run_wrk(target: Target, path: str) -> int:
    command = ["wrk", "-t1", "-c16", "-d1s", "-s", "/dev/stdin", target.url + path]
    script = 'done = function(summary) io.write(string.format("DONE %d\\n", summary.requests)) end'
    said = subprocess.run(command, input=script, capture_output=True, text=True, check=True).stdout
    found = re.search(r"DONE (\d+)", said)
    assert found is not None
    return int(found[1])


@pytest.mark.slow
def test_counts_are_exact_under_ab(pair: Target) -> None:
    """What ab says it sent, two processes say they answered, to the last one; keep-alive or not."""
    for arguments in (["-k"], []):
        pair.reset()
        command = ["ab", "-q", "-n", "3000", "-c", "20", *arguments, f"{pair.url}/bytes/100"]
        subprocess.run(command, capture_output=True, check=True)
        stats = pair.stats()
        assert stats["paths"] == {"/bytes/{n}": {"200": 3000}}
        # Without keep-alive, ab opens a connection more for each that is done, up to 20 of them in vain.
        accepted = stats["connections"]["accepted"]
        assert accepted == 20 if arguments else 3000 <= accepted <= 3020


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/delay/1", "/echo?describe=1"])
def test_counts_are_exact_under_wrk(pair: Target, path: str) -> None:
    """What wrk got it was answered; beyond that at most one request a connection, cut off by its end."""
    pair.reset()
    seen_by_wrk = run_wrk(pair, path)
    until(lambda: pair.stats()["connections"]["open"] == 0)
    stats = pair.stats()
    assert 0 <= stats["requests"] + stats["abandoned"] - seen_by_wrk <= 16
    assert all(process["requests"] for process in stats["processes"])


CLI = [sys.executable, "-c", "from hybridpress.cli.target import target; target()"]


@pytest.mark.slow
def test_the_command_tells_where_it_listens_and_what_it_counted() -> None:
    """`hybridpress target` says one line at the start, and one at its end by Ctrl-C."""
    with subprocess.Popen([*CLI, "--port", "0", "--processes", "2"], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        line = command.stdout.readline()
        found = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+) \(2 processes\); Ctrl-C ends it\n", line)
        assert found is not None, line
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]))
        for path in ("/", "/", "/nope"):
            connection.request("GET", path)
            connection.getresponse().read()
        connection.close()
        command.send_signal(signal.SIGINT)
        rest = command.stdout.read()
    assert command.returncode == 0
    assert rest == "\nanswered 3 requests over 1 connections (200: 2, 404: 1)\n"


@pytest.mark.slow
def test_the_command_tells_a_used_port() -> None:
    """`hybridpress target` on a used port: one line on stderr, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([*CLI, "--port", str(port)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"cannot listen on 127.0.0.1:{port}: address already in use; choose another with --port\n"


@pytest.mark.slow
def test_the_program_says_one_line_of_json_and_ends_with_its_stdin() -> None:
    """`python -m hybridpress.target` is for programs: ready in one line of JSON, gone when stdin closes."""
    program = [sys.executable, "-m", "hybridpress.target", "--processes", "1"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        said = json.loads(process.stdout.readline())
        assert set(said) == {"url", "host", "port", "pids", "ports"}
        process.stdin.close()
        assert process.wait(5) == 0
        assert not is_alive(said["pids"][0])
