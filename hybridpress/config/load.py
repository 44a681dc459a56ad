"""What is pressed, how much is started, when, and until when."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.config.knob import Knob, knob
from hybridpress.load.profile import Profile
from hybridpress.load.words import Csv, one_of, parse_catch_up, parse_profile, parse_scale, parse_words
from hybridpress.settings import parse_csv, parse_host
from hybridpress.units import parse_count, parse_duration_s, parse_rate_per_s


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """What is pressed, how much is started, when, and until when."""

    host: str | None = knob(
        None,
        Knob(
            "host", parse_host, "What the scenario's URLs are relative to: http://…, https://…, http+unix://….", "URL"
        ),
    )
    qps: float | None = knob(
        None,
        Knob(
            "qps",
            parse_rate_per_s,
            "Iterations started a second, over all processes: 500, 2.5k, 30/m. Left out: as fast as the slots go.",
            "RATE",
            "unpaced",
        ),
    )
    stages: tuple[str, ...] = knob(
        (),
        Knob(
            "stage",
            parse_words,
            "Over TIME go straight from the rate before to RATE; may be repeated. The first begins at --qps, or at 0.",
            "TIME:RATE",
            is_repeated=True,
        ),
    )
    profile: Profile | None = knob(
        None,
        Knob(
            "profile",
            parse_profile,
            'The rate over time, as a sum of calls: "ramp(0, 500, 1m) + hold(5m)". See "Load" below.',
            "WORDS",
        ),
    )
    rate_csv: Csv | None = knob(
        None,
        Knob("rate_csv", parse_csv, "The rate over time, from a CSV file with rows of seconds,rate.", "FILE"),
    )
    rate_scale: float = knob(
        1.0, Knob("rate_scale", parse_scale, "Multiply the rates of --rate-csv by this.", "FACTOR", "1")
    )
    arrivals: str = knob(
        "uniform",
        Knob(
            "arrivals",
            one_of("uniform", "poisson"),
            "uniform: evenly; poisson: at random, as users who know nothing of one another; --seed repeats it.",
            "KIND",
            "uniform",
        ),
    )
    late: str = knob(
        "wait",
        Knob(
            "late",
            one_of("wait", "drop"),
            "What is due while all slots are busy: wait starts it later, drop leaves it out; both are counted.",
            "POLICY",
            "wait",
        ),
    )
    catch_up: float | None = knob(
        None,
        Knob(
            "catch_up", parse_catch_up, "A plan that is late goes at most so many times its rate.", "FACTOR", "no limit"
        ),
    )
    duration_s: float | None = knob(
        None, Knob("duration", parse_duration_s, "How long iterations are started: 300ms, 30s, 1h30m.", "TIME", "30s")
    )
    iterations: int | None = knob(
        None, Knob("iterations", parse_count, "Start exactly so many iterations, instead of --duration.", "N")
    )
