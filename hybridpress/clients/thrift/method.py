"""One method of a service: arguments to bytes, bytes to a result. Knows no connection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from thriftpy2.thrift import TApplicationException

from hybridpress.clients.thrift.codec import CALL, EXCEPTION, ONEWAY, REPLY, BinaryCodec, Codec, codec
from hybridpress.clients.thrift.connection import Declared
from hybridpress.clients.thrift.idl import service_of
from hybridpress.errors import ProtocolError, RequestError, SequenceError, ThriftApplicationError

if TYPE_CHECKING:
    from hybridpress.clients.thrift.client import ThriftOptions

_KINDS: Final = {
    0: "unknown",
    1: "unknown method",
    2: "invalid message type",
    3: "wrong method name",
    4: "bad sequence id",
    5: "missing result",
    6: "internal error",
    7: "protocol error",
    8: "invalid transform",
    9: "invalid protocol",
    10: "unsupported client type",
}
MISSING_RESULT: Final = 5


class IdlService:
    """A service by its IDL, with thriftpy2's types."""

    def __init__(self, source: Any, name: str | None, near: Path | None, options: ThriftOptions) -> None:
        self._service = service_of(source, name, near)
        self._codec = codec(options.protocol, strict=options.strict)
        self.name: str = self._service.__name__
        self.methods = frozenset(self._service.thrift_services)
        shared = options.multiplexed
        self._prefix = f"{self.name if shared is True else shared}:" if shared else ""

    def method(self, name: str) -> Method:
        return Method(self._service, name, self._codec, self._prefix)


class Method:
    """A method of a thriftpy2 service. *prefix* is the service's name and a colon where services are multiplexed."""

    __slots__ = (
        "_args_type",
        "_binary",
        "_codec",
        "_has_result",
        "_kind",
        "_likely",
        "_names",
        "_required",
        "_result_type",
        "_wire_name",
        "is_oneway",
        "name",
    )

    def __init__(self, service: Any, name: str, codec: Codec, prefix: str = "") -> None:
        self.name = f"{service.__name__}.{name}"
        self._wire_name = prefix + name
        self._codec = codec
        self._args_type = getattr(service, f"{name}_args")
        self._result_type = getattr(service, f"{name}_result")
        self.is_oneway: bool = self._result_type.oneway
        self._kind = ONEWAY if self.is_oneway else CALL
        fields = self._args_type.thrift_spec.values()
        self._names = [field[1] for field in fields]
        self._required = [field[1] for field in fields if field[-1]]
        results = [field[1] for field in self._result_type.thrift_spec.values()]
        self._has_result = "success" in results
        # What comes before the number of a reply is mostly known, and need not be taken apart: 0.3 µs a call.
        self._likely = b""
        if isinstance(codec, BinaryCodec) and codec.strict and not prefix:
            self._binary = codec
            self._likely = codec.write(name, REPLY, 0, self._result_type())[:-5]

    def encode(self, sequence: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The call as a message.

        Raises:
            RequestError: the arguments are not those of the method.
        """
        try:
            struct = self._args_type(*args, **kwargs)
        except TypeError as error:
            takes = ", ".join(self._names) or "no arguments"
            given = [repr(value) for value in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
            raise RequestError(f"{self.name}() takes {takes}", f"got ({', '.join(given)})") from error
        for name in self._required:
            if getattr(struct, name) is None:
                raise RequestError(f"{self.name}() needs {name}: the IDL says it is required")
        try:
            return self._codec.write(self._wire_name, self._kind, sequence, struct)
        except Exception as error:  # of many kinds, as the value or the protocol has it
            raise RequestError(f"an argument of {self.name}() cannot be sent", str(error)) from error

    def decode(self, data: bytes, sequence: int) -> Any:
        """The outcome that a reply tells: the result, a `Declared` exception, or a ClientError.

        Raises:
            IncompleteError: the reply is not whole.
        """
        likely = self._likely
        try:
            if not likely or not data.startswith(likely):
                return self._decode(data, sequence)
            n_head = len(likely) + 4
            if data[n_head - 4 : n_head] != sequence.to_bytes(4):
                return self._decode(data, sequence)
            result = self._result_type()
            self._binary.read_bare(data[n_head:], result)
        except ProtocolError as error:
            return error
        return self._meaning(result)

    def _decode(self, data: bytes, sequence: int) -> Any:
        name, kind, answered = self._codec.read_head(data)
        if kind == EXCEPTION:
            refusal = TApplicationException()
            self._codec.read_struct(refusal)
            if answered != sequence:
                return self._other(answered, sequence)
            return application_error(self.name, refusal.type, refusal.message)
        if kind != REPLY or name not in {self._wire_name, self._wire_name.rpartition(":")[2]}:
            return ProtocolError("the reply is not lawful Thrift", f"it is of type {kind}, for the method {name!r}")
        result = self._result_type()
        self._codec.read_struct(result)
        if answered != sequence:
            return self._other(answered, sequence)
        return self._meaning(result)

    def _meaning(self, result: Any) -> Any:
        if self._has_result and result.success is not None:
            return result.success
        for name, value in result.__dict__.items():
            if name != "success" and value is not None:
                return Declared(value)
        if self._has_result:
            return application_error(self.name, MISSING_RESULT, None)
        return None

    def _other(self, answered: int, sequence: int) -> SequenceError:
        return SequenceError("the reply answers another call", f"its number is {answered}, the call's is {sequence}")

    def told(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The call as text, for people."""
        given = [f"{name}={value!r}" for name, value in zip(self._names, args, strict=False)]
        given += [f"{name}={value!r}" for name, value in kwargs.items()]
        return f"{self.name}({', '.join(given)})".encode()


def application_error(name: str, kind: int, message: str | None) -> ThriftApplicationError:
    """The error for a server's answer that it could not do the call."""
    return ThriftApplicationError(f"{name}: {_KINDS.get(kind, f'kind {kind}')}", message or "", kind=kind)
