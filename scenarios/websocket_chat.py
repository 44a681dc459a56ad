"""Hold a WebSocket in each slot, and say something over it in each iteration.

    hybridpress target --websocket-port 8081 &
    hybridpress run scenarios/websocket_chat.py --qps 500 --concurrent 50 --duration 10s

`--param port=8082` is for another port.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack

from hybridpress import Press, check


class WebSocketChat(Press):
    def vocab(self) -> Iterator[dict[str, object]]:
        for number in range(100):
            yield {"room": number % 7, "say": f"line {number}"}

    async def start(self) -> None:
        self.held = AsyncExitStack()
        port = int(self.params.get("port", 8081))
        self.ws = await self.held.enter_async_context(self.websocket(f"ws://127.0.0.1:{port}/chat", name="chat"))

    async def press(self, word: dict[str, object]) -> None:
        answer = await self.ws.ask_json({**word, "slot": self.slot})
        check(answer["say"] == word["say"], "what came back is what was said")

    async def stop(self) -> None:
        await self.held.aclose()


if __name__ == "__main__":
    WebSocketChat(qps=100, concurrent=10, duration="10s").run()
