"""What changed between two runs, in words and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hybridpress.metrics.compare import TOTAL, Change, Comparison
from hybridpress.metrics.limits import Judged
from hybridpress.metrics.result import Result
from hybridpress.report.safe import cut, visible
from hybridpress.units import format_count, format_duration, format_ms

MAX_STEPS = 20
MAX_NAME_CHARACTERS = 60
_NAME, _NUMBER = 10, 13
_NO_TIMES = {"qps": "QPS", "failed": "failures"}


def comparison_text(labels: tuple[str, str], comparison: Comparison, judged: Sequence[Judged] = ()) -> str:
    """All of it, line by line, without colours. *labels*: what the two are called."""
    lines = [*_head(labels, comparison), "", *_tables(comparison), *_only(comparison), ""]
    lines += [sentence(comparison), *_rough(comparison), *_judged(judged)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def sentence(comparison: Comparison) -> str:
    """What changed, in one sentence. What a step tells is not told once more of all iterations."""
    real = list(comparison.real)
    of_steps = {change.what for subject, change in real if subject.name != TOTAL}
    groups: dict[tuple[str, str, bool], list[Change]] = {}
    for subject, change in real:
        if subject.name != TOTAL or change.what not in of_steps:
            kind = change.what if change.what in _NO_TIMES else "times"
            groups.setdefault((subject.name, kind, (change.difference or 0.0) > 0), []).append(change)
    told = [_told(name, changes) for (name, _, _), changes in groups.items()]
    if not told:
        return "No difference: what there is lies within the noise of these runs."
    return f"{'; '.join(told)}; the rest may be noise."


def _told(name: str, changes: Sequence[Change]) -> str:
    """The highest percentile with its number; that the others went the same way."""
    *others, change = changes
    of = "" if name == TOTAL else f" of '{_name(name)}'"
    difference = change.difference or 0.0
    part = "" if change.part is None or change.what == "failed" else f" ({100 * change.part:+.1f} %)"
    margin = "" if change.margin is None else f" ± {_number(change.what, change.margin)}"
    verb = "rose" if difference > 0 else "fell"
    too = f", and so did {_listed([_NO_TIMES.get(other.what, other.what) for other in others])}" if others else ""
    what = _NO_TIMES.get(change.what, change.what)
    return f"{what}{of} {verb} by {_number(change.what, abs(difference))}{margin}{part}{too}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _number(what: str, value: float | None) -> str:
    if value is None:
        return "–"
    if what == "qps":
        return f"{format_count(round(value, 2))}/s"
    if what == "failed":
        return f"{value:.3g} %" if value and abs(value) < 0.1 else f"{value:.2f} %"
    return format_ms(value)


def _signed(what: str, value: float | None) -> str:
    if value is None:
        return "–"
    return ("+" if value > 0 else "−" if value < 0 else "") + _number(what, abs(value))


def _head(labels: tuple[str, str], comparison: Comparison) -> Iterator[str]:
    for name, label, result in zip(("before", "after"), labels, (comparison.before, comparison.after), strict=True):
        yield f"{name:<8}{visible(label)}: {_run(result)}"


def _run(result: Result) -> str:
    rate = "unpaced" if result.qps.target is None else f"{format_count(result.qps.target)}/s"
    reasons = ", ".join(reason.code for reason in result.generator.reasons)
    verdict = result.generator.verdict + (f" ({reasons})" if reasons else "")
    lasted = format_duration(result.duration_s)
    return f"{visible(result.scenario)}, {rate}, {lasted}, {visible(result.started_at)}, {visible(verdict)}"


def _tables(comparison: Comparison) -> Iterator[str]:
    shown = comparison.subjects[: MAX_STEPS + 1]
    for subject in shown:
        title = "all iterations" if subject.name == TOTAL else f"step '{_name(subject.name)}'"
        yield title
        yield "  " + _row("", "before", "after", "change", "± 95 %", "")
        for change in subject.changes:
            yield "  " + _row(
                change.what,
                _number(change.what, change.before),
                _number(change.what, change.after),
                _signed(change.what, change.difference),
                _number(change.what, change.margin) + "~" * _is_rough(change),
                _mark(change),
            )
    if (n_left_out := len(comparison.subjects) - len(shown)) > 0:
        yield f"and {n_left_out} more steps"


def _row(name: str, before: str, after: str, change: str, margin: str, mark: str) -> str:
    numbers = (f"{number:>{_NUMBER}}" for number in (before, after, change, margin))
    return f"{name:<{_NAME}}{''.join(numbers)}  {mark}"


def _mark(change: Change) -> str:
    if not change.is_real or change.difference is None:
        return ""
    part = "" if change.part is None or change.what == "failed" else f" {100 * change.part:+.1f} %"
    return ("rose" if change.difference > 0 else "fell") + part


def _only(comparison: Comparison) -> Iterator[str]:
    for names, where in ((comparison.only_before, "before"), (comparison.only_after, "after")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield f"only {where}: {', '.join(_name(name) for name in names[:3])}{more}"


def _rough(comparison: Comparison) -> Iterator[str]:
    if any(
        change.is_rough and change.margin is not None for subject in comparison.subjects for change in subject.changes
    ):
        yield "~ from the whole run's figures: there are none of each second for it, or too few seconds"


def _is_rough(change: Change) -> bool:
    """Failures of a step are always: whatever is known of them in each second is not kept."""
    return change.is_rough and change.margin is not None and change.what != "failed"


def _judged(judged: Sequence[Judged]) -> Iterator[str]:
    for each in judged:
        why = f"  ({visible(each.why)})" if each.why else ""
        yield f"{'✓' if each.is_kept else '✗'} {visible(each.limit.expression)}{why}"


def _name(name: str) -> str:
    return cut(visible(name), MAX_NAME_CHARACTERS)
