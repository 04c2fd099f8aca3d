"""What leaves, by policy and by person, as a scripted PACS gets it; and what is kept of why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.dicom.learned import IMAGE_TYPE, SUFFIX
from gateway.dicom.ruling import CREATOR, GROUP, WARNS_OF_OTHERS
from gateway.jobs.audit import AuditTrail
from gateway.jobs.clock import utc_now
from gateway.jobs.reconstructions import GATE
from gateway.jobs.retention import Retention
from gateway.model.card import Purpose
from gateway.model.errors import AuditBroken, IllegalTransition, Overtaken, ReasonMissing
from gateway.model.gate import Action, Check, Decision, Grade
from gateway.model.job import JobState
from gateway.model.networks import DiffusionNetwork
from gateway.model.policy import Answer, Policy
from gateway.model.work import WorkEvent
from gateway.retention import clear_exhibits
from tests.dicom.scripted import scripted_pacs
from tests.studio import FOR_OTHERS, Archive, Studio

ANSWERS = [field.alias or name for name, field in Policy.model_fields.items() if field.annotation is Answer]
"""The keys of a policy that say what follows from a check."""


def whatever(action: Action, **more: object) -> Policy:
    """Make a policy that does the same whatever comes out."""
    answer = Answer(warn=action, fail=Action.WARN if action is Action.SEND else action, unchecked=Action.WARN)
    return Policy.model_validate({**dict.fromkeys(ANSWERS, answer), **more})


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def studio(tmp_path: Path, archive: Archive) -> Iterator[Studio]:
    with scripted_pacs(archive) as (port, _):
        studio = Studio(tmp_path, port, Policy())
        yield studio
        studio.engine.dispose()


def settle(studio: Studio) -> JobState:
    """Work and deliver until nothing is due any more."""
    job = studio.arrive() if not studio.queries.jobs() else studio.queries.jobs()[0].id
    for _ in range(4):
        studio.work_if_due()
        studio.deliver_if_due()
    return studio.queries.job(job).state


def kinds(archive: Archive) -> list[str]:
    """Say what each instance is: learned, conventional, uncertainty."""

    def kind(image_type: list[str]) -> str:
        return "uncertainty" if "UNCERTAINTY MAP" in image_type else "learned" if IMAGE_TYPE in image_type else "plain"

    return sorted(kind(list(ds.ImageType)) for ds in archive.got)


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        (Action.SEND, ["learned"]),
        (Action.WARN, ["learned"]),
        (Action.COMPANION, ["learned", "plain"]),
        (Action.REPLACE, ["plain"]),
        (Action.HOLD, []),
    ],
)
def test_what_a_policy_says_is_what_arrives(studio: Studio, archive: Archive, action: Action, sent: list[str]) -> None:
    studio.put_policy(whatever(action))
    assert settle(studio) is (JobState.HELD if action is Action.HOLD else JobState.DONE)
    assert kinds(archive) == sent
    for ds in archive.got:
        learned = IMAGE_TYPE in ds.ImageType
        assert ds.ImageComments.startswith("QUALITY GATE: " if learned else f"{WARNS_OF_OTHERS} ")
        assert ds.SeriesDescription.endswith(SUFFIX if learned else " conventional")
        block = ds.private_block(GROUP, CREATOR)
        told = Action.WARN if action is Action.SEND else action
        assert block[0x01].value == told.value, "what fails is never sent as if nothing was"
        assert json.loads(block[0x04].value)["consistency"]["grade"] == "fail", "nobody has trained this network"


def test_the_uncertainty_comes_as_a_series_of_its_own_where_it_is_asked_for(studio: Studio, archive: Archive) -> None:
    studio.put_policy(whatever(Action.WARN, uncertainty_series=True))
    settle(studio)
    assert kinds(archive) == ["learned", "uncertainty"]
    assert len({ds.SeriesInstanceUID for ds in archive.got}) == 2


def test_the_spread_of_what_a_network_draws_is_its_uncertainty(studio: Studio, archive: Archive) -> None:
    studio.put_other_weights(DiffusionNetwork(n_channels=4, dilations=(1,), steps=3, samples=2))
    studio.put_policy(whatever(Action.WARN, uncertainty_series=True))
    settle(studio)
    assert kinds(archive) == ["learned", "uncertainty"]
    (spread,) = (ds for ds in archive.got if "UNCERTAINTY MAP" in ds.ImageType)
    assert "from the spread of samples" in spread.ImageComments


def test_what_a_network_draws_leaves_without_its_spread_where_nobody_asks(studio: Studio, archive: Archive) -> None:
    studio.put_other_weights(DiffusionNetwork(n_channels=4, dilations=(1,), steps=3, samples=2))
    studio.put_policy(whatever(Action.WARN))
    settle(studio)
    assert kinds(archive) == ["learned"]


def test_the_ruling_is_on_the_job_with_its_numbers_and_pictures(studio: Studio) -> None:
    settle(studio)
    (job,) = studio.queries.jobs()
    view = studio.queries.ruling(job.id)
    assert view is not None
    assert (view.open, view.ruling.action, view.ruling.worst) == (True, Action.HOLD, Grade.FAIL)
    assert {each.check for each in view.ruling.assessments} == set(Check)
    assert studio.story(job)["judged"].startswith("hold by policy 'default': consistency fail: ")
    shelves = studio.processor.exhibits.shelves(job.id)
    assert [one.title for one in shelves][:3] == ["learned (small 1.0)", "conventional", "learned less conventional"]
    grey = studio.processor.exhibits.grey(job.id, 0, 0)
    assert grey is not None
    assert (grey.rows, grey.columns, len(grey.pixels)) == (32, 32, 2 * 32 * 32)
    assert studio.processor.exhibits.grey(job.id, 0, 1) is None


@pytest.mark.parametrize(
    ("decision", "sent", "state"),
    [
        (Decision.ACCEPT, ["learned"], JobState.DONE),
        (Decision.REPLACE, ["plain"], JobState.DONE),
        (Decision.REJECT, [], JobState.CANCELLED),
    ],
)
def test_a_person_decides_about_what_is_held_and_it_is_audited(
    studio: Studio, archive: Archive, decision: Decision, sent: list[str], state: JobState
) -> None:
    settle(studio)
    (job,) = studio.queries.jobs()
    studio.jobs.review(job.id, decision, who="anna", reason="looked at all of them")
    assert settle(studio) is state
    assert kinds(archive) == sent
    for ds in archive.got:
        assert ds.private_block(GROUP, CREATOR)[0x03].value == decision.value
        assert "QUALITY GATE" in ds.ImageComments
    trail = AuditTrail(studio.engine, utc_now)
    (line,) = [one for one in trail.newest(9) if one.deed.who == "anna"]
    assert line.deed.text.endswith(": looked at all of them")
    with pytest.raises((Overtaken, IllegalTransition)):
        studio.jobs.review(job.id, Decision.ACCEPT, who="anna", reason="once more")


def test_every_verdict_is_sealed_into_the_audit_trail_with_policy_and_numbers(studio: Studio) -> None:
    settle(studio)
    (job,) = studio.queries.jobs()
    view, trail = studio.queries.ruling(job.id), AuditTrail(studio.engine, utc_now)
    assert view is not None
    (line,) = [one for one in trail.newest(9) if one.deed.who == GATE]
    assert line.deed.what == f"jobs {job.id} judged: hold"
    assert line.deed.text.startswith(f"hold by policy 'default', of {view.ruling.subject}: ")
    assert all(each.told in line.deed.text for each in view.ruling.assessments), "every check, those that passed too"
    with studio.engine.begin() as connection:
        lenient = {"text": line.deed.text.replace("hold", "send"), "number": line.number}
        connection.execute(text("UPDATE audit SET text = :text WHERE number = :number"), lenient)
    with pytest.raises(AuditBroken, match=f"line {line.number} "):
        trail.verify()


def test_to_release_a_held_job_is_no_review(studio: Studio, archive: Archive) -> None:
    settle(studio)
    (job,) = studio.queries.jobs()
    studio.jobs.act(job.id, WorkEvent.RELEASE, who="anna", reason="in a hurry")
    assert settle(studio) is JobState.HELD
    assert archive.got == []


def test_a_review_needs_a_reason(studio: Studio) -> None:
    settle(studio)
    (job,) = studio.queries.jobs()
    with pytest.raises(ReasonMissing):
        studio.jobs.review(job.id, Decision.ACCEPT, who="anna", reason="  ")


def test_a_word_about_other_weights_does_not_count(studio: Studio, archive: Archive) -> None:
    settle(studio)
    (job,) = studio.queries.jobs()
    studio.jobs.review(job.id, Decision.ACCEPT, who="anna", reason="fine")
    studio.put_other_weights()
    assert settle(studio) is JobState.HELD
    assert archive.got == []


@pytest.mark.parametrize("card", [{"made_for": FOR_OTHERS}, {"purpose": Purpose.TESTS}])
def test_a_scan_outside_the_card_is_conventional_and_says_so(
    studio: Studio, archive: Archive, card: dict[str, object]
) -> None:
    studio.put_card(**card)  # type: ignore[arg-type] # one of its keywords
    assert settle(studio) is JobState.DONE
    assert kinds(archive) == ["plain"]
    assert "Network small 1.0 was not used: " in archive.got[0].ImageComments
    assert not archive.got[0].SeriesDescription.endswith(SUFFIX)


def test_pictures_go_when_their_job_has_long_been_done_and_not_before(studio: Studio) -> None:
    settle(studio)
    (job,) = studio.queries.jobs()
    exhibits, rows = studio.processor.exhibits, Retention(studio.engine, utc_now)
    at_once = timedelta(seconds=-60)
    assert clear_exhibits(exhibits, rows, keep=at_once, clock=utc_now) == 0, "somebody has to look at them"
    studio.jobs.review(job.id, Decision.REJECT, who="anna", reason="streaks")
    assert clear_exhibits(exhibits, rows, keep=timedelta(days=1), clock=utc_now) == 0
    assert clear_exhibits(exhibits, rows, keep=at_once, clock=utc_now) == 1
    assert exhibits.shelves(job.id) == []
