"""The review of held images in a real browser: maps side by side, and a decision with a reason that is audited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect

from gateway.control import Control
from gateway.jobs.audit import AuditTrail
from gateway.jobs.credentials import Terms
from gateway.jobs.people import People
from gateway.jobs.route_versions import RouteVersions
from gateway.jobs.sessions import Sessions
from gateway.jobs.sign_on import SignOns
from gateway.jobs.studies import Studies
from gateway.jobs.tokens import Tokens
from gateway.model.gate import Decision
from gateway.model.ids import JobId
from gateway.model.job import JobState
from gateway.model.person import Role
from gateway.model.picture import Sheet
from gateway.model.policy import Policy
from gateway.pictures import OutboxPictures
from gateway.settings import DEFAULT_ROUTES
from gateway.site import Site
from gateway.steering import Steering
from gateway.studies import ReaderStudies
from gateway.web.app import create_app
from tests.studio import Studio
from tests.web.chromium import Scheme, barriers, chromium, serving, shoot, visiting
from tests.web.conftest import Artist
from tests.web.scene import Scene, site_of
from tests.web.visits import account

pytestmark = pytest.mark.peer("chromium")

NOBODY = 9
"""A port at which no PACS answers; nothing is sent here."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """A site whose network nobody has trained: its images are held."""
    studio = Studio(tmp_path, NOBODY, Policy(reruns="always"))
    studio.arrive()
    studio.work_if_due()
    yield studio
    studio.engine.dispose()


@pytest.fixture
def app(studio: Studio, tmp_path: Path) -> FastAPI:
    engine, clock = studio.engine, studio.clock
    control = Control(
        people=People(engine, clock, Terms()),
        tokens=Tokens(engine, clock),
        scans=studio.scans,
        sessions=Sessions(engine, clock, Terms()),
        sign_ons=SignOns(engine, clock, Terms()),
        jobs=studio.jobs,
        deliveries=studio.deliveries,
        queries=studio.queries,
        steering=Steering(versions=RouteVersions(engine, clock), folder=tmp_path, unapplied=lambda: DEFAULT_ROUTES),
        audit=AuditTrail(engine, clock),
        studies=ReaderStudies(
            kept=Studies(engine, clock),
            queries=studio.queries,
            people=People(engine, clock, Terms()),
            in_force=lambda: studio.routes,
        ),
    )
    account(control.people, "operator", Role.OPERATOR)
    pictures = OutboxPictures(queries=studio.queries, outbox=studio.outbox, exhibits=studio.processor.exhibits)
    return create_app(studio.queries, site=site_of(Scene(engine)), pictures=pictures, control=control)


def shown(page: Page, number: int) -> list[int]:
    """What the canvas of a map shows: the brightness along its middle row."""
    script = """n => { const c = document.querySelectorAll('[data-map] canvas')[n];
        const d = c.getContext('2d').getImageData(0, c.height >> 1, c.width, 1).data;
        return Array.from(d).filter((_, i) => i % 4 === 0); }"""
    values: list[int] = page.evaluate(script, number)
    return values


def test_maps_stand_side_by_side_and_zoom_together(browser: Browser, app: FastAPI) -> None:
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        page.goto("/jobs/1")
        maps = page.locator("[data-map]:visible figcaption")
        expect(maps).to_have_count(10)
        expect(page.locator("[data-caption=a]")).to_have_text("Gate: learned (small 1.0) · 1 of 1")
        expect(page.locator("[data-caption=b]")).to_have_text("Gate: conventional · 1 of 1")
        expect(maps.nth(0)).to_have_text("Gate: learned less conventional · 1 of 1")
        expect(maps.nth(7)).to_have_text("Gate: response to details put in, image 1 · 1 of 1")
        expect(page.locator("#gate")).to_contain_text("The image contradicts the measured data in a place.")
        expect(page.get_by_role("row", name="Consistency Fail")).to_be_visible()
        expect(page.get_by_label("Edge between the two")).to_be_hidden()
        assert barriers(page) == []
        shoot(page, "review")
        before = [shown(page, 2), shown(page, 3)]
        page.get_by_role("application", name="Image viewer").focus()
        page.keyboard.press("+")
        page.keyboard.press("+")
        assert all(old != new for old, new in zip(before, [shown(page, 2), shown(page, 3)], strict=True))
        page.keyboard.press("m")
        expect(maps).to_have_count(0)
        page.keyboard.press("m")
        expect(maps).to_have_count(10)


def test_the_worst_places_are_marked_in_all_panes_until_they_are_switched_off(browser: Browser, app: FastAPI) -> None:
    with serving(app) as url, visiting(browser, url, name="operator", width=1600) as page:
        page.goto("/jobs/1")
        legend = page.get_by_role("list", name="Worst places in this image")
        expect(legend).to_contain_text("consistency, fail")
        marked = [picture(page, number) for number in (0, 1, 5)]
        page.get_by_role("application", name="Image viewer").focus()
        page.keyboard.press("k")
        expect(legend).to_be_hidden()
        plain = [picture(page, number) for number in (0, 1, 5)]
        assert all(old != new for old, new in zip(marked, plain, strict=True))
        page.get_by_role("button", name="Worst in image 1 by lines: show it").click()
        expect(legend).to_be_visible()
        assert [picture(page, number) for number in (0, 1, 5)] == marked, "as before: lines have no place"
        expect(page.locator("figure.asked figcaption")).to_contain_text("k-space, lines downwards")


def picture(page: Page, number: int) -> str:
    """What a pane shows, counted from 0."""
    drawn: str = page.evaluate("n => document.querySelectorAll('figure canvas')[n].toDataURL()", number)
    return drawn


def test_what_failed_stands_first_and_leads_to_its_image(browser: Browser, app: FastAPI) -> None:
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        page.goto("/jobs/1")
        grades = page.locator("#gate tbody .badge").all_inner_texts()
        assert grades == sorted(grades, key=["Fail", "Warn", "Unchecked", "Pass"].index)
        page.locator("[data-tick=maps]").uncheck()
        page.get_by_role("button", name="Worst in image 1 by consistency: show it").click()
        expect(page.locator("[data-tick=maps]")).to_be_checked()
        expect(page.get_by_role("application", name="Image viewer")).to_be_focused()


def test_both_images_are_seen_in_turns_and_one_of_all_large(browser: Browser, app: FastAPI) -> None:
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        page.goto("/jobs/1")
        caption, panes = page.locator("[data-caption=a]"), page.locator("[data-panes] figure:visible")
        expect(page.locator("[data-caption=b]")).to_have_text("Gate: conventional · 1 of 1")
        first, second = row_of(page, "a"), row_of(page, "b")
        page.get_by_role("application", name="Image viewer").focus()
        page.keyboard.press("f")
        expect(caption).to_contain_text("Gate: conventional")
        other = row_of(page, "a")
        page.keyboard.press("f")
        expect(caption).to_contain_text("Gate: learned")
        assert row_of(page, "a") != other, "the one and the other"
        assert first != second
        page.keyboard.press("e")
        expect(panes).to_have_count(1)
        assert barriers(page) == []
        shoot(page, "review-large")
        page.keyboard.press("e")
        expect(panes).to_have_count(11)
        page.get_by_label("Contrast").select_option("dark")
        expect(page.get_by_label("Window", exact=True)).not_to_have_value("")
        page.locator("[data-canvas=a]").hover()
        expect(page.locator("[data-map]:visible .cross:visible")).to_have_count(8)


def row_of(page: Page, which: str) -> list[int]:
    """What one of the two large canvases shows along its middle row."""
    script = """w => { const c = document.querySelector(`[data-canvas="${w}"]`);
        const d = c.getContext('2d').getImageData(0, c.height >> 1, c.width, 1).data;
        return Array.from(d).filter((_, i) => i % 4 === 0); }"""
    values: list[int] = page.evaluate(script, which)
    return values


def test_one_image_is_wiped_over_the_other_by_slider_and_keys(browser: Browser, app: FastAPI) -> None:
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        page.goto("/jobs/1")
        page.locator("[data-tick=marks]").uncheck()
        page.locator("[data-tick=maps]").uncheck()
        expect(page.locator("[data-map]:visible")).to_have_count(0)
        learned, conventional = row_of(page, "a"), row_of(page, "b")
        page.get_by_role("application", name="Image viewer").focus()
        page.keyboard.press("v")
        expect(page.locator("[data-figure=b]")).to_be_hidden()
        edge = page.get_by_label("Edge between the two")
        edge.fill("0")
        right = row_of(page, "a")
        edge.fill("100")
        left = row_of(page, "a")
        edge.fill("50")
        middle, n = row_of(page, "a"), len(left)
        assert middle[: n // 2 - 2] == left[: n // 2 - 2], "left of the edge the one"
        assert middle[n // 2 + 4 :] == right[n // 2 + 4 :], "right of it the other"
        assert left != right
        assert len(learned) == len(conventional)
        expect(page.locator("[data-caption=a]")).to_contain_text("Left: Gate: learned (small 1.0) · right: Gate: conv")
        page.get_by_role("application", name="Image viewer").focus()
        page.keyboard.press("]")
        assert edge.input_value() == "55"
        assert barriers(page) == []
        shoot(page, "review-wiped")
        page.keyboard.press("v")
        expect(page.locator("[data-figure=b]")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("dark", 320), ("light", 1920)])
def test_the_review_fits_any_screen(browser: Browser, app: FastAPI, scheme: Scheme, width: int) -> None:
    with serving(app) as url, visiting(browser, url, name="operator", scheme=scheme, width=width) as page:
        page.goto("/jobs/1")
        expect(page.locator("[data-caption=b]")).to_have_text("Gate: conventional · 1 of 1")
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        shoot(page, f"review-{scheme}-{width}")


def test_a_decision_by_the_keyboard_asks_why_first(browser: Browser, app: FastAPI, studio: Studio) -> None:
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        page.goto("/jobs/1")
        page.get_by_role("application", name="Image viewer").focus()
        page.keyboard.press("x")
        why = page.get_by_label("Why")
        expect(why).to_be_focused()
        page.keyboard.type("streaks through the ventricles, a and c and x")
        page.keyboard.press("Tab")
        page.keyboard.press("x")
        expect(page.locator("#decided")).to_contain_text("streaks through the ventricles")
    assert studio.queries.job(1).state is JobState.CANCELLED


def test_a_decision_needs_a_reason_and_is_written_down(browser: Browser, app: FastAPI, studio: Studio) -> None:
    with serving(app) as url, visiting(browser, url, name="operator") as page:
        page.goto("/jobs/1")
        page.get_by_role("button", name="Accept").click()
        expect(page.get_by_label("Why")).to_be_focused()
        assert "Say why" in page.get_by_label("Why").evaluate("why => why.validationMessage")
        page.get_by_label("Why").fill("the streak is there in the scanner's image, too")
        page.get_by_role("button", name="Replace").click()
        expect(page.locator("#decided")).to_contain_text("Replace, operator")
        expect(page.get_by_role("button", name="Accept")).to_have_count(0)
    assert studio.queries.job(1).state is JobState.QUEUED
    view = studio.queries.ruling(1)
    assert view is not None
    assert (view.ruling.decision, view.open) == (Decision.REPLACE, False)
    (line, *_) = AuditTrail(studio.engine, studio.clock).newest(1)
    assert line.deed.text.endswith("the streak is there in the scanner's image, too")


class OneMap(Artist):
    """Series of six images, and a map that was made of the third alone."""

    def sheets(self, job: JobId) -> list[Sheet]:
        return [*super().sheets(job)[:1], Sheet(description="Gate: response", first=7, count=1, begins=3)]


def test_a_map_of_one_image_stands_beside_that_image_alone(browser: Browser, scene: Scene, site: Site) -> None:
    job = scene.finish().job
    app = create_app(scene.queries, site=site, pictures=OneMap())
    with serving(app) as url, visiting(browser, url) as page:
        page.goto(f"/jobs/{job}")
        page.get_by_label("Maps of the gate").check()
        caption = page.locator("[data-map] figcaption")
        expect(caption).to_have_text("Gate: response · only of image 3")
        assert set(shown(page, 0)) == {0}, "nothing to see beside the first image"
        page.get_by_role("application", name="Image viewer").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(page.locator("[data-caption=a]")).to_contain_text("3 of 6")
        assert len(set(shown(page, 0))) > 1
