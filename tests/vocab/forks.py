"""A fork like the spawner's."""

from __future__ import annotations

import os
import warnings


def fork() -> int:
    """As os.fork(), also where a library of the tests has threads, which the child does without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
