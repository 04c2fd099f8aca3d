"""The page on which a person says whose scan it is: for those who may act, and for nobody else."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from gateway.control import Control
from gateway.model.identity import HEADER, Candidate, Identity
from gateway.model.job import JobState
from gateway.model.person import Role
from tests.web.scene import Scene
from tests.web.visits import csrf, signed_in

THEIRS = Candidate(
    source="pacs",
    identity=Identity(
        study_instance_uid="1.2.3",
        patient_name="Yamada^Tarou=山田^太郎",
        patient_id="P<9>",
        birth_date="19700203",
        sex="M",
        accession_number="ACC-17",
        study_date="20240506",
        study_description="MR Kopf",
    ),
    differences=("name",),
)
SCANNERS = Candidate(source=HEADER, identity=Identity(patient_name="Schmidt^Karl", patient_id="P9"))


@pytest.fixture
def job(scene: Scene) -> int:
    claimed = scene.start()
    scene.jobs.propose(claimed, [THEIRS, SCANNERS])
    scene.jobs.hold(claimed.lease, "pacs, by accession number: the study is at odds with the scanner in name")
    return claimed.job


def test_an_operator_sees_the_candidates_and_chooses(guarded: FastAPI, control: Control, job: int) -> None:
    visit = signed_in(guarded, control.people, Role.OPERATOR)
    assert f'href="/jobs/{job}/candidates"' in visit.get(f"/jobs/{job}").text
    page = visit.get(f"/jobs/{job}/candidates").text
    for text in ("山田^太郎", "P&lt;9&gt;", "19700203", "MR Kopf", THEIRS.key, "Schmidt^Karl", "a study of its own"):
        assert text in page

    sent = {"csrf": csrf(visit, f"/jobs/{job}/candidates"), "candidate": THEIRS.key, "reason": "asked the ward"}
    assert visit.post(f"/jobs/{job}/candidates", data=sent).headers["location"] == f"/jobs/{job}"
    assert control.queries.job(job).state is JobState.QUEUED
    assert control.jobs.chosen(control.queries.job(job).scan.id) == THEIRS
    (deed,) = [line.deed for line in control.audit.newest(9) if line.deed.what == f"jobs {job} released"]
    assert deed.who.startswith("operator@")
    assert deed.text == f"identity {THEIRS.key} of pacs: asked the ward"
    assert "Nobody is in doubt" in visit.get(f"/jobs/{job}/candidates").text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_whoever_may_not_act_sees_no_patient(guarded: FastAPI, control: Control, job: int, role: Role) -> None:
    visit = signed_in(guarded, control.people, role)
    answer = visit.get(f"/jobs/{job}/candidates")
    assert answer.status_code == 403
    assert "Schmidt" not in answer.text + visit.get(f"/jobs/{job}").text
    assert "/candidates" not in visit.get(f"/jobs/{job}").text


@pytest.mark.parametrize("key", ["", "x", THEIRS.key[:6]])
def test_only_a_whole_key_that_was_shown_counts(guarded: FastAPI, control: Control, job: int, key: str) -> None:
    visit = signed_in(guarded, control.people, Role.OPERATOR)
    sent = {"csrf": csrf(visit, f"/jobs/{job}/candidates"), "candidate": key}
    assert visit.post(f"/jobs/{job}/candidates", data=sent).status_code in (404, 409)
    assert control.queries.job(job).state is JobState.HELD
