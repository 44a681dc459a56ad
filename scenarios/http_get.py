"""The smallest scenario: one GET a turn.

    hybridpress target &
    hybridpress run scenarios/http_get.py --host http://127.0.0.1:8080 --qps 500 --duration 10s

Without --qps it goes as fast as its slots allow. `--param path=/json` asks for something else than `/`.
"""

from hybridpress import Press, check


class HttpGet(Press):
    host = "http://127.0.0.1:8080"

    async def start(self) -> None:
        self.path = self.params.get("path", "/")

    async def press(self) -> None:
        reply = await self.http.get(self.path)
        check(reply.status == 200, "status is 200")


if __name__ == "__main__":
    HttpGet(qps=100, concurrent=10, duration="10s").run()
