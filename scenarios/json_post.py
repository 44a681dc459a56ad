"""POST a JSON body and check the reply, in named steps.

    hybridpress target &
    hybridpress run scenarios/json_post.py --host http://127.0.0.1:8080 --qps 500 --duration 10s

`--param size=4096` makes the body so many characters longer.
"""

from collections.abc import Iterator
from typing import Any

from hybridpress import Press, check, step


class JsonPost(Press):
    host = "http://127.0.0.1:8080"

    def vocab(self) -> Iterator[dict[str, Any]]:
        filling = "x" * int(self.params.get("size", 100))
        for number in range(100):
            yield {"order": number, "items": [number, number + 1], "note": filling}

    async def press(self, word: dict[str, Any]) -> None:
        reply = await self.http.post("/echo", json=word, name="post order")
        with step("read reply"):
            came_back = reply.json()
        check(came_back == word, "what came back is what was sent")


if __name__ == "__main__":
    JsonPost(qps=100, concurrent=10, duration="10s").run()
