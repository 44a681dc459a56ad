"""Against a server of Apache's own library: every transport with every protocol, every type, both kinds of code."""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import thriftpy2
import trustme
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.errors import ThriftApplicationError
from tests.clients.http.scripted import Remembering
from tests.clients.thrift import apache

Generated = tuple[ModuleType, ModuleType]
IDL: Any = thriftpy2.load(str(apache.IDL))
TRANSPORTS = ["framed", "buffered", "http"]
PROTOCOLS = [("binary", True), ("binary", False), ("compact", True), ("json", True)]
WAYS = [(transport, *protocol) for transport in TRANSPORTS for protocol in PROTOCOLS]
LIMITS = {"tiny": 7, "small": 15, "middle": 31, "large": 63}


def run(test: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(test)


def full(types: Any, number: int = 3) -> Any:
    """A struct with something in every field."""
    point = types.Point(x=number, y=-number)
    return types.Everything(
        yes=True,
        tiny=-128,
        small=32_767,
        middle=-(1 << 31),
        large=(1 << 63) - 1,
        real=2.5e-300,
        text="Zürich ☃ 🜚",
        raw=bytes(range(256)),
        colour=250,
        point=point,
        shape=types.Shape(polygon=[point, types.Point(x=0)]),
        numbers=list(range(20)),
        names={"a", "b"},
        sizes={"big": 1 << 62, "": -1},
        paths={-5: [point], 7: []},
        deep=[{"x": [True, False], "y": []}, {}],
        given=0,
        reals={-(1 << 63): -0.5},
        blobs=[b"", b"\x00\xff"],
        far=9,
    )


def plain(value: Any) -> Any:
    """*value* as plain data, whoever made it: sets sorted, structs as dicts without the fields that are not set."""
    if hasattr(value, "thrift_spec"):
        return {name: plain(item) for name, item in vars(value).items() if item is not None}
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, list):
        found = [plain(item) for item in value]
        return sorted(found) if found and all(isinstance(item, str) for item in found) else found
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


@asynccontextmanager
async def clients(**settings: Any) -> AsyncIterator[tuple[Clients, Remembering]]:
    trace = Remembering()
    kit = Clients(HttpSettings(timeout_s=5.0, **settings), trace)
    try:
        yield kit, trace
    finally:
        await kit.close()


@contextmanager
def served(generated: Generated, transport: str, protocol: str, **options: Any) -> Iterator[int]:
    with apache.serving(*generated, transport, protocol, **options) as port:
        yield port


@pytest.mark.parametrize("of_apache", [False, True], ids=["IDL", "generated"])
@pytest.mark.parametrize(("transport", "protocol", "strict"), WAYS)
def test_every_way(generated: Generated, transport: str, protocol: str, *, strict: bool, of_apache: bool) -> None:
    """Values of all types, exceptions, oneway calls and refusals mean the same on both ends, whatever lies between."""
    service, types = generated
    own = types if of_apache else IDL

    async def test(port: int) -> None:
        async with clients() as (kit, trace):
            source = service if of_apache else IDL
            name = None if of_apache else "Everybody"
            made: dict[str, Any] = {"port": port, "transport": transport, "protocol": protocol, "strict": strict}
            client = kit.thrift(source, name, None, made)
            assert kit.thrift(source, name, None, made) is client
            assert await client.ping() is None
            assert await client.add(1 << 62, -1) == (1 << 62) - 1
            assert await client.add(a=2, b=3) == 5
            for number in (3, 4):
                sent = full(own, number)
                assert plain(await client.echo(sent)) == plain(sent)
            back = await client.echo(own.Everything(point=own.Point(x=1)))
            assert plain(back) == {"point": {"x": 1, "y": 7}, "given": 42}
            values = [-0.0, math.inf, -math.inf, math.nan]
            if (
                protocol == "json"
            ):  # there Apache's Python library writes -0, and cannot read what it writes for the others
                values = [] if of_apache else values[1:]
            for value in values:
                assert str((await client.echo(own.Everything(real=value))).real) == str(value)
            assert await client.refuse(0) == "fine"
            with pytest.raises(own.Refused) as refused:
                await client.refuse(1)
            assert (refused.value.why, refused.value.code) == ("as asked", 400)
            with pytest.raises(own.TooMuch):
                await client.refuse(2)
            with pytest.raises(ThriftApplicationError, match="internal error") as broken:
                await client.refuse(3)
            assert broken.value.kind == 6
            with pytest.raises(ThriftApplicationError, match="missing result"):
                await client.nothing()
            assert len(await client.blob(300_000)) == 300_000
            await client.note("one")
            await client.note("two")
            if transport != "http":  # HTTP answers a oneway call before it is done
                assert await client.notes() == 2
        assert trace.outcomes["Everybody.refuse"] == (3, 1)
        assert trace.outcomes["Everybody.note"] == (2, 0)
        assert trace.outcomes["Everybody.nothing"] == (0, 1)

    with served(generated, transport, protocol, strict=strict) as port:
        run(test(port))


@pytest.mark.parametrize("of_apache", [False, True], ids=["IDL", "generated"])
@pytest.mark.parametrize("protocol", ["binary", "compact", "json"])
def test_multiplexed(generated: Generated, protocol: str, *, of_apache: bool) -> None:
    """Several services on one port are told apart by their name, or by any other."""

    async def test(port: int, name: str | bool) -> None:
        async with clients() as (kit, _):
            source = generated[0] if of_apache else apache.IDL
            options = {"port": port, "protocol": protocol, "multiplexed": name}
            client = kit.thrift(source, None if of_apache else "Everybody", None, options)
            assert await client.add(1, 2) == 3

    names: list[tuple[str, str | bool]] = [("Everybody", True), ("other", "other")]
    for registered, name in names:
        with served(generated, "framed", protocol, multiplexed=registered) as port:
            run(test(port, name))


@pytest.mark.parametrize("transport", ["framed", "buffered"])
def test_tls(generated: Generated, transport: str, tmp_path: Path) -> None:
    """TLS, with the run's own trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    async def test(port: int) -> None:
        async with clients(ca_file=str(tmp_path / "ca.pem")) as (kit, _):
            client = kit.thrift(apache.IDL, "Everybody", None, {"port": port, "transport": transport, "tls": True})
            assert await client.add(1, 2) == 3

    with served(generated, transport, "binary", tls=tls) as port:
        run(test(port))


def _values() -> st.SearchStrategy[dict[str, Any]]:
    """Fields of an Everything, any of them left out."""
    point = st.builds(IDL.Point, x=st.integers(-(1 << 31), (1 << 31) - 1), y=st.integers(-9, 9))
    text = st.text(st.characters(codec="utf-8"), max_size=8)
    numbers = {
        name: st.integers(-(1 << bits), (1 << bits) - 1) for name, bits in {**LIMITS, "given": 31, "far": 31}.items()
    }
    return st.fixed_dictionaries(
        {},
        optional={
            **numbers,
            "yes": st.booleans(),
            "real": st.floats(),
            "text": text,
            "raw": st.binary(max_size=40),
            "colour": st.sampled_from([1, 2, 250]),
            "point": point,
            "shape": st.builds(IDL.Shape, polygon=st.lists(point, max_size=3)),
            "numbers": st.lists(numbers["middle"], max_size=20),
            "names": st.sets(text, max_size=4),
            "sizes": st.dictionaries(text, numbers["large"], max_size=4),
            "paths": st.dictionaries(numbers["middle"], st.lists(point, max_size=2), max_size=3),
            "deep": st.lists(st.dictionaries(text, st.lists(st.booleans(), max_size=3), max_size=2), max_size=2),
            "reals": st.dictionaries(numbers["large"], st.floats(allow_nan=False), max_size=3),
            "blobs": st.lists(st.binary(max_size=20), max_size=3),
        },
    )


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "strict"), PROTOCOLS)
def test_round_trips(generated: Generated, protocol: str, *, strict: bool) -> None:
    """What Apache's server echoes is what was sent, for any values."""

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(fields=_values())
    def examples(fields: dict[str, Any]) -> None:
        async def test() -> None:
            async with clients() as (kit, _):
                options = {"port": port, "protocol": protocol, "strict": strict}
                client = kit.thrift(apache.IDL, "Everybody", None, options)
                sent = IDL.Everything(**fields)
                assert plain(await client.echo(sent)) == plain(sent)

        run(test())

    with served(generated, "framed", protocol, strict=strict) as port:
        examples()
