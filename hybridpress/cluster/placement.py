"""Ray: a cluster to press from, found or started, and one agent on each of its nodes.

The only module that knows Ray's interface, but for a name or two in the agent.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from hybridpress.clock import now_ns
from hybridpress.cluster.agent import Agent, Answer
from hybridpress.cluster.clocks import Offset, Ping, offset_by
from hybridpress.cluster.crew import GoneError, LostCallError
from hybridpress.cluster.janitor import Janitor
from hybridpress.cluster.link import Piece
from hybridpress.cluster.messages import Hello
from hybridpress.errors import HybridpressError, RunError, UsageError
from hybridpress.units import NS_PER_S

STORE_BYTES = 80 * 2**20
"""Nothing of ours goes through Ray's object store, but it insists on one."""
PLACE_S = 120.0
"""So long a cluster may take until it has room for an agent on each node: pods are made meanwhile."""
HELLO_S = 120.0
CLOCKS_S = 10.0
"""So long at most it takes to know the clocks of nodes that are busy."""
CONNECT_S = 5.0
JOIN_S = 60.0
"""So long nodes are waited for that have not joined the cluster yet…"""
LOOK_S = 0.5
"""…with a look so often."""
HOW_TO = 'pip install "hybridpress[cluster]"'


class Placement:
    """Agents on the nodes of the cluster at *where* ("auto", an address, "local:N"); *stage* is shipped to them."""

    def __init__(self, where: str, n_nodes: int | None, stage: Path, janitor: Janitor) -> None:
        self._where = where
        self._n_wanted = n_nodes
        self._stage = stage
        self._janitor = janitor
        self._cluster: Any = None
        self._group: Any = None
        self._agents: list[Any] = []
        self._is_connected = False
        self._folder: str | None = None

    def open(self, tell: Callable[[str], None]) -> list[Hello]:
        """Have an agent on each node. Takes some seconds. Returns who they are.

        Raises:
            UsageError: there is no such cluster, or not as many nodes.
            RunError: the agents could not be placed.
        """
        if self._where.startswith("local:"):
            # Whoever can reach a cluster can run anything on it: one of our own is for whoever knows its token.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray = _ray()
        try:
            if self._where.startswith("local:"):
                n_nodes = int(self._where.removeprefix("local:"))
                tell(f"starting a Ray cluster of {n_nodes} nodes on this machine, which takes some seconds")
                address = self._start_local(n_nodes)
            else:
                tell(f"connecting to the Ray cluster ({self._where})")
                address = self._where
            self._connect(ray, address)
            n_nodes = self._n_nodes(ray, tell)
            tell(f"placing an agent on each of {n_nodes} nodes")
            return self._place(ray, n_nodes)
        except HybridpressError:
            raise
        except Exception as error:
            raise RunError(_why(error)) from error

    def _n_nodes(self, ray: Any, tell: Callable[[str], None]) -> int:
        """On how many nodes an agent is to be; those that are on their way are waited for."""
        until_ns, n_told = now_ns() + int(JOIN_S * NS_PER_S), -1
        while True:
            n_there = sum(node["Alive"] and node["Resources"].get("CPU", 0) >= 1 for node in ray.nodes())
            n_nodes = n_there if self._n_wanted is None else self._n_wanted
            if 0 < n_nodes <= n_there:
                return n_nodes
            if now_ns() >= until_ns:
                raise UsageError(
                    f"--nodes {n_nodes}: the cluster has {n_there} node(s) with a CPU; start more, or ask for fewer"
                )
            if n_there != n_told:
                n_told = n_there
                tell(f"waiting for {max(n_nodes, 1)} nodes with a CPU; there are {n_there}")
            time.sleep(LOOK_S)

    def offsets(self, nodes: Sequence[int]) -> list[Offset]:
        """How far the clocks of these *nodes* are ahead.

        Raises:
            RunError: one of them does not answer.
        """
        import ray
        from ray.exceptions import RayError

        def ping(agent: Any) -> Ping:
            sent_ns = now_ns()
            answered_ns = ray.get(agent.clock.remote(), timeout=CLOCKS_S)
            return Ping(sent_ns, answered_ns, now_ns())

        until_ns = now_ns() + int(CLOCKS_S * NS_PER_S)
        try:
            return [offset_by(partial(ping, self._agents[node]), until_ns) for node in nodes]
        except RayError as error:
            raise RunError(f"a node does not tell its time: {_first_line(error)}") from None

    def launch(self, jobs: Sequence[bytes]) -> list[int]:
        """Start each node's process on its job. Returns their pids."""
        import ray

        found: list[int] = ray.get([agent.launch.remote(job) for agent, job in zip(self._agents, jobs, strict=True)])
        return found

    async def exchange(
        self, node: int, pieces: Sequence[Piece], heard: int, patience_s: float, *, again: bool
    ) -> Answer:
        """As `hybridpress.cluster.crew.Agents` says."""
        from ray import exceptions

        try:
            answer: Answer = await self._agents[node].exchange.remote(list(pieces), heard, patience_s, again)
        except exceptions.ActorUnavailableError as error:
            raise LostCallError(str(error)) from None
        except (exceptions.RayActorError, exceptions.RaySystemError, exceptions.RayTaskError) as error:
            raise GoneError(str(error)) from None
        return answer

    def kill(self, node: int) -> None:
        """End the agent, and by its end whatever is on the node."""
        import ray

        with suppress(Exception):
            ray.kill(self._agents[node])

    def close(self) -> None:
        """End all agents, leave the cluster; one of our own ends with it."""
        if self._is_connected:
            import ray

            for node in range(len(self._agents)):
                self.kill(node)
            with suppress(Exception):
                if self._group is not None:
                    ray.util.remove_placement_group(self._group)
            with suppress(Exception):
                ray.shutdown()
            self._is_connected = False
        if self._cluster is not None:
            with suppress(Exception):
                self._cluster.shutdown()
            self._cluster = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start_local(self, n_nodes: int) -> str:
        from ray.cluster_utils import Cluster

        # Short: the paths of its sockets may be no longer than 107 bytes.
        self._folder = tempfile.mkdtemp(prefix="hp-ray-")
        self._janitor.add(Path(self._folder))
        # Ray notes a cluster of the machine below this, for those who ask for "auto": ours is not for them, and the
        # folder where it would be noted is not there before Ray's own command was used.
        os.environ["RAY_TMPDIR"] = self._folder
        (Path(self._folder) / "ray").mkdir()
        # Ray's own processes warn of this and that, and end by it where warnings are errors.
        os.environ.pop("PYTHONWARNINGS", None)
        arguments = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args={**arguments, "temp_dir": self._folder})
        for _ in range(n_nodes - 1):
            self._cluster.add_node(**arguments)
        return str(self._cluster.address)

    def _connect(self, ray: Any, address: str) -> None:
        if address != "auto":
            # Ray itself takes a minute to give up, and says so in lines of its own.
            host, _, port = address.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
            except OSError as error:
                why = error.strerror or error
                raise UsageError(f"--cluster {self._where}: no Ray cluster answers there ({why})") from None
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=True,
                runtime_env={"working_dir": str(self._stage)},
            )
        except ConnectionError as error:
            raise UsageError(f"--cluster {self._where}: no Ray cluster answers there ({_first_line(error)})") from None
        except RuntimeError as error:
            if "ersion mismatch" in str(error):
                raise UsageError(f"--cluster {self._where}: {_mismatch(error)}") from None
            raise
        self._is_connected = True

    def _place(self, ray: Any, n_nodes: int) -> list[Hello]:
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        self._group = placement_group([{"CPU": 1}] * n_nodes, strategy="STRICT_SPREAD")
        if not self._group.wait(PLACE_S):
            raise UsageError(
                f"the cluster found no {n_nodes} nodes with a free CPU each within {PLACE_S:g} s; "
                "what else runs there may hold them: see `ray status`"
            )
        actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Agent)
        for k in range(n_nodes):
            strategy = PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=k)
            self._agents.append(actor.options(scheduling_strategy=strategy, max_concurrency=64).remote())
        hellos: list[Hello] = ray.get([agent.hello.remote() for agent in self._agents], timeout=HELLO_S)
        return hellos


def _ray() -> Any:
    """The package, made quiet.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_DISABLE_IMPORT_WARNING", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
            import ray.util.placement_group
            import ray.util.scheduling_strategies
    except ImportError:
        raise UsageError(f"--cluster needs Ray: {HOW_TO}") from None
    return ray


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _mismatch(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "the cluster runs other versions than this machine: " + " ".join(lines[:6])


def _why(error: BaseException) -> str:
    text = str(error)
    if "No module named 'hybridpress" in text:
        return f"hybridpress is not installed on a node of the cluster: {HOW_TO}, in the same version as here"
    return f"the cluster could not be used: {_first_line(error)}"
