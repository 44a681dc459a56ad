"""Press a Redis with its own asyncio client: each command is a step.

    redis-server --port 6379 &
    hybridpress run scenarios/redis_get.py --qps 500 --duration 10s

`--param port=6380` is for another port. Needs `pip install redis`. Any asyncio client is pressed so: opened in
start(), each call inside a step(), closed in stop().
"""

from collections.abc import Iterator

from redis.asyncio import Redis

from hybridpress import Press, check, step


class RedisGet(Press):
    def vocab(self) -> Iterator[tuple[str, str]]:
        for number in range(100):
            yield f"key-{number}", f"value {number}"

    async def start(self) -> None:
        self.redis = Redis(host="127.0.0.1", port=int(self.params.get("port", 6379)))

    async def press(self, word: tuple[str, str]) -> None:
        key, value = word
        async with step("SET"):
            await self.redis.set(key, value)
        async with step("GET"):
            found = await self.redis.get(key)
        check(found == value.encode(), "what was set is found")

    async def stop(self) -> None:
        await self.redis.aclose()


if __name__ == "__main__":
    RedisGet(qps=100, concurrent=10, duration="10s").run()
