"""Which settings are secrets, and what is shown in their place. For whatever is made to be passed on: pages, summaries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "•••"

_NAME = re.compile(
    r"token|passw|passphrase|secret|authori[sz]|auth$|^auth|api.?key|access.?key|private.?key|credential|cookie|"
    r"session.?(id|key)|signature|pwd$|^pwd|jwt|bearer",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")
_IN_QUERY = re.compile(r"([?&]([^=&\s#]+)=)([^&\s#]+)")
_AFTER_SCHEME = re.compile(r"\b(bearer|basic|digest)\s+\S+", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a setting of that name is not for everybody: "token", "db_password", "Authorization"."""
    return _NAME.search(name) is not None


def masked(value: Any, name: str = "") -> Any:
    """*value* without what is secret in it: values under a secret name, at any depth; who and what is written before
    the host of a URL; secret parameters of its query; what follows "Bearer".
    """
    if is_secret(name) and value not in (None, "", {}, [], ()):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    if isinstance(value, str):
        text = _USER_IN_URL.sub(f"{MASK}@", value)
        text = _IN_QUERY.sub(lambda found: found[1] + (MASK if is_secret(found[2]) else found[3]), text)
        return _AFTER_SCHEME.sub(rf"\1 {MASK}", text)
    return value
