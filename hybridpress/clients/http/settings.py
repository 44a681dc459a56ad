"""What one run asks of its clients: of those of HTTP first, and of the others what suits them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_DEFAULT_HEADERS: Mapping[str, str] = MappingProxyType({"User-Agent": "hybridpress", "Accept": "*/*"})


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The HTTP side of a run. Without `base_url`, requests must name whole URLs."""

    base_url: str | None = None  # "http://host:port/prefix", "https://…", "http+unix://%2Frun%2Fapp.sock/prefix"
    timeout_s: float = 10.0  # of a whole exchange, connecting included
    verify: bool = True  # TLS: against the system's trust store, or ca_file
    ca_file: str | None = None
    max_body_bytes: int = 64 * 1024 * 1024
    cookies: bool = False  # keep cookies, a jar for each slot
    headers: Mapping[str, str] = field(default_factory=lambda: _DEFAULT_HEADERS)  # sent with each request
    # Connects under way at once, per worker. At 256 nginx took 10,000 connections within 0.7 to 1.6 s, with any backlog
    # from 128 to 4,096. Fewer are no faster, and wait all together for one dropped SYN; more only cost CPU.
    max_connecting: int = 256
    local_addresses: tuple[str, ...] = ()  # IP addresses to connect from, in turn; none: as the system likes
    follows: bool = False  # some iterations are followed: the server is told their ids
    grpc_channels: int = 1  # connections of a worker to each gRPC server
