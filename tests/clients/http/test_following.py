"""Requests of an iteration that is followed carry its id; all others are as ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hybridpress.clients.follow import Following, following
from hybridpress.clients.http import HttpClient, HttpEngine, HttpSettings
from hybridpress.clients.http.following import FollowingClient, FollowingCookieClient
from hybridpress.clients.trace import Untraced
from hybridpress.errors import RequestError
from hybridpress.target import Target

VERBS = ("get", "post", "put", "patch", "delete", "options")


def asked(ask: Callable[[Any], Awaitable[Any]], *, mine: Following | None, url: str, cookies: bool = False) -> Any:
    """What *ask* returns of a client whose iteration is followed as *mine*."""

    async def run() -> Any:
        engine = HttpEngine(HttpSettings(base_url=url, follows=True, cookies=cookies), Untraced())
        client = engine.client()
        assert isinstance(client, FollowingCookieClient if cookies else FollowingClient)
        following.set(mine)
        try:
            return await ask(client)
        finally:
            await engine.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def url() -> Any:
    with Target() as target:
        yield target.url


def headers_of(reply: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in dict(reply.json()["headers"]).items()}


@pytest.mark.parametrize("cookies", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb(verb: str, url: str, cookies: bool) -> None:
    """The id is that of the request, below the iteration's trace; one that is not followed has none."""
    mine = Following.begin()

    def ask(client: HttpClient) -> Awaitable[Any]:
        send: Any = getattr(client, verb)
        reply: Awaitable[Any] = send("/echo?describe=1", headers={"X-Own": "1"})
        return reply

    found = headers_of(asked(ask, mine=mine, url=url, cookies=cookies))
    version, trace_id, span_id, flags = found["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", mine.trace_id, "01")
    assert span_id != mine.span_id
    assert len(span_id) == 16
    assert found["x-own"] == "1"
    plain = headers_of(asked(ask, mine=None, url=url, cookies=cookies))
    assert "traceparent" not in plain


def test_by_request(url: str) -> None:
    """`request` is followed once, as its verbs are."""
    mine = Following.begin()
    found = headers_of(asked(lambda client: client.request("GET", "/echo?describe=1"), mine=mine, url=url))
    assert found["traceparent"].split("-")[1] == mine.trace_id


def test_an_id_of_the_scenarios_own(url: str) -> None:
    """What the scenario says itself is left as it is, however it is written."""
    own = {"TraceParent": "00-1-2-00"}
    reply = asked(lambda client: client.get("/echo?describe=1", headers=own), mine=Following.begin(), url=url)
    assert headers_of(reply)["traceparent"] == "00-1-2-00"


def test_several_at_once(url: str) -> None:
    """Requests that an iteration sends together have an id each."""

    async def ask(client: HttpClient) -> list[Any]:
        return list(await asyncio.gather(*(client.get("/echo?describe=1") for _ in range(10))))

    mine = Following.begin()
    ids = {headers_of(reply)["traceparent"] for reply in asked(ask, mine=mine, url=url)}
    assert len(ids) == 10
    assert {each.split("-")[1] for each in ids} == {mine.trace_id}


def test_redirects_are_spans_of_their_own(url: str) -> None:
    """The first exchange has the id that was told, and no two have the same."""
    mine = Following.begin().request()
    for number in range(3):
        mine.ended(f"step {number}", 1_000, failed=number == 2)
    ids = [note[0] for note in mine.notes]
    assert ids[0] == mine.span_id
    assert len(set(ids)) == 3
    assert [note[4] for note in mine.notes] == [False, False, True]


def test_a_stream_tells_the_iterations_id(url: str) -> None:
    async def ask(client: HttpClient) -> list[Any]:
        return [event async for event in client.stream("/events/2")]

    assert len(asked(ask, mine=Following.begin(), url=url)) == 2


def test_bad_requests_are_told(url: str) -> None:
    """A request that cannot be made is an error of the scenario, followed or not."""
    with pytest.raises(RequestError):
        asked(lambda client: client.get("/", headers={"a b": "c"}), mine=Following.begin(), url=url)
