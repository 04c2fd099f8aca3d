"""The page: it shows what the database says, nothing that it is told can act, and strangers learn nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gateway.jobs.database import open_database
from gateway.jobs.queries import Queries
from gateway.model.ids import JobId
from gateway.model.scan import ScanState
from gateway.web.app import Manners, create_app
from gateway.web.security import PROTECTION
from tests.web.conftest import Drawer
from tests.web.scene import FACTS, Scene, morning

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>{{7*7}}"


class Elements(HTMLParser):
    """Tags with their attributes, and the text, as a browser sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def words(self) -> str:
        return " ".join(self.text.split())


def read(page: TestClient, path: str) -> Elements:
    answer = page.get(path)
    assert answer.status_code == 200
    return Elements(answer.text)


def test_an_empty_gateway_says_so(page: TestClient) -> None:
    assert "Nothing has arrived yet" in read(page, "/").words()


def test_the_dashboard_shows_scans_and_jobs_newest_first(scene: Scene, page: TestClient) -> None:
    morning(scene)
    html = page.get("/").text
    table = Elements(html[html.index('id="worklist"') :]).words()
    stages = (
        "Receiving",
        "Queued",
        "62 % slice 15 of 24",
        "pacs Waiting 9 of 24",
        "radial_vibe",
        "12 of 12",
        "No data",
    )
    places = [table.index(stage) for stage in (*stages, "176 of 176", "41 of 176", "trufi_cine_sax", "Incomplete")]
    assert places == sorted(places)
    assert "1 arriving, 1 running, 1 waiting, 3 for a person" in Elements(html).words()


def test_a_job_tells_its_whole_story(scene: Scene, page: TestClient) -> None:
    job = scene.finish(description="brain to PACS")
    scene.send(12)
    story = read(page, f"/jobs/{job.job}").words()
    steps = ("receiving", "complete", "queued", "claimed", "routed", "reconstructed", "checked", "pacs: succeeded")
    places = [story.index(step) for step in ("Timeline", *steps)]
    assert places == sorted(places)
    for fact in (*FACTS.values(), "brain to PACS", "12 of 12", "at every destination", "2560 readouts, 85 MB"):
        assert fact in story


def test_every_step_has_its_time_by_the_clock_on_the_wall_and_in_utc(scene: Scene, page: TestClient) -> None:
    job = scene.start()
    elements = read(page, f"/jobs/{job.job}")
    times = [attributes["datetime"] for tag, attributes in elements.tags if tag == "time"]
    for event in scene.queries.timeline(scene.queries.job(job.job)):
        assert event.at.isoformat() in times
    assert "2026-03-02 14:00:0" in elements.words()  # 08:15 UTC in the zone of the tests
    assert "UTC+0545" in elements.words()


def test_why_a_job_waits_is_told_at_the_top(scene: Scene, page: TestClient) -> None:
    job = scene.start()
    scene.jobs.hold(job.lease, "no slice thickness in the header")
    assert "no slice thickness in the header" in read(page, f"/jobs/{job.job}").words()
    dashboard = read(page, "/").words()
    assert dashboard.index("Needs a person") < dashboard.index("no slice thickness in the header")


def test_pictures_are_shown_where_there_are_any(scene: Scene, page: TestClient) -> None:
    job = scene.finish(n_instances=3)
    pictures = [attributes for tag, attributes in read(page, f"/jobs/{job.job}").tags if tag == "img"][1:]
    assert [picture["alt"] for picture in pictures] == ["Image 1 of 3", "Image 2 of 3", "Image 3 of 3"]
    answer = page.get(str(pictures[1]["src"]))
    assert (answer.headers["content-type"], answer.content) == ("image/png", b"\x89PNG of image 2")
    assert page.get(str(pictures[2]["src"])).status_code == 404


def test_without_previews_there_are_no_pictures(scene: Scene) -> None:
    job = scene.finish()
    page = TestClient(create_app(scene.queries), base_url="http://localhost")
    assert "/images/" not in page.get(f"/jobs/{job.job}").text
    assert page.get(f"/jobs/{job.job}/images/1.png").status_code == 404


@pytest.mark.parametrize("path", ["/", "/jobs/{}"])
def test_hostile_names_are_text_and_nothing_else(scene: Scene, page: TestClient, path: str) -> None:
    calm = scene.finish(dict.fromkeys(FACTS, "calm"), to=("calm",))
    shape = [tag for tag, _ in read(page, path.format(calm.job)).tags]
    hostile = scene.finish(dict.fromkeys(FACTS, HOSTILE), to=(HOSTILE,), description=HOSTILE)
    elements = read(page, path.format(hostile.job))
    assert HOSTILE in elements.text
    if "{}" in path:
        assert [tag for tag, _ in elements.tags] == shape
    else:
        assert {tag for tag, _ in elements.tags} == set(shape)


@pytest.mark.parametrize("path", ["/", "/jobs/1", "/jobs/2", "/jobs/9999"])
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(scene: Scene, page: TestClient, path: str) -> None:
    morning(scene)
    for tag, attributes in Elements(page.get(path).text).tags:
        assert tag not in ("style", "iframe", "object", "base")
        assert tag != "script" or attributes["src"]
        for name, value in attributes.items():
            assert name != "style"
            assert not name.startswith("on")
            if name in ("src", "href", "action", "srcset"):
                assert re.match(r"/(?!/)|#", value or "")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/static/live.js", 200),
        ("GET", "/health/live", 200),
        ("HEAD", "/health/ready", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/jobs/9999", 404),
        ("GET", "/jobs/abc", 404),
        ("GET", "/jobs/0", 404),
        ("GET", f"/jobs/{2**63}", 404),
        ("GET", "/jobs/1/images/../../etc/passwd.png", 404),
        ("GET", "/static/..%2fapp.py", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("POST", "/", 405),
        ("DELETE", "/jobs/1", 405),
    ],
)
def test_every_answer_is_expected_and_protected(page: TestClient, method: str, path: str, status: int) -> None:
    answer = page.request(method, path)
    assert answer.status_code == status
    assert PROTECTION.items() <= {name: answer.headers.get(name) for name in PROTECTION}.items()


def test_a_fault_of_ours_is_admitted_but_not_shown(scene: Scene) -> None:
    class Broken(Drawer):
        def png(self, _job: JobId, image: int) -> bytes | None:
            raise ZeroDivisionError(f"canary {image}")

    app = create_app(scene.queries, pictures=Broken())
    answer = TestClient(app, base_url="http://localhost", raise_server_exceptions=False).get("/jobs/1/images/1.png")
    assert answer.status_code == 500
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-security-policy"] == PROTECTION["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "", "10.0.0.1"])
def test_a_foreign_name_for_this_machine_is_refused(page: TestClient, host: str) -> None:
    answer = page.get("/", headers={"host": host})
    assert answer.status_code == 400
    assert "Scans" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8002", "[::1]:8002"])
def test_this_machine_by_its_own_names_is_welcome(page: TestClient, host: str) -> None:
    assert page.get("/", headers={"host": host}).status_code == 200


def test_behind_a_proxy_any_name_may_be_allowed(scene: Scene) -> None:
    page = TestClient(create_app(scene.queries, manners=Manners(host_names=("*",))), base_url="http://mr.example.org")
    assert page.get("/").status_code == 200


def test_without_its_database_the_page_lives_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").mkdir()
    queries = Queries(open_database(f"sqlite:///{tmp_path / 'gateway.db'}"))
    page = TestClient(create_app(queries), base_url="http://localhost")
    assert page.get("/health/live").status_code == 200
    assert page.get("/health/ready").status_code == 503
    answer = page.get("/")
    assert answer.status_code == 503
    assert "database does not answer" in answer.text
    assert str(tmp_path) not in answer.text


def test_looking_changes_nothing(scene: Scene, page: TestClient) -> None:
    morning(scene)
    before = [scene.queries.timeline(job) for job in scene.queries.jobs()]
    for path in ("/", *(f"/jobs/{job.id}" for job in scene.queries.jobs())):
        read(page, path)
    assert [scene.queries.timeline(job) for job in scene.queries.jobs()] == before


def test_a_scan_that_nothing_can_be_made_of_tells_why(scene: Scene, page: TestClient) -> None:
    scene.scan(ScanState.REJECTED, "byte 1036: message id 4711 is not MRD")
    assert "byte 1036: message id 4711 is not MRD" in read(page, "/").words()
