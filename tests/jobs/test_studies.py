"""Reader studies in SQL, on both databases: made whole, scored by several, finished once, sent once."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from gateway.jobs.audit import AuditTrail
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.jobs.studies import Studies
from gateway.model.errors import NothingThere, Overtaken
from gateway.model.reading import CRITERIA, Said, StudyPlan
from tests.jobs.conftest import TurnedClock, seal
from tests.jobs.test_queue import claimed, made

SAID = dict.fromkeys((one.name for one in CRITERIA), 3)


@pytest.fixture
def studies(engine: Engine, clock: TurnedClock) -> Studies:
    return Studies(engine, clock)


def test_a_study_from_its_making_to_its_end(
    studies: Studies, scans: ScanStore, jobs: JobQueue, deliveries: DeliveryQueue, engine: Engine, clock: TurnedClock
) -> None:
    scan = seal(1).recording
    scans.finish(seal(1), "2026-03-01/1.mrd")
    jobs.succeed(claimed(jobs), [], [])
    plan = StudyPlan(name="heads", scans=(scan,), recipes=("a", "b"), readers=("anna", "bert"), seed="s")
    study = studies.make(plan, [(scan, "b"), (scan, "a")], who="admin")
    with pytest.raises(Overtaken, match="already"):
        studies.make(plan, [], who="admin")
    assert studies.named("heads") == studies.study(study.id) == studies.named(str(study.id)) == study
    with pytest.raises(Overtaken, match="2 images of study"):
        studies.send(study.id, "pacs", who="admin")
    for recipe in ("b", "a"):
        job = claimed(jobs)
        blind = studies.blind(job.job)
        assert blind is not None
        assert job.recipe_asked == recipe
        jobs.succeed(job, [made()], [])
    images = studies.images(study.id)
    assert [(one.number, one.recipe, one.state) for one in images] == [(1, "b", "DONE"), (2, "a", "DONE")]
    for name in ("anna", "bert"):
        for one in images:
            studies.score(study.id, one.code, name, Said(scores=SAID))
            studies.score(study.id, one.code, name, Said(scores={**SAID, "noise": 4}))
    assert {(one.reader, one.score) for one in studies.scores(study.id) if one.criterion == "noise"} == {
        ("anna", 4),
        ("bert", 4),
    }
    studies.finish(study.id, "anna", n_cases=2, who="anna")
    assert [(one.name, one.n_scored, one.finished_at is None) for one in studies.readers(study.id)] == [
        ("anna", 2, False),
        ("bert", 2, True),
    ]
    with pytest.raises(Overtaken, match="finished"):
        studies.finish(study.id, "anna", n_cases=2, who="anna")
    with pytest.raises(Overtaken, match="one of these readers already"):
        studies.add_readers(study.id, ["carl", "bert"], who="admin")
    with pytest.raises(NothingThere):
        studies.score(study.id, images[0].code, "carl", Said(scores=SAID))
    assert len(studies.send(study.id, "pacs", who="admin")) == 2
    sent = deliveries.claim("d1")
    assert sent is not None
    assert sent.job == images[0].job, "in the order of the study"
    studies.close(study.id, who="admin")
    assert studies.of_reader("bert") == []
    AuditTrail(engine, clock).verify()
