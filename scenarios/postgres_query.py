"""Press a PostgreSQL with asyncpg: each query is a step, and each slot holds a connection.

    hybridpress run scenarios/postgres_query.py --param dsn=postgresql://me@127.0.0.1/mine --qps 500 --duration 10s

Needs `pip install asyncpg`.
"""

from collections.abc import Iterator

import asyncpg

from hybridpress import Press, check, step


class PostgresQuery(Press):
    def vocab(self) -> Iterator[int]:
        yield from range(100)

    async def start(self) -> None:
        self.database = await asyncpg.connect(self.params.get("dsn", "postgresql://postgres@127.0.0.1/postgres"))
        self.squares = await self.database.prepare("select $1::int * $1::int")

    async def press(self, word: int) -> None:
        async with step("square"):
            found = await self.squares.fetchval(word)
        check(found == word * word, "the square is right")

    async def stop(self) -> None:
        await self.database.close()


if __name__ == "__main__":
    PostgresQuery(qps=100, concurrent=10, duration="10s").run()
