"""Parameters that are encrypted, replies that are decrypted: CPU work before and after a request, off the event loop.

    hybridpress target &
    hybridpress run scenarios/encrypted_params.py --host http://127.0.0.1:8080 --qps 500 --concurrent 20 --duration 10s

The target seals with AES-256-GCM under a key that it gives to each account at login. `--param accounts=50` logs in 50
accounts; `--cpu-workers 0` does the CPU work inside the worker processes, for comparison. Needs `cryptography`.
"""

import json
import os
from base64 import b64decode
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hybridpress import Press, check

NONCE_BYTES = 12
SEALED = {"Content-Type": "application/octet-stream"}
Word = dict[str, Any]


class EncryptedParams(Press):
    host = "http://127.0.0.1:8080"

    def vocab(self) -> Iterator[Word]:
        """Once, before the load: log in, and keep with each word the token and the key that it needs."""
        connection = HTTPConnection(urlsplit(str(self.host)).netloc, timeout=10)
        for number in range(int(self.params.get("accounts", 10))):
            account = f"user-{number}"
            connection.request("POST", "/login", json.dumps({"account": account, "password": f"secret-of-{account}"}))
            login = json.load(connection.getresponse())
            for vm in range(100):
                yield {"vm": f"vm-{vm}", "token": login["token"], "key": b64decode(login["key"])}
        connection.close()

    def prepare(self, word: Word) -> Word:
        """In a CPU worker, ahead of the pace: what press() is to send."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(word["key"]).encrypt(nonce, json.dumps({"vm": word["vm"]}).encode(), None)
        return {"body": nonce + sealed, "headers": {"Authorization": f"Bearer {word['token']}", **SEALED}}

    async def press(self, word: Word) -> Any:
        """In a slot: nothing but the request."""
        reply = await self.http.post("/vm/query", data=word["body"], headers=word["headers"], name="query VM")
        return reply if check(reply.status == 200, "status is 200") else None

    def verify(self, word: Word, reply: Any) -> None:
        """In a CPU worker, afterwards: is the reply the one to this word?"""
        opened = AESGCM(word["key"]).decrypt(reply.body[:NONCE_BYTES], reply.body[NONCE_BYTES:], None)
        check(json.loads(opened)["vm"] == word["vm"], "the reply is about the VM asked for")


if __name__ == "__main__":
    EncryptedParams(qps=100, concurrent=10, duration="10s").run()
