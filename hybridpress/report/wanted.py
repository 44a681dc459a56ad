"""The outputs that the settings of a run ask for."""

from __future__ import annotations

from hybridpress.config import RunConfig
from hybridpress.report.output import Output
from hybridpress.report.terminal import Terminal


def outputs_of(config: RunConfig) -> list[Output]:
    """All outputs that *config* asks for. Each is imported only if it is."""
    outputs: list[Output] = [Terminal(config)]
    if config.json is not None:
        from hybridpress.report.json import JsonFile

        outputs.append(JsonFile(config.json))
    if config.hlog is not None:
        from hybridpress.report.hlog import HdrLog

        outputs.append(HdrLog(config.hlog))
    return outputs
