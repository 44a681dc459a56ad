"""Ask over UDP, and count what is lost.

    hybridpress target --udp-port 7001 &
    hybridpress run scenarios/udp_echo.py --qps 500 --duration 10s

A datagram that is not answered within half a second fails its iteration with `DatagramLostError`, and so the result
tells how many were lost. `--param port=7002` is for another port.
"""

from collections.abc import Iterator

from hybridpress import Press, check


class UdpEcho(Press):
    def vocab(self) -> Iterator[bytes]:
        for number in range(100):
            yield b"%d: is anybody there?" % number

    async def start(self) -> None:
        self.echo = self.udp("127.0.0.1", int(self.params.get("port", 7001)), timeout=0.5)

    async def press(self, word: bytes) -> None:
        number, colon, _ = word.partition(b":")
        # With `matches`, what answers another question is passed over.
        answer = await self.echo.ask(word, matches=lambda data: data.startswith(number + colon), name="question")
        check(answer == word, "what came back is what was sent")


if __name__ == "__main__":
    UdpEcho(qps=100, concurrent=10, duration="10s").run()
