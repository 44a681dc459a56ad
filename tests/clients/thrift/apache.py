"""A server of everything.thrift that is Apache's: its library, and code that its compiler wrote."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from thrift.protocol import TBinaryProtocol, TCompactProtocol, TJSONProtocol
from thrift.server.THttpServer import THttpServer
from thrift.TMultiplexedProcessor import TMultiplexedProcessor
from thrift.transport import TSocket, TTransport

IDL = Path(__file__).with_name("everything.thrift")


def generate(folder: Path) -> tuple[ModuleType, ModuleType]:
    """Have Apache's compiler write Python into *folder*; the modules of the service and of its types."""
    subprocess.run(["thrift", "--gen", "py", "-out", folder, IDL], check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    try:
        import everything.Everybody  # type: ignore[import-not-found]
        import everything.ttypes  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    return everything.Everybody, everything.ttypes


class Handler:
    """What the service does."""

    def __init__(self, types: Any) -> None:
        self._types = types
        self._notes = 0

    def ping(self) -> None:
        pass

    def echo(self, value: Any) -> Any:
        return value

    def add(self, a: int, b: int) -> int:
        return a + b

    def refuse(self, how: int) -> str:
        if how == 1:
            raise self._types.Refused("as asked")
        if how == 2:
            raise self._types.TooMuch(9)
        if how == 3:
            raise ValueError("not declared")
        return "fine"

    def blob(self, size: int) -> bytes:
        return bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    def note(self, text: str) -> None:
        self._notes += 1

    def notes(self) -> int:
        return self._notes

    def sleep(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def nothing(self) -> None:
        """Against the IDL, which says a string."""


def protocol_factory(protocol: str, *, strict: bool = True) -> Any:
    """Apache's factory for one of our names."""
    if protocol == "json":
        return TJSONProtocol.TJSONProtocolFactory()
    if protocol == "compact":
        return TCompactProtocol.TCompactProtocolFactory()
    return TBinaryProtocol.TBinaryProtocolFactory(strictRead=strict, strictWrite=strict)


@contextmanager
def serving(
    service: Any,
    types: Any,
    transport: str,
    protocol: str,
    *,
    strict: bool = True,
    multiplexed: str = "",
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Serve in threads of this process; the port."""
    processor: Any = service.Processor(Handler(types))
    if multiplexed:
        shared = TMultiplexedProcessor()
        shared.registerProcessor(multiplexed, processor)
        processor = shared
    factory = protocol_factory(protocol, strict=strict)
    if transport == "http":
        server = THttpServer(processor, ("127.0.0.1", 0), factory)
        thread = threading.Thread(target=server.httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.httpd.server_address[1]
        finally:
            server.httpd.shutdown()
            thread.join()
            server.httpd.server_close()
        return
    wrap = TTransport.TFramedTransport if transport == "framed" else TTransport.TBufferedTransport
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def talk(end: socket.socket) -> None:
            try:
                if tls is not None:
                    end = tls.wrap_socket(end, server_side=True)
                    ends.append(end)
                handle = TSocket.TSocket()
                handle.setHandle(end)
                trans = wrap(handle)
                mine = factory.getProtocol(trans)
                while True:
                    processor.process(mine, mine)
            except (TTransport.TTransportException, OSError, EOFError):
                pass
            finally:
                end.close()

        def accept() -> None:
            while True:
                try:
                    end = listener.accept()[0]
                except OSError:
                    return
                ends.append(end)
                threads.append(threading.Thread(target=talk, args=(end,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for end in ends:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
            for thread in threads:
                thread.join()
