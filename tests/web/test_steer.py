"""Steering on the page: wrong text is told and changes nothing, right text is in force from the next job on."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gateway.control import Control
from gateway.model.person import Role
from gateway.settings import DEFAULT_ROUTES
from tests.web.scene import Scene
from tests.web.visits import csrf, signed_in

KNEES = DEFAULT_ROUTES.replace('name = "everything"', 'name = "knees"\nmatch = { protocol = "*knee*" }')
WRONG = KNEES.replace("protocol =", "protocl =")


@pytest.fixture
def admin(guarded: FastAPI, control: Control) -> TestClient:
    return signed_in(guarded, control.people, Role.ADMIN)


def apply(visit: TestClient, text: str, base: int = 0) -> int:
    form = {"csrf": csrf(visit), "text": text, "base": str(base), "comment": "knees only"}
    return int(visit.post("/routes/apply", data=form).status_code)


def check(visit: TestClient, text: str) -> Any:  # noqa: ANN401 - JSON of any shape
    return visit.post("/routes/check", data={"csrf": csrf(visit), "text": text}).json()


def test_faults_are_told_with_their_lines_as_one_types(admin: TestClient) -> None:
    (line,) = [number for number, text in enumerate(WRONG.splitlines(), start=1) if "protocl" in text]
    found = check(admin, WRONG)
    sentence = f"line {line}: rules.0.match.protocl: unknown key; did you mean 'protocol'?"
    assert found["faults"] == [{"line": line, "text": sentence}]


def test_scans_that_would_go_elsewhere_are_told_before_anything_is_applied(admin: TestClient, scene: Scene) -> None:
    scene.start({"protocol": "knee sag"})
    scene.start({"protocol": "brain tra"})
    scene.scan()
    found = check(admin, KNEES)
    brain, knee = found["turns"]
    assert (brain["protocol"], brain["after"]) == ("brain tra", "held: no route")
    assert knee["after"].startswith("rule 'knees'")
    assert found["compared"] == 2
    assert check(admin, DEFAULT_ROUTES)["turns"] == []


def test_wrong_routes_are_shown_again_with_their_faults_and_change_nothing(admin: TestClient, control: Control) -> None:
    form = {"csrf": csrf(admin), "text": WRONG, "base": "0"}
    answer = admin.post("/routes/apply", data=form)
    assert answer.status_code == 422
    assert "protocl" in answer.text
    assert "did you mean" in answer.text
    assert control.steering.in_force() == 0


def test_what_a_browser_sends_is_what_was_written(admin: TestClient, control: Control) -> None:
    assert apply(admin, KNEES.replace("\n", "\r\n")) == 303
    assert control.steering.toml(1) == KNEES


def test_two_administrators_do_not_overwrite_each_other(admin: TestClient, control: Control) -> None:
    assert apply(admin, KNEES) == 303
    assert apply(admin, DEFAULT_ROUTES) == 409
    assert control.steering.in_force() == 1
    assert apply(admin, DEFAULT_ROUTES, base=1) == 303


def test_history_shows_who_changed_what_and_leads_back(admin: TestClient, control: Control) -> None:
    apply(admin, KNEES)
    apply(admin, DEFAULT_ROUTES, base=1)
    assert "knees only" in admin.get("/routes").text
    shown = admin.get("/routes/versions/1").text
    assert "+match = { protocol = &#34;*knee*&#34; }" in shown
    assert "version 2 is in force" in shown
    assert admin.post("/routes/rollback/1", data={"csrf": csrf(admin)}).status_code == 303
    assert control.steering.toml(3) == KNEES
    assert admin.post("/routes/rollback/1", data={"csrf": csrf(admin)}).status_code == 409
    assert admin.get("/routes/versions/9").status_code == 404


def test_a_job_is_explained_by_the_routes_in_force(admin: TestClient, scene: Scene) -> None:
    job = scene.start({"protocol": "brain tra"})
    apply(admin, KNEES)
    shown = admin.get(f"/jobs/{job.job}/explain").text
    assert "It would be held" in shown
    assert "protocol &#39;brain tra&#39; does not fit &#39;*knee*&#39;" in shown


def test_who_may_only_look_can_read_the_routes(guarded: FastAPI, control: Control) -> None:
    visit = signed_in(guarded, control.people, Role.VIEWER)
    shown = visit.get("/routes").text
    assert "readonly" in shown
    assert 'id="apply"' not in shown


def test_buttons_are_those_that_the_state_allows(guarded: FastAPI, control: Control, scene: Scene) -> None:
    visit = signed_in(guarded, control.people, Role.OPERATOR)
    job = scene.scan()
    form = {"csrf": csrf(visit), "reason": "wrong patient?"}
    shown = visit.get(f"/jobs/{job}").text
    assert f'formaction="/jobs/{job}/hold"' in shown
    assert f'formaction="/jobs/{job}/release"' not in shown
    assert visit.post(f"/jobs/{job}/hold", data=form).status_code == 303
    held = visit.get(f"/jobs/{job}").text
    assert "wrong patient?" in held
    assert f'formaction="/jobs/{job}/release"' in held
    assert visit.post(f"/jobs/{job}/hold", data=form).status_code == 409
    assert visit.post(f"/jobs/{job}/explode", data=form).status_code == 404
    assert visit.post("/jobs/99/hold", data=form).status_code == 404


def test_a_delivery_that_failed_is_sent_again(guarded: FastAPI, control: Control, scene: Scene) -> None:
    visit = signed_in(guarded, control.people, Role.OPERATOR)
    job = scene.finish()
    scene.send(3, failure="refused")
    (delivery,) = scene.queries.job(job.job).deliveries
    form = {"csrf": csrf(visit), "job": str(job.job)}
    answer = visit.post(f"/deliveries/{delivery.id}/retry", data=form)
    assert answer.headers["location"] == f"/jobs/{job.job}"
    scene.send(9)
    assert scene.queries.job(job.job).arrived


def test_a_scan_is_reconstructed_again_with_another_recipe(guarded: FastAPI, control: Control, scene: Scene) -> None:
    visit = signed_in(guarded, control.people, Role.OPERATOR)
    first = scene.finish()
    shown = visit.get(f"/jobs/{first.job}").text
    form = {"csrf": csrf(visit), "recipe": "auto"}
    assert "<option>auto</option>" in shown
    answer = visit.post(f"/scans/{first.scan}/replay", data=form)
    (second,) = [job for job in scene.queries.jobs_of_scan(first.scan) if job.id != first.job]
    assert answer.headers["location"] == f"/jobs/{second.id}"
    assert f'href="/jobs/{second.id}"' in visit.get(f"/jobs/{first.job}").text
    assert visit.post(f"/scans/{first.scan}/replay", data={**form, "recipe": "nonsense"}).status_code == 404


def test_what_has_arrived_is_sent_again_and_the_held_list_leads_back_to_itself(
    guarded: FastAPI, control: Control, scene: Scene
) -> None:
    visit = signed_in(guarded, control.people, Role.OPERATOR)
    job = scene.finish()
    scene.send(12)
    form = {"csrf": csrf(visit), "back": "held"}
    assert 'id="deed-resend"' in visit.get(f"/jobs/{job.job}").text
    assert visit.post(f"/jobs/{job.job}/resend", data=form).headers["location"] == "/held"
    assert not scene.queries.job(job.job).arrived
    scene.send(12)
    assert scene.queries.job(job.job).arrived
