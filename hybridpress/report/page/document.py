"""One HTML document of scripts, styles and data: what may run in it, and how data gets in without running.

The data stands in a script element that no browser runs, without a "<" in it; our scripts show it as text. The policy
(Content-Security-Policy) lets nothing run and nothing load but the very scripts and styles that are written in.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from hybridpress.report.safe import visible_lines

CHARTS = ("words.js", "frame.js", "shapes.js", "charts.js", "tables.js", "theme.js")
"""The scripts of charts and tables, in the order in which they are loaded; charts.js says how they are used."""
CHART_STYLES = ("charts.css",)

_UNSAFE = {
    b"<": b"\\u003c",
    b">": b"\\u003e",
    b"&": b"\\u0026",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}
_INTEGERS = range(-(2**53), 2**53 + 1)
"""What a script reads of a number without rounding it."""

_DOCUMENT = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="hybridpress {version}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{styles}</style>
</head>
<body>
<header><div><h1>{title}</h1><p></p></div><div class="hp-tools"></div></header>
<nav aria-label="contents"><div></div></nav>
<main><noscript><p>This page draws its charts and tables by script, and scripts are off.</p></noscript></main>
<footer>Written by hybridpress {version}.</footer>
<script type="application/json" id="report-data">{data}</script>
<script>{scripts}</script>
</body>
</html>
"""


@cache
def asset(*names: str) -> str:
    """The scripts, or the styles, *names* of this package, one after another."""
    folder = files("hybridpress.report.page")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def document(title: str, version: str, data: Any, scripts: Sequence[str]) -> bytes:
    """A page that shows *data* by *scripts*, which come after those of the charts."""
    script = asset(*CHARTS, "parts.js", *scripts)
    style = asset(*CHART_STYLES, "page.css")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    text = _DOCUMENT.format(
        policy=policy,
        version=html.escape(version),
        title=html.escape(_readable(title)),
        styles=style,
        scripts=script,
        data=embedded(data).decode(),
    )
    return text.encode()


def embedded(data: Any) -> bytes:
    """*data* as JSON that may stand inside of an HTML script element: it has nothing that could end it."""
    text = orjson.dumps(clean(data), default=str)
    for unsafe, number in _UNSAFE.items():
        text = text.replace(unsafe, number)
    return text


def clean(value: Any) -> Any:
    """*value* as a page may show it: control characters, marks of direction and lone surrogates as their numbers,
    integers that a script would round as text, keys as text.
    """
    if isinstance(value, str):
        return _readable(value)
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if value in _INTEGERS else str(value)
    if isinstance(value, dict):
        return {_readable(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return _readable(str(value))


def _readable(text: str) -> str:
    return "\n".join(visible_lines(text))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
