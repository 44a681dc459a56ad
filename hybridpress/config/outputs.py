"""Who is told of the run, and by whom it is changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.config.knob import Knob, knob
from hybridpress.settings import parse_flag, parse_writable_file


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """Who is told of the run, and by whom it is changed while it runs."""

    json: str | None = knob(None, Knob("json", parse_writable_file, "Write the result to this file.", "FILE"))
    hlog: str | None = knob(
        None,
        Knob("hlog", parse_writable_file, "Write each second's times to this file, as HdrHistogram's log.", "FILE"),
    )
    control: str | None = knob(
        None,
        Knob(
            "control",
            parse_writable_file,
            "The socket by which `hybridpress ctl` changes the run while it runs.",
            "FILE",
            "one of its own",
        ),
    )
    quiet: bool = knob(
        False, Knob("quiet", parse_flag, "Print neither progress nor summary, only errors.", is_flag=True)
    )
