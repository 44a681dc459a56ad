"""What the head of a cluster and its nodes say to one another, besides what a coordinator and its workers do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hybridpress.config import RunConfig
from hybridpress.metrics.summary import WorkerTotals

# node → head


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a node is, and what it has."""

    address: str
    hostname: str
    pid: int
    n_cpus: int
    versions: Mapping[str, str]
    """Of what must be the same everywhere, by name."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The node's word table stands, and it can reach the host; or these *mistakes* keep it from the run."""

    pid: int
    n_words: int = 0
    n_cpu_workers: int = 0
    mistakes: tuple[str, ...] = ()
    sums: Mapping[str, str] = field(default_factory=dict)
    """Checksums of what words were made from: of each file, and of the words themselves."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something happened on a node. The numbers are since the start, of the whole node."""

    worker: int
    kind: str
    text: str
    n_lost: int = 0
    n_workers_lost: int = 0
    n_cpu_workers_lost: int = 0


@dataclass(frozen=True, slots=True)
class Closing:
    """A node's very last word: its workers, what it says of itself, what became of its words."""

    worker: int
    workers: tuple[WorkerTotals, ...]
    verdict: str
    reasons: tuple[tuple[str, str], ...]
    words: tuple[tuple[str, str], ...] = ()
    """Events about words, as (kind, text)."""
    complaint: str | None = None
    suspended_s: float = 0.0
    n_lost: int = 0
    n_workers_lost: int = 0


NodeReport = Told | Closing

# head → node


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a scenario is made anew on another machine: its file (below the folder that is shipped), its class, and the
    settings that its constructor was given. *parts*: of a mix without a class of its own, each with its share.
    """

    file: str
    name: str
    settings: Mapping[str, Any]
    parts: tuple[tuple[Recipe, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """What a node is to do. *config* is the whole cluster's; its workers *first* up to *last* are this node's."""

    node: int
    n_nodes: int
    config: RunConfig
    recipe: Recipe
    flags: Mapping[str, Any]
    first: int
    last: int
    folder: str | None = None
    """Where the scenario's files are; None: where the node's process was started."""


@dataclass(frozen=True, slots=True)
class Muster:
    """Start the workers. The node's clock is *ahead_ns* ahead of the head's."""

    ahead_ns: int
