"""Log in once a slot, then query VMs with the token: a flow with its own words, and checks on what comes back.

    hybridpress target &
    hybridpress run scenarios/login_flow.py --host http://127.0.0.1:8080 --qps 200 --concurrent 20 --duration 10s

Each slot is an account of its own; `--param accounts=5` shares five among all slots.
"""

from collections.abc import Iterator

from hybridpress import Press, check


class LoginFlow(Press):
    host = "http://127.0.0.1:8080"

    def vocab(self) -> Iterator[dict[str, str]]:
        for number in range(1000):
            yield {"vm": f"vm-{number}"}

    async def start(self) -> None:
        n_accounts = int(self.params.get("accounts", self.slot + 1))
        self.account = f"user-{self.slot % n_accounts}"
        credentials = {"account": self.account, "password": f"secret-of-{self.account}"}
        reply = await self.http.post("/login", json=credentials)
        self.http.headers["Authorization"] = f"Bearer {reply.json()['token']}"

    async def press(self, word: dict[str, str]) -> None:
        reply = await self.http.post("/vm/query", json=word, name="query VM")
        if not check(reply.status == 200, "the token is accepted"):
            return
        vm = reply.json()
        check(vm["vm"] == word["vm"], "the reply is about the VM asked for")
        check(vm["account"] == self.account, "the reply is for this account")


if __name__ == "__main__":
    LoginFlow(qps=100, concurrent=10, duration="10s").run()
