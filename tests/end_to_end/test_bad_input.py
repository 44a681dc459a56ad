"""What bad input gets: one clear message, the right exit code, nothing sent, never a hang or a stray process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from hybridpress.target import Target
from tests.support import command
from tests.support.nginx import Nginx
from tests.support.ports import free_port as any_free_port

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

SCENARIO = """
    from hybridpress import Press

    class Hello(Press):
        async def press(self):
            await self.http.get("/")
"""


def write(directory: Path, text: str, name: str = "my.py") -> Path:
    path = directory / name
    path.write_text(dedent(text))
    return path


FILES = {
    "does not import": ("import there_is_no_such_module", "my.py does not import: ModuleNotFoundError: No module"),
    "its own frames": (
        "def f():\n    return 1 / 0\nf()",
        'ZeroDivisionError: division by zero\n  File "{path}", line 3, in <module>\n    f()\n',
    ),
    "no Python": ("def f(:", "my.py does not import: "),
    "exits": ("import sys\nsys.exit(3)", "my.py does not import: SystemExit: 3"),
    "no Press": ("x = 1", "my.py has no scenario: no class in it is a subclass of hybridpress.Press"),
    "several": (
        """
        from hybridpress import Press
        class A(Press):
            async def press(self): ...
        class B(Press):
            async def press(self): ...
        """,
        "has several scenarios (A, B); name one: my.py:A",
    ),
    "three parameters": (
        """
        from hybridpress import Press
        class A(Press):
            async def press(self, word, more): ...
        """,
        "my.py:4: A.press() takes 3 parameters; it may take self, or self and a word",
    ),
    "no press at all": (
        """
        from hybridpress import Press
        class A(Press):
            pass
        """,
        "A has no press(); it needs `async def press(self, word)`",
    ),
    "prepare that is async": (
        """
        from hybridpress import Press
        class A(Press):
            async def prepare(self, word): ...
            async def press(self, word): ...
        """,
        "my.py:4: A.prepare() is work for the CPU: a plain `def`, without async and without yield",
    ),
    "CPU workers without work": (
        """
        from hybridpress import Press
        class A(Press):
            cpu_workers = 2
            verify_sample = "10%"
            async def press(self): ...
        """,
        "--cpu-workers 2: A has neither prepare() nor verify(); leave it out",
    ),
    "a thread too many": (
        """
        from hybridpress import Press
        class A(Press):
            concurrent = 5000
            processes = 2
            def press(self): ...
        """,
        "2,500 slots in one worker process are more than the 1,024 threads that it may have: ask for fewer slots",
    ),
    "start with a word": (
        """
        from hybridpress import Press
        class A(Press):
            async def start(self, word): ...
            async def press(self): ...
        """,
        "my.py:4: A.start() takes 2 parameters; it may take self alone",
    ),
    "vocab raises": (
        """
        from hybridpress import Press
        class A(Press):
            def vocab(self):
                yield 1
                raise OSError("the table is gone")
            async def press(self, word): ...
        """,
        'A.vocab() raised OSError: the table is gone\n  File "{path}", line 6, in vocab',
    ),
    "vocab is empty": (
        """
        from hybridpress import Press
        class A(Press):
            def vocab(self): return []
            async def press(self, word): ...
        """,
        "A.vocab() is empty: there is no word to press with",
    ),
    "a word without a table": (
        """
        from hybridpress import Press
        class A(Press):
            async def press(self, word): ...
        """,
        "my.py:4: A.press() takes a word, but there is no vocab()",
    ),
    "constructor raises": (
        """
        from hybridpress import Press
        class A(Press):
            def __init__(self): raise KeyError("no such account")
            async def press(self): ...
        """,
        "A() raised KeyError: 'no such account'",
    ),
    "run() without a guard": (
        """
        from hybridpress import Press
        class A(Press):
            async def press(self): ...
        A().run()
        """,
        'A.run() is called while the scenario file is imported; put it under `if __name__ == "__main__":`',
    ),
    "bad settings on the class": (
        """
        from hybridpress import Press
        class A(Press):
            qps = "fast"
            concurrent = 0
            async def press(self): ...
        """,
        'A.qps must be a rate such as "500", "2.5k" or "500/s", got "fast"\nhybridpress: A.concurrent must be a whole',
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files(tmp_path: Path, case: str) -> None:
    """A scenario that cannot be used is told with file and line, and the user's own frames alone."""
    text, message = FILES[case]
    path = write(tmp_path, text)
    ran = command.run("my.py", "--host", "http://127.0.0.1:9", cwd=tmp_path)
    assert ran.exit_code == 2
    assert message.format(path=path) in ran.err
    assert "hybridpress/scenario.py" not in ran.err, "none of our frames"
    assert "Traceback" not in ran.err
    assert ran.out == ""


OPTIONS = [
    (["--qps", "0"], '--qps must be a rate above 0, got "0"'),
    (["--qps", "many"], '--qps must be a rate such as "500", "2.5k" or "500/s", got "many"'),
    (["--duration", "soon"], '--duration must be a duration such as "300ms"'),
    (["--duration", "0"], "--duration must be above 0"),
    (["--concurrent", "0"], '--concurrent must be a whole number of 1 or more, got "0"'),
    (["--concurrent", "2", "--processes", "3"], "--processes 3 is more than --concurrent 2"),
    (["--duration", "1s", "--iterations", "5"], "--duration and --iterations exclude each other"),
    (["--param", "novalue"], '--param must be KEY=VALUE, got "novalue"'),
    (["--json", "no/such/directory/r.json"], "--json must be in a directory that exists"),
    (["--ca-file", "nowhere.pem"], '--ca-file must be a file, but there is none at "nowhere.pem"'),
    (["--host", "127.0.0.1"], '--host must be a URL such as "http://127.0.0.1:8080", got "127.0.0.1"'),
    (["--host", "ftp://127.0.0.1"], "--host must begin with http://, https:// or http+unix://"),
    (["--cpu-workers", "many"], '--cpu-workers must be a whole number from 0 to 256, or "auto", got "many"'),
    (["--cpu-workers", "1"], "--cpu-workers 1: Hello has neither prepare() nor verify(); leave it out"),
    (["--verify-sample", "150%"], '--verify-sample must be a share such as "10%" or 0.1, at most 100%, got "150%"'),
    (["--bogus"], "No such option '--bogus'"),
    (["--qps"], "Option '--qps' requires an argument"),
    (["--host", "http://no-such-host.invalid"], 'cannot resolve host "no-such-host.invalid"'),
    (["--host", "http://127.0.0.1:1"], "cannot connect to 127.0.0.1:1: connection refused; is the server up"),
]


@pytest.mark.parametrize(("args", "message"), OPTIONS, ids=[" ".join(args) for args, _ in OPTIONS])
def test_options(tmp_path: Path, args: list[str], message: str) -> None:
    """An option that cannot be used is named, with its value and the way out; nothing was sent."""
    write(tmp_path, SCENARIO)
    ran = command.run("my.py", *args, cwd=tmp_path)
    assert ran.exit_code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """Mistakes in the options, on the class and in its shape are told together."""
    write(tmp_path, "from hybridpress import Press\nclass A(Press):\n    qps = -1\n    def press(self, a, b): ...")
    ran = command.run("my.py", "--timeout", "soon", "--concurrent", "none", cwd=tmp_path)
    assert ran.exit_code == 2
    for part in ("A.press() takes 3 parameters", "A.qps must be", "--timeout must be", "--concurrent must be"):
        assert part in ran.err


def test_a_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    ran = command.run("nowhere.py", cwd=tmp_path)
    assert (ran.exit_code, ran.err) == (2, 'hybridpress: there is no scenario file "nowhere.py"\n')


def test_an_untrusted_certificate(start_nginx: type[Nginx], tmp_path: Path) -> None:
    """A certificate that is not trusted ends the run before it begins; with --ca-file or --insecure it runs."""
    nginx = start_nginx(tls=True)
    write(tmp_path, SCENARIO)
    asked = ["my.py", "--host", nginx.tls_url, "--iterations", "3"]
    ran = command.run(*asked, cwd=tmp_path)
    assert ran.exit_code == 2
    assert "certificate" in ran.err
    assert "--insecure" in ran.err
    for trust in (["--ca-file", nginx.ca_file], ["--insecure"]):
        ran = command.run(*asked, *trust, cwd=tmp_path, json_file=tmp_path / "r.json")
        assert (ran.exit_code, ran.found["iterations"]["completed"]) == (0, 3), ran.err


def test_tls_asked_of_a_plain_server(target_url: str, tmp_path: Path) -> None:
    """TLS to a port that speaks plain HTTP is told as what it is."""
    write(tmp_path, SCENARIO)
    ran = command.run("my.py", "--host", target_url.replace("http:", "https:"), cwd=tmp_path)
    assert ran.exit_code == 2
    assert "TLS" in ran.err


def test_start_that_fails_everywhere(tmp_path: Path) -> None:
    """When no slot can start the run breaks, with the user's error and frames."""
    path = write(
        tmp_path,
        """
        from hybridpress import Press
        class A(Press):
            async def start(self):
                raise ValueError("wrong password")
            async def press(self): ...
        """,
    )
    ran = command.run("my.py", "--concurrent", "4", cwd=tmp_path)
    assert ran.exit_code == 1
    assert "no slot could start: ValueError: wrong password\n" in ran.err
    assert f'File "{path}", line 5, in start' in ran.err


def test_start_that_fails_in_some_slots(tmp_path: Path) -> None:
    """The other slots do the work of those that could not start, and the event is told."""
    write(
        tmp_path,
        """
        from hybridpress import Press
        class A(Press):
            async def start(self):
                if self.slot % 2:
                    raise ValueError("odd")
            async def press(self):
                assert self.slot % 2 == 0
        """,
    )
    args = ["--concurrent", "6", "--processes", "2", "--qps", "100", "--duration", "1s"]
    ran = command.run("my.py", *args, cwd=tmp_path, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["iterations"]["completed"] == 100
    assert sum(event["kind"] == "start_failed" for event in ran.found["events"]) == 2


def test_start_that_never_ends(tmp_path: Path) -> None:
    """--start-timeout ends the wait for slots."""
    write(
        tmp_path,
        """
        import asyncio
        from hybridpress import Press
        class A(Press):
            async def start(self): await asyncio.sleep(3600)
            async def press(self): ...
        """,
    )
    ran = command.run("my.py", "--start-timeout", "500ms", cwd=tmp_path)
    assert ran.exit_code == 1
    assert "workers were ready within 500ms" in ran.err


def test_nothing_completed(tmp_path: Path) -> None:
    """A run of which nothing completed is broken, not done; its errors are shown all the same."""
    write(
        tmp_path,
        f"""
        from hybridpress import Press
        class A(Press):
            async def press(self): await self.http.get("http://127.0.0.1:{any_free_port()}/")
        """,
    )
    ran = command.run("my.py", "--iterations", "20", cwd=tmp_path, json_file=tmp_path / "r.json")
    assert ran.exit_code == 1
    assert "not one of 20 iterations completed: ConnectError" in ran.err
    (error,) = ran.found["errors"]
    assert (error["kind"], error["count"]) == ("ConnectError", 20)


@pytest.mark.alone
def test_a_target_that_dies(tmp_path: Path) -> None:
    """When the server dies in the middle, the errors are data: the run goes on to its end and tells them."""
    write(tmp_path, SCENARIO)
    with Target() as server:
        args = ["my.py", "--host", server.url, "--qps", "200", "--duration", "3s", "--json", "r.json"]
        process = command.start("run", *args, cwd=tmp_path)
        assert process.stderr is not None
        while (line := process.stderr.readline()) and "    1s " not in line:
            pass
        server.stop()
        ran = command.finish(process, tmp_path / "r.json")
    n = ran.found["iterations"]
    assert ran.exit_code in (0, 3), ran.err
    assert n["started"] == 600
    assert n["completed"] >= 200
    assert n["failed"] >= 200
    assert "ConnectError" in {error["kind"] for error in ran.found["errors"]}


def test_a_plain_script(target_url: str, tmp_path: Path) -> None:
    """`python my.py` runs the scenario as the command does; run() returns the result."""
    write(
        tmp_path,
        f"""
        from hybridpress import Press, check

        class Hello(Press):
            host = "http://127.0.0.1:1"
            concurrent = 3

            def vocab(self):
                return ["/", "/json"]

            async def press(self, word):
                reply = await self.http.get(word)
                check(reply.status == 200, "status is 200")

        if __name__ == "__main__":
            result = Hello(qps=100, duration="1s", host={target_url!r}).run()
            print("returned", result.iterations.completed, result.config["concurrent"])
        """,
    )
    done = subprocess.run(
        [sys.executable, "my.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "returned 100 3" in done.stdout
    assert "100 planned, 100 started, 100 completed" in done.stdout


def test_settings_in_rising_order(target_url: str, tmp_path: Path) -> None:
    """The command line wins over the constructor, and that over the class."""
    write(
        tmp_path,
        """
        from hybridpress import Press

        class Hello(Press):
            qps = 10
            concurrent = 2
            iterations = 5

            def __init__(self):
                super().__init__(concurrent=3, qps=20)

            async def press(self):
                await self.http.get("/")
        """,
    )
    args = ["my.py", "--host", target_url, "--qps", "50", "--duration", "500ms"]
    ran = command.run(*args, cwd=tmp_path, json_file=tmp_path / "r.json")
    config = ran.found["config"]
    assert (config["qps"], config["concurrent"], config["duration"], config["iterations"]) == (50, 3, 0.5, None)
    assert ran.found["iterations"]["completed"] == 25


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_the_table_is_built(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C before the load ends at once; nothing was sent."""
    write(
        tmp_path,
        """
        import sys, time
        from hybridpress import Press
        class A(Press):
            def vocab(self):
                print("in vocab()", file=sys.stderr, flush=True)
                time.sleep(60)
            async def press(self): ...
        """,
    )
    process = command.start("run", "my.py", cwd=tmp_path)
    assert process.stderr is not None
    while (line := process.stderr.readline()) and "in vocab()" not in line:
        pass
    process.send_signal(number)
    ran = command.finish(process, patience_s=10)
    assert ran.exit_code == (130 if number == signal.SIGINT else -number)


def test_interrupted_while_the_host_is_reached(tmp_path: Path) -> None:
    """Ctrl-C does not wait for a host that takes the connection and says nothing."""
    write(tmp_path, SCENARIO)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        process = command.start("run", "my.py", "--host", f"https://127.0.0.1:{silent.getsockname()[1]}", cwd=tmp_path)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1), "no handshake began"
            process.send_signal(signal.SIGINT)
            ran = command.finish(process, patience_s=10)
    assert (ran.exit_code, ran.err.splitlines()[-1]) == (130, "hybridpress: interrupted before the load began")
