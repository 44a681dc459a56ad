"""A press that costs next to nothing and has 50 steps: what is measured beside it is the coordinator."""

from hybridpress import Press, check, step

NAMES = [f"GET /page/{number}" for number in range(50)]


class ManySteps(Press):
    def vocab(self) -> list[str]:
        return NAMES

    async def press(self, word: str) -> None:
        with step(word):
            pass
        check(bool(word), "there is a word")
