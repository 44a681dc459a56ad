"""`--output`: outputs of other packages, found by their entry points in the group "hybridpress.outputs".

An entry point names something that is called with what stands after "NAME=" and with the settings of the run, and
returns an `Output`.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from hybridpress.config import RunConfig
from hybridpress.config.outputs import OUTPUT_GROUP
from hybridpress.errors import UsageError
from hybridpress.report.output import Output


def installed(name: str, argument: str, config: RunConfig) -> Output:
    """The output of this name.

    Raises:
        UsageError: it cannot be loaded or made, or is no Output.
    """
    (entry, *_) = entry_points(group=OUTPUT_GROUP, name=name)
    try:
        output = entry.load()(argument, config)
    except UsageError as error:
        raise UsageError([f"--output {name}: {mistake}" for mistake in error.mistakes]) from error
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise UsageError(f'--output {name}: "{entry.value}" cannot be used: {what}') from error
    if not isinstance(output, Output):
        raise UsageError(f'--output {name}: "{entry.value}" must return an Output, got {type(output).__name__}')
    output.name = output.name or f"--output {name}"
    return output
