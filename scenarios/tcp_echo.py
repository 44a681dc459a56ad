"""Ask over plain TCP, a line at a time, and check the answer.

    hybridpress target --tcp-port 7000 &
    hybridpress run scenarios/tcp_echo.py --qps 500 --duration 10s

An answer ends at a line's end here; `exactly=8` is for one of 8 bytes, `prefix=4` for one with its length before it.
`--param port=7001` is for another port.
"""

from collections.abc import Iterator

from hybridpress import Press, check


class TcpEcho(Press):
    def vocab(self) -> Iterator[bytes]:
        for number in range(100):
            yield b"order %d\n" % number

    async def start(self) -> None:
        self.echo = self.tcp("127.0.0.1", int(self.params.get("port", 7000)))

    async def press(self, word: bytes) -> None:
        answer = await self.echo.ask(word, until=b"\n", name="order")
        check(answer == word, "what came back is what was sent")


if __name__ == "__main__":
    TcpEcho(qps=100, concurrent=10, duration="10s").run()
