"""Call a gRPC method, one message and one reply, and check it.

    hybridpress target --grpc-port 50051 &
    hybridpress run scenarios/grpc_unary.py --qps 500 --duration 10s

The messages of the target's service are plain bytes, and so its stub stands here. One that grpcio-tools generated goes
the same way: `self.grpc(greeter_pb2_grpc.GreeterStub, …)`. `--param port=50052` is for another port.
Needs `pip install 'hybridpress[grpc]'`.
"""

from collections.abc import Iterator
from typing import Any

from hybridpress import Press, check


class EchoStub:
    def __init__(self, channel: Any) -> None:
        self.Say = channel.unary_unary("/hybridpress.Echo/Say", request_serializer=None, response_deserializer=None)


class GrpcUnary(Press):
    def vocab(self) -> Iterator[bytes]:
        for number in range(100):
            yield b"message %d" % number

    async def start(self) -> None:
        port = int(self.params.get("port", 50051))
        self.echo = self.grpc(EchoStub, f"127.0.0.1:{port}")

    async def press(self, word: bytes) -> None:
        reply = await self.echo.Say(word)
        check(reply == word, "what came back is what was sent")


if __name__ == "__main__":
    GrpcUnary(qps=100, concurrent=10, duration="10s").run()
