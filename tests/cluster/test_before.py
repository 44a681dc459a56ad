"""What is checked before a run over nodes: versions, clocks, words, how many processes each has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hybridpress.cluster.agent import versions
from hybridpress.cluster.clocks import Offset
from hybridpress.cluster.many import check_clocks, check_standings, check_versions, sizes_of, told_drifts
from hybridpress.cluster.messages import Hello, Standing
from hybridpress.config import Layer, RunConfig
from hybridpress.errors import UsageError

NAMES = ["node 0 (10.0.0.1)", "node 1 (10.0.0.2)", "node 2 (10.0.0.3)"]


def hello(**different: str) -> Hello:
    return Hello("10.0.0.2", "box", 1, 8, {**versions(), **different})


@pytest.mark.parametrize("name", ["Python", "Ray", "hybridpress"])
def test_other_versions_are_refused(name: str) -> None:
    """Each of the three must be the same; both versions are named, and the node."""
    check_versions([hello(), hello()])
    with pytest.raises(UsageError) as caught:
        check_versions([hello(), hello(**{name: "0.9.8"})])
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"node 1 (10.0.0.2) has {name} 0.9.8 instead of {versions()[name]}:")


def test_of_python_the_minor_version_matters() -> None:
    """A patch release apart, nodes understand one another."""
    major, minor, _ = versions()["Python"].split(".")
    check_versions([hello(Python=f"{major}.{minor}.99")])
    with pytest.raises(UsageError):
        check_versions([hello(Python=f"{major}.{int(minor) + 1}.0")])


def test_clocks_that_are_not_known_are_refused() -> None:
    """Above 5 ms there is no instant to begin at."""
    check_clocks([hello()], [Offset(10**15, 5_000_000)])
    with pytest.raises(UsageError, match=r"the clock of node 0 \(10.0.0.2\) is known to ± 6.00 ms only"):
        check_clocks([hello()], [Offset(0, 6_000_000)])


def test_mistakes_of_nodes() -> None:
    """What is wrong everywhere is told once; else it is told where."""
    standings = [
        Standing(1, mistakes=("no host",)),
        Standing(1, mistakes=("no host", "no file")),
        Standing(1, mistakes=("no host",)),
    ]
    with pytest.raises(UsageError) as caught:
        check_standings(standings, NAMES, [Path("/data/big.csv")], are_shared_out=False)
    assert caught.value.mistakes[:2] == ["no host", "node 1 (10.0.0.2): no file"]
    assert '"big.csv": too large to be shipped' in caught.value.mistakes[2]


@pytest.mark.parametrize("are_shared_out", [False, True])
def test_files_that_differ(are_shared_out: bool) -> None:
    """Words that are shared out must come from the same files; otherwise the difference is told, with checksums."""
    standings = [
        Standing(1, 10, sums={"ids.csv": "a" * 64}),
        Standing(1, 10, sums={"ids.csv": "a" * 64}),
        Standing(1, 10, sums={"ids.csv": "b" * 64}),
    ]
    text = "ids.csv of node 2 (10.0.0.3) differ from those of node 0 (10.0.0.1) (sha256 bbbbbbbbbbbb…, aaaaaaaaaaaa…)"
    if not are_shared_out:
        assert check_standings(standings, NAMES, [], are_shared_out=False) == (10, [text])
        return
    with pytest.raises(UsageError) as caught:
        check_standings(standings, NAMES, [], are_shared_out=True)
    assert caught.value.mistakes == [f"{text}: put the same file on all nodes"]


def test_words_that_differ() -> None:
    """Tokens of a login are others on every node, and may be; another number of words cannot be shared out."""
    standings = [Standing(1, 10, sums={":words": "a" * 64}), Standing(1, 10, sums={":words": "b" * 64})]
    n_words, differences = check_standings(standings, NAMES[:2], [], are_shared_out=True)
    assert n_words == 10
    assert differences[0].startswith("the words of node 1")
    with pytest.raises(UsageError, match=r"node 1 \(10.0.0.2\) has 9 words"):
        check_standings([Standing(1, 10), Standing(1, 9)], NAMES[:2], [], are_shared_out=True)


def sizes(*n_cpus: int, is_given: bool = False, are_one: bool = False, **settings: Any) -> list[int]:
    config = RunConfig.build("made.py:Made", [Layer({"concurrent": 100, **settings}, str)])
    return sizes_of(config, n_cpus, is_given=is_given, are_one=are_one)


def test_how_many_processes() -> None:
    """One a CPU but one, which is Ray's; as many as were asked for; no more than slots."""
    assert sizes(8, 4, 1) == [7, 3, 1]
    assert sizes(8, 4, processes=3, is_given=True) == [3, 3]
    assert sizes(2, 2, 2, are_one=True) == [1, 1, 1]
    assert sizes(8, 8, are_one=True) == [4, 4]
    assert sum(sizes(64, 64, concurrent=9)) == 9
    with pytest.raises(UsageError, match="--concurrent 2 is fewer than the 3 nodes"):
        sizes(8, 8, 8, concurrent=2)
    with pytest.raises(UsageError, match="--processes 4 on each of 3 nodes is more than --concurrent 11"):
        sizes(8, 8, 8, concurrent=11, processes=4, is_given=True)


def test_clocks_that_went_off() -> None:
    """After the load: which clock is not where it was, and by how much; a few ms are not worth telling."""
    before = [Offset(0, 200_000), Offset(7_000_000_000, 300_000), Offset(0, 200_000)]
    after = [Offset(4_000_000, 200_000), Offset(6_928_000_000, 400_000), Offset(6_000_000, 9_000_000)]
    (told,) = told_drifts(NAMES, before, after)
    assert told.startswith("the clock of node 1 (10.0.0.2) went 72.0 ms behind the head's over the run")
