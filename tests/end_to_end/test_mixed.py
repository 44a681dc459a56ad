"""Several presses at once, in whole runs: the shares of what starts, and of what the server was asked for."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from hybridpress.target import Target
from tests.support import command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

THREE = """
    import asyncio
    from hybridpress import MixedPress, Press, check

    class QueryVm(Press):
        latency_s = 0.005

        async def press(self):
            await asyncio.sleep(self.latency_s)
            check(True, "is there")

    class QueryEip(QueryVm):
        latency_s = 0.05

    class QueryImage(QueryVm):
        latency_s = 0.5

    class Cloud(MixedPress):
        parts = {QueryVm: 7, QueryEip: 2, QueryImage: 1}
"""


def write(directory: Path, text: str, name: str = "cloud.py") -> Path:
    path = directory / name
    path.write_text(dedent(text))
    return path


def parts_of(result: dict[str, Any]) -> dict[str, Any]:
    """The parts, whose counts together are the whole's."""
    parts: dict[str, Any] = result["parts"]
    for kind in ("started", "completed", "failed", "dropped"):
        assert sum(part[kind] for part in parts.values()) == result["iterations"][kind], kind
    return parts


def started(result: dict[str, Any]) -> dict[str, int]:
    """Iterations of each part that started; the parts together are the whole, and so are their times."""
    parts = parts_of(result)
    n_times = sum(part["response_time_ms"]["count"] for part in parts.values())
    assert n_times == result["response_time_ms"]["count"]
    return {name: part["started"] for name, part in parts.items()}


def test_shares_whatever_the_latencies(tmp_path: Path) -> None:
    """With latencies of 5, 50 and 500 ms, 7:2:1 is held within one for each worker, and so is the QPS."""
    path = write(tmp_path, THREE)
    args = ["--qps", "1000", "--duration", "3s", "--concurrent", "200", "--processes", "2"]
    ran = command.run(path, *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    found = started(ran.found)
    assert sum(found.values()) == 3_000
    for name, n in {"QueryVm": 2_100, "QueryEip": 600, "QueryImage": 300}.items():
        assert abs(found[name] - n) <= 2
    assert ran.found["scenario"].endswith("cloud.py:Cloud")
    assert set(ran.found["checks"]) == {f"{name}: is there" for name in found}
    assert re.search(r"^QueryVm +2,100 +70.00 % ", ran.out, re.MULTILINE)


def test_more_than_the_slots_can_start(tmp_path: Path) -> None:
    """What starts keeps its shares when all slots are busy, and what does not start is counted under its part."""
    path = write(tmp_path, THREE)
    args = ["--qps", "1000", "--duration", "2s", "--concurrent", "8", "--processes", "2"]
    ran = command.run(path, *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    found = started(ran.found)
    n = sum(found.values())
    assert 0 < n < 1_000
    for name, weight in {"QueryVm": 7, "QueryEip": 2, "QueryImage": 1}.items():
        assert abs(found[name] - n * weight / 10) <= 2
        assert abs(ran.found["parts"][name]["dropped"] - (2_000 - n) * weight / 10) <= 4


def test_a_slow_part_with_slots_of_its_own(tmp_path: Path) -> None:
    """A part whose slots are all busy starts late by itself; the others have all their starts, and on time."""
    text = (
        THREE
        + """
    from hybridpress import Share

    class Apart(MixedPress):
        parts = {QueryVm: 9, QueryImage: Share(1, concurrent=2)}
    """
    )
    path = write(tmp_path, text)
    args = ["--qps", "500", "--duration", "2s", "--concurrent", "20", "--processes", "2"]
    ran = command.run(f"{path}:Apart", *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    found = started(ran.found)
    assert abs(found["QueryVm"] - 900) <= 2
    assert found["QueryImage"] < 20
    assert abs(ran.found["parts"]["QueryImage"]["dropped"] + found["QueryImage"] - 100) <= 2
    assert ran.found["parts"]["QueryVm"]["response_time_ms"]["p99"] < 100


def test_the_parts_of_a_killed_worker(tmp_path: Path) -> None:
    """What a worker had counted when it was killed, in the midst of a second, is in the parts as it is in the whole."""
    text = """
        import asyncio, os, signal
        from pathlib import Path
        from hybridpress import MixedPress, Press

        class Deadly(Press):
            async def start(self):
                self.calls = []

            async def press(self):
                await asyncio.sleep(0.005)
                self.calls.append(1)  # one list for each slot, of which each worker has one
                if self.worker == 0 and len(self.calls) == 100:
                    try:
                        Path("dead").touch(exist_ok=False)
                    except FileExistsError:
                        return
                    os.kill(os.getpid(), signal.SIGKILL)

        class Slow(Press):
            async def press(self):
                await asyncio.sleep(0.3)

        class Both(MixedPress):
            parts = {Deadly: Share(3, concurrent=2), Slow: 2}
    """.replace("Press\n", "Press, Share\n", 1)
    path = write(tmp_path, text)
    args = ["--qps", "125", "--duration", "3s", "--concurrent", "50", "--processes", "2"]
    ran = command.run(path, *args, json_file=tmp_path / "r.json", cwd=tmp_path)
    assert any(event["kind"] == "worker_lost" for event in ran.found["events"]), ran.err
    assert ran.found["iterations"]["lost"] > 0
    found = {name: part["started"] for name, part in parts_of(ran.found).items()}
    assert abs(found["Deadly"] - 0.6 * ran.found["iterations"]["started"]) <= 5


STAGED = """
    import asyncio, os, time
    from hybridpress import MixedPress, Press, Share, check, rows

    class Signed(Press):
        vocab = rows(1000)
        draw = "sequential"

        def prepare(self, word):
            return {"word": word, "prepared in": os.getpid()}

        async def press(self, word):
            is_here = word["prepared in"] == os.getpid()
            check(is_here == ("here" in self.params), "prepared where it should be")
            await asyncio.sleep(0.005)
            return word["word"]

        def verify(self, word, reply):
            check(reply == word, "the reply to this word")
            check(word != 5, "not five")

    class Blocks(Press):
        vocab = rows(10)

        def press(self, word):
            time.sleep(0.01)
            check(word != 3, "not three")

    class Plain(Press):
        async def press(self):
            await asyncio.sleep(0.02)

    class Mixed(MixedPress):
        parts = {Signed: 7, Blocks: 2, Plain: 1}

    class Apart(MixedPress):
        parts = {Signed: Share(7, concurrent=10), Blocks: Share(2, concurrent=10), Plain: 1}
"""


@pytest.mark.parametrize("pace", [["--qps", "300"], []], ids=["paced", "unpaced"])
@pytest.mark.parametrize("n_cpu_workers", ["0", "1"])
@pytest.mark.parametrize("mix", ["Mixed", "Apart"])
def test_parts_with_stages(tmp_path: Path, mix: str, n_cpu_workers: str, pace: list[str]) -> None:
    """Parts with prepare(), verify() and a blocking press() keep these, their checks and their words; shares are exact,
    in shared slots and in slots of their own.
    """
    args = ["--iterations", "600", "--concurrent", "40", "--processes", "2", "--cpu-workers", n_cpu_workers, *pace]
    where = ["--param", "here=1"] if n_cpu_workers == "0" else []
    path = write(tmp_path, STAGED)
    ran = command.run(f"{path}:{mix}", *args, *where, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    found = started(ran.found)
    for name, n in {"Signed": 420, "Blocks": 120, "Plain": 60}.items():
        assert abs(found[name] - n) <= 2
    checks = ran.found["checks"]
    assert checks["Signed: prepared where it should be"] == {"passed": found["Signed"], "failed": 0}
    assert checks["Signed: the reply to this word"] == {"passed": found["Signed"], "failed": 0}
    assert checks["Signed: not five"]["failed"] == 1 == ran.found["parts"]["Signed"]["failed"]
    assert checks["Blocks: not three"]["failed"] == ran.found["parts"]["Blocks"]["failed"] > 0
    assert sum(checks["Blocks: not three"].values()) == found["Blocks"]
    assert ran.found["cpu_tier"]["verified"] == found["Signed"]
    assert ran.found["cpu_tier"]["unverified"] == 0
    assert {error["kind"] for error in ran.found["errors"]} == {"CheckFailed"}


def test_what_stages_ask_for(tmp_path: Path) -> None:
    """Settings of CPU work are for mixes of which a part has any."""
    path = write(tmp_path, THREE)
    ran = command.run(path, "--cpu-workers", "2", "--verify-sample", "10%")
    assert ran.exit_code == 2
    assert "--cpu-workers 2: Cloud has neither prepare() nor verify()" in ran.err
    assert "Cloud has no verify()" in ran.err


def test_a_qps_of_its_own(tmp_path: Path) -> None:
    """A part's own QPS comes on top of what the others share."""
    text = (
        THREE
        + """
    from hybridpress import Share

    class Apart(MixedPress):
        parts = {QueryVm: 2, QueryEip: 1, QueryImage: Share(qps=20)}
    """
    )
    args = ["--qps", "300", "--duration", "2s", "--concurrent", "60", "--processes", "2"]
    ran = command.run(f"{write(tmp_path, text)}:Apart", *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["qps"]["target"] == 320
    found = started(ran.found)
    for name, n in {"QueryVm": 400, "QueryEip": 200, "QueryImage": 40}.items():
        assert abs(found[name] - n) <= 2


def test_rates_of_their_own_over_time(tmp_path: Path) -> None:
    """Parts that come and go have what their own stages and profiles say, beside those that share a rate by weight; the
    plan of the run is the sum, and is held to the iteration.
    """
    text = (
        THREE
        + """
    from hybridpress import Share

    class Apart(MixedPress):
        parts = {
            QueryVm: 3,
            QueryEip: 1,
            QueryImage: Share(profile="ramp(0, 100, 1s) + ramp(100, 0, 1s)", concurrent=60),
            type("Late", (QueryVm,), {}): Share(stage=["1s:0", "0s:50", "1s:50"]),
        }
    """
    )
    args = ["--qps", "80", "--concurrent", "60", "--processes", "2"]
    ran = command.run(f"{write(tmp_path, text)}:Apart", *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["iterations"]["planned"] == 310 == ran.found["iterations"]["started"]
    assert ran.found["duration_s"] == 2
    found = started(ran.found)
    for name, n in {"QueryVm": 120, "QueryEip": 40, "QueryImage": 100, "Late": 50}.items():
        assert abs(found[name] - n) <= 4
    assert [second["target_qps"] for second in ran.found["intervals"][:2]] == [130, 180]


def test_mixed_on_the_command_line(tmp_path: Path) -> None:
    """Scenarios of several files, each with its weight; the same class may come from two files under other names."""
    one = write(tmp_path, THREE, "a.py")
    other = write(tmp_path, THREE, "b.py")
    args = [f"{one}:QueryVm=3", f"{other}:QueryEip=1.5", "--iterations", "300", "--processes", "2"]
    ran = command.run(*args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    found = started(ran.found)
    assert abs(found["QueryVm"] - 200) <= 2
    assert abs(found["QueryEip"] - 100) <= 2
    assert ran.found["scenario"] == f"{one}:QueryVm=3 {other}:QueryEip=1.5"


def test_by_the_lengths_of_the_tables(tmp_path: Path) -> None:
    """Without weights, each part has as much as it has words, and words are drawn as each part has it."""
    text = """
        from hybridpress import MixedPress, Press, rows

        class Many(Press):
            vocab = rows(30)

            async def press(self, word):
                pass

        class Few(Many):
            vocab = rows(10)

        class Both(MixedPress):
            parts = [Many, Few]
    """
    ran = command.run(write(tmp_path, text), "--draw", "once", "--processes", "1", json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert started(ran.found) == {"Many": 30, "Few": 10}


def test_each_part_its_own_host(tmp_path: Path) -> None:
    """Parts press different servers, and each server counts its part's share."""
    text = """
        from hybridpress import MixedPress, Press

        class Here(Press):
            host = "{here}"

            async def press(self):
                await self.http.get("/", name="ask")

        class There(Here):
            host = "{there}"

        class Both(MixedPress):
            parts = {{Here: 3, There: 1}}
    """
    with Target() as here, Target() as there:
        path = write(tmp_path, text.format(here=here.url, there=there.url))
        ran = command.run(path, "--iterations", "400", "--processes", "2", json_file=tmp_path / "r.json")
        counted = {"Here": here.stats()["requests"], "There": there.stats()["requests"]}
    assert ran.exit_code in (0, 3), ran.err
    assert started(ran.found) == counted
    assert abs(counted["Here"] - 300) <= 2
    assert {name: step["count"] for name, step in ran.found["steps"].items()} == {
        "Here: ask": counted["Here"],
        "There: ask": counted["There"],
    }


BAD = {
    "a weight of zero": (["{path}:QueryVm=0", "{path}:QueryEip=1"], "the weight of QueryVm must be a number above 0"),
    "a negative weight": (["{path}:QueryVm=-1"], "the weight of QueryVm must be a number above 0, got -1"),
    "no number": (["{path}:QueryVm=many"], 'QueryVm=many" must be a number above 0, got "many"'),
    "two of one name": (["{path}:QueryVm=1", "{path}:QueryVm=2"], 'two are named "QueryVm"'),
    "one without weight": (["{path}:QueryVm=1", "{path}:QueryEip"], "there is none for QueryEip"),
    "no tables to go by": (["{path}:QueryVm", "{path}:QueryEip"], "QueryVm has no word table to be mixed by"),
    "no such class": (["{path}:QueryVm=1", "{path}:Nobody=2"], "has no Press named Nobody"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_mixes(tmp_path: Path, case: str) -> None:
    """What is wrong with a mix is told, and nothing runs."""
    args, says = BAD[case]
    path = write(tmp_path, THREE)
    ran = command.run(*(arg.format(path=path) for arg in args))
    assert ran.exit_code == 2
    assert says in ran.err
