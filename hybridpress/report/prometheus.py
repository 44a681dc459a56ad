"""`--prometheus`: the run's figures at /metrics, for a Prometheus that comes and fetches them.

With prometheus-client, whose own server and text format this uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hybridpress.errors import HybridpressError
from hybridpress.metrics.news import Moment
from hybridpress.report.measures import BOUNDS_S, Buckets, Measure, measures_of
from hybridpress.report.output import Obey, Output

if TYPE_CHECKING:
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import Metric

PREFIX = "hybridpress_"
_ENDS = [*map(str, BOUNDS_S), "+Inf"]


class Prometheus(Output):
    """Serves the figures of the last second until the run is over."""

    name = "--prometheus"

    def __init__(self, address: tuple[str, int]) -> None:
        self._host, self._port = address
        self._measures: list[Measure] = []
        self._server: tuple[WSGIServer, Thread] | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._port

    async def open(self, obey: Obey) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ModuleNotFoundError as error:
            text = f"needs one more package, {error.name}: pip install 'hybridpress[prometheus]'"
            raise HybridpressError(text) from error
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server = start_http_server(self._port, self._host, registry)
        except OSError as error:
            why = error.strerror or error
            raise HybridpressError(f"cannot listen on {self._host}:{self._port}: {why}") from error
        self._port = self._server[0].server_port

    def second(self, moment: Moment) -> None:
        self._measures = measures_of(moment)

    def collect(self) -> Iterator[Metric]:
        """For prometheus-client, in a thread of its server."""
        return map(_metric, self._measures)

    async def shut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server[0].shutdown()
            server[0].server_close()
            server[1].join(1.0)


def _metric(measure: Measure) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    # A unit is the end of the name, by the rules of OpenMetrics.
    name = f"{PREFIX}{measure.name}" + (f"_{measure.unit}" if measure.unit else "")
    labels = [measure.label] if measure.label else []
    family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    if measure.kind == "histogram":
        family = HistogramMetricFamily(name, measure.help, labels=labels)
        for key, value in measure.points:
            assert isinstance(value, Buckets)
            ends = [*map(float, value.up_to), float(value.count)]
            family.add_metric([key] if labels else [], list(zip(_ENDS, ends, strict=True)), value.sum_s)
        return family
    kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    family = kind(name, measure.help, labels=labels)
    for key, value in measure.points:
        assert not isinstance(value, Buckets)
        family.add_metric([key] if labels else [], value)
    return family
