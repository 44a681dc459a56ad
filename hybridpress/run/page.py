"""A page that starts runs: what its form says to begin with, and which settings go to every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import uvloop

from hybridpress.config import Layer, knobs, knobs_by_name
from hybridpress.load.wanted import replaced_by
from hybridpress.parts import layers_of
from hybridpress.press import Press
from hybridpress.run.cast import cast_of
from hybridpress.settings import PAGE
from hybridpress.web import form
from hybridpress.web.runs import Runs


def serve_page(press: Press, scenarios: Sequence[str], flags: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Serve a page on which runs of *press*, which *scenarios* name, are started, until Ctrl-C.

    *flags* are the command line's settings by knob name: those that the form
    has stand there, the others go to all runs.
    *say* is told what the user is to know.

    Raises:
        UsageError: a setting or the scenario cannot be used, or the page cannot listen.
    """
    config = cast_of(press, flags).config  # says what is wrong before anybody looks at the page
    chosen = _chosen(layers_of(press, flags))
    in_form = {name: value for name, value in chosen.items() if name in form.NAMES and not form.is_secret(name, value)}
    always = {name: value for name, value in flags.items() if name not in {*in_form, "ui", "ui_stay", "quiet"}}
    uvloop.run(Runs(scenarios, form.words(always), say).serve(config.ui or PAGE, config.scenario, form.fields(in_form)))


def _chosen(layers: Sequence[Layer]) -> dict[str, Any]:
    """The settings in force, as they were written: of those that replace one another the stronger."""
    name_of = {attribute: knob.name for attribute, knob in knobs().items()}
    chosen: dict[str, Any] = {}
    for layer in layers:
        settings = {name: value for name, value in layer.settings.items() if value is not None}
        settings |= {"param": settings.pop("params")} if "params" in settings else {}
        replaced = [name_of[attribute] for attribute in replaced_by(settings)]
        for weaker in [
            *replaced,
            *(("duration", "iterations") if settings.keys() & {"duration", "iterations"} else ()),
        ]:
            chosen.pop(weaker, None)
        chosen |= settings
    return {name: value for name, value in chosen.items() if name in knobs_by_name()}
