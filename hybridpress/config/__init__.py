"""The settings of a run: every knob once, in groups, and RunConfig, which has all of them."""

from hybridpress.config.knob import Knob, Layer
from hybridpress.config.run_config import DEFAULT_DURATION_S, GROUPS, RunConfig, knobs, knobs_by_name, knobs_of

__all__ = ["DEFAULT_DURATION_S", "GROUPS", "Knob", "Layer", "RunConfig", "knobs", "knobs_by_name", "knobs_of"]
