"""Press a server over HTTP/2, with a client of its own that speaks it, pyreqwest: each request is a step.

    hybridpress run scenarios/http2_get.py --host https://127.0.0.1:8443 --qps 500 --duration 10s

All slots of a worker share one client, and so their requests are under way on one connection at the same time. Where
the system's store does not know the server's certificate, `--ca-file ca.pem --param ca=ca.pem` tells both hybridpress
and this client whom to trust. `--param path=/json` is for another path.
Needs `pip install 'hybridpress[http2]'`.
"""

from datetime import timedelta
from functools import cache
from pathlib import Path

from pyreqwest.client import Client, ClientBuilder

from hybridpress import Press, check, step


@cache
def shared_client(ca: str | None) -> Client:
    """The client of this process: the slots that ask later get the same one. It ends with its process."""
    builder = ClientBuilder().http2_prior_knowledge().timeout(timedelta(seconds=10))
    if ca is not None:
        builder = builder.add_root_certificate_pem(Path(ca).read_bytes())
    return builder.build()


class Http2(Press):
    async def start(self) -> None:
        assert self.host is not None, "say which server with --host"
        self.url = self.host.rstrip("/") + self.params.get("path", "/")
        self.client = shared_client(self.params.get("ca"))

    async def press(self) -> None:
        async with step("GET"):
            reply = await self.client.get(self.url).build().send()
            body = await reply.bytes()
        check(reply.status == 200, "status is 200")
        check(reply.version == "HTTP/2.0", "it came over HTTP/2")
        check(len(body) > 0, "there is a body")


if __name__ == "__main__":
    Http2(host="https://127.0.0.1:8443", qps=100, concurrent=10, duration="10s").run()
