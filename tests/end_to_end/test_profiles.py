"""Whatever the shape of the load, the run is exact to the iteration, and each second has what the profile says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hybridpress.load.words import parse_profile
from tests.end_to_end import stamps
from tests.load.test_arrivals import p_exponential
from tests.support import command
from tests.support.command import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]
NOTHING = "from hybridpress import Press\n\nclass Nothing(Press):\n    async def press(self):\n        pass\n"
PROFILES = [
    "constant(100, 3s)",
    "constant(20000, 3s)",
    "ramp(0, 4000, 3s)",
    "ramp(50000, 0, 2s)",
    "steps(100, 300, 3, 1s)",
    "spike(200, 5000, 1s, 500ms, 1500ms)",
    "sine(2000, 2000, 2s, 3s)",
    "constant(500, 1s) + constant(0, 1s) + ramp(0, 999, 1s)",
]


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    """A scenario that does nothing."""
    path = tmp_path / "nothing.py"
    path.write_text(NOTHING)
    return path


@pytest.mark.alone
@pytest.mark.parametrize("words", PROFILES)
def test_profiles_are_exact(nothing: Path, tmp_path: Path, words: str) -> None:
    """Over two workers: the whole to the iteration, each second within 0.5 % or 1 iteration."""
    profile = parse_profile(words)
    args = ["--profile", words, "--concurrent", "40", "--processes", "2"]
    ran = command.run(nothing, *args, json_file=tmp_path / "r.json")
    n = ran.found["iterations"]
    assert n["planned"] == n["started"] == n["completed"] == profile.n_arrivals(profile.duration_s)
    assert ran.found["qps"]["error_pct"] == pytest.approx(0, abs=0.05)
    for second in ran.found["intervals"]:
        t_s = second["at_s"]
        expected = profile.arrivals(t_s + 1) - profile.arrivals(t_s)
        # What is due at the very end may start a moment after it, in a second of its own.
        rate = expected if t_s < profile.duration_s else profile.rate(profile.duration_s)
        assert abs(second["started"] - expected) <= max(0.005 * rate, 1.5), (second, expected)


def test_stages_and_curves(nothing: Path, tmp_path: Path) -> None:
    """Stages begin at the rate of --qps; a curve comes from a file, scaled; both last as long as they say."""
    args = ["--qps", "100", "--stage", "1s:300", "--stage", "1s:300", "--concurrent", "4"]
    ran = command.run(nothing, *args, json_file=tmp_path / "r.json")
    assert ran.found["iterations"]["started"] == 500
    assert ran.found["duration_s"] == 2
    assert ran.found["config"]["profile"] == "100 → 300/s over 1 s, 300/s for 1 s"
    curve = tmp_path / "curve.csv"
    curve.write_text("seconds,rate\n0,10\n1,10\n1,30\n2,50\n")
    args = ["--rate-csv", str(curve), "--rate-scale", "10", "--concurrent", "4"]
    ran = command.run(nothing, *args, json_file=tmp_path / "r.json")
    started = [second["started"] for second in ran.found["intervals"]]
    assert sum(started) == 500
    # What is due at the end of a second may start in the next one on a busy machine.
    assert 90 <= started[0] <= 100


def test_a_profile_on_the_class(tmp_path: Path) -> None:
    """A class may say its profile by calls; the command line is stronger."""
    path = tmp_path / "shaped.py"
    path.write_text(
        "from hybridpress import Press, hold, ramp\n\nclass Shaped(Press):\n"
        "    profile = ramp(0, 200, '1s') + hold('1s')\n    async def press(self):\n        pass\n"
    )
    assert command.run(path, json_file=tmp_path / "r.json").found["iterations"]["started"] == 300
    ran = command.run(path, "--qps", "50", "--duration", "1s", json_file=tmp_path / "r.json")
    assert ran.found["iterations"]["started"] == 50


@pytest.mark.alone
def test_poisson_arrivals(tmp_path: Path) -> None:
    """Gaps are exponential, in each worker and in the whole box; the same seed starts as many again."""
    args = ["--qps", "200", "--duration", "8s", "--arrivals", "poisson", "--seed", "7", "--concurrent", "60"]
    counts = []
    for k, processes in enumerate(("2", "1")):
        folder = tmp_path / str(k)
        folder.mkdir()
        args_now = [*args, "--processes", processes, "--param", f"folder={folder}"]
        ran = command.run(Path(stamps.__file__), *args_now, json_file=tmp_path / "r.json")
        n = ran.found["iterations"]
        assert n["planned"] == n["started"] == len(stamps.read(folder))
        counts.append(n["started"])
        files = list(folder.iterdir())
        assert len(files) == int(processes)
        for share, started in [(1, stamps.read(folder)), *((len(files), stamps.of(file)) for file in files)]:
            gaps = np.diff(np.array(started)) * 200 / share / 1e9
            assert p_exponential(gaps) > 0.003
    assert counts[0] == counts[1], "the same seed, however many processes"


def test_slots_come_and_go(target_url: str, tmp_path: Path) -> None:
    """Unpaced, the number of slots follows its stages: so many are in flight at most, and the whole is what they do."""
    args = ["--slot-stage", "0s:4", "--slot-stage", "2s:4", "--slot-stage", "0s:12", "--slot-stage", "2s:12"]
    args += ["--host", target_url, "--param", "path=/delay/50", "--processes", "2"]
    ran = command.run(SCENARIOS / "http_get.py", *args, json_file=tmp_path / "r.json")
    n = ran.found["iterations"]
    assert n["started"] == n["completed"]
    assert [second["in_flight"] for second in ran.found["intervals"]][:1] == [4]
    first, second = ran.found["intervals"][0]["started"], ran.found["intervals"][3]["started"]
    assert 40 <= first <= 84, "4 slots of 50 ms: 80, and fewer where others use the machine too"
    assert 180 <= second <= 250, "12 slots of 50 ms"


@pytest.mark.parametrize(("late", "n_dropped"), [("drop", 200), ("wait", 100)])
def test_late_policies(target_url: str, tmp_path: Path, late: str, n_dropped: int) -> None:
    """Ten slots of 100 ms at 200/s: drop starts on time what it can, and counts the rest; wait lets all wait."""
    args = ["--host", target_url, "--param", "path=/delay/100", "--qps", "200", "--concurrent", "10", "--late", late]
    ran = command.run(SCENARIOS / "http_get.py", *args, "--duration", "2s", json_file=tmp_path / "r.json")
    n = ran.found["iterations"]
    assert n["planned"] == 400 == n["started"] + n["dropped"]
    assert n["dropped"] == pytest.approx(n_dropped, abs=50)
    if late == "drop":
        # Whoever waits is late by a second in the end; this is what a busy machine makes late.
        assert ran.found["lateness_ms"]["p50"] < 20
        assert ran.found["lateness_ms"]["p99"] < 300
        assert all(second["dropped"] > 60 for second in ran.found["intervals"][:2])
    else:
        assert ran.found["lateness_ms"]["p99"] > 500


def test_catching_up_is_bounded(target_url: str, tmp_path: Path) -> None:
    """After a stall of the server no second starts more than the factor allows, and all is started in the end."""
    scenario = tmp_path / "stalls.py"
    scenario.write_text(
        "from hybridpress import Press\n\nclass Stalls(Press):\n    n = 0\n    async def press(self):\n"
        "        Stalls.n += 1\n        await self.http.get('/stall?ms=1000' if Stalls.n == 200 else '/')\n"
    )
    args = ["--host", target_url, "--qps", "200", "--concurrent", "10", "--processes", "1", "--duration", "6s"]
    ran = command.run(scenario, *args, "--catch-up", "1.5", json_file=tmp_path / "r.json")
    seconds = [second["started"] for second in ran.found["intervals"]]
    assert sum(seconds) == 1_200, ran.found["events"]
    assert max(seconds) <= 200 * 1.5 + 10, seconds
    assert max(seconds) >= 280, seconds
    assert "iterations were held back while catching up" in ran.found["events"][-1]["text"]
