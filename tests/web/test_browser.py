"""The page in a real browser: it keeps itself up to date, and what is hostile stays text."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.app import create_app
from tests.web.scene import FACTS, Scene

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.peer("chromium")


@contextmanager
def serving(app: ASGIApp, port: int) -> Iterator[str]:
    ready = threading.Event()

    async def announced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            ready.set()
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(announced, host="127.0.0.1", port=port, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(20)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(20)


def see(url: str, profile: Path) -> str:
    """Open a page and give what it has become some seconds (of its own time) later."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=9000", "--dump-dom"]
    command = [str(CHROMIUM), *options, f"--user-data-dir={profile}", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


def once_shown(app: ASGIApp, happening: Callable[[], ASGIApp | None]) -> ASGIApp:
    """Let something happen as soon as the dashboard was shown for the first time; it may change who shows it."""
    dashboards: list[ASGIApp] = []

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != "/":
            await app(scope, receive, send)
        elif dashboards:
            await dashboards[0](scope, receive, send)
        else:
            await app(scope, receive, send)
            dashboards.append(happening() or app)

    return answering


def test_what_happens_while_the_page_is_open_appears_on_it(scene: Scene, free_port: int, tmp_path: Path) -> None:
    def a_job_starts() -> None:
        scene.start({**FACTS, "protocol": "came_later"})

    with serving(once_shown(create_app(scene.queries), a_job_starts), free_port) as url:
        seen = see(url, tmp_path / "profile")
    assert "came_later" in seen
    assert "0 arriving, 1 running" in " ".join(seen.split())
    assert re.search(r'<p id="lost"[^>]* hidden', seen)


def test_a_gateway_that_has_gone_is_told_and_what_was_known_stays(scene: Scene, free_port: int, tmp_path: Path) -> None:
    scene.start({**FACTS, "protocol": "known_before"})
    gone = PlainTextResponse("gone", 503)
    with serving(once_shown(create_app(scene.queries), lambda: gone), free_port) as url:
        seen = see(url, tmp_path / "profile")
    assert re.search(r'<p id="lost"[^>]*role="alert">The gateway does not answer', seen)
    assert "known_before" in seen


def test_what_a_scanner_calls_its_protocol_runs_nowhere(scene: Scene, free_port: int, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    scene.start({**FACTS, "protocol": hostile})
    with serving(create_app(scene.queries), free_port) as url:
        seen = see(url, tmp_path / "profile")
    assert "&lt;script&gt;" in seen
    assert "<title>Work" in seen
