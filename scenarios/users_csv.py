"""Each slot is a user of its own, from a CSV file: it logs in once, then asks for the VMs that it has.

    hybridpress target &
    hybridpress run scenarios/users_csv.py --host http://127.0.0.1:8080 --qps 200 --concurrent 20 --duration 10s

users.csv lies beside this file. With `draw = "per_slot"`, word i is slot i's, for good; a file with fewer rows than
slots is refused before anything is sent.
"""

from typing import Any

from hybridpress import Press, check, csv


class UsersCsv(Press):
    host = "http://127.0.0.1:8080"
    vocab = csv("users.csv", types={"vms": int})
    draw = "per_slot"

    async def start(self) -> None:
        user = self.vocab_list[self.slot]  # the word that press() gets each time
        credentials = {"account": user["account"], "password": user["password"]}
        reply = await self.http.post("/login", json=credentials)
        self.http.headers["Authorization"] = f"Bearer {reply.json()['token']}"
        self.n_asked = 0

    async def press(self, user: dict[str, Any]) -> None:
        vm = f"vm-{self.n_asked % user['vms']}"
        self.n_asked += 1
        reply = await self.http.post("/vm/query", json={"vm": vm}, name="query VM")
        if check(reply.status == 200, "the token is accepted"):
            check(reply.json()["account"] == user["account"], "the reply is for this user")


if __name__ == "__main__":
    UsersCsv(qps=100, concurrent=10, duration="10s").run()
