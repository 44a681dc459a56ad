# mypy: ignore-errors
# (locust is in a virtual environment of its own, so its types are not known here)
"""What locust runs: one user class, by the kind of case."""

import json
import os
from pathlib import Path

from locust import FastHttpUser, constant_throughput, task

KIND = os.environ["PEER_KIND"]
RATE = float(os.environ["PEER_RATE"])
VALUE = json.loads(Path(os.environ["PEER_BODY_FILE"]).read_text())

if KIND == "get":

    class Get(FastHttpUser):
        if RATE:
            wait_time = constant_throughput(RATE / int(os.environ["PEER_CONNECTIONS"]))

        @task
        def get(self) -> None:
            self.client.get("/")


if KIND == "json":

    class GetJson(FastHttpUser):
        @task
        def get(self) -> None:
            with self.client.get("/vms", catch_response=True) as reply:
                if reply.json()["total"] != 16:
                    reply.failure("the total is wrong")


if KIND == "post":

    class PostJson(FastHttpUser):
        @task
        def post(self) -> None:
            self.client.post("/post", json=VALUE)
