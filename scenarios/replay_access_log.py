"""Send again what an access log holds: the same methods and paths in the same order, the same statuses expected.

    hybridpress target &
    hybridpress run scenarios/replay_access_log.py --host http://127.0.0.1:8080 --qps 200 --duration 10s

`--param log=/var/log/nginx/access.log.1.gz` takes another log than the access.log that lies beside this file. With
`--draw once`, the run ends when every request was sent once.
"""

from typing import Any

from hybridpress import Press, access_log, check


class ReplayAccessLog(Press):
    host = "http://127.0.0.1:8080"
    draw = "sequential"

    def vocab(self) -> Any:
        return access_log(self.params.get("log", "access.log"))

    async def press(self, word: dict[str, Any]) -> None:
        method, path = word["method"], word["path"]
        name = f"{method} {path.partition('?')[0]}"
        reply = await self.http.request(method, path, name=name, expect=word["status"])
        check(reply.status == word["status"], "the status is the one that was logged")


if __name__ == "__main__":
    ReplayAccessLog(qps=100, concurrent=10, duration="10s").run()
