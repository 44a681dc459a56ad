"""Whoever unpickles runs what the sender wants: where that is done, and what the bytes come from."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hybridpress"

UNPICKLES = {
    "cluster/packing.py": "calls of a Ray cluster, which executes what is sent in it anyway, behind its token; a pair "
    "of sockets between an agent and the process that it started",
    "coordinator/spawner.py": "a pipe between a process and the one that it forked",
    "ipc/channel.py": "a pipe and a queue between coordinator and worker, both made before the fork",
    "vocab/packed.py": "memory that this run packed itself",
    "web/history.py": "memory that this process packed itself",
    "web/link.py": "a pair of sockets between a run and the process of its page, which it started itself",
    "worker/cpu/batch.py": "a pair of sockets between a worker and a CPU worker of the same run",
    "worker/cpu/sizing.py": "a pipe to a process that was forked to try prepare()",
}
"""Each module that does, and where its bytes come from: never from what another user or another machine could write."""

DANGEROUS = {"marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}


def unpickles(tree: ast.AST) -> bool:
    """Whether it calls pickle.load(s), or a multiprocessing connection's recv()."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if (
                node.func.attr in {"load", "loads", "Unpickler"}
                and isinstance(owner, ast.Name)
                and owner.id in {"pickle", "ForkingPickler"}
            ):
                return True
            if node.func.attr == "recv" and not node.args:  # a socket's takes a length
                return True
    return False


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_where_the_other_end_is_ours(path: Path) -> None:
    tree = ast.parse(path.read_text())
    name = str(path.relative_to(PACKAGE))
    assert unpickles(tree) == (name in UNPICKLES), f"{name}: say here what its bytes come from, or use JSON"
    imported = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    } | {(node.module or "").partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & DANGEROUS
