"""The examples of clusters are what Ray and Kubernetes take them for, and name the versions that we do."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import ray
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "cluster"


def example(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


def test_ray_up() -> None:
    """What `ray up` is given follows its schema."""
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(example("vms.yaml"), schema)


def test_one_version_of_ray() -> None:
    """All examples name the version that is pinned."""
    version = metadata.version("ray")
    assert example("rayjob.yaml")["spec"]["rayClusterSpec"]["rayVersion"] == version
    named = [re.findall(r"ray\[default\]==([\d.]+)", path.read_text()) for path in EXAMPLES.iterdir()]
    assert {found for versions in named for found in versions} == {version}


def test_the_job() -> None:
    """As many pods as the command asks for nodes; the head has no CPU that presses; all have the token."""
    spec = example("rayjob.yaml")["spec"]
    (group,) = spec["rayClusterSpec"]["workerGroupSpecs"]
    assert f"--nodes {group['replicas']} " in spec["entrypoint"]
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for pods in (group, spec["rayClusterSpec"]["headGroupSpec"]):
        (container,) = pods["template"]["spec"]["containers"]
        assert {variable["name"] for variable in container["env"]} == {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
