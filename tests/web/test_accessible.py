"""Everybody can use every page: axe finds no barrier, nothing needs a mouse, and 320 pixels are wide enough."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page

from gateway.control import Control
from gateway.model.person import Role
from gateway.settings import DEFAULT_ROUTES
from gateway.site import Site
from gateway.web.app import create_app
from tests.web.chromium import Scheme, barriers, chromium, serving, shoot, visiting
from tests.web.conftest import Artist
from tests.web.scene import Scene, morning
from tests.web.visits import account

pytestmark = pytest.mark.peer("chromium")

PAGES = {
    "work": "/",
    "held": "/held",
    "job": "/jobs/3",
    "held-job": "/jobs/4",
    "running-job": "/jobs/6",
    "explain": "/jobs/3/explain",
    "routes": "/routes",
    "version": "/routes/versions/1",
    "people": "/people",
    "account": "/account",
    "nowhere": "/nowhere",
}
A_ROW_PX = 60
FOR_AUDITORS = {"audit": "/audit"}
FOR_STRANGERS = {"sign-in": "/sign-in", "set-up": "/set-up/{secret}"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def url(scene: Scene, site: Site, control: Control) -> Iterator[str]:
    """A morning at a hospital."""
    morning(scene)
    for role in (Role.ADMIN, Role.AUDITOR):
        account(control.people, role.value, role)
    knees = DEFAULT_ROUTES.replace('name = "everything"', 'name = "knees"\nmatch = { protocol = "*knee*" }')
    for text in (knees, DEFAULT_ROUTES):
        control.steering.apply(text, source="test", who="anna", comment="knees go to the archive")
    with serving(create_app(scene.queries, site=site, pictures=Artist(), control=control)) as url:
        yield url


def look(page: Page, pages: dict[str, str], kind: str) -> list[str]:
    """Open each page, keep what it looks like, and list what stands in somebody's way."""
    found = []
    for name, path in pages.items():
        page.goto(path)
        if "job" in name:
            page.locator("[data-viewer]").wait_for()
        if name == "routes":
            page.locator("#verdict strong").wait_for()
        shoot(page, f"{name}-{kind}")
        found += [f"{name}: {barrier}" for barrier in barriers(page)]
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [f"{name}: {wide} px too wide"] if wide > 0 else []
    return found


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_no_page_has_a_barrier(browser: Browser, url: str, control: Control, scheme: Scheme, width: int) -> None:
    kind, found = f"{scheme}-{width}", []
    secret = control.people.invite("bert", Role.VIEWER, who="test")
    strangers = {name: path.format(secret=secret) for name, path in FOR_STRANGERS.items()}
    for name, pages in (("admin", PAGES), ("auditor", FOR_AUDITORS), ("", strangers)):
        with visiting(browser, url, name=name, scheme=scheme, width=width) as page:
            found += look(page, pages, kind)
    assert found == []


def test_everything_is_reached_by_the_keyboard_in_the_order_of_reading(browser: Browser, url: str) -> None:
    with visiting(browser, url, name="admin") as page:
        page.goto("/jobs/4")
        page.locator("[data-viewer]").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        places, names = [], []
        for _ in range(80):
            page.keyboard.press("Tab")
            place, name, outline = page.evaluate(
                """() => { const e = document.activeElement, b = e.getBoundingClientRect();
                    return [b.top + scrollY, e.id || Object.keys(e.dataset)[0] || e.textContent.trim(),
                            getComputedStyle(e).outlineStyle]; }"""
            )
            if name == "source":  # the body: once around
                break
            places.append(place)
            names.append(name)
            assert outline != "none", f"{name} does not show that it has the focus"
        for expected in ("deed-release", "pick", "panes", "press", "slide", "image-1", "replay", "explain"):
            assert expected in names
        for before, after in pairwise(places):
            assert after > before - A_ROW_PX, names


def test_who_wants_no_motion_gets_none(browser: Browser, url: str) -> None:
    context = browser.new_context(base_url=url, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/static/gateway.css")
    page.set_content('<link rel="stylesheet" href="/static/gateway.css"><span class="moving"></span>')
    page.wait_for_load_state()
    script = "getComputedStyle(document.querySelector('.moving'), '::before').animationName"
    assert page.evaluate(script) == "none"
    context.close()
