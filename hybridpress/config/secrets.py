"""What must not be read in results, reports and logs: by the names under which secrets go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET = {
    "apikey", "auth", "authorization", "credential", "credentials", "passphrase", "passwd", "password", "pwd", "secret",
    "token",
}  # fmt: skip
_KEYS = {"access", "api", "auth", "client", "encryption", "private", "secret", "shared", "signing"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_USERINFO = re.compile(r"(?<=://)(?P<user>[^/?#@:]*):[^/?#@]*(?=@)")


def is_secret(name: str) -> bool:
    """Whether a parameter of this name is likely a secret: "token", "dbPassword", "API_KEY"; not "tokens_per_page"."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if words and words[-1].isdigit():
        words.pop()
    if not words:
        return False
    return words[-1] in _SECRET or (words[-1] == "key" and len(words) > 1 and words[-2] in _KEYS)


def masked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """*settings* with *** for the value of each secret among them, at any depth."""
    return {name: MASK if is_secret(str(name)) and value else _masked(value) for name, value in settings.items()}


def masked_url(url: str) -> str:
    """*url* with *** for the password in it."""
    return _USERINFO.sub(rf"\g<user>:{MASK}", url)


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked(value)
    return [_masked(item) for item in value] if isinstance(value, list) else value
