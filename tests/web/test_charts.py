"""Control charts on the page: what moved is seen, and a person begins a new baseline with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from gateway.control import Control
from gateway.jobs.charts import Charts, ChartView, Origin
from gateway.jobs.clock import utc_now
from gateway.model.control_chart import BASELINE
from gateway.model.person import Role
from gateway.model.trend import Measure, Phantom, Trend
from gateway.web.charts import HEIGHT, drawn
from tests.web.chromium import barriers, chromium, serving, shoot, visiting
from tests.web.scene import Scene
from tests.web.visits import account, csrf, signed_in

ACR = Trend.of_phantom(Phantom.ACR, scanner="<b>MR1</b>", rule="daily ACR")
BEGUN = datetime(2026, 1, 5, 6, 30, tzinfo=UTC)


@pytest.fixture
def chart(scene: Scene) -> ChartView:
    """Uniformity that was steady for a month and then fell."""
    known = Charts(scene.engine, utc_now)
    random = np.random.default_rng(0)
    for n in range(BASELINE + 20):
        value = random.normal(92 if n < BASELINE + 8 else 90.8, 0.5)
        origin = Origin(scan=f"{n:032x}", job=n + 1, at=BEGUN + timedelta(days=n))
        known.put(ACR, {Measure.UNIFORMITY: float(value)}, origin)
    (found,) = [one for one in known.all() if one.quantity == Measure.UNIFORMITY]
    return known.one(found.id)


@pytest.fixture
def reader(guarded: FastAPI, control: Control) -> TestClient:
    return signed_in(guarded, control.people, Role.VIEWER)


@pytest.mark.usefixtures("chart")
def test_charts_are_listed_with_what_has_moved_first(reader: TestClient) -> None:
    text = reader.get("/charts").text
    assert text.index("Drift") < text.index("Learning")
    assert "&lt;b&gt;MR1" in text


def test_the_dashboard_says_that_a_chart_has_moved(
    reader: TestClient, scene: Scene, request: pytest.FixtureRequest
) -> None:
    assert "Control charts have moved" not in reader.get("/").text
    request.getfixturevalue("chart")
    scene.finish()
    text = reader.get("/").text
    assert "Control charts have moved: 1 drift" in text
    assert 'href="/charts">See which' in text


def test_a_chart_shows_every_reading_and_where_it_may_lie(reader: TestClient, chart: ChartView) -> None:
    text = reader.get(f"/charts/{chart.id}").text
    assert text.count("<circle") == BASELINE + 20
    assert "percent integral uniformity" in text.lower()


def test_everything_that_is_drawn_lies_within_the_drawing(chart: ChartView) -> None:
    drawing = drawn(chart)
    assert all(0 <= y <= HEIGHT for _, y, _, _ in drawing.dots)
    assert len(drawing.average.split()) == 20


def test_nobody_begins_anew_without_the_right_and_a_reason(
    guarded: FastAPI, control: Control, reader: TestClient, chart: ChartView
) -> None:
    address = f"/charts/{chart.id}/restart"
    assert reader.post(address, data={"reason": "x"}).status_code == 403
    admin = signed_in(guarded, control.people, Role.ADMIN)
    secret = csrf(admin)
    assert admin.post(address, data={"reason": " ", "csrf": secret}).status_code == 422
    assert admin.post(address, data={"reason": "new coil", "csrf": secret}).status_code == 303
    assert control.jobs.charts.one(chart.id).alarm is None


def test_there_is_nothing_at_the_address_of_no_chart(reader: TestClient) -> None:
    assert reader.get("/charts/77").status_code == 404


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.peer("chromium")
@pytest.mark.usefixtures("chart")
def test_a_person_sees_the_drift_and_says_that_a_new_coil_made_it(
    guarded: FastAPI, control: Control, browser: Browser
) -> None:
    account(control.people, "ada", Role.ADMIN)
    with serving(guarded) as address, visiting(browser, address, name="ada") as page:
        page.goto("/")
        page.get_by_role("link", name="Charts").click()
        page.get_by_role("link", name="uniformity").click()
        expect(page.get_by_role("heading", name="Uniformity")).to_be_visible()
        expect(page.get_by_text("Drift", exact=True)).to_be_visible()
        assert barriers(page) == []
        shoot(page, "control-chart")
        page.get_by_label("Why").fill("new coil")
        page.get_by_role("button", name="Begin a new baseline").click()
        expect(page.get_by_text("Learning", exact=True)).to_be_visible()
