"""Whether two results may be compared: the same load, by generators that kept up."""

from __future__ import annotations

from hybridpress.metrics.result import Result

RATE_TOLERANCE = 0.001
SHARE_TOLERANCE = 0.01
_SHAPE = ("stage", "profile", "rate_csv", "rate_scale", "slot_stage")


def obstacles(before: Result, after: Result) -> list[str]:
    """Why the difference between the two would say little of the server, a sentence each; none: nothing is known."""
    found = []
    for which, result in (("first", before), ("second", after)):
        if result.generator.verdict == "invalid":
            codes = ", ".join(reason.code for reason in result.generator.reasons)
            found.append(f"the verdict on the {which} is invalid ({codes}): its times are not the server's")
        if result.search is not None:
            found.append(f"the {which} is of a search, whose rate went up and down")
        if not result.response_time_ms.count:
            found.append(f"nothing was measured in the {which}")
    return found + _other_load(before, after) + _other_mix(before, after)


def _other_load(before: Result, after: Result) -> list[str]:
    """Rates as they were in each second: they may have been changed by hand."""
    names = ("first", "second")
    unpaced = [name for name, result in zip(names, (before, after), strict=True) if result.qps.target is None]
    if len(unpaced) == 1:
        return [f"the {unpaced[0]} is unpaced and the other is not"]
    if unpaced:
        slots = [result.config.get("concurrent") for result in (before, after)]
        if slots[0] != slots[1]:
            return [f"unpaced runs with another number of slots: {slots[0]} and {slots[1]}"]
        return _other_settings(before, after, ("slot_stage",))
    rates = [_rates(result) for result in (before, after)]
    if all(len(each) == 1 for each in rates):
        (one,), (other,) = rates
        if abs(one - other) > RATE_TOLERANCE * max(one, other):
            return [f"another rate: {one:g}/s and {other:g}/s"]
    elif found := _other_settings(before, after, _SHAPE):
        return found
    return _other_settings(before, after, ("arrivals", "late"))


def _rates(result: Result) -> set[float]:
    """The rates that were asked for in the whole seconds of a run; of a shorter one, its own."""
    whole = {second.target_qps for second in result.intervals if second.at_s + second.length_s <= result.duration_s}
    return {round(rate, 6) for rate in whole or {result.qps.target} if rate is not None}


def _other_settings(before: Result, after: Result, names: tuple[str, ...]) -> list[str]:
    return [
        f"another --{name.replace('_', '-')}: {before.config[name]} and {after.config[name]}"
        for name in names
        if name in before.config and name in after.config and before.config[name] != after.config[name]
    ]


def _other_mix(before: Result, after: Result) -> list[str]:
    shares = [_shares(result) for result in (before, after)]
    names = list(dict.fromkeys([*shares[0], *shares[1]]))
    off = [name for name in names if abs(shares[0].get(name, 0.0) - shares[1].get(name, 0.0)) > SHARE_TOLERANCE]
    if not off:
        return []
    told = [", ".join(f"{name} {100 * share:.1f} %" for name, share in each.items()) or "no mix" for each in shares]
    return [f"another mix: {told[0]}; and {told[1]}"]


def _shares(result: Result) -> dict[str, float]:
    if not result.parts:
        return {}
    n_started = sum(part.started for part in result.parts.values()) or 1
    return {name: part.started / n_started for name, part in result.parts.items()}
