"""A receiver of OTLP over HTTP, and of whatever else is posted: it keeps all that it is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Listens while it is entered. *status* is what it answers; *is_stuck*: it never does."""

    def __init__(self, status: int = 200, *, is_stuck: bool = False) -> None:
        self.status = status
        self.posted: list[tuple[str, bytes, dict[str, str]]] = []
        """Path, body and headers, as they came."""
        self._let_go = threading.Event()
        if not is_stuck:
            self._let_go.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.posted.append((self.path, body, headers))
                collector._let_go.wait()
                self.send_response(collector.status)
                self.end_headers()
                if collector.status >= 400:
                    self.wfile.write(b"no such bucket")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def bodies(self, path: str) -> list[bytes]:
        return [body for at, body, _ in self.posted if at == path]

    def spans(self) -> Iterator[Any]:
        for body in self.bodies("/v1/traces"):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans

    def metrics(self) -> dict[str, Any]:
        """The figures that came last, by name."""
        found = {}
        for body in self.bodies("/v1/metrics"):
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    found.update({metric.name: metric for metric in scope.metrics})
        return found
