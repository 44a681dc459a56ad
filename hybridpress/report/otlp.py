"""`--otlp`: the run's figures, and the iterations that were followed, to OpenTelemetry's collector over OTLP/HTTP.

With the OpenTelemetry SDK, its exporters and data: metrics every few seconds, traces as they come, by its own thread.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybridpress import __version__
from hybridpress.errors import HybridpressError
from hybridpress.metrics.news import Moment
from hybridpress.metrics.traces import FollowedIteration, Span
from hybridpress.report.background import Background
from hybridpress.report.measures import BOUNDS_S, Buckets, Measure, measures_of
from hybridpress.report.output import Obey
from hybridpress.report.safe import writable
from hybridpress.units import format_count

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric, MetricsData
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

EXPORT_GAP_S = 5
"""So many seconds lie between two exports of the figures."""
TIMEOUT_S = 2.0
"""How long one of them tries again and again."""
SERVICE = "hybridpress"
_UNITS = {"seconds": "s", "bytes": "By", "": "1"}


@dataclass(frozen=True, slots=True)
class Piece:
    """What one second has to send."""

    at_ns: int
    measures: list[Measure]
    followed: Sequence[FollowedIteration]


class Otlp(Background[Piece]):
    """Sends to the collector at *url*, whose /v1/metrics and /v1/traces take the two kinds."""

    name = "--otlp"

    def __init__(self, url: str, scenario: str) -> None:
        super().__init__()
        self._url = url.rstrip("/")
        self._scenario = scenario
        self._began_ns = 0
        self._clock_offset_ns = 0
        self._n_seconds = 0
        self._last: Moment | None = None
        self._senders: _Senders | None = None

    async def open(self, obey: Obey) -> None:
        try:
            self._senders = _Senders(self._url, self._scenario)
        except ModuleNotFoundError as error:
            raise HybridpressError(f"needs one more package, {error.name}: pip install 'hybridpress[otel]'") from error
        await super().open(obey)

    def started(self) -> None:
        self._began_ns = time.time_ns()
        self._clock_offset_ns = self._began_ns - time.monotonic_ns()

    def second(self, moment: Moment) -> None:
        self._last = moment
        self._n_seconds += 1
        is_due = self._n_seconds % EXPORT_GAP_S == 0
        followed = moment.interval.followed
        if is_due or followed:
            self.put(Piece(time.time_ns(), measures_of(moment) if is_due else [], followed))

    async def shut(self) -> None:
        if self._last is not None and self._n_seconds % EXPORT_GAP_S:
            self.put(Piece(time.time_ns(), measures_of(self._last), ()))
        await super().shut()
        if self._last is not None and (n_unfollowed := self._last.total.n_unfollowed):
            self.complain(f"{format_count(n_unfollowed)} iterations of --trace-sample were too many to be followed")

    def send(self, pieces: list[Piece]) -> None:
        assert self._senders is not None
        # The figures run since the start: the newest tell what older ones would have told.
        if newest := [piece for piece in pieces if piece.measures][-1:]:
            self._senders.send_measures(newest[0], self._began_ns)
        if followed := [iteration for piece in pieces for iteration in piece.followed]:
            self._senders.send_followed(followed, self._clock_offset_ns)

    def stop(self) -> None:
        if self._senders is not None:
            self._senders.close()


class _LastWords(logging.Handler):
    """Keeps the first thing that the exporters say: they log why they failed, and return only that they did."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = self.text or record.getMessage()


class _Senders:
    """The two exporters, and the SDK's data made from ours. All that needs the SDK is in here."""

    def __init__(self, url: str, scenario: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._url = url
        self._words = _LastWords()
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self._words)
        logger.propagate = False  # what it says is told as an event of the run
        self._metrics = OTLPMetricExporter(f"{url}/v1/metrics", timeout=TIMEOUT_S)
        self._spans = OTLPSpanExporter(f"{url}/v1/traces", timeout=TIMEOUT_S)
        self._resource: Resource = Resource.create(
            {
                "service.name": SERVICE,
                "service.version": __version__,
                "service.instance.id": os.urandom(8).hex(),
                "hybridpress.scenario": writable(scenario),
            }
        )
        self._scope: InstrumentationScope = InstrumentationScope(SERVICE, __version__)

    def send_measures(self, piece: Piece, began_ns: int) -> None:
        """Raises HybridpressError where the collector did not take it."""
        self._judge(self._metrics.export(self._data(piece, began_ns)))

    def send_followed(self, followed: Sequence[FollowedIteration], clock_offset_ns: int) -> None:
        """Raises HybridpressError where the collector did not take it."""
        spans = [
            self._span(iteration.trace_id, span, clock_offset_ns) for iteration in followed for span in iteration.spans
        ]
        self._judge(self._spans.export(spans))

    def close(self) -> None:
        self._metrics.shutdown()
        self._spans.shutdown()  # type: ignore[no-untyped-call]  # the SDK has no types here
        logging.getLogger("opentelemetry").removeHandler(self._words)

    def _judge(self, result: Any) -> None:
        if result.name != "SUCCESS":
            words, self._words.text = self._words.text, ""
            raise HybridpressError(f"cannot send to {self._url}: {words or 'the exporter does not say why'}")

    def _data(self, piece: Piece, began_ns: int) -> MetricsData:
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics

        metrics = [_metric(measure, began_ns, piece.at_ns) for measure in piece.measures]
        scope = ScopeMetrics(self._scope, metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _span(self, trace_id: str, span: Span, clock_offset_ns: int) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        def context(span_id: str) -> SpanContext:
            return SpanContext(int(trace_id, 16), int(span_id, 16), False, TraceFlags(TraceFlags.SAMPLED))

        return ReadableSpan(
            name=writable(span.name),
            context=context(span.span_id),
            parent=context(span.parent_id) if span.parent_id else None,
            resource=self._resource,
            kind=SpanKind.CLIENT if span.is_request else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
            start_time=span.begin_ns + clock_offset_ns,
            end_time=span.end_ns + clock_offset_ns,
            instrumentation_scope=self._scope,
        )


def _metric(measure: Measure, began_ns: int, at_ns: int) -> Metric:
    from opentelemetry.sdk.metrics import export

    data: Any
    cumulative = export.AggregationTemporality.CUMULATIVE
    labelled = [({measure.label: key} if measure.label else {}, value) for key, value in measure.points]
    if measure.kind == "histogram":
        points = [_distribution(labels, value, began_ns, at_ns) for labels, value in labelled]
        data = export.Histogram(points, cumulative)
    else:
        numbers = [export.NumberDataPoint(labels, began_ns, at_ns, value) for labels, value in labelled]  # type: ignore[arg-type]  # no Buckets here
        data = export.Gauge(numbers) if measure.kind == "gauge" else export.Sum(numbers, cumulative, is_monotonic=True)
    name = f"hybridpress.{measure.name}"
    return export.Metric(name, measure.help, _UNITS[measure.unit], data)


def _distribution(labels: dict[str, str], value: float | Buckets, began_ns: int, at_ns: int) -> Any:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    assert isinstance(value, Buckets)
    # Extremes are not told: nobody reads them of a histogram that runs since the start.
    none = float("nan")
    return HistogramDataPoint(labels, began_ns, at_ns, value.count, value.sum_s, value.each, BOUNDS_S, none, none)
