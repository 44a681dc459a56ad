"""Every error that hybridpress raises by itself, and the exit code it stands for.

Two families: what ends a run (`HybridpressError`: bad usage, a bad scenario, a broken run), and what one
exchange with the server may meet (`ClientError`: data, counted and shown, never an exit).
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_DONE = 0
EXIT_BROKEN = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_THRESHOLD = 99
EXIT_INTERRUPTED = 130


class HybridpressError(Exception):
    """The run cannot go on. `str()` is the one message shown; `exit_code` is what the command returns."""

    exit_code = EXIT_BROKEN


class UsageError(HybridpressError):
    """Bad usage: nothing was sent. Holds every mistake found, so that all are told at once."""

    exit_code = EXIT_USAGE

    def __init__(self, mistakes: Sequence[str] | str) -> None:
        self.mistakes = [mistakes] if isinstance(mistakes, str) else list(mistakes)
        super().__init__("\n".join(self.mistakes))


class ScenarioError(UsageError):
    """The scenario file, its class or its word table cannot be used."""


class RunError(HybridpressError):
    """The run broke: no worker is left, or none could start."""


class InterruptedRunError(HybridpressError):
    """The user ended the run before its load began."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted before the load began")


class ClientError(Exception):
    """One exchange with the server failed.

    `str()` is the whole story with its facts (address, time, bytes); `summary` is the same without what
    changes from one failure to the next, so that failures can be grouped.
    """

    def __init__(self, summary: str, detail: str = "") -> None:
        self.summary = summary
        super().__init__(f"{summary}: {detail}" if detail else summary)


class ConnectError(ClientError, ConnectionError):
    """No connection could be had: refused, unreachable, no such host."""


class TLSError(ConnectError):
    """The TLS handshake failed, or the certificate is not trusted."""


class RequestTimeoutError(ClientError, TimeoutError):
    """The exchange (connecting included) was not done within its time."""


class PressTimeoutError(ClientError, TimeoutError):
    """A blocking press() was not done within its time. Its thread cannot be stopped: its slot waits for it."""


class TableChangedError(ClientError, ValueError):
    """A word cannot be read any more, as it could when its table was built: the file is another, or was cut short."""

    def __init__(self, name: str, index: int, why: str) -> None:
        super().__init__(f"{name} was changed during the run", f"word {index} cannot be read: {why}")


class ConnectionClosedError(ClientError, ConnectionError):
    """The server closed the connection before its reply was complete."""


class ProtocolError(ClientError):
    """What the server sent is not lawful in its protocol."""


class BodyTooLargeError(ClientError):
    """The reply's body is over the limit that was set."""


class TooManyRedirectsError(ClientError):
    """More redirects than were allowed."""


class RequestError(ClientError, ValueError):
    """The request cannot be made from what the scenario gave: a bad URL, a header with a line break."""


class StatusError(ClientError):
    """The reply's status says failure (400 and above) and the scenario did not expect it.

    Counted, not raised: the scenario gets its reply.
    """


class FrameTooLargeError(ClientError):
    """A frame or a message of the reply says that it is longer than the limit."""


class SequenceError(ProtocolError):
    """The reply carries another sequence number than the call: it answers something else."""


class ThriftApplicationError(ClientError):
    """The Thrift server answered that it could not do the call: unknown method, missing result, internal error.

    `kind` is the number of that kind in Thrift's own table. Exceptions that the IDL declares are raised as themselves.
    """

    def __init__(self, summary: str, detail: str = "", *, kind: int = 0) -> None:
        super().__init__(summary, detail)
        self.kind = kind


class DatagramLostError(RequestTimeoutError):
    """No datagram came back in time: the question was lost, or the answer."""


class WebSocketClosedError(ConnectionClosedError):
    """The server closed the WebSocket, and said why: `code` is that of RFC 6455."""

    def __init__(self, summary: str, detail: str = "", *, code: int = 1000) -> None:
        super().__init__(summary, detail)
        self.code = code


class GrpcError(ClientError):
    """A gRPC call ended with another status than OK; `code` is its name, such as "UNAVAILABLE"."""

    def __init__(self, summary: str, detail: str = "", *, code: str = "UNKNOWN") -> None:
        super().__init__(summary, detail)
        self.code = code
