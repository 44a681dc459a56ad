"""What `bench/web.py` runs: iterations that cost next to nothing, in 50 steps in turn: much to tell of."""

from __future__ import annotations

from hybridpress import Press, check, step

N_STEPS = 50


class FiftySteps(Press):
    """No server: the workers' CPU goes into starting iterations."""

    def vocab(self) -> list[str]:
        return [f"step number {n} of the flow" for n in range(N_STEPS)]

    async def press(self, word: str) -> None:
        with step(word):
            check(word, "there is a word")
