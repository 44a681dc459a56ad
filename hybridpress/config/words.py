"""What each iteration is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from hybridpress.config.knob import Knob, knob
from hybridpress.load.words import one_of
from hybridpress.settings import parse_params, parse_seed
from hybridpress.vocab import policy


@dataclass(frozen=True, kw_only=True)
class WordSettings:
    """What each iteration is given."""

    params: dict[str, Any] = knob(
        {},
        Knob(
            "param",
            parse_params,
            "A parameter of the scenario, in self.params; may be repeated.",
            "KEY=VALUE",
            is_repeated=True,
        ),
    )
    seed: int | None = knob(
        None, Knob("seed", parse_seed, "Seed of what is drawn at random, such as words.", "N", "a new one each run")
    )
    draw: str = knob(
        "random",
        Knob(
            "draw",
            one_of(*get_args(policy.Name)),
            "How words are drawn: random, sequential, shuffle, partitioned, per_slot, once.",
            "HOW",
            "random",
        ),
    )
    exhausted: str | None = knob(
        None,
        Knob(
            "exhausted",
            one_of(*get_args(policy.Exhausted)),
            "After the last word: recycle (begin again), stop (end the run), fail (end it, and exit with 1).",
            "WHAT",
            "recycle; with --draw once stop",
        ),
    )
    lost_words: str = knob(
        "report",
        Knob(
            "lost_words",
            one_of(*get_args(policy.InFlight)),
            "Words that a killed worker was at, where each is used once: report them, or draw them again.",
            "report|again",
            "report",
        ),
    )
