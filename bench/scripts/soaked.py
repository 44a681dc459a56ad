"""What a soak presses with: mostly plain requests, and a few of all that goes wrong in an hour."""

from hybridpress import Press, check

PATHS = ["/", "/json", "/bytes/4000", "/delay/1"] * 24 + ["/status/500", "/close", "/reset", "/delay/40"]


class Soaked(Press):
    """Of 100 requests one fails, one loses its connection, one is never answered, and one is slow."""

    def vocab(self) -> list[str]:
        return PATHS

    async def press(self, word: str) -> None:
        reply = await self.http.get(word, name=word)
        check(reply.status == 200, "status is 200")
