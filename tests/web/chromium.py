"""A real browser, driven as a person drives it: Debian's Chromium, and nothing that Playwright would download."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.peers import free_port
from tests.web.visits import PASSWORD

Scheme: TypeAlias = Literal["light", "dark"]

CHROMIUM = Path("/usr/bin/chromium")
SHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
"""What the pages looked like; not kept in git, and looked at by people."""

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATIENCE_MS = 45_000
"""On a machine that has much else to do."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it once for some tests."""
    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve the page on a real socket; its streams end when the block does."""
    port, ready = free_port(), threading.Event()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    started = server.startup

    async def startup(*args: object, **kwargs: object) -> None:
        await started(*args, **kwargs)  # type: ignore[arg-type]
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(20)
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.live.close()
        server.should_exit = True
        thread.join(20)


@contextmanager
def visiting(
    browser: Browser, url: str, *, name: str = "", scheme: Scheme = "light", width: int = 1280, touch: bool = False
) -> Iterator[Page]:
    """Open a page of one's own, signed in where a name is given; whatever the browser complains about is a failure."""
    context = browser.new_context(
        base_url=url, color_scheme=scheme, viewport={"width": width, "height": 900}, has_touch=touch
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    if name:
        sign_in(page, name)
    try:
        yield page
    finally:
        with contextlib.suppress(Exception):  # a browser that has gone says so below
            context.close()
    assert faults == []


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form and come in."""
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: not url.endswith("/sign-in"))


def shoot(page: Page, name: str) -> None:
    """Keep what a page looks like."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def barriers(page: Page) -> list[str]:
    """List what axe finds on a page that keeps somebody from using it (WCAG 2.2 A and AA)."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]})
    return [
        f"{one['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]
