"""What the author of a scenario touches: settings, checks, steps, and the copy that a slot runs on."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from hybridpress import Press, check, step
from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clients.trace import Untraced
from hybridpress.metrics.interval import CheckCounts
from hybridpress.press import RunningSlot, running_slot
from tests.clients.http.scripted import Counted


class Slot:
    """A running slot that remembers."""

    def __init__(self) -> None:
        self.checks: dict[str, CheckCounts] = {}
        self.told: list[tuple[str, bool]] = []
        """The checks that were not counted in place."""
        self.steps: dict[str, Counted] = {}

    def check(self, name: str, *, ok: bool) -> None:
        self.told.append((name, ok))
        counts = self.checks.setdefault(name, CheckCounts())
        if ok:
            counts.passed += 1
        else:
            counts.failed += 1

    def step(self, name: str) -> Counted:
        return self.steps.setdefault(name, Counted())


@contextmanager
def running() -> Iterator[Slot]:
    """Inside, the code is a slot's."""
    slot = Slot()
    as_protocol: RunningSlot = slot
    token = running_slot.set(as_protocol)
    try:
        yield slot
    finally:
        running_slot.reset(token)


# check and step


@pytest.mark.parametrize(
    ("value", "holds"), [(True, True), (1, True), ("x", True), (0, False), ([], False), (None, False)]
)
def test_check(value: object, *, holds: bool) -> None:
    """A check counts whether its value is true, under its name, and returns that."""
    with running() as slot:
        assert check(value, "holds") is holds
    assert slot.checks == {"holds": CheckCounts(int(holds), int(not holds))}
    assert slot.told == [("holds", holds)]


def test_a_check_that_was_seen_before() -> None:
    """One that holds is counted right there, under its name alone; one that does not is always told to the slot."""
    with running() as slot:
        for name, ok in [("a", True), ("b", True), ("a", True), ("a", False), ("a", True), ("b", False), ("b", True)]:
            assert check(ok, name) is ok
    assert slot.checks == {"a": CheckCounts(3, 1), "b": CheckCounts(2, 1)}
    assert slot.told == [("a", True), ("b", True), ("a", False), ("b", False)]


def test_a_check_after_its_counts_were_taken() -> None:
    """When the slot's checks were taken away in between, the next is told to it, and what was taken stays as it was."""
    with running() as slot:
        check(ok=True, name="holds")
        taken = slot.checks.pop("holds")
        for _ in range(2):
            check(ok=True, name="holds")
    assert taken == CheckCounts(1, 0)
    assert slot.checks == {"holds": CheckCounts(2, 0)}
    assert slot.told == [("holds", True)] * 2


def test_a_check_whose_value_raises() -> None:
    """Nothing is counted when it cannot be said whether it holds."""

    class Vague:
        def __bool__(self) -> bool:
            raise ValueError("neither")

    with running() as slot:
        with pytest.raises(ValueError, match="neither"):
            check(Vague(), "holds")
        assert (slot.checks, slot.told) == ({}, [])
        check(ok=True, name="holds")
        with pytest.raises(ValueError, match="neither"):
            check(Vague(), "holds")
        assert slot.checks == {"holds": CheckCounts(1, 0)}


def test_a_step_is_timed() -> None:
    """What runs inside a step is its time, whether it is entered with or without await."""

    async def main() -> None:
        async with step("log in"):
            await asyncio.sleep(0.002)
        with step("log in"):
            pass

    with running() as slot:
        uvloop.run(main())
    assert slot.steps["log in"].outcome == (2, 0)
    (first_ns, *_), (second_ns, *_) = slot.steps["log in"].answered
    assert first_ns > 100_000
    assert second_ns >= 0


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError(), SystemExit(1)], ids=repr)
def test_an_error_fails_its_step_and_goes_on(error: BaseException) -> None:
    """An exception that leaves a step counts it as failed, and is not held up."""
    with running() as slot, pytest.raises(type(error)), step("outer"), step("inner"):
        raise error
    assert [slot.steps[name].outcome for name in ("outer", "inner")] == [(0, 1), (0, 1)]


def test_steps_within_steps() -> None:
    """Steps nest, each under its own name; the inner one's time is part of the outer one's."""
    with running() as slot, step("outer"), step("inner"):
        pass
    ((outer_ns, *_),) = slot.steps["outer"].answered
    ((inner_ns, *_),) = slot.steps["inner"].answered
    assert outer_ns >= inner_ns


def test_outside_of_a_slot() -> None:
    """Where no slot runs, check and step say so, and where they belong."""
    with pytest.raises(RuntimeError, match=r"check\(\) is for press\(\), verify\(\), start\(\) and stop\(\)"):
        check(ok=True, name="holds")
    with pytest.raises(RuntimeError, match=r"step\(\) is for press\(\)"):
        step("log in")


def test_tasks_know_their_slot() -> None:
    """A task that a slot's code starts checks for that slot."""

    async def part() -> None:
        await asyncio.sleep(0)
        check(ok=True, name="part")

    async def main() -> None:
        await asyncio.gather(part(), asyncio.create_task(part()))

    with running() as slot:
        uvloop.run(main())
    assert slot.checks == {"part": CheckCounts(2, 0)}


# Press


class QueryVm(Press):
    qps = 50
    host = "http://127.0.0.1:1"

    async def press(self) -> None:
        pass


def test_settings_of_the_constructor() -> None:
    """What the constructor is given is a setting and an attribute; None is not given."""
    press = QueryVm(qps=100, concurrent=None, duration="3s", host=None)
    assert press.settings == {"qps": 100, "duration": "3s"}
    assert (press.qps, press.host) == (100, "http://127.0.0.1:1")
    assert vars(press)["duration"] == "3s"
    assert QueryVm.qps == 50
    assert QueryVm().settings == Press.settings == {}


def test_each_scenario_has_its_own_table() -> None:
    """Two objects of a class do not share their words."""
    one, other = QueryVm(), QueryVm()
    one.vocab_list.append("word")
    assert other.vocab_list == []


def test_without_a_table() -> None:
    """A Press has no words, no press(), and nothing to start or stop."""
    press = Press()
    assert press.vocab() is None

    async def main() -> None:
        await press.start()
        await press.stop()
        with pytest.raises(NotImplementedError):
            await press.press("word")

    asyncio.run(main())


class Kit:
    """Clients that remember how often one was asked for."""

    def __init__(self) -> None:
        self.n_http = 0
        self.session = object()

    def http(self) -> Any:
        self.n_http += 1
        return f"client {self.n_http}"


def test_a_slot_runs_on_a_copy() -> None:
    """A slot's copy has its own numbers and client; what the scenario holds is shared, what the slot sets is not."""
    press = QueryVm(qps=7)
    press.vocab_list = ["a", "b"]
    kit = Kit()
    one, other = (press.in_slot(number, 1, cast("Clients", kit)) for number in (4, 5))
    assert [(copy.slot, copy.worker) for copy in (one, other)] == [(4, 1), (5, 1)]
    assert [vars(copy)["http"] for copy in (one, other)] == ["client 1", "client 2"]
    assert one.vocab_list is other.vocab_list is press.vocab_list
    assert type(one) is QueryVm
    assert one.qps == 7
    one.host = "http://127.0.0.1:2"
    assert other.host == press.host == "http://127.0.0.1:1"
    assert one.session is other.session is kit.session
    assert (press.slot, press.worker) == (-1, -1)


def test_other_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client is made once for the same arguments; an IDL file is looked for beside the scenario."""
    (tmp_path / "small.thrift").write_text("service Small { i32 add(1: i32 a, 2: i32 b) }")
    (tmp_path / "pressing.py").write_text("from hybridpress import Press\nclass Small(Press):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    small = importlib.import_module("pressing").Small

    async def test() -> None:
        kit = Clients(HttpSettings(), Untraced())
        one, other = (small().in_slot(number, 0, kit) for number in range(2))
        client = one.thrift("small.thrift", port=9)
        assert client is other.thrift("small.thrift", port=9)
        assert client is not one.thrift("small.thrift", port=10)
        assert repr(client) == "<ThriftClient of Small at 127.0.0.1:9>"
        assert one.tcp("localhost", 9) is other.tcp("localhost", 9)
        assert one.udp("localhost", 9) is other.udp("localhost", 9)
        assert one.websocket("/ws") is not one.websocket("/ws")
        await kit.close()

    uvloop.run(test())
