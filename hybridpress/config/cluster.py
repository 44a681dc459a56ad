"""Over how many machines the load is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hybridpress.config.knob import Knob, knob
from hybridpress.settings import parse_cluster
from hybridpress.units import parse_count


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """Over how many machines the load is made."""

    cluster: str | None = knob(
        None,
        Knob(
            "cluster",
            parse_cluster,
            "Press from the nodes of a Ray cluster: its HOST:PORT, auto (the one that this machine is in), or local:N "
            '(N nodes on this machine, to try it). See "Many machines" below.',
            "WHERE",
        ),
    )
    nodes: int | None = knob(
        None, Knob("nodes", parse_count, "How many nodes of the cluster press.", "N", "all that have a CPU")
    )

    def not_of_one_machine(self, label: Callable[[str], str]) -> list[str]:
        """What is asked for of a cluster without there being one."""
        if self.nodes is None or self.cluster is not None:
            return []
        return [f"{label('nodes')} is for runs over a cluster; see --cluster"]
