"""The page in a real browser: it follows what happens, shows images as numbers, and what is hostile stays text."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect

from gateway.control import Control
from gateway.model.person import Role
from gateway.site import Site
from gateway.web.app import create_app
from gateway.web.live import TooManyWatchers
from tests.web.chromium import chromium, serving, shoot, visiting
from tests.web.conftest import Artist
from tests.web.scene import FACTS, Scene
from tests.web.visits import account

pytestmark = pytest.mark.peer("chromium")

HOSTILE = [
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "\u202egnp.exe\u2066 RTL \u05d0\u05d1\u05d2",
    "bell\x07 escape\x1b[31m null\x00 tab\t newline\nend",
    "long " + "x" * 10_000,
    "'\"--><svg/onload=document.title='owned'>{{7*7}}${7*7}",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def app(scene: Scene, site: Site, control: Control) -> FastAPI:
    for role in (Role.OPERATOR, Role.ADMIN):
        account(control.people, role.value, role)
    return create_app(scene.queries, site=site, pictures=Artist(), control=control)


def seen(page: Page, text: str) -> None:
    expect(page.locator("main")).to_contain_text(text)


def test_what_happens_while_a_page_is_open_appears_on_it(browser: Browser, app: FastAPI, scene: Scene) -> None:
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        seen(page, "Nothing has arrived yet")
        recording = scene.arrive()
        seen(page, "Arriving now")
        scene.scans.lost(recording, "cut")
        job = scene.start({**FACTS, "protocol": "came_later"})
        seen(page, "came_later")
        scene.jobs.progress(job.lease, 0.42, "slice 5 of 12")
        seen(page, "42 % slice 5 of 12")
        page.get_by_role("link", name="came_later").focus()
        scene.jobs.progress(job.lease, 0.84, "slice 10 of 12")
        seen(page, "84 % slice 10 of 12")
        assert page.evaluate("document.activeElement.id") == f"job-{job.job}"  # nobody loses the place
        page.get_by_role("link", name="came_later").click()
        scene.jobs.hold(job.lease, "no slice thickness in the header")
        seen(page, "no slice thickness in the header")
        page.get_by_label("Why").fill("the scanner is known for it")
        page.get_by_role("button", name="Release").click()
        seen(page, "Queued")
        page.get_by_role("button", name="Hold").click()
        page.goto("/held")
        seen(page, "came_later")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.id") == f"held-{job.job}"
        page.get_by_role("button", name="Cancel").click()
        seen(page, "Nothing waits for a person")


def test_a_page_tells_when_the_gateway_has_gone_and_goes_on_when_it_is_back(
    browser: Browser, scene: Scene, site: Site
) -> None:
    scene.start({**FACTS, "protocol": "known_before"})
    first = create_app(scene.queries, site=site)
    with visiting(browser, "about:blank") as page:
        with serving(first) as url:
            page.goto(url)
            expect(page.locator("body")).to_have_attribute("data-live", "yes")
        expect(page.locator("#lost")).to_contain_text("The gateway does not answer. This is how things stood at")
        seen(page, "known_before")


def test_a_session_that_ends_takes_its_open_pages_along(
    browser: Browser, app: FastAPI, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.live.HEARTBEAT_S", 0.2)
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        expect(page.locator("body")).to_have_attribute("data-live", "yes")
        control.people.change("operator", disabled=True, who="test")
        page.wait_for_url("**/sign-in")


def test_a_stream_goes_on_where_it_was_and_begins_no_more_than_there_is_room_for(scene: Scene, site: Site) -> None:
    app = create_app(scene.queries, site=site)
    scene.start()
    with serving(app) as url:
        parts, last = first_parts(url)
        assert {"summary", "worklist", "disk"} <= parts.keys()
        scene.scan()
        changed, _ = first_parts(url, last)
        assert "worklist" in changed
        app.state.live._most = 0  # noqa: SLF001 - room for nobody
        with pytest.raises(TooManyWatchers):
            app.state.live.check_room()
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
        connection.request("GET", "/live")
        assert connection.getresponse().status == 503
        connection.close()


def first_parts(url: str, last: str = "") -> tuple[dict[str, str], str]:
    """Follow a page until it is told something; what, and how that state is called."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/live", headers={"Last-Event-ID": last} if last else {})
    answer = connection.getresponse()
    fields: dict[str, str] = {}
    assert answer.headers["content-type"].startswith("text/event-stream")
    while fields.get("event") != "parts" or "data" not in fields:
        name, _, value = answer.readline().decode().strip().partition(": ")
        fields[name] = value
    connection.close()
    return json.loads(fields["data"]), fields["id"]


def pixels(page: Page, which: str = "a") -> list[int]:
    """What a canvas shows: the brightness along its middle row."""
    script = """which => { const c = document.querySelector(`[data-canvas="${which}"]`);
        const d = c.getContext('2d').getImageData(0, c.height >> 1, c.width, 1).data;
        return Array.from(d).filter((_, i) => i % 4 === 0); }"""
    shown: list[int] = page.evaluate(script, which)
    return shown


def test_images_scroll_window_zoom_and_compare(browser: Browser, app: FastAPI, scene: Scene) -> None:
    job = scene.finish()
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        page.goto(f"/jobs/{job.job}")
        panes = page.get_by_role("application", name="Image viewer")
        expect(page.locator('[data-caption="a"]')).to_have_text("rings · 1 of 6")
        first = pixels(page)
        assert max(first) > 250
        panes.focus()
        for key, told in (("ArrowDown", "2"), ("End", "6"), ("ArrowUp", "5"), ("Home", "1"), ("ArrowDown", "2")):
            page.keyboard.press(key)
            expect(page.locator('[data-caption="a"]')).to_have_text(f"rings · {told} of 6")
        assert pixels(page) != first
        page.keyboard.press("w")
        page.keyboard.press("l")
        expect(page.get_by_label("Window")).to_have_value("4400")
        expect(page.get_by_label("Level")).to_have_value("1800")
        box = panes.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 300, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 160)
        page.mouse.up()
        assert float(page.get_by_label("Window").input_value()) > 4400
        page.keyboard.press("0")
        expect(page.get_by_label("Window")).to_have_value("4000")
        page.locator('[data-pick="b"]').select_option(label="noisy")
        expect(page.locator('[data-caption="b"]')).to_have_text("noisy · 2 of 6")
        page.get_by_role("checkbox", name="Difference").check()
        expect(page.locator('[data-caption="d"]')).to_contain_text("Difference after scaling by")
        whole = pixels(page, "b")
        page.keyboard.press("Escape")
        panes.focus()
        page.keyboard.press("+")
        assert pixels(page, "b") != whole  # zoomed together
        shoot(page, "viewer")
        page.locator("#image-3").click()
        expect(page.locator('[data-caption="a"]')).to_have_text("rings · 3 of 6")


def test_two_fingers_zoom_or_go_through_images_and_one_windows(browser: Browser, app: FastAPI, scene: Scene) -> None:
    job = scene.finish()
    with serving(app) as url, visiting(browser, url, name="operator", width=400, touch=True) as page:
        page.goto(f"/jobs/{job.job}")
        caption = page.locator('[data-caption="a"]')
        expect(caption).to_have_text("rings · 1 of 6")
        panes = page.get_by_role("application", name="Image viewer")
        panes.scroll_into_view_if_needed()
        touch(page, [[(-40, 0), (40, 0)], [(-60, 0), (60, 0)], [(-80, 0), (80, 0)]])
        zoomed = pixels(page)
        touch(page, [[(-40, 80), (40, 80)], [(-40, 50), (40, 50)], [(-40, 20), (40, 20)]])
        expect(caption).to_have_text("rings · 3 of 6")
        touch(page, [[(-40, 0), (40, 0)], [(-40, 30), (40, 30)]])
        expect(caption).to_have_text("rings · 2 of 6")
        expect(page.get_by_label("Window")).to_have_value("4000")
        touch(page, [[(0, 0)], [(60, 0)]])
        expect(page.get_by_label("Window")).not_to_have_value("4000")
        page.get_by_role("button", name="Reset view").click()  # Chromium takes the first tap after a drag for its end
        expect(page.get_by_label("Window")).to_have_value("4000")
        page.locator("#image-1").click()
        expect(caption).to_have_text("rings · 1 of 6")
        assert pixels(page) != zoomed
        shoot(page, "viewer-touch")


def touch(page: Page, steps: list[list[tuple[float, float]]]) -> None:
    """Put fingers on the middle of the first pane, move them, and lift them."""
    box = page.locator('[data-canvas="a"]').bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    screen = page.context.new_cdp_session(page)
    for number, fingers in enumerate(steps):
        points = [{"x": x + right, "y": y + down, "id": finger} for finger, (right, down) in enumerate(fingers)]
        kind = "touchMove" if number else "touchStart"
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    screen.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("path", ["/", "/held", "/jobs/4"])
def test_hostile_names_are_inert(browser: Browser, app: FastAPI, scene: Scene, path: str) -> None:
    for name in HOSTILE:
        facts = dict.fromkeys(FACTS, name)
        scene.finish(facts, n_instances=1, to=(name[:200],), description=name[:60])
        scene.send(0, failure=name)
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        page.goto(path)
        assert "owned" not in page.title()
        assert page.locator("main script, main svg[onload], main img[onerror]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        text = page.locator("main").inner_text()
        assert "x" * 1_000 not in text
        if path == "/":
            for part in ("<script>", "␇", "␛[31m", "{{7*7}}"):
                assert part in text
        shoot(page, f"hostile-{path.strip('/').split('/')[0] or 'work'}")
