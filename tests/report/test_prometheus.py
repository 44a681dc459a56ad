"""What Prometheus reads: its own parsers take it, and the dashboard asks for nothing that is not there."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric, parser
from prometheus_client.openmetrics import parser as strict_parser

from hybridpress.errors import HybridpressError
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Interval
from hybridpress.metrics.parts import PartCounts
from hybridpress.metrics.summary import WorkerTotals
from hybridpress.report.prometheus import Prometheus
from tests.report.made import HOSTILE, config_of, moment_of, second, steps

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"


def obey(_: str) -> dict[str, Any]:
    return {"ok": True}


def whole_second() -> Interval:
    """A second with all that there can be."""
    return second(
        0,
        steps=steps(3),
        checks={"ok": CheckCounts(3, 1)},
        parts={"QueryVm": PartCounts(3, 2, 1)},
        errors={("ConnectError", "refused"): ErrorCounts(2, 0, "")},
    )


def scraped(interval: Interval, accept: str = "") -> str:
    """The text of /metrics, by HTTP."""
    config = config_of()
    moment = moment_of(interval, interval, config)
    moment.workers.append(WorkerTotals(0, 100, health=interval.health))  # type: ignore[attr-defined]  # a list here
    output = Prometheus(("127.0.0.1", 0))

    def read() -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{output.port}/metrics", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=5) as reply:
            text: str = reply.read().decode()
        return text

    async def serve() -> str:
        await output.open(obey)
        output.second(moment)
        text = await asyncio.to_thread(read)
        await output.shut()
        return text

    return asyncio.run(serve())


def strictly(text: str) -> list[Metric]:
    """What the parser of OpenMetrics, which has no types, makes of it."""
    return list(strict_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def names_in(families: list[Metric]) -> set[str]:
    return {sample.name for family in families for sample in family.samples}


def test_both_text_formats_parse() -> None:
    """Prometheus's own, and OpenMetrics, whose parser is strict; the samples are the same."""
    plain = list(parser.text_string_to_metric_families(scraped(whole_second())))
    text = scraped(whole_second(), "application/openmetrics-text; version=1.0.0")
    strict = strictly(text)
    assert names_in(plain) == names_in(strict)
    values = {(sample.name, *sample.labels.values()): sample.value for family in plain for sample in family.samples}
    assert values["hybridpress_iterations_failed_total",] == 10
    assert values["hybridpress_response_time_seconds_bucket", "0.05"] == 50
    assert values["hybridpress_response_time_seconds_count",] == 100
    assert values["hybridpress_response_time_seconds_sum",] == pytest.approx(5.05)
    assert values["hybridpress_steps_failed_total", "step 2"] == 2
    assert values["hybridpress_worker_cpu_seconds_total", "0"] == pytest.approx(0.4)
    assert values["hybridpress_verdict", "valid"] == 1


def test_hostile_names() -> None:
    """Whatever a step or a check is called, it is one label, and is read back."""
    names = [HOSTILE, 'a"b\\', "line\nbreak", "\udcff", "订单", ""]
    interval = second(0, steps={name: steps(1)["step 0"] for name in names})
    for accept in ("", "application/openmetrics-text; version=1.0.0"):
        parse = strictly if accept else parser.text_string_to_metric_families
        found = [
            sample.labels["step"]
            for family in parse(scraped(interval, accept))
            for sample in family.samples
            if sample.name == "hybridpress_steps_failed_total"
        ]
        assert found == [*names[:3], "\\udcff", *names[4:]]


def test_before_the_first_second() -> None:
    """There is nothing to tell yet, and that is no error."""
    output = Prometheus(("127.0.0.1", 0))
    assert list(output.collect()) == []


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HybridpressError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            asyncio.run(Prometheus(("127.0.0.1", port)).open(obey))


def test_the_dashboard_asks_for_what_there_is() -> None:
    """Every name in a query of the dashboard is one that is served, and every figure is on it."""
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [variable["query"] for variable in dashboard["templating"]["list"]]
    asked = {name for query in queries for name in re.findall(r"hybridpress_\w+", query)}
    served = names_in(list(parser.text_string_to_metric_families(scraped(whole_second()))))
    assert asked <= served
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked}
    missing = {re.sub(r"_(bucket|count|sum)$", "", name) for name in served} - shown
    assert missing == {
        "hybridpress_qps",
        "hybridpress_checks_passed_total",
        "hybridpress_part_iterations_started_total",
        "hybridpress_part_iterations_failed_total",
        "hybridpress_part_response_time_seconds",
    }
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) == 23
