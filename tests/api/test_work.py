"""The API does what the page does: the same functions, the same trail, and problems that say what is wrong."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from starlette.testclient import TestClient

from gateway.api.app import PATH
from gateway.api.body import LONGEST_BODY
from gateway.api.work import Deed
from gateway.jobs.clock import utc_now
from gateway.model.identity import Candidate, Identity
from gateway.model.ids import RecordingId
from gateway.model.person import Right, Role
from gateway.model.work import DEEDS
from gateway.settings import DEFAULT_ROUTES
from gateway.stations import Stations
from tests.api.conftest import Call
from tests.jobs.conftest import seal
from tests.web.scene import Scene
from tests.web.visits import account

KNEES = DEFAULT_ROUTES.replace('name = "everything"', 'name = "knees"\nmatch = { protocol = "*knee*" }')


def asked(visit: TestClient, path: str) -> Any:  # noqa: ANN401 - JSON of any shape
    answer = visit.get(PATH + path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(visit: TestClient, path: str, body: object = None, *, status: int = 200) -> Any:  # noqa: ANN401
    answer = visit.post(PATH + path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_list_can_be_walked_to_its_end(call: Call, scene: Scene) -> None:
    visit, seen, before = call(Right.LOOK), [], ""
    while True:
        page = asked(visit, f"/jobs?limit=2{before}")
        seen += [job["id"] for job in page["items"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == [job.id for job in scene.queries.jobs()]
    scans, last = [], ""
    while True:
        page = asked(visit, f"/scans?limit=3{last}")
        scans += [scan["id"] for scan in page["items"]]
        if page["next"] is None:
            break
        last = f"&before={page['next']}"
    assert scans == [scan.id for scan in scene.queries.scans()]


def test_jobs_are_found_by_their_state_and_shown_with_their_story(call: Call, scene: Scene) -> None:
    visit = call(Right.LOOK)
    (held,) = asked(visit, "/jobs?state=HELD")["items"]
    assert held["reason"].startswith("trajectory 'radial'")
    assert [line["what"] for line in asked(visit, f"/jobs/{held['id']}/events")][-1] == "held"
    assert asked(visit, f"/scans/{held['scan']['id'][:8]}")["jobs"][0]["id"] == held["id"]
    assert asked(visit, f"/jobs/{held['id']}/images") == []
    assert visit.get(f"{PATH}/jobs/{held['id']}/images/1.png").status_code == 404
    assert scene.queries.job(held["id"]).state == "HELD"


def test_a_deed_is_done_and_stands_on_the_trail(call: Call, stations: Stations) -> None:
    visit = call(Right.LOOK, Right.ACT)
    (held,) = asked(visit, "/jobs?state=HELD")["items"]
    assert told(visit, f"/jobs/{held['id']}/release", {"reason": "looked at it"})["state"] == "QUEUED"
    (line,) = stations.audit.newest(1)
    assert (line.deed.who, line.deed.what) == ("token look-act@testclient", f"jobs {held['id']} released")
    problem = told(visit, f"/jobs/{held['id']}/release", status=409)
    assert (problem["title"], problem["detail"]) == ("Conflict", "QUEUED does not allow released")
    again = told(visit, f"/scans/{held['scan']['id']}/replay", status=201)
    assert (again["state"], again["scan"]["id"]) == ("QUEUED", held["scan"]["id"])
    unknown = told(visit, f"/scans/{held['scan']['id']}/replay", {"recipe": "magic"}, status=422)
    assert "there is no recipe 'magic'" in unknown["detail"]


def test_what_has_arrived_is_sent_again_with_the_same_bytes(call: Call, scene: Scene, stations: Stations) -> None:
    visit = call(Right.LOOK, Right.ACT)
    job = scene.finish(to=("vault",)).job
    while not scene.queries.job(job).arrived:
        scene.send(99)
    sent = told(visit, f"/jobs/{job}/resend", {"reason": "the archive lost it"})
    (delivery,) = sent["deliveries"]
    assert (delivery["state"], delivery["n_stored"]) == ("PENDING", 0)
    assert told(visit, f"/jobs/{job}/resend", status=409)["detail"].startswith("nothing of job")
    claimed = [stations.deliveries.claim("deliverer") for _ in range(3)]
    assert 12 in {len(one.missing) for one in claimed if one and one.delivery == delivery["id"]}


def test_routes_are_tried_applied_compared_and_taken_back(call: Call, scene: Scene) -> None:
    scene.start({"protocol": "brain tra"})
    visit = call(Right.LOOK, Right.STEER)
    base = asked(visit, "/routes")
    wrong = told(visit, "/routes/check", {"text": KNEES.replace("protocol =", "protocl =")})
    assert "did you mean 'protocol'" in wrong["faults"][0]["text"]
    turned = told(visit, "/routes/check", {"text": KNEES})["turns"]
    assert "held: no route" in {one["after"] for one in turned}
    wanted = {"text": KNEES, "base": base["version"], "comment": "knees"}
    assert told(visit, "/routes/versions", wanted, status=201) == {"version": 1}
    assert told(visit, "/routes/versions", {**wanted, "text": DEFAULT_ROUTES}, status=409)["status"] == 409
    faulty = told(visit, "/routes/versions", {**wanted, "base": 1, "text": "rules = 1"}, status=422)
    assert faulty["faults"]
    assert visit.get(f"{PATH}/routes/versions/1.toml").text == KNEES
    assert '+name = "knees"' in asked(visit, "/routes/difference?before=0")["lines"]
    assert told(visit, "/routes/rollback", {"version": 0}, status=201) == {"version": 2}
    assert asked(visit, "/routes")["text"] == base["text"]
    assert [one["number"] for one in asked(visit, "/routes/versions")["items"]] == [2, 1]
    assert asked(visit, "/routes/schema")["title"] == "routes.toml"


def test_a_scan_is_explained(call: Call, scene: Scene) -> None:
    scan = scene.queries.job(scene.start({"protocol": "brain tra"}).job).scan.id
    found = asked(call(Right.LOOK), f"/scans/{scan}/explanation")
    assert (found["rule"], found["destinations"]) == ("everything", ["shelf"])


def test_people_are_let_in_and_changed(call: Call) -> None:
    visit = call(Right.MANAGE)
    invited = told(visit, "/users", {"name": "anna", "role": "viewer"}, status=201)
    assert invited["path"].startswith("/set-up/")
    assert asked(visit, "/users") == []
    assert visit.patch(f"{PATH}/users/anna", json={"role": "admin"}).status_code == 404


def test_the_trail_is_read_and_verified(call: Call) -> None:
    visit = call(Right.AUDIT)
    told = [line["deed"]["what"] for line in asked(visit, "/audit?limit=2")["items"]]
    assert told == ["audit trail read", "token made"]
    again = [line["deed"]["what"] for line in asked(visit, "/audit?limit=2")["items"]]
    assert again == told, "once an hour: a program that follows the trail does not fill it"
    assert asked(visit, "/audit/repository") is None
    assert asked(visit, "/audit/verification")["whole"] is True


def test_how_it_stands_is_told(call: Call) -> None:
    visit = call(Right.LOOK, Right.ACT)
    status = asked(visit, "/status")
    assert (status["ready"], status["faults"]) == (False, {"listener": "nobody listens for scans"})
    assert status["backlog"]["stuck"] > 0
    shelf, *_ = asked(visit, "/destinations")
    assert (shelf["name"], shelf["what"]) == ("shelf", "a folder")
    assert asked(visit, "/destinations/pacs")["on_the_way"] == 1
    assert told(visit, "/destinations/shelf/echo", status=422)["detail"].startswith("'shelf' is a folder")
    assert told(visit, "/destinations/none/echo", status=404)["status"] == 404


def test_after_a_scan_that_could_not_be_stored_nobody_is_ready_until_one_is(call: Call, stations: Stations) -> None:
    def begin() -> RecordingId:
        recording = RecordingId(uuid.uuid4().hex)
        stations.scans.begin(recording, peer="127.0.0.1", started_at=utc_now())
        return recording

    stations.presences.say("listener-1", "listener", "127.0.0.1:9002")
    visit = call(Right.LOOK)
    assert asked(visit, "/status")["ready"]
    lost, stored = begin(), begin()
    stations.scans.lost(lost, "not stored: the disk failed")
    assert f"see scan {lost}" in asked(visit, "/status")["faults"]["recording"]
    ended = replace(seal(1), recording=stored, ended_at=utc_now())
    stations.scans.finish(ended, "key")
    assert asked(visit, "/status")["ready"]


def test_every_deed_of_a_person_can_be_asked_for() -> None:
    assert set(Deed) == set(DEEDS)


def test_hostile_bodies_are_refused_in_one_sentence(call: Call) -> None:
    visit = call(Right.LOOK, Right.ACT, Right.STEER)
    address = f"{PATH}/routes/check"
    assert visit.post(address, content=b"x" * (LONGEST_BODY + 1)).status_code == 413
    for body in (b"[" * 100_000, b'{"text": "\\ud800"}', b"\xff", b'{"text": "\\u0000"}', b'{"text": 1, "more": 2}'):
        answer = visit.post(address, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), body[:20]
        assert answer.headers["content-type"] == "application/problem+json"
    assert visit.post(f"{PATH}/jobs/1/hold", json={"reason": "a\nb"}).status_code == 422


def test_whose_scan_it_is_can_be_said_by_a_program(call: Call, stations: Stations, scene: Scene) -> None:
    job = scene.start()
    anna, hanna = (
        Candidate(source="pacs", identity=Identity(patient_name=name, patient_id=name)) for name in ("ANNA", "HANNA")
    )
    stations.jobs.propose(job, [anna, hanna])
    stations.jobs.hold(job.lease, "two may be meant")
    visit, path = call(Right.ACT), f"{PATH}/jobs/{job.job}/candidates"
    found = visit.get(path).json()
    assert [(one["key"], one["identity"]["patient_name"]) for one in found] == [
        (anna.key, "ANNA"),
        (hanna.key, "HANNA"),
    ]
    assert call(Right.LOOK).get(path).status_code == 403
    assert visit.post(path, json={"candidate": anna.key[:6]}).status_code == 422
    assert visit.post(path, json={"candidate": "0" * 12}).status_code == 422
    chosen = visit.post(path, json={"candidate": hanna.key, "reason": "the wristband"})
    assert (chosen.status_code, chosen.json()["state"]) == (200, "QUEUED")
    assert stations.jobs.chosen(job.scan) == hanna
    deed = stations.audit.newest(1)[0].deed
    assert (deed.who, deed.text) == ("token act@testclient", f"identity {hanna.key} of pacs: the wristband")
    assert visit.post(path, json={"candidate": hanna.key}).status_code == 422


def test_sessions_locks_and_links_are_ended_by_a_program(call: Call, stations: Stations) -> None:
    account(stations.people, "anna", Role.VIEWER)
    stations.people.sign_in("anna", lambda known: known is not None, origin="test")
    visit = call(Right.MANAGE)
    assert len(visit.get(f"{PATH}/users/anna/sessions").json()) == 1
    assert visit.delete(f"{PATH}/users/anna/sessions").status_code == 204
    assert visit.get(f"{PATH}/users/anna/sessions").json() == []
    for _ in range(5):
        stations.people.sign_in("anna", lambda _known: False, origin="test")
    assert visit.get(f"{PATH}/users").json()[0]["locked_until"]
    assert visit.delete(f"{PATH}/users/anna/lock").status_code == 204
    assert visit.get(f"{PATH}/users").json()[0]["locked_until"] is None
    stations.people.invite("berta", Role.VIEWER, who="test")
    assert [one["name"] for one in visit.get(f"{PATH}/invitations").json()] == ["berta"]
    assert visit.delete(f"{PATH}/invitations/berta").status_code == 204
    assert visit.get(f"{PATH}/invitations").json() == []
    assert visit.delete(f"{PATH}/users/nobody/sessions").status_code == 404
