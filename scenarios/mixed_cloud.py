"""Four queries at once, mixed as the database has things to ask for: VMs, EIPs, images and snapshots of many accounts.

    hybridpress target &
    hybridpress run scenarios/mixed_cloud.py --host http://127.0.0.1:8080 --qps 500 --concurrent 20 --duration 10s

Needs `pip install "hybridpress[sql]"`. The database is made up here, in memory; `--param database=sqlite:///cloud.db`
names another one. Before the load, each account logs in once.
"""

import functools
import json
import urllib.request
from collections.abc import Iterator

import sqlalchemy as sa

from hybridpress import MixedPress, Press, Vocab, check

N_ACCOUNTS = 20
N_OF_EACH = {"vm": 700, "eip": 200, "image": 70, "snapshot": 30}


class Query(Press):
    """What the four have in common: the table of one kind of thing, and a query about one of them."""

    host = "http://127.0.0.1:8080"
    kind = ""

    def vocab(self) -> Iterator[Vocab]:
        query = sa.text("select account, name from things where kind = :kind order by name")
        with cloud(self.params.get("database", "sqlite://")).connect() as connection:
            for account, name in connection.execute(query, {"kind": self.kind}):
                yield Vocab(account=account, name=name).add("token", log_in(str(self.host), account))

    async def press(self, word: Vocab) -> None:
        headers = {"Authorization": f"Bearer {word['token']}"}
        asked = {self.kind: word["name"]}
        reply = await self.http.post(f"/{self.kind}/query", json=asked, headers=headers, name="query")
        if check(reply.status == 200, "the token is accepted"):
            found = reply.json()
            check(found[self.kind] == word["name"], "the reply is about what was asked for")
            check(found["account"] == word["account"], "the reply is for this account")


class QueryVm(Query):
    kind = "vm"


class QueryEip(Query):
    kind = "eip"


class QueryImage(Query):
    kind = "image"


class QuerySnapshot(Query):
    kind = "snapshot"


class MixedCloud(MixedPress):
    # By the lengths of their tables. By weights: {QueryVm: 7, QueryEip: 2, QueryImage: 1}
    parts = [QueryVm, QueryEip, QueryImage, QuerySnapshot]


@functools.cache
def cloud(url: str) -> sa.Engine:
    """The database, with what is missing in it."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if not sa.inspect(connection).has_table("things"):
            connection.execute(sa.text("create table things (account text, kind text, name text)"))
            things = [
                {"account": f"user-{n % N_ACCOUNTS}", "kind": kind, "name": f"{kind}-{n}"}
                for kind, n_things in N_OF_EACH.items()
                for n in range(n_things)
            ]
            connection.execute(sa.text("insert into things values (:account, :kind, :name)"), things)
    return engine


@functools.cache
def log_in(host: str, account: str) -> str:
    """The account's token."""
    credentials = json.dumps({"account": account, "password": f"secret-of-{account}"}).encode()
    with urllib.request.urlopen(f"{host}/login", credentials) as reply:
        token: str = json.load(reply)["token"]
    return token


if __name__ == "__main__":
    MixedCloud(qps=100, concurrent=10, duration="10s").run()
