"""A reader study in a real browser: scored by the keyboard, paused, gone on with, finished; no recipe is told."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, Request, expect

from gateway.control import Control
from gateway.jobs.audit import AuditTrail
from gateway.jobs.credentials import Terms
from gateway.jobs.route_versions import RouteVersions
from gateway.jobs.sessions import Sessions
from gateway.jobs.sign_on import SignOns
from gateway.jobs.tokens import Tokens
from gateway.model.person import Role
from gateway.model.reading import Design, Study, StudyPlan
from gateway.settings import DEFAULT_ROUTES
from gateway.steering import Steering
from gateway.web.app import create_app
from tests.test_studies import Lab
from tests.web.chromium import Scheme, barriers, chromium, serving, shoot, visiting
from tests.web.scene import Scene, site_of
from tests.web.visits import account, browser as visit, sign_in

pytestmark = pytest.mark.peer("chromium")

NOBODY = 9
SECRETS = ("plain", "sense", "/jobs/", "fft")
"""What a reader must never be told: recipes, and jobs, where they stand."""


@dataclass
class Hall:
    """A study of two scans by two recipes, and its pages."""

    lab: Lab
    study: Study
    app: FastAPI


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    lab = Lab(tmp_path, NOBODY)
    lab.receive(2)
    study = lab.make(name="Heads, spring", recipes=("plain", "sense"))
    engine, clock = lab.engine, lab.clock
    control = Control(
        people=lab.people,
        tokens=Tokens(engine, clock),
        scans=lab.scans,
        sessions=Sessions(engine, clock, Terms()),
        sign_ons=SignOns(engine, clock, Terms()),
        jobs=lab.jobs,
        deliveries=lab.deliveries,
        queries=lab.queries,
        steering=Steering(versions=RouteVersions(engine, clock), folder=tmp_path, unapplied=lambda: DEFAULT_ROUTES),
        audit=AuditTrail(engine, clock),
        studies=lab.studies,
    )
    account(lab.people, "admin", Role.ADMIN)
    yield Hall(lab, study, create_app(lab.queries, site=site_of(Scene(engine)), pictures=lab.pictures, control=control))
    lab.engine.dispose()


def score_one(page: Page, keys: str) -> None:
    """Answer every criterion by the keyboard, and go on."""
    expect(page.locator("[data-canvas=a]")).to_be_visible()
    before = page.url
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != before)


def test_a_study_is_read_from_beginning_to_end_and_nothing_tells_the_recipe(browser: Browser, hall: Hall) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    with serving(hall.app) as url, visiting(browser, url, name="anna") as page:
        page.on("request", note)
        page.wait_for_url("**/studies")
        expect(page.get_by_role("navigation", name="Pages").get_by_role("link")).to_have_text(
            ["Studies", "Your account: anna"]
        )
        page.get_by_role("link", name="Begin").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Heads, spring: image 1 of 4")
        expect(page.locator("[data-told]")).to_contain_text("Image 1 of 1")
        assert not any(word in page.content().lower() for word in SECRETS)
        assert barriers(page) == []
        shoot(page, "reading")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Heads, spring: image 1 of 4")
        score_one(page, "43")
        score_one(page, "54")
        page.get_by_role("link", name="Pause").click()
        expect(page.locator("main")).to_contain_text("2 of 4 images")
        shoot(page, "studies-reader")
        page.get_by_role("link", name="Go on").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Heads, spring: image 3 of 4")
        page.get_by_role("link", name="The image before").click()
        expect(page.get_by_role("radio", name="5").first).to_be_checked()
        page.goto(f"/reading/{hall.study.id}")
        score_one(page, "32")
        score_one(page, "21")
        assert barriers(page) == []
        shoot(page, "reading-done")
        page.get_by_role("button", name="I have finished").click()
        expect(page.locator("main")).to_contain_text("Finished")
    assert hall.lab.kept.reader(hall.study.id, "anna").finished_at is not None
    assert len(hall.lab.kept.scores(hall.study.id)) == 8
    assert not any("/jobs/" in one or "sense" in one for one in asked)


def test_pairs_are_read_side_by_side_and_nothing_tells_which_is_which(browser: Browser, hall: Hall) -> None:
    study = hall.lab.make(name="Side by side", recipes=("plain", "sense"), design=Design.PAIRS, points=3)
    asked: list[str] = []
    with serving(hall.app) as url:
        with visiting(browser, url, name="anna") as page:
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"/reading/{study.id}")
            expect(page.get_by_role("heading", level=1)).to_have_text("Side by side: pair 1 of 2")
            expect(page.locator("[data-panes] figure:visible")).to_have_count(2)
            expect(page.locator("[data-caption=a]")).not_to_have_text("")
            assert drawn(page, "a") != drawn(page, "b"), "two recipes of one scan"
            assert not any(word in page.content().lower() for word in SECRETS)
            assert barriers(page) == []
            shoot(page, "reading-pair")
            page.keyboard.press("4")
            expect(page.locator("input:checked")).to_have_count(0)
            score_one(page, "12")
            page.get_by_role("link", name="The pair before").click()
            expect(page.locator("input:checked")).to_have_count(2)
            page.goto(f"/reading/{study.id}")
            page.keyboard.press("r")
            page.keyboard.type("blurred on the left, 1 of 3")
            page.keyboard.press("Escape")
            score_one(page, "33")
            page.get_by_role("button", name="I have finished").click()
            expect(page.locator("main")).to_contain_text("Finished")
        assert not any("/jobs/" in one or "sense" in one for one in asked)
        with visiting(browser, url, name="admin", scheme="dark", width=320) as page:
            page.goto(f"/studies/{study.id}")
            first = page.locator("#preferences tbody tr").first
            expect(first).to_be_visible()
            label = "cell => getComputedStyle(cell, '::before').content"
            assert "p, adjusted" in first.locator("td").last.evaluate(label), "a number says what it is"
            expect(page.locator("#sides tbody tr")).to_have_count(1)
            assert barriers(page) == []
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            shoot(page, "study-pairs-dark-320")
    said = hall.lab.kept.scores(study.id)
    assert (len(said), [one.score for one in said].count(2)) == (4, 1), "sides are drawn, and turned back"


def drawn(page: Page, which: str) -> str:
    """What a pane shows."""
    shown: str = page.evaluate("w => document.querySelector(`[data-canvas=${w}]`).toDataURL()", which)
    return shown


@pytest.mark.parametrize(("scheme", "width"), [("dark", 320), ("light", 1280)])
def test_the_tables_of_a_study_fit_any_screen(browser: Browser, hall: Hall, scheme: Scheme, width: int) -> None:
    study = hall.lab.make(name="Some of them twice", recipes=("plain", "sense"), repeats=2)
    for name in ("anna", "bert"):
        hall.lab.finish(study, name)
    with serving(hall.app) as url:
        with visiting(browser, url, name="admin", scheme=scheme, width=width) as page:
            for where, what in (("/studies", "studies"), (f"/studies/{study.id}", "study")):
                page.goto(where)
                assert barriers(page) == []
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
                shoot(page, f"{what}-{scheme}-{width}")
            expect(page.locator("#summaries tbody tr")).to_have_count(4)
            expect(page.locator("#comparisons tbody tr")).to_have_count(2)
            expect(page.locator("#agreements")).to_contain_text("1.00")
            expect(page.locator("#repeatability tbody tr")).to_have_count(4)
            expect(page.locator("#repeatability")).to_contain_text("100 %")
        with visiting(browser, url, name="anna", scheme=scheme, width=width) as page:
            page.goto(f"/reading/{study.id}/{hall.lab.studies.task(study.id, 'anna').codes[0]}")
            expect(page.locator("#save")).to_be_disabled()
            assert barriers(page) == []
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            shoot(page, f"reading-{scheme}-{width}")


def test_an_administrator_makes_a_study_on_the_page(browser: Browser, hall: Hall) -> None:
    scan = hall.lab.queries.scans()[0].id
    with serving(hall.app) as url, visiting(browser, url, name="admin") as page:
        page.goto("/studies")
        page.get_by_label("Name").fill("Knees")
        page.get_by_label("Scans").fill(scan[:12])
        page.get_by_label("Recipes").fill("plain")
        page.get_by_label("Readers").fill("anna, bert")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_role("alert")).to_contain_text("two recipes or more")
        page.get_by_label("Recipes").fill("plain, sense")
        page.get_by_label("Images that are shown twice").fill("1")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Knees")
        expect(page.locator("main")).to_contain_text("0 of 3")
    made = hall.lab.kept.named("Knees")
    assert [one.name for one in made.criteria] == ["sharpness", "noise", "artefacts", "confidence"]
    assert made.criteria[0].best == "sharp"


def test_a_reader_sees_neither_jobs_nor_results_nor_what_others_read(hall: Hall) -> None:
    hall.app.state.live.close()
    account(hall.lab.people, "carl", Role.READER)
    code = hall.lab.studies.task(hall.study.id, "anna").codes[0]
    reader = visit(hall.app)
    sign_in(reader, "carl")
    assert reader.get("/").headers["location"] == "/studies"
    number = hall.study.id
    pictures = f"/reading/{number}/{code}/images/1.u16"
    for path in (
        "/jobs/1",
        "/jobs/1/images/1.u16",
        "/held",
        "/routes",
        f"/studies/{number}",
        f"/studies/{number}/scores.csv",
    ):
        assert reader.get(path).status_code == 403, path
    for path in (f"/reading/{number}", f"/reading/{number}/{code}", pictures):
        assert reader.get(path).status_code == 404, path
    asked = visit(hall.app)
    sign_in(asked, "anna")
    answer = asked.get(pictures)
    assert answer.status_code == 200
    assert not any(word in str(dict(answer.headers)).lower() for word in SECRETS)
    assert asked.get("/account").status_code == 200, "everybody has an account of their own"


def test_who_comes_too_early_or_too_late_is_told_so(hall: Hall) -> None:
    hall.app.state.live.close()
    scans = tuple(one.id for one in hall.lab.queries.scans())
    made = hall.lab.studies.make(
        StudyPlan(name="later", scans=scans, recipes=("plain", "sense"), readers=("anna",), seed=""), who="admin"
    )
    reader = visit(hall.app)
    sign_in(reader, "anna")
    assert "0 of 4 images are made" in reader.get("/studies").text
    early = reader.get(f"/reading/{made.id}")
    assert (early.status_code, "4 images of study 2 are not made yet" in early.text) == (409, True)
    hall.lab.kept.close(hall.study.id, who="admin")
    late = reader.get(f"/reading/{hall.study.id}")
    assert (late.status_code, "study 1 is closed" in late.text) == (409, True)
    assert "Heads, spring" not in reader.get("/studies").text


def test_scores_and_key_are_files_for_those_who_may(hall: Hall) -> None:
    hall.app.state.live.close()
    hall.lab.finish(hall.study, "anna")
    admin = visit(hall.app)
    sign_in(admin, "admin")
    page = admin.get(f"/studies/{hall.study.id}").text
    rows = list(csv.DictReader(StringIO(admin.get(f"/studies/{hall.study.id}/scores.csv").text)))
    assert {row["recipe"] for row in rows} == {"plain", "sense"}
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    key = admin.post(f"/studies/{hall.study.id}/key.csv", data={"csrf": csrf})
    assert len(key.text.splitlines()) == 5
    assert AuditTrail(hall.lab.engine, hall.lab.clock).newest(1)[0].deed.what == "study 1 key shown"
