"""Services whose types Apache's compiler wrote (`thrift --gen py`): their own client writes and reads, we carry.

A generated client writes a call with `send_NAME` and reads the reply with `recv_NAME`, both on a transport; here that
is memory. So any generated code works as it is, at the speed of Apache's library.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from hybridpress.clients.thrift.codec import IncompleteError, unlawful
from hybridpress.clients.thrift.connection import Declared
from hybridpress.clients.thrift.method import application_error
from hybridpress.errors import ProtocolError, RequestError, SequenceError

if TYPE_CHECKING:
    from hybridpress.clients.thrift.client import ThriftOptions


_MAX_LENGTH: Final = (1 << 31) - 1


def is_generated(source: Any) -> bool:
    """Whether *source* is a service module of Apache's compiler, or the Client class in it."""
    client = getattr(source, "Client", None) if isinstance(source, ModuleType) else source
    return inspect.isclass(client) and hasattr(client, "__init__") and _sends(client) != []


def _sends(client: type) -> list[str]:
    return [name.removeprefix("send_") for name in dir(client) if name.startswith("send_")]


class GeneratedService:
    """A service by its generated module."""

    def __init__(self, source: Any, options: ThriftOptions) -> None:
        self._client_type = source.Client if isinstance(source, ModuleType) else source
        self.name: str = self._client_type.__module__.rpartition(".")[2]
        self.methods = frozenset(_sends(self._client_type))
        self._options = options

    def method(self, name: str) -> GeneratedMethod:
        return GeneratedMethod(self._client_type, f"{self.name}.{name}", self._options)


class GeneratedMethod:
    """One method, by the generated client."""

    def __init__(self, client_type: Any, name: str, options: ThriftOptions) -> None:
        service, _, method = name.rpartition(".")
        self.name = name
        self._client_type = client_type
        self._options = options
        self._prefix = service if options.multiplexed is True else options.multiplexed
        self._send = f"send_{method}"
        self._receive = f"recv_{method}"
        self.is_oneway = not hasattr(client_type, self._receive)
        signature = inspect.signature(getattr(client_type, method))
        self._names = [parameter for parameter in signature.parameters if parameter != "self"]

    def encode(self, sequence: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The call as a message; raises as `Method.encode` does."""
        from thrift.transport.TTransport import TMemoryBuffer

        memory = TMemoryBuffer()
        client = self._client_type(self._protocol(memory, multiplexed=True))
        client._seqid = sequence  # noqa: SLF001  # generated code has no other door for it
        try:
            getattr(client, self._send)(*args, **kwargs)
        except Exception as error:  # of many kinds, as the value or the protocol has it
            takes = ", ".join(self._names) or "no arguments"
            raise RequestError(f"{self.name}() cannot be sent; it takes {takes}", str(error)) from error
        data: bytes = memory.getvalue()
        return data

    def decode(self, data: bytes, sequence: int) -> Any:
        """The outcome that a reply tells; see `Method.decode`."""
        from thrift.Thrift import TApplicationException, TException
        from thrift.transport.TTransport import TMemoryBuffer, TTransportException

        try:
            if self._options.protocol == "json":
                from hybridpress.clients.thrift.json import loaded

                loaded(data)  # Apache's reader does not tell where it ends
            answered = self._protocol(TMemoryBuffer(data)).readMessageBegin()[2]
            client = self._client_type(self._protocol(TMemoryBuffer(data)))
            value = getattr(client, self._receive)()
        except TApplicationException as refusal:
            value = application_error(self.name, refusal.type, refusal.message)
        except ProtocolError as error:
            return error
        except (EOFError, IncompleteError, TTransportException):
            raise IncompleteError from None
        except TException as error:
            if type(error).__module__.startswith("thrift."):
                return unlawful(str(error))
            value = Declared(error)
        except Exception as error:  # noqa: BLE001  # the bytes may be anything
            return unlawful(f"{type(error).__name__}: {error}")
        if answered != sequence:
            return SequenceError(
                "the reply answers another call", f"its number is {answered}, the call's is {sequence}"
            )
        return value

    def told(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The call as text, for people."""
        given = [repr(value) for value in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
        return f"{self.name}({', '.join(given)})".encode()

    def _protocol(self, memory: Any, *, multiplexed: bool = False) -> Any:
        from thrift.protocol import TBinaryProtocol, TCompactProtocol, TJSONProtocol
        from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol

        # What is too long has been refused by its frame; Apache's own limit is 16 MB.
        limits = {"string_length_limit": _MAX_LENGTH, "container_length_limit": _MAX_LENGTH}
        if self._options.protocol == "json":
            protocol: Any = TJSONProtocol.TJSONProtocol(memory)
        elif self._options.protocol == "compact":
            protocol = TCompactProtocol.TCompactProtocolAccelerated(memory, **limits)
        else:
            strict = self._options.strict
            kind = TBinaryProtocol.TBinaryProtocolAccelerated if strict else TBinaryProtocol.TBinaryProtocol
            protocol = kind(memory, strictRead=strict, strictWrite=strict, **limits)
        return TMultiplexedProtocol(protocol, self._prefix) if multiplexed and self._prefix else protocol
