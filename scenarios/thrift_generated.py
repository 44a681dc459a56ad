"""Call a Thrift service by what Apache's compiler generated: async over our connections, or blocking over Apache's.

    hybridpress target --thrift-port 9090 &
    thrift --gen py calculator.thrift
    hybridpress run scenarios/thrift_generated.py:Generated --qps 500 --duration 10s
    hybridpress run scenarios/thrift_generated.py:Blocking --qps 500 --duration 10s

The compiler (on Debian: `apt-get install thrift-compiler`) writes the folder `gen-py`, which is looked for beside this
file. `--param port=9091` is for another port. Needs `pip install 'hybridpress[thrift]' thrift`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("gen-py")))

from calculator import Calculator
from calculator.ttypes import InvalidOperation, Operation, Work
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TFramedTransport, TTransportException

from hybridpress import Press, check, step


def words() -> Iterator[tuple[int, int]]:
    for number in range(100):
        yield number * 7, number % 5


class Generated(Press):
    """Apache's code writes and reads the messages, hybridpress carries them: as fast as it gets with that code."""

    vocab = staticmethod(words)

    async def start(self) -> None:
        self.calc = self.thrift(Calculator, port=int(self.params.get("port", 9090)))

    async def press(self, word: tuple[int, int]) -> None:
        left, right = word
        check(await self.calc.add(left, right) == left + right, "the sum is right")
        try:
            quotient = await self.calc.calculate(Work(left, right, Operation.DIVIDE))
        except InvalidOperation:
            check(right == 0, "only a division by zero is refused")
        else:
            check(quotient == left // right, "the quotient is right")


class Blocking(Press):
    """Apache's sockets too, as in an SDK: press() blocks, and so it runs in a thread of its slot. Calls are steps by
    `step()`.
    """

    vocab = staticmethod(words)

    def start(self) -> None:
        socket = TSocket("127.0.0.1", int(self.params.get("port", 9090)))
        socket.setTimeout(5000)
        self.transport = TFramedTransport(socket)
        self.calc = Calculator.Client(TBinaryProtocolAccelerated(self.transport))

    def press(self, word: tuple[int, int]) -> None:
        left, right = word
        try:
            if not self.transport.isOpen():
                with step("connect"):
                    self.transport.open()
            with step("add"):
                total = self.calc.add(left, right)
            check(total == left + right, "the sum is right")
            with step("calculate"):
                self.divide(left, right)
        except (TTransportException, OSError):
            self.transport.close()  # the next iteration connects anew
            raise

    def divide(self, left: int, right: int) -> None:
        try:
            quotient = self.calc.calculate(Work(left, right, Operation.DIVIDE))
        except InvalidOperation:
            check(right == 0, "only a division by zero is refused")
        else:
            check(quotient == left // right, "the quotient is right")

    def stop(self) -> None:
        self.transport.close()


if __name__ == "__main__":
    Generated(qps=100, concurrent=10, duration="10s").run()
