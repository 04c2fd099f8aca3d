"""Whatever happens in whatever order: no series of a patient in doubt is made, and a choice is in every instance."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydicom.dataset import Dataset

from gateway.model.errors import IllegalTransition, WrongCall
from gateway.model.identity import HEADER, Candidate
from gateway.model.job import JobState
from gateway.model.work import WorkEvent
from tests.dicom.scripted import scripted_pacs
from tests.ward import Knowing, Ward, asked_at, patient, study

PERSON = (WorkEvent.HOLD, WorkEvent.RELEASE, WorkEvent.CANCEL, WorkEvent.RETRY)
KNOWN: Mapping[str, list[dict[str, str]]] = {
    "nothing": [],
    "the study": [{}],
    "another name": [{"PatientName": "Schmidt^Karl"}],
    "another patient": [{"PatientID": "P9", "PatientName": "Schmidt^Karl", "PatientBirthDate": "19990101"}],
    "two studies": [{}, {"StudyInstanceUID": "1.2.3.4", "PatientName": "Weber^Ida"}],
}
"""By how much the PACS knows of a patient: what is otherwise in each study than the scanner says."""

Who = tuple[str, str, str]
"""Name, ID and study."""


def who_is(ds: Dataset) -> Who:
    return str(ds.PatientName), str(ds.PatientID), str(ds.StudyInstanceUID)


def who(one: Candidate) -> Who:
    return str(one.identity.patient_name), str(one.identity.patient_id), str(one.identity.study_instance_uid)


class Identities(RuleBasedStateMachine):
    """A ward with two patients, a PACS that learns, forgets and goes away, and a person who clicks on everything."""

    def __init__(self) -> None:
        super().__init__()
        self.running = ExitStack()
        self.knows = Knowing()
        self.known = {1: "nothing", 2: "nothing"}
        self.scans: dict[str, int] = {}
        self.jobs: dict[int, str] = {}
        self.shown: list[tuple[int, Candidate]] = []
        self.chosen: dict[str, Who] = {}
        self.made: dict[int, Who] = {}

    def teardown(self) -> None:
        self.running.close()

    def close(self) -> None:
        self.ward.engine.dispose()

    @initialize()
    def arrive(self) -> None:
        port, _ = self.running.enter_context(scripted_pacs(lambda _event: 0, find=self.knows))
        self.folder = Path(self.running.enter_context(tempfile.TemporaryDirectory()))
        self.sources = {"pacs": asked_at(port, timeout_s=2)}
        self.ward = Ward(self.folder, self.sources)
        self.running.callback(self.close)
        for number in (1, 2):
            job = self.ward.scan(patient(number, instance_uid=None))
            self.jobs[job] = scan = self.ward.queries.job(job).scan.id
            self.scans[scan] = number

    @rule(number=st.sampled_from([1, 2]), what=st.sampled_from(sorted(KNOWN)))
    def learn(self, number: int, what: str) -> None:
        self.known[number] = what
        self.knows.known[:] = [study(one, **said) for one in (1, 2) for said in KNOWN[self.known[one]]]

    @rule()
    def go_away_or_come_back(self) -> None:
        self.knows.down = not self.knows.down

    @rule()
    def start_again(self) -> None:
        self.ward.engine.dispose()
        self.ward = Ward(self.folder, self.sources)

    @rule()
    def die_at_work(self) -> None:
        if self.ward.jobs.claim("dead") is not None:
            self.ward.jobs.reap(dead_owner="dead")

    @precondition(lambda self: any(job.state is JobState.QUEUED for job in self.ward.queries.jobs()))
    @rule()
    def work(self) -> None:
        job = self.ward.work()
        expected = self.chosen.get(job.scan.id) or self.certain(self.scans[job.scan.id])
        assert (job.state is JobState.DONE) == (expected is not None)
        if expected is not None:
            self.made[job.id] = expected

    def certain(self, number: int) -> Who | None:
        """What is known without a person, told independently of the code."""
        if self.knows.down or self.known[number] != "the study":
            return None
        return who_is(study(number))

    @rule(which=st.integers(0, 7))
    def look(self, which: int) -> None:
        job = list(self.jobs)[which % len(self.jobs)]
        self.shown += [(job, one) for one in self.ward.queries.candidates(self.ward.queries.job(job))]

    @precondition(lambda self: self.shown)
    @rule(which=st.integers(0, 63), other=st.booleans())
    def choose(self, which: int, *, other: bool) -> None:
        """Choose what was shown, be it long ago; or try it on the other job."""
        job, one = self.shown[which % len(self.shown)]
        if other:
            job = list(self.jobs)[which % len(self.jobs)]
        try:
            self.ward.jobs.choose(job, one.key, who="anna")
        except (WrongCall, IllegalTransition):
            return
        scan = self.jobs[job]
        name, number, uid = who(one)
        own_study = one.source == HEADER
        self.chosen[scan] = (name, number, "" if own_study else uid)

    @rule(which=st.integers(0, 7), event=st.sampled_from(PERSON))
    def act(self, which: int, event: WorkEvent) -> None:
        try:
            self.ward.jobs.act(list(self.jobs)[which % len(self.jobs)], event, who="anna")
        except IllegalTransition:
            return

    @rule(which=st.integers(0, 1), identify=st.booleans())
    def replay(self, which: int, *, identify: bool) -> None:
        scan = list(self.scans)[which]
        job = self.ward.scans.replay(self.ward.queries.scan(scan).id, recipe="", who="bert", identify=identify)
        self.jobs[job] = scan
        if identify:
            self.chosen.pop(scan, None)

    @invariant()
    def whatever_may_leave_is_of_whom_it_should_be(self) -> None:
        for job in self.jobs:
            instances = self.ward.made(job)
            assert bool(instances) == (job in self.made)
            for ds in instances:
                name, number, uid = self.made[job]
                assert who_is(ds)[:2] == (name, number)
                assert who_is(ds)[2] == uid if uid else who_is(ds)[2].startswith("2.25.")


TestIdentities = Identities.TestCase
# Without shrinking: a shorter story takes minutes to find.
TestIdentities.settings = settings(max_examples=8, stateful_step_count=25, phases=(Phase.generate,))


@pytest.mark.parametrize("what", sorted(KNOWN))
def test_the_model_is_not_a_trap(tmp_path: Path, what: str) -> None:
    """Each kind of knowledge leads to a series or to a choice."""
    knows = Knowing(*(study(1, **said) for said in KNOWN[what]))
    with scripted_pacs(lambda _event: 0, find=knows) as (port, _):
        ward = Ward(tmp_path, {"pacs": asked_at(port)})
        ward.scan(patient(instance_uid=None))
        job = ward.work()
        assert (job.state is JobState.DONE) == (not ward.queries.candidates(job))
