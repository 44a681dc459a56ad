"""Replies that are nearly right, by the thousand: no exception but ours, no hang, no leak, the next one unharmed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.errors import ClientError
from tests.clients.http.scripted import Remembering
from tests.hostile.clients import websocket_reply
from tests.hostile.readers import READERS
from tests.hostile.server import Peer, misbehaving
from tests.support.descriptors import down_to, n_sockets
from tests.support.mutations import Change, changed, changes, pieces

LENGTHS = st.lists(st.integers(1, 40), max_size=3)
FRAMES = [
    b"\x81\x05hello\x82\x03\0\1\2\x89\x02hi\x88\x02\x03\xe8",
    b"\x01\x03hel\x80\x02lo\x8a\0\x81\x7e\x01\0" + b"x" * 256,
]
"""Messages whole and in parts, ping, pong, a close."""


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), by=changes(), lengths=LENGTHS)
def test_nearly_right(name: str, data: st.DataObject, by: Sequence[Change], lengths: Sequence[int]) -> None:
    """Whatever comes, in whatever pieces."""
    read, seeds = READERS[name]
    read(changed(data.draw(st.sampled_from(seeds)), by), lengths)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@given(data=st.binary(max_size=300), lengths=LENGTHS)
def test_anything(name: str, data: bytes, lengths: Sequence[int]) -> None:
    """The same of bytes that are nothing at all."""
    READERS[name][0](data, lengths)


async def counted() -> int:
    """The sockets, those of a running loop included."""
    return n_sockets()


@pytest.mark.slow
def test_websocket() -> None:
    """Frames that are nearly right: messages, then an error of ours, within its time; no socket is left."""

    async def one(frames: bytes, lengths: Sequence[int], *, compressed: bool) -> None:
        async def talk(peer: Peer) -> None:
            head = websocket_reply(await peer.asked())
            if compressed:
                head = head[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
            await peer.say(head)
            for piece in pieces(frames, lengths):
                await peer.say(piece)

        trace = Remembering()
        async with asyncio.timeout(10), misbehaving(websocket_reply, talk) as server:
            kit = Clients(HttpSettings(timeout_s=0.5, max_body_bytes=10_000), trace)
            options: dict[str, Any] = {"headers": None, "protocols": (), "max_bytes": None, "timeout": None}
            try:
                async with kit.websocket(f"ws://127.0.0.1:{server.port}/", name="ws", **options) as ws:
                    n_messages = 0
                    while True:
                        message = await ws.receive()
                        assert len(message) <= 10_000
                        n_messages += 1
                        assert n_messages <= len(frames)
            except ClientError:
                pass
            finally:
                await kit.close()
        assert trace.steps["ws receive"].outcome[1] == 1

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        complaints: list[Any] = []
        runner.get_loop().set_exception_handler(lambda _, facts: complaints.append(facts))
        before = runner.run(counted())

        @settings(max_examples=150)
        @given(st.sampled_from(FRAMES), changes(), LENGTHS, st.booleans())
        def examples(frames: bytes, by: Sequence[Change], lengths: Sequence[int], compressed: bool) -> None:
            runner.run(one(changed(frames, by), lengths, compressed=compressed))

        examples()
        runner.run(down_to(before))
        assert not complaints
