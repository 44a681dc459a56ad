"""From settings to a result: the only room that knows every part of a run."""

from hybridpress.run.cast import configure
from hybridpress.run.finish import Finished
from hybridpress.run.run import execute, execute_once, execute_search, run_scenario

__all__ = ["Finished", "configure", "execute", "execute_once", "execute_search", "run_scenario"]
