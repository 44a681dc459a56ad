"""How the server is reached, and how long it is waited for."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.config.knob import Knob, knob
from hybridpress.settings import parse_flag, parse_local_addresses, parse_readable_file
from hybridpress.units import parse_bytes, parse_count, parse_duration_s


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """How the server is reached, and how long it is waited for."""

    timeout_s: float = knob(
        10.0,
        Knob(
            "timeout",
            parse_duration_s,
            "Longest time of one exchange, and of the wait for iterations in flight at the end.",
            "TIME",
            "10s",
        ),
    )
    cookies: bool = knob(False, Knob("cookies", parse_flag, "Each slot keeps the cookies it is sent.", is_flag=True))
    insecure: bool = knob(
        False, Knob("insecure", parse_flag, "TLS: do not verify the server's certificate.", is_flag=True)
    )
    ca_file: str | None = knob(
        None, Knob("ca_file", parse_readable_file, "TLS: trust the certificates in this PEM file.", "FILE")
    )
    max_body_bytes: int = knob(
        64 * 2**20, Knob("max_body", parse_bytes, "Largest body of a reply that is taken.", "SIZE", "64MiB")
    )
    local_addresses: tuple[str, ...] = knob(
        (),
        Knob(
            "local_address",
            parse_local_addresses,
            "Connect from this address of this machine, with self.http; may be repeated: they then take turns.",
            "ADDR",
            is_repeated=True,
        ),
    )
    grpc_channels: int = knob(
        1,
        Knob("grpc_channels", parse_count, "Connections of a worker to each gRPC server; calls take turns.", "N", "1"),
    )
