"""Who is told of the run, and by whom it is changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.config.knob import Knob, knob
from hybridpress.settings import PAGE, parse_flag, parse_page, parse_writable_file


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """Who is told of the run, and by whom it is changed while it runs."""

    json: str | None = knob(None, Knob("json", parse_writable_file, "Write the result to this file.", "FILE"))
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
    ui: str | None = knob(
        None,
        Knob(
            "ui",
            parse_page,
            f"Show the run on a live page, from which it can be changed. Without a value at {PAGE}; port 0 takes a "
            "free one; at an address that others can reach the page asks for a token.",
            "[HOST:]PORT",
            bare=PAGE,
        ),
    )
    ui_stay: bool = knob(
        False, Knob("ui_stay", parse_flag, "Keep the page of --ui after the run, until Ctrl-C.", is_flag=True)
    )
    quiet: bool = knob(
        False, Knob("quiet", parse_flag, "Print neither progress nor summary, only errors.", is_flag=True)
    )
