"""Scenarios that press servers which are not ours, with clients which are not ours: each against the real one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hybridpress.target import Target
from hybridpress.target.thrift import IDL
from tests.support import command, programs
from tests.support.command import SCENARIOS
from tests.support.nginx import Nginx

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]
FILES = {name: SCENARIOS / f"{name}.py" for name in ("http2_get", "postgres_query", "redis_get", "thrift_generated")}
POSTGRES = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of the server, by version: they are on nobody's PATH."""


def test_http2(start_nginx: Callable[..., Nginx], tmp_path: Path) -> None:
    """Each request is a step, over HTTP/2, on one connection for the slots of a worker; nginx counted the same."""
    nginx = start_nginx(tls=True, http2=True)
    args = ["--host", nginx.tls_url, "--ca-file", str(nginx.ca_file), "--param", f"ca={nginx.ca_file}"]
    args += ["--qps", "200", "--duration", "2s", "--concurrent", "8", "--processes", "1"]
    n_before = nginx.n_connections()
    ran = command.run(FILES["http2_get"], *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["errors"] == []
    assert ran.found["iterations"]["completed"] == ran.found["steps"]["GET"]["count"] == 400
    assert {name: counts["failed"] for name, counts in ran.found["checks"].items()} == {
        "status is 200": 0,
        "it came over HTTP/2": 0,
        "there is a body": 0,
    }
    assert nginx.n_requests() == 400
    assert (
        nginx.n_connections() - n_before <= 3
    )  # one looked whether the host is there; a client a slot would be 8 more


@pytest.fixture
def redis_port(free_port: int, tmp_path: Path) -> Iterator[int]:
    """A Redis of this test's own, that keeps nothing."""
    server = [programs.need("redis-server"), "--port", str(free_port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(server, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 10
            while not _is_open(free_port):
                assert process.poll() is None
                assert time.monotonic() < until, "redis-server did not start"
            yield free_port
        finally:
            process.terminate()


def _is_open(port: int) -> bool:
    with socket.socket() as end:
        return end.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, *words: str) -> str:
    """What Redis answers to one command."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as end:
        end.sendall((" ".join(words) + "\r\nQUIT\r\n").encode())
        answer = b""
        while piece := end.recv(65_536):
            answer += piece
    return answer.decode()


def test_redis(redis_port: int, tmp_path: Path) -> None:
    """Each command is a step; Redis counted what we counted."""
    args = ["--param", f"port={redis_port}", "--qps", "200", "--duration", "2s", "--concurrent", "8"]
    ran = command.run(FILES["redis_get"], *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["errors"] == []
    assert ran.found["iterations"]["completed"] == 400
    assert {name: counts["count"] for name, counts in ran.found["steps"].items()} == {"SET": 400, "GET": 400}
    counted = ask(redis_port, "INFO", "commandstats")
    assert "cmdstat_get:calls=400," in counted
    assert "cmdstat_set:calls=400," in counted


@pytest.fixture
def postgres_port(free_port: int) -> Iterator[int]:
    """A PostgreSQL of this test's own, that trusts everybody on this machine and is gone afterwards."""
    programs.need("pg_lsclusters")
    found = sorted(POSTGRES.glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL's server is not where Debian puts it")
    # It refuses to run as root.
    as_who = [programs.need("runuser"), "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if as_who:
            shutil.chown(folder, "postgres")
        place, binaries = str(folder / "data"), found[-1].parent
        initdb = [*as_who, str(binaries / "initdb"), "-D", place, "-U", "postgres", "-A", "trust", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
        server = [*as_who, str(binaries / "postgres"), "-D", place, "-p", str(free_port), "-k", name, "-F"]
        with subprocess.Popen(server, cwd=folder, stderr=subprocess.DEVNULL) as process:
            try:
                until = time.monotonic() + 10
                is_ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(free_port)]
                while subprocess.run(is_ready, check=False).returncode:
                    assert process.poll() is None
                    assert time.monotonic() < until, "PostgreSQL did not start"
                yield free_port
            finally:
                ender = [*as_who, str(binaries / "pg_ctl"), "-D", place, "-m", "fast", "-w", "stop"]
                subprocess.run(ender, check=True, capture_output=True, cwd=folder)


def test_postgres(postgres_port: int, tmp_path: Path) -> None:
    """Each query is a step, and right."""
    dsn = f"dsn=postgresql://postgres@127.0.0.1:{postgres_port}/postgres"
    args = ["--param", dsn, "--qps", "200", "--duration", "2s", "--concurrent", "8"]
    ran = command.run(FILES["postgres_query"], *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["errors"] == []
    assert ran.found["iterations"]["completed"] == ran.found["steps"]["square"]["count"] == 400


@pytest.fixture
def generated_scenario(tmp_path: Path) -> Path:
    """A copy of the scenario with what Apache's compiler makes of its IDL beside it."""
    subprocess.run([programs.need("thrift"), "--gen", "py", str(IDL)], check=True, capture_output=True, cwd=tmp_path)
    return Path(shutil.copy(FILES["thrift_generated"], tmp_path))


@pytest.mark.parametrize("kind", ["Generated", "Blocking"])
def test_generated_thrift(generated_scenario: Path, tmp_path: Path, kind: str) -> None:
    """Apache's generated code makes calls over our connections, and over its own in a press that blocks: each call is a
    step, and the target counted what we counted.
    """
    with Target(sides=["thrift"]) as target:
        args = ["--param", f"port={target.ports['thrift']}", "--processes", "1"]
        args += ["--qps", "200", "--duration", "2s", "--concurrent", "8"]
        ran = command.run(f"{generated_scenario}:{kind}", *args, json_file=tmp_path / "r.json")
        counted = target.stats()["paths"]
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["errors"] == []
    assert ran.found["iterations"]["completed"] == 400
    assert all(check["failed"] == 0 for check in ran.found["checks"].values())
    steps = {name.rpartition(".")[2]: counts["count"] for name, counts in ran.found["steps"].items()}
    assert steps.pop("connect", 8) == 8
    assert steps == {"add": 400, "calculate": 400}
    assert counted["Calculator.add"] == {"200": 400}
    assert sum(counted["Calculator.calculate"].values()) == 400
    refused = ran.found["checks"]["only a division by zero is refused"]["passed"]
    assert counted["Calculator.calculate"]["400"] == refused > 0
    assert all(counts["response_time_ms"]["p50"] > 0 for counts in ran.found["steps"].values())


def test_generated_thrift_that_breaks(generated_scenario: Path, free_port: int, tmp_path: Path) -> None:
    """Where nobody is there, a blocking press tells it by Apache's own error, counted as any."""
    args = ["--param", f"port={free_port}", "--iterations", "5", "--concurrent", "2", "--processes", "1"]
    ran = command.run(f"{generated_scenario}:Blocking", *args, json_file=tmp_path / "r.json")
    assert ran.exit_code == 1
    assert [(error["kind"], error["count"]) for error in ran.found["errors"]] == [("TTransportException", 5)]
    assert (ran.found["steps"]["connect"]["count"], ran.found["steps"]["connect"]["failed"]) == (5, 5)
