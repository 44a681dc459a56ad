"""Access logs of web servers as tables: the requests that were logged, parsed when they are drawn.

The common and the combined format of Apache and nginx, with the virtual host in front or without, and with anything
after the fields that are known.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from hybridpress.vocab.mistakes import Mistakes
from hybridpress.vocab.textfile import Block, FileTable, Mask, build_by_lines

# Loops within loops are unrolled: one over single characters, "(?:[^"]|\\.)*", takes half as long again.
_QUOTED = r'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"'
_PATH = r'((?! )[^" \\\n]*(?:\\.[^" \\\n]*)*)'
_BEFORE = r"(\S+) (\S+) ([^\[\n]+) \[([^\]\n]+)\] "
_AFTER = rf" (\d{{3}}) \S+(?: {_QUOTED} {_QUOTED})?"
_REQUEST = re.compile(rf'{_BEFORE}"([A-Z]+) {_PATH}(?: HTTP/[\d.]+)?"{_AFTER}')
_LOGGED = re.compile(rf"{_BEFORE}{_QUOTED} (?:\d{{3}}|-)(?: |$)")
"""Any line of such a log: its request may be what a port scanner sent."""

_ESCAPED = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "v": "\v", "f": "\f"}


class AccessLogTable(FileTable):
    """Logged requests: dicts with method, path, status, and, as far as they were logged, host, client, user, time,
    referer and agent.
    """

    __slots__ = ()

    called = "requests"

    def _decode(self, raw: bytes) -> dict[str, Any]:
        match = _REQUEST.match(str(raw, "utf-8", "replace"))
        if match is None:
            raise ValueError("is not a request of an access log")
        client, second, user, time, method, path, status, referer, agent = match.groups()
        word: dict[str, Any] = {"method": method, "path": path, "status": int(status), "time": time, "client": client}
        # Client, identity (nobody logs it: "-") and user; a virtual host before them makes four.
        if user.startswith("- "):
            word["host"], word["client"], user = client, second, user[2:]
        if user != "-":
            word["user"] = user
        if referer and referer != "-":
            word["referer"] = referer
        if agent and agent != "-":
            word["agent"] = agent
        if "\\" in match[0]:
            return {key: _unescaped(value) if isinstance(value, str) else value for key, value in word.items()}
        return word


def build_access_log(path: str, base: Path) -> AccessLogTable:
    """The table of an access log's requests. Lines whose request is none ("-", or bytes of some other protocol) are
    left out.

    Raises:
        UsageError: no such file, no requests in it, or lines that are in neither format.
    """

    def check(block: Block, mistakes: Mistakes) -> Mask:
        lines = block.raw.decode("utf-8", "replace").split("\n")[:-1]
        is_request = np.fromiter((_REQUEST.match(line) is not None for line in lines), np.bool_, len(lines))
        for i in np.flatnonzero(~is_request).tolist():
            if lines[i].strip() and _LOGGED.match(lines[i]) is None:
                mistakes.add(block.first_line + i, "is neither in the common nor in the combined log format")
        return is_request

    return build_by_lines(AccessLogTable, path, base, "utf-8", check)


def _unescaped(text: str) -> str:
    r"""*text* as it was sent: \" and \\, \n and its like, and \xhh, whose bytes are taken for UTF-8."""
    if "\\" not in text:
        return text
    if "\\x" not in text:
        return _ESCAPED.sub(lambda found: _CONTROLS.get(found[2], found[2]), text)
    parts = bytearray()
    at = 0
    for found in _ESCAPED.finditer(text):
        parts += text[at : found.start()].encode()
        parts += bytes.fromhex(found[1]) if found[1] else _CONTROLS.get(found[2], found[2]).encode()
        at = found.end()
    parts += text[at:].encode()
    return parts.decode("utf-8", "replace")
