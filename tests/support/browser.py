"""A real browser for tests of pages: Debian's Chromium, driven by Playwright.

While it is open, its thread has a running event loop: a test that uses it cannot use asyncio.run(). So a browser is a
module's own, and not the session's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.programs import need


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. Skips the test that asks where none is installed."""
    path = need("chromium")
    with sync_playwright() as playwright:
        # Root may run it only without its sandbox; it opens pages of ours alone.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, and what went wrong or out on it: messages of the console, uncaught errors, dialogs; requests."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def watched_page(browser: Browser, **options: Any) -> Iterator[Watched]:
    """A page of its own, with the options of Playwright's `new_context` (viewport, color_scheme)."""
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    try:
        page = context.new_page()
        watched = Watched(page)
        page.on("console", lambda message: watched.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: watched.complaints.append(f"error: {error}"))
        page.on("request", lambda request: watched.requests.append(request.url))

        def dismissed(dialog: Any) -> None:
            watched.complaints.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        page.on("dialog", dismissed)
        yield watched
    finally:
        context.close()
