"""Call a Thrift service: sums, a struct, and an exception that the IDL declares.

    hybridpress target --thrift-port 9090 &
    hybridpress run scenarios/thrift_calculator.py --qps 500 --duration 10s

calculator.thrift stands beside this file. `--param port=9091` is for another port, `--param transport=buffered` and
`--param protocol=compact` for other ways to speak. Needs `pip install 'hybridpress[thrift]'`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import thriftpy2

from hybridpress import Press, check

calculator: Any = thriftpy2.load(str(Path(__file__).with_name("calculator.thrift")))


class ThriftCalculator(Press):
    def vocab(self) -> Iterator[dict[str, int]]:
        for number in range(100):
            yield {"left": number * 7, "right": number % 5}

    async def start(self) -> None:
        self.calc = self.thrift(
            calculator.Calculator,
            port=int(self.params.get("port", 9090)),
            transport=self.params.get("transport", "framed"),
            protocol=self.params.get("protocol", "binary"),
        )

    async def press(self, word: dict[str, int]) -> None:
        left, right = word["left"], word["right"]
        check(await self.calc.add(left, right) == left + right, "the sum is right")
        work = calculator.Work(left, right, calculator.Operation.DIVIDE)
        try:
            quotient = await self.calc.calculate(work)
        except calculator.InvalidOperation:
            check(right == 0, "only a division by zero is refused")
        else:
            check(quotient == left // right, "the quotient is right")


if __name__ == "__main__":
    ThriftCalculator(qps=100, concurrent=10, duration="10s").run()
