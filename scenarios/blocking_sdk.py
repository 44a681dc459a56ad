"""A client library that blocks, as generated SDKs do: press() is a plain function, and each slot gets a thread.

    hybridpress target &
    hybridpress run scenarios/blocking_sdk.py --host http://127.0.0.1:8080 --qps 200 --concurrent 20 --duration 10s

Slots are paced, timed and counted as those of an async press(). What the SDK sends is no step by itself: `step` makes
it one.
"""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from hybridpress import Press, check, step


class VmClient:
    """Stands for the SDK: one connection, calls that block."""

    def __init__(self, host: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(host).netloc, timeout=10)
        self._token = ""

    def login(self, account: str, password: str) -> None:
        self._token = self._call("/login", {"account": account, "password": password})["token"]

    def query_vm(self, vm: str) -> Any:
        return self._call("/vm/query", {"vm": vm})

    def close(self) -> None:
        self._connection.close()

    def _call(self, path: str, body: dict[str, str]) -> Any:
        self._connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {self._token}"})
        reply = self._connection.getresponse()
        found = json.loads(reply.read())
        if reply.status != 200:
            raise RuntimeError(f"{path} answered {reply.status}")
        return found


class BlockingSdk(Press):
    host = "http://127.0.0.1:8080"

    def vocab(self) -> list[str]:
        return [f"vm-{number}" for number in range(1000)]

    def start(self) -> None:
        account = f"user-{self.slot}"
        assert self.host is not None
        self.client = VmClient(self.host)
        self.client.login(account, f"secret-of-{account}")

    def press(self, word: str) -> None:
        with step("query VM"):
            vm = self.client.query_vm(word)
        check(vm["vm"] == word, "the reply is about the VM asked for")

    def stop(self) -> None:
        self.client.close()


if __name__ == "__main__":
    BlockingSdk(qps=100, concurrent=10, duration="10s").run()
