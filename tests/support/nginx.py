"""A real nginx to press: its own port, its own temporary folder, stopped cleanly.

It is the judge of our counts: `n_requests` is what nginx itself says it was asked.
"""

from __future__ import annotations

import grp
import http.client
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import trustme

from tests.support import programs
from tests.support.ports import free_port

BODY = b"hybridpress " * 10 + b"nginx..\n"
"""The body of every reply but those of /json and /nginx_status: 128 bytes."""
JSON_BODY = b'{"name": "hybridpress", "numbers": [1, 2, 3], "ok": true}'
_START_S = 10.0
_ATTEMPTS = 5


class Nginx:
    """One nginx, running between enter and exit, on 127.0.0.1.

    `/` (and any path) answers with `BODY`, `/json` with `JSON_BODY`, `/nginx_status` with nginx's own counters.
    *unix* adds a listener on a Unix socket (`unix_url`), *tls* one with a certificate for localhost and 127.0.0.1
    (`tls_url`, trusted by `ca_file`), which speaks HTTP/2 with *http2*. *extra* is put into the server block as it is.
    """

    def __init__(
        self, *, processes: int = 1, unix: bool = False, tls: bool = False, http2: bool = False, extra: str = ""
    ) -> None:
        self._program = programs.need("nginx")
        self._processes = processes
        self._has_unix = unix
        self._has_tls = tls
        self._has_http2 = http2
        self._extra = extra
        self._nginx: subprocess.Popen[bytes] | None = None
        self._n_status_reads = 0
        self._undo = ExitStack()
        self.directory = Path()
        self.port = 0
        self.tls_port = 0

    @property
    def socket_path(self) -> Path:
        return self.directory / "nginx.sock"

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        assert self._has_tls, "ask for tls=True"
        return f"https://localhost:{self.tls_port}"

    @property
    def unix_url(self) -> str:
        assert self._has_unix, "ask for unix=True"
        return f"http+unix://{quote(str(self.socket_path), safe='')}"

    @property
    def pid(self) -> int:
        """The process id of nginx's master process."""
        assert self._nginx is not None
        return self._nginx.pid

    @property
    def pids(self) -> list[int]:
        """The process ids of nginx's master process and its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [self.pid, *map(int, children.split())]

    def n_requests(self) -> int:
        """How many requests nginx has been sent since it started, without those that ask for this very number."""
        return self._counted()[2]

    def n_connections(self) -> int:
        """How many connections nginx has taken since it started, without those of who asks for its counts."""
        return self._counted()[0]

    def _counted(self) -> tuple[int, int, int]:
        """Connections accepted and handled, and requests; without those that ask for these very numbers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/nginx_status", headers={"Connection": "close"})
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        self._n_status_reads += 1
        match = re.search(r"^ (\d+) (\d+) (\d+) $", text, re.MULTILINE)
        assert match is not None, text
        accepted, handled, requests = (int(count) - self._n_status_reads for count in match.groups())
        return accepted, handled, requests

    def error_log(self) -> str:
        """What nginx complained of."""
        log = self.directory / "error.log"
        return log.read_text() if log.exists() else ""

    def stop(self) -> None:
        """End nginx at once, as a server that dies."""
        if self._nginx is None:
            return
        self._nginx.terminate()
        try:
            self._nginx.wait(5)
        except subprocess.TimeoutExpired:
            self._nginx.kill()
            self._nginx.wait()
        self._nginx = None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            # Not pytest's folder: its long name leaves no room for the path of a Unix socket.
            self.directory = Path(tempfile.mkdtemp(prefix="hp-nginx-"))
            undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
            undo.callback(self.stop)
            if self._has_tls:
                self._issue_certificate()
            # A free port may be taken by somebody else before nginx gets it: then another is tried.
            if not any(self._start() for _ in range(_ATTEMPTS)):
                raise RuntimeError(f"nginx does not start:\n{self.error_log()}")
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._undo.close()

    def _start(self) -> bool:
        self.port = free_port()
        self.tls_port = free_port() if self._has_tls else 0
        configuration = self.directory / "nginx.conf"
        configuration.write_text(self._configuration())
        log = self.directory / "error.log"
        log.write_text("")
        command = [self._program, "-p", str(self.directory), "-c", str(configuration), "-e", str(log)]
        self._nginx = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + _START_S
        while self._nginx.poll() is None and "Address already in use" not in self.error_log():
            try:
                self.n_requests()
            except OSError:
                assert time.monotonic() < until, f"nginx does not answer:\n{self.error_log()}"
                time.sleep(0.01)
            else:
                return True
        self.stop()
        return False

    def _issue_certificate(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(self.directory / "server.pem")

    def _configuration(self) -> str:
        listeners = [f"listen 127.0.0.1:{self.port} backlog=4096{' reuseport' if self._processes > 1 else ''};"]
        if self._has_unix:
            listeners.append(f"listen unix:{self.socket_path};")
        if self._has_tls:
            listeners += [
                f"listen 127.0.0.1:{self.tls_port} ssl{' http2' if self._has_http2 else ''};",
                f"ssl_certificate {self.directory}/server.pem;",
                f"ssl_certificate_key {self.directory}/server.pem;",
            ]
        return _CONFIGURATION.format(
            user=_user_line(),
            processes=self._processes,
            directory=self.directory,
            listeners="\n        ".join(listeners),
            extra=self._extra,
            body=BODY.decode().replace("\n", "\\n"),
            json_body=JSON_BODY.decode(),
        )


def _user_line() -> str:
    """As root, nginx would give itself another user, who may not write into our folder."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(os.getegid()).gr_name};"


# Without an access log and without an end to keep-alive, so that nginx measures the client, not its disk.
_CONFIGURATION = """\
{user}
worker_processes {processes};
daemon off;
pid {directory}/nginx.pid;

events {{
    worker_connections 4096;
}}

http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_max_body_size 64m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;

    server {{
        {listeners}
        {extra}
        location / {{
            return 200 "{body}";
        }}
        location = /json {{
            default_type application/json;
            return 200 '{json_body}';
        }}
        location = /nginx_status {{
            stub_status;
        }}
    }}
}}
"""
