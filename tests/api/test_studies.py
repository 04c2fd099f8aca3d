"""Reader studies over the API: made, followed, ended; what was found is for those who may."""

from __future__ import annotations

from gateway.api.app import PATH
from gateway.model.person import Right, Role
from gateway.stations import Stations
from tests.api.conftest import Call
from tests.web.visits import account


def test_a_study_is_made_followed_and_closed(call: Call, stations: Stations) -> None:
    for name in ("rita", "anna"):
        account(stations.people, name, Role.READER)
    routes = stations.steering.toml(stations.steering.in_force())
    routes += '\n[recipes.sense]\nmethod = "sense"\n'
    stations.steering.apply(routes, source="test", who="test", comment="")
    visit = call(Right.STUDY)
    scan = next(one.id for one in stations.queries.scans() if one.n_acquisitions)
    wish = {"name": "heads", "scans": [scan[:12]], "recipes": ["fft", "sense"], "readers": ["rita"]}
    answer = visit.post(f"{PATH}/studies", json=wish)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert [one["name"] for one in made["criteria"]] == ["sharpness", "noise", "artefacts", "confidence"]
    assert len(made["seed"]) == 32
    view = visit.post(f"{PATH}/studies/{made['id']}/readers", json={"readers": ["anna"]}).json()
    assert [(one["name"], one["n_scored"]) for one in view["readers"]] == [("anna", 0), ("rita", 0)]
    assert [(one["recipe"], one["state"]) for one in view["images"]] == [("fft", "QUEUED"), ("sense", "QUEUED")]
    found = visit.get(f"{PATH}/studies/{made['id']}/outcome").json()
    assert (found["readers"], found["summaries"]) == ([], [])
    assert visit.get(f"{PATH}/studies/{made['id']}/scores.csv").text.splitlines() == [
        "reader,scan,recipe,image,repeats,criterion,score,at"
    ]
    assert len(visit.post(f"{PATH}/studies/{made['id']}/key.csv").text.splitlines()) == 3
    told = visit.post(f"{PATH}/studies/{made['id']}/export", json={"destination": "shelf"})
    assert (told.status_code, "images name their patients" in told.json()["detail"]) == (422, True)
    assert visit.post(f"{PATH}/studies/{made['id']}/close").json()["closed_at"]
    assert visit.post(f"{PATH}/studies/{made['id']}/close").status_code == 409
    assert [one["id"] for one in visit.get(f"{PATH}/studies").json()] == [made["id"]]
    assert visit.get(f"{PATH}/studies/{made['id']}/remarks.csv").text == "reader,scan,recipe,other,remark,at\r\n"
    assert visit.post(f"{PATH}/studies/{made['id']}/delete", json={}).status_code == 422
    assert visit.post(f"{PATH}/studies/{made['id']}/delete", json={"reason": "a try"}).status_code == 204
    assert visit.get(f"{PATH}/studies/{made['id']}").status_code == 404
    deeds = [line.deed.what for line in stations.audit.newest(9) if line.deed.what.startswith("study")]
    assert deeds == ["study 1 deleted", "study 1 closed", "study 1 key shown", "study 1 readers added", "study 1 made"]


def test_everything_that_is_wrong_with_a_plan_is_said(call: Call) -> None:
    visit = call(Right.STUDY)
    wish = {"name": "heads", "scans": ["abcd"], "recipes": ["fft", "fft"], "readers": ["nobody"], "project": "none"}
    answer = visit.post(f"{PATH}/studies", json=wish)
    assert answer.status_code == 422
    for fault in ("each named once", "no project 'none'", "'nobody' has no account"):
        assert fault in answer.json()["detail"]
    assert visit.post(f"{PATH}/studies", json={**wish, "points": 1}).status_code == 422
