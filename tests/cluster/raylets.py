"""The process that has a test's Ray cluster: what Ray keeps open in it is gone with it. See `boxes`.

Told "add", it starts a node; told "remove PID", it forgets one that was killed. Each is answered by a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from contextlib import suppress
from typing import Any

ARGUMENTS = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


def pid_of(node: Any) -> int:
    """The node's raylet."""
    pid: int = node.all_processes["raylet"][0].process.pid
    return pid


def main(folder: str) -> None:
    """Until there is nothing more to read."""
    warnings.simplefilter("ignore")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**ARGUMENTS, "temp_dir": folder})
    nodes = {pid_of(cluster.head_node): cluster.head_node}
    print(json.dumps({"address": cluster.address, "pid": pid_of(cluster.head_node)}), flush=True)
    for line in sys.stdin:
        command, _, pid = line.strip().partition(" ")
        if command == "add":
            node = cluster.add_node(**ARGUMENTS)
            nodes[pid_of(node)] = node
            print(json.dumps({"pid": pid_of(node)}), flush=True)
        else:
            with suppress(Exception):
                cluster.remove_node(nodes.pop(int(pid)), allow_graceful=False)
            # Ray takes a while to see that it is gone; who asks meanwhile how many there are counts it.
            until = time.monotonic() + 40
            while sum(node["Alive"] for node in cluster.global_state.node_table()) > len(nodes):
                assert time.monotonic() < until
                time.sleep(0.2)
            print(json.dumps({}), flush=True)
    with suppress(Exception):
        cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
