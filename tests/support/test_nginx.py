"""The judge must be right itself: nginx counts what it was asked, and is gone when it is told to."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable

import psutil

from tests.support.nginx import BODY, JSON_BODY, Nginx


def test_counts_what_it_was_asked(nginx: Nginx) -> None:
    """Requests are counted to the last one; reading the counter does not count."""
    before = nginx.n_requests()
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=5)
    for path, body in (("/", BODY), ("/any/path", BODY), ("/json", JSON_BODY)):
        connection.request("GET", path)
        assert connection.getresponse().read() == body
    connection.close()
    assert len(BODY) == 128
    assert [nginx.n_requests() - before for _ in range(3)] == [3, 3, 3]


def test_listens_by_tls_and_on_a_socket(start_nginx: Callable[..., Nginx]) -> None:
    """A server of the test's own speaks TLS under its own authority, and HTTP over a Unix socket."""
    server = start_nginx(processes=2, unix=True, tls=True, extra="location /gone { return 410; }")
    context = ssl.create_default_context(cafile=server.ca_file)
    connection = http.client.HTTPSConnection("localhost", server.tls_port, timeout=5, context=context)
    connection.request("GET", "/")
    assert connection.getresponse().read() == BODY
    connection.close()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(server.socket_path))
        raw.sendall(b"GET /gone HTTP/1.0\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 410 ")
    assert server.n_requests() == 2
    assert server.unix_url.startswith("http+unix://%2F")


def test_leaves_nothing_behind() -> None:
    """After its end there is no process, no port, no folder."""
    with Nginx() as server:
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
        assert len(family) == 2
    assert not any(process.is_running() for process in family)
    assert not server.directory.exists()
