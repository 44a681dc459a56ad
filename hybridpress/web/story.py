"""What a page knows of its runs, in the shape that its viewers get: told by the run over the link, told on to the hub.

A frame is an event and its data. "page" comes first and when a run begins or ends; "history", the points so far, after
it and when they get coarser; then "second" each second, "status" some times a second, and "event" now and then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hybridpress.config import RunConfig
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.reason import Verdict
from hybridpress.metrics.result import EventResult, IntervalResult, ReasonResult, Result
from hybridpress.metrics.summary import WorkerTotals
from hybridpress.report.page.data import curve_of
from hybridpress.report.page.document import clean
from hybridpress.report.progress import load_in_words
from hybridpress.report.safe import cut, visible, visible_lines
from hybridpress.web.history import History, Point, percentiles_ms
from hybridpress.web.hub import Hub

_NOT_SHOWN = frozenset({"ui", "ui_stay", "quiet"})

MOST_EVENTS = 500
MOST_ERRORS = 50
MOST_STEPS = 200
MOST_TEXT_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run is, before it begins."""

    scenario: str
    load: str
    """In words: "500/s over 20 slots in 2 processes for 10s"."""
    stages: list[dict[str, Any]]
    """What each is in words, and when it ends: None, never."""
    settings: dict[str, Any]
    """Those that are not as they usually are."""
    is_paced: bool
    length_s: float | None
    """How long it is to last, if that is known."""

    @classmethod
    def of(cls, config: RunConfig) -> Facts:
        profile, length_s = config.profile, config.duration_s
        if config.iterations is not None and config.qps and not config.stages:
            length_s = config.iterations / config.qps
        stages, end_s = [], 0.0
        for stage in profile.stages if profile is not None else ():
            end_s += stage.duration_s
            stages.append({"text": stage.describe(), "ends_s": end_s if math.isfinite(end_s) else None})
        usual = RunConfig.build(config.scenario, []).as_settings()
        settings = {name: value for name, value in config.as_settings().items() if value != usual.get(name)}
        return cls(
            scenario=config.scenario,
            load=load_in_words(config),
            stages=stages,
            settings={name: value for name, value in settings.items() if name not in _NOT_SHOWN},
            is_paced=config.is_paced,
            length_s=length_s,
        )


@dataclass(slots=True)
class Run:
    """One run."""

    number: int
    command: str
    facts: Facts | None = None
    state: str = "starting"
    """"starting", "pressing", "paused", "draining" or "over"."""
    told: str = ""
    """What goes on before the load: "building the word table"."""
    mistakes: list[str] = field(default_factory=list)
    exit_code: int | None = None
    result: Result | None = None
    history: History = field(default_factory=History)
    total: Interval = field(default_factory=lambda: Interval(0))
    events: list[EventResult] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    second: dict[str, Any] = field(default_factory=dict)
    cpu_before: dict[int, tuple[int, int]] = field(default_factory=dict)


class Story:
    """All that viewers are told; `hub` has them."""

    def __init__(self, scenario: str = "", form: list[dict[str, Any]] | None = None) -> None:
        """*scenario* is what runs are of, where that is known before the first; *form* what may be set before one is
        started from the page. None: none can be.
        """
        self._scenario = scenario
        self.hub = Hub(self.so_far)
        self._tell = self.hub.tell
        self._form = form
        self.run: Run | None = None
        self.is_closing = False

    def so_far(self) -> list[tuple[str, Any]]:
        """The frames that whoever comes now has to have."""
        frames: list[tuple[str, Any]] = [("page", self._page())]
        if (run := self.run) is not None:
            frames += [("history", self._history()), ("events", [self._event(event) for event in run.events])]
            frames += [(name, data) for name, data in (("second", run.second), ("status", run.status)) if data]
        return frames

    def begin(self, command: str = "") -> None:
        """A run was asked for; *command* does the same without the page."""
        self.run = Run(self.run.number + 1 if self.run else 1, command)
        for event, data in self.so_far():
            self._tell(event, data)

    def told(self, call: str, args: tuple[Any, ...]) -> None:
        """What the run tells: calls of `Output`, see `web.output`."""
        assert self.run is not None
        getattr(self, f"_run_{call}")(self.run, *args)

    def over(self, exit_code: int | None, mistakes: list[str]) -> None:
        """The run has ended, with all that its process still had to say."""
        assert self.run is not None
        self.run.state, self.run.exit_code, self.run.mistakes = "over", exit_code, mistakes
        self._tell("page", self._page())

    def close(self) -> None:
        """The page itself ends."""
        self.is_closing = True
        self._tell("page", self._page())

    def _page(self) -> dict[str, Any]:
        run = self.run
        return {
            "scenario": _text(self._scenario),
            "can_start": self._form is not None,
            "form": self._form,
            "is_closing": self.is_closing,
            "run": None
            if run is None
            else {
                "number": run.number,
                "command": visible(run.command),
                "facts": None if run.facts is None else clean(asdict(run.facts)),
                "state": run.state,
                "told": _text(run.told),
                "mistakes": [_text(mistake) for mistake in run.mistakes],
                "exit_code": run.exit_code,
                "result": None if run.result is None else clean(_in_short(run.result)),
            },
        }

    def _history(self) -> dict[str, Any]:
        assert self.run is not None
        history = self.run.history
        points = [point.shown() for point in history.points]
        return {"span_s": history.span_s, "points": points}

    def _set_state(self, run: Run, state: str) -> None:
        if run.state not in {state, "over"}:
            run.state = state
            self._tell("page", self._page())

    # What the run tells, by the names of its calls.

    def _run_facts(self, run: Run, facts: Facts) -> None:
        run.facts = facts
        self._tell("page", self._page())

    def _run_starting(self, run: Run, text: str) -> None:
        run.told = text
        self._tell("page", self._page())

    def _run_started(self, run: Run) -> None:
        self._set_state(run, "pressing")

    def _run_second(
        self,
        run: Run,
        interval: Interval,
        second: IntervalResult,
        target_qps: float | None,
        n_slots: int,
        workers: Sequence[WorkerTotals],
        verdict: Verdict,
        reasons: Sequence[ReasonResult],
    ) -> None:
        run.total.extend(interval)
        moment = Moment(interval, second, run.total, target_qps, n_slots, workers, verdict, reasons)
        is_coarser = run.history.add(Point.of(moment))
        run.second = _second_of(run, moment)
        if is_coarser:
            self._tell("history", self._history())
        self._tell("second", run.second)

    def _run_tick(self, run: Run, status: Status) -> None:
        run.status = asdict(status)
        if status.phase in {"pressing", "paused", "draining"} and run.state != "draining":
            self._set_state(run, status.phase)
        self._tell("status", run.status)

    def _run_event(self, run: Run, event: EventResult) -> None:
        run.events = [*run.events[-MOST_EVENTS + 1 :], event]
        self._tell("event", self._event(event))

    def _run_draining(self, run: Run, in_flight: int) -> None:
        run.told = f"waiting for {in_flight} iterations in flight" if in_flight else ""
        self._set_state(run, "draining")

    def _run_finished(self, run: Run, result: Result) -> None:
        run.result = result
        self._set_state(run, "over")

    def _run_failed(self, run: Run, mistakes: list[str]) -> None:
        run.mistakes = mistakes

    @staticmethod
    def _event(event: EventResult) -> dict[str, Any]:
        return {"at_s": event.at_s, "kind": event.kind, "text": _text(event.text)}


def _second_of(run: Run, moment: Moment) -> dict[str, Any]:
    """The last point, and the run so far."""
    total, interval = run.total, moment.interval
    steps = sorted(total.steps.items(), key=lambda item: -item[1].count)[:MOST_STEPS]
    errors = sorted(total.errors.items(), key=lambda item: -item[1].count)[:MOST_ERRORS]
    times = dict(
        zip(("p50_ms", "p90_ms", "p99_ms", "p99_9_ms"), percentiles_ms(total.response, 50, 90, 99, 99.9), strict=True)
    )
    return {
        "point": run.history.points[-1].shown(),
        "total": {
            **{name: getattr(total, name) for name in ("started", "completed", "failed", "dropped", "in_flight")},
            **times,
            "max_ms": total.response.max_ns / 1e6 if total.response.count else None,
        },
        "curve": _curves(total),
        "steps": [
            {
                "name": visible(name),
                "count": step.count,
                "failed": step.failed,
                "now": interval.steps[name].count if name in interval.steps else 0,
                **dict(zip(("p50_ms", "p90_ms", "p99_ms"), percentiles_ms(step.times, 50, 90, 99), strict=True)),
                "max_ms": step.times.max_ns / 1e6 if step.times.count else None,
                "bytes_in": step.bytes_in,
                "bytes_out": step.bytes_out,
            }
            for name, step in steps
        ],
        "n_steps": len(total.steps),
        "parts": [
            {
                "name": visible(name),
                "started": part.started,
                "completed": part.completed,
                "failed": part.failed,
                "dropped": part.dropped,
                **dict(zip(("p50_ms", "p99_ms"), percentiles_ms(part.response, 50, 99), strict=True)),
            }
            for name, part in total.parts.items()
        ],
        "checks": [
            {"name": visible(name), "passed": check.passed, "failed": check.failed}
            for name, check in sorted(total.checks.items())
        ],
        "errors": [
            {
                "kind": visible(kind),
                "message": _text(message),
                "count": error.count,
                "example": _text(error.example),
            }
            for (kind, message), error in errors
        ],
        "workers": [_worker(run, worker) for worker in moment.workers],
        "verdict": moment.verdict,
        "reasons": [asdict(reason) for reason in moment.reasons],
    }


def _curves(total: Interval) -> list[dict[str, Any]]:
    """Response and service time by percentile."""
    shown = (("response time", 0, "line", total.response), ("service time", 2, "dash", total.service))
    return [
        {"label": label, "colour": colour, "style": style, "points": curve_of(times)}
        for label, colour, style, times in shown
        if times.count
    ]


def _text(text: str) -> str:
    """What came from a server or a scenario, fit to be shown: no control characters, and not without end."""
    return cut("\n".join(visible_lines(text)), MOST_TEXT_CHARACTERS)


def _worker(run: Run, worker: WorkerTotals) -> dict[str, Any]:
    """A worker over the run, and its CPU since it was last told of."""
    health = worker.health
    cpu_before, watched_before = run.cpu_before.get(worker.id, (0, 0))
    watched_ns = health.span_ns - watched_before
    run.cpu_before[worker.id] = (health.cpu_ns, health.span_ns)
    return {
        "id": worker.id,
        "pid": worker.pid,
        "started": worker.started,
        "cpu_pct": 100 * (health.cpu_ns - cpu_before) / watched_ns if watched_ns > 0 else None,
        "lag_ms": percentiles_ms(health.loop_lag, 99)[0],
        "restarts": worker.restarts,
    }


def _in_short(result: Result) -> dict[str, Any]:
    """The result's own words on the run; all of it can be had as a file."""
    return {
        "verdict": result.generator.verdict,
        "reasons": [asdict(reason) for reason in result.generator.reasons],
        "duration_s": result.duration_s,
        "iterations": asdict(result.iterations),
        "qps": asdict(result.qps),
        "response_time_ms": asdict(result.response_time_ms),
        "thresholds": [asdict(threshold) for threshold in result.thresholds],
    }
