"""What users write for a setting, read: addresses, parameters, files. Knows not which settings there are.

Each function takes a word of the command line, or a value of a class or a constructor, and returns what it means.

Raises, all of them:
    UsageError: it means nothing; the text goes on after the setting's name.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hybridpress.errors import UsageError
from hybridpress.load.words import Csv
from hybridpress.machine import can_pin, why_not_ours
from hybridpress.units import parse_duration_s

_HOST_NAME = re.compile(r"[\w.%:~-]+")
AUTO = -1
"""A number of CPU workers that is found out from what prepare() costs."""
MAX_CPU_WORKERS = 256
MAX_LOCAL_NODES = 64
MAX_PORT = 65_535
PAGE = "127.0.0.1:8089"
"""Where the live page is, if nothing else is said."""
SCHEMES = ("http", "https", "http+unix")


def parse_host(text: Any) -> str:
    url = str(text).strip()
    if "://" not in url:
        raise UsageError(f'must be a URL such as "http://127.0.0.1:8080", got "{text}"')
    if url.partition("://")[0].lower() not in SCHEMES:
        raise UsageError(f'must begin with http://, https:// or http+unix://, got "{text}"')
    try:
        parts = urlsplit(url)
        port_is_bad = parts.port == 0
    except ValueError as error:
        raise UsageError(f'must name a host and a port from 1 to 65535, got "{text}" ({error})') from None
    if not parts.hostname or port_is_bad:
        raise UsageError(f'must name a host and a port from 1 to 65535, got "{text}"')
    if not _HOST_NAME.fullmatch(parts.hostname):
        raise UsageError(f'must name a host in letters, digits, dots and dashes, got "{text}"')
    if parts.query or parts.fragment:
        raise UsageError(f'must be a URL without query and fragment, got "{text}"')
    return url.rstrip("/")


def parse_cluster(text: Any) -> str:
    where = str(text).strip()
    kind, _, rest = where.rpartition(":")
    if where == "auto":
        return where
    if kind == "local" and rest.isdigit() and 1 <= int(rest) <= MAX_LOCAL_NODES:
        return f"local:{int(rest)}"
    if kind and kind != "local" and "/" not in where and rest.isdigit() and 0 < int(rest) < 65_536:
        return where
    raise UsageError(f'must be "auto", an address such as "10.0.0.1:6379", or "local:2" (1 to 64), got "{text}"')


def parse_params(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise UsageError(f"must be a dict, or a list of KEY=VALUE, got {value!r}")
    params: dict[str, str] = {}
    for item in value:
        key, equals, text = str(item).partition("=")
        if not equals or not key:
            raise UsageError(f'must be KEY=VALUE, got "{item}"')
        params[key] = text
    return params


def parse_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"must be True or False, got {value!r}")
    return value


def parse_pin_cpus(value: Any) -> bool:
    if parse_flag(value) and not can_pin():
        raise UsageError("needs Linux: this system cannot keep a process on a CPU")
    return bool(value)


def parse_local_addresses(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, Iterable):
        raise UsageError(f"must be an IP address of this machine, or several, got {value!r}")
    addresses = []
    for word in (part.strip() for several in words for part in str(several).split(",")):
        try:
            address = str(ipaddress.ip_address(word))
        except ValueError:
            raise UsageError(f'must be an IP address of this machine such as "127.0.0.2", got "{word}"') from None
        if (why := why_not_ours(address)) is not None:
            raise UsageError(f'must be an IP address of this machine, but "{address}" is not: {why}')
        addresses.append(address)
    return tuple(dict.fromkeys(addresses))


def parse_cpu_workers(value: Any) -> int:
    if value == "auto":
        return AUTO
    try:
        n_workers = int(str(value))
    except ValueError:
        n_workers = AUTO
    if isinstance(value, bool) or not 0 <= n_workers <= MAX_CPU_WORKERS:
        raise UsageError(f'must be a whole number from 0 to {MAX_CPU_WORKERS}, or "auto", got "{value}"')
    return n_workers


def parse_cpu_timeout(value: Any) -> float:
    if (timeout_s := parse_duration_s(value)) < 1:
        raise UsageError(f'must be a second or more, got "{value}"')
    return timeout_s


def parse_page(value: Any) -> str | None:
    """Where the live page listens, as "HOST:PORT"; or "fd:N", an open socket to the page that asked for the run."""
    if isinstance(value, bool):
        return PAGE if value else None
    text = str(value).strip()
    if re.fullmatch(r"fd:\d+", text):
        return text
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or PAGE.partition(":")[0]
    if not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT) or not _HOST_NAME.fullmatch(host):
        raise UsageError(
            f'must be a port such as "8089", or an address and a port such as "0.0.0.0:8089", got "{value}"; '
            "without a value, write it last"
        )
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_seed(value: Any) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise UsageError(f'must be a whole number, got "{value}"') from None


def parse_readable_file(value: Any) -> str:
    if not isinstance(value, str | os.PathLike) or not Path(value).is_file():
        raise UsageError(f'must be a file, but there is none at "{value}"')
    return str(value)


def parse_csv(value: Any) -> Csv:
    path = parse_readable_file(value)
    try:
        return Csv(path, Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'must be a CSV file that can be read, but "{path}" cannot: {error}') from None


def parse_writable_file(value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"must be the path of a file, got {value!r}")
    path = Path(value)
    if path.is_dir():
        raise UsageError(f'must be a file, but "{value}" is a directory')
    if not path.absolute().parent.is_dir():
        raise UsageError(f'must be in a directory that exists, but there is no "{path.absolute().parent}"')
    if not os.access(path.absolute().parent, os.W_OK):
        raise UsageError(f'must be in a directory that can be written to; "{path.absolute().parent}" cannot')
    return str(value)
