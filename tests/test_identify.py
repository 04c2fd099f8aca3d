"""Whose scan it is, is settled or it is held: nothing of a patient who is in doubt leaves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom.events import Event

from gateway.jobs.audit import AuditTrail
from gateway.jobs.clock import utc_now
from gateway.model.destinations import StowDestination
from gateway.model.errors import IllegalTransition, WrongCall
from gateway.model.identity import HEADER
from gateway.model.job import JobState
from gateway.model.sources import WebSource
from gateway.model.work import WorkEvent
from tests.dicom.scripted import scripted_pacs
from tests.dicom.test_inventory import answering
from tests.dicom.worklist import entry, worklist
from tests.peers import free_port
from tests.ward import Knowing, Ward, asked_at, patient, study


@pytest.fixture
def pacs() -> Iterator[tuple[int, Knowing]]:
    """A PACS, and what it knows."""
    knows = Knowing(study())
    with scripted_pacs(lambda _event: 0, find=knows) as (port, _):
        yield port, knows


@pytest.fixture
def ward(tmp_path: Path, pacs: tuple[int, Knowing]) -> Ward:
    return Ward(tmp_path, {"pacs": asked_at(pacs[0])})


def held(ward: Ward) -> str:
    """Work; the job is held, nothing is made, and this is why."""
    job = ward.work()
    assert job.state is JobState.HELD
    assert job.deliveries == ()
    assert ward.made(job.id) == []
    return job.reason


def test_one_study_that_agrees_is_what_the_series_belongs_to(ward: Ward) -> None:
    ward.scan(patient(sex=None, accession_number=None))
    job = ward.work()
    assert job.state is JobState.DONE
    assert ward.story(job)["identity"] == "pacs, by study UID: study 1.2.826.0.1.3680043.8.498.20.1"
    for ds in ward.made(job.id):
        assert {element.keyword: element.value for element in study() if element.keyword in ds} == {
            element.keyword: ds[element.keyword].value for element in study()
        }
    assert ward.queries.candidates(job) == []


def test_no_study_holds_the_job(ward: Ward, pacs: tuple[int, Knowing]) -> None:
    pacs[1].known.clear()
    job = ward.scan(patient())
    assert held(ward) == "pacs: no study fits what the scanner says"
    assert [one.source for one in ward.queries.candidates(ward.queries.job(job))] == [HEADER]


def test_two_studies_hold_the_job(ward: Ward, pacs: tuple[int, Knowing]) -> None:
    pacs[1].known.append(study(StudyInstanceUID="1.2.3"))
    ward.scan(patient(instance_uid=None))
    assert held(ward) == "pacs, by accession number: 2 studies fit"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"PatientName": "Müller^Jürgen"}, "name"),
        ({"PatientBirthDate": "19700302"}, "birth date"),
        ({"PatientSex": "F"}, "sex"),
        ({"PatientID": "P1"}, "patient ID"),
        ({"AccessionNumber": "ACC-1"}, "accession number"),
    ],
)
def test_a_study_that_is_at_odds_with_the_scanner_holds_the_job(
    ward: Ward, pacs: tuple[int, Knowing], value: dict[str, str], said: str
) -> None:
    pacs[1].known[:] = [study(1, **value)]
    job = ward.scan(patient())
    assert held(ward) == f"pacs, by study UID: the study is at odds with the scanner in {said}"
    assert ward.queries.candidates(ward.queries.job(job))[0].differences == (said,)


@pytest.mark.parametrize(
    "name", ["MÜLLER^JÖRG", "Müller^Jörg^^^", "Mu\u0308ller^Jo\u0308rg", "Mueller^J=Müller^Jörg", "Müller Jörg"]
)
def test_another_spelling_of_a_name_is_the_same_name(ward: Ward, pacs: tuple[int, Knowing], name: str) -> None:
    pacs[1].known[:] = [study(PatientName=name)]
    ward.scan(patient())
    assert ward.work().state is JobState.DONE


def test_an_accession_number_alone_is_not_enough(ward: Ward) -> None:
    ward.scan(patient(instance_uid=None, patient_id=None, birth_date=None))
    assert held(ward).endswith("nothing that the scanner says of the patient confirms the study")


def test_another_study_uid_at_the_pacs_holds_the_job(ward: Ward) -> None:
    ward.scan(patient(instance_uid="1.2.3.4"))
    assert held(ward) == "pacs, by accession number: the study is at odds with the scanner in study UID"


def test_a_person_chooses_and_the_series_is_as_chosen(ward: Ward, pacs: tuple[int, Knowing]) -> None:
    pacs[1].known[:] = [study(PatientName="Schmidt^Karl", PatientID="P9")]
    number = ward.scan(patient())
    held(ward)
    theirs, scanners = ward.queries.candidates(ward.queries.job(number))
    assert scanners.source == HEADER

    assert ward.jobs.choose(number, theirs.key[:6], who="anna", reason="phoned the ward") == theirs
    job = ward.work()
    assert job.state is JobState.DONE
    assert ward.story(job)["identity"] == f"{theirs.key} of pacs, as a person has chosen"
    for ds in ward.made(number):
        assert (ds.PatientName, ds.PatientID, ds.IssuerOfPatientID) == ("Schmidt^Karl", "P9", "KLINIK")
        before = ds.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
        assert (before.PatientName, before.PatientID) == ("Müller^Jörg", "P0001")
        assert "PatientSex" not in before, "there they agree"
    line, asked = AuditTrail(ward.engine, utc_now).newest(9)
    assert (asked.deed.what, asked.deed.text) == ("query", f"pacs: whose scan job {number} is")
    assert (line.deed.who, line.deed.what) == ("anna", f"jobs {number} released")
    assert line.deed.text == f"identity {theirs.key} of pacs: phoned the ward"
    assert ward.queries.candidates(job) == [], "the others are forgotten"


def test_a_person_may_take_the_scanners_word(ward: Ward, pacs: tuple[int, Knowing]) -> None:
    pacs[1].known.clear()
    number = ward.scan(patient())
    held(ward)
    (scanners,) = ward.queries.candidates(ward.queries.job(number))
    ward.jobs.choose(number, scanners.key, who="anna")
    assert ward.work().state is JobState.DONE
    assert {(ds.PatientID, ds.get("IssuerOfPatientID")) for ds in ward.made(number)} == {("P0001", None)}


def test_a_choice_survives_a_restart_a_replay_and_other_routes(ward: Ward, tmp_path: Path) -> None:
    number = ward.scan(patient(patient_name="Else^Some"))
    held(ward)
    theirs = ward.queries.candidates(ward.queries.job(number))[0]
    ward.jobs.choose(number, theirs.key, who="anna")
    first = ward.work()

    again = Ward(tmp_path, ward.sources)
    again.rules({"identity": "header"})
    replayed = again.scans.replay(first.scan.id, recipe="", who="bert")
    assert again.work().state is JobState.DONE
    one, other = again.made(number), again.made(replayed)
    assert [ds.SOPInstanceUID for ds in one] == [ds.SOPInstanceUID for ds in other]
    assert {str(ds.PatientName) for ds in other} == {"Müller^Jörg"}

    asked = Ward(tmp_path, ward.sources)
    asked.scans.replay(first.scan.id, recipe="", who="bert", identify=True)
    assert "name" in held(asked)


def test_another_identity_makes_another_series(ward: Ward) -> None:
    number = ward.scan(patient(patient_name="Else^Some"))
    held(ward)
    theirs, scanners = ward.queries.candidates(ward.queries.job(number))
    ward.jobs.choose(number, theirs.key, who="anna")
    first = ward.work()
    replayed = ward.scans.replay(first.scan.id, recipe="", who="bert", identify=True)
    held(ward)
    ward.jobs.choose(replayed, scanners.key, who="anna")
    ward.work()
    assert not {ds.SOPInstanceUID for ds in ward.made(number)} & {ds.SOPInstanceUID for ds in ward.made(replayed)}


def test_releasing_is_not_choosing(ward: Ward, pacs: tuple[int, Knowing]) -> None:
    pacs[1].known.clear()
    number = ward.scan(patient())
    held(ward)
    ward.jobs.act(number, WorkEvent.RELEASE, who="anna")
    assert "no study fits" in held(ward)
    pacs[1].known.append(study())
    ward.jobs.act(number, WorkEvent.RELEASE, who="anna")
    assert ward.work().state is JobState.DONE, "the reason is gone"


@pytest.mark.parametrize("key", ["", "x", "0", "000000000000", "*"])
def test_only_a_candidate_can_be_chosen(ward: Ward, pacs: tuple[int, Knowing], key: str) -> None:
    pacs[1].known.clear()
    number = ward.scan(patient())
    held(ward)
    with pytest.raises(WrongCall, match="begin"):
        ward.jobs.choose(number, key, who="anna")
    assert ward.queries.job(number).state is JobState.HELD


def test_only_a_held_job_can_be_given_an_identity(ward: Ward, pacs: tuple[int, Knowing]) -> None:
    pacs[1].known.clear()
    number = ward.scan(patient())
    held(ward)
    (scanners,) = ward.queries.candidates(ward.queries.job(number))
    ward.jobs.act(number, WorkEvent.CANCEL, who="anna")
    with pytest.raises(IllegalTransition):
        ward.jobs.choose(number, scanners.key, who="anna")
    assert ward.queries.candidates(ward.queries.job(number)) == [scanners], "nothing was written"


def test_a_pacs_that_is_down_is_asked_again_and_then_a_person_is(tmp_path: Path) -> None:
    ward = Ward(tmp_path, {"pacs": asked_at(free_port())}, identity_patience_s=60)
    ward.scan(patient())
    waiting = ward.work()
    assert waiting.state is JobState.QUEUED
    assert waiting.reason.startswith("pacs cannot be asked who the patient is: PACS at 127.0.0.1:")
    late = Ward(tmp_path, ward.sources, clock=lambda: utc_now() + timedelta(seconds=61), identity_patience_s=60)
    assert held(late).startswith("given up: pacs cannot be asked")
    assert ward.made(1) == []


def test_a_worklist_is_not_asked_while_the_pacs_before_it_is_silent(tmp_path: Path, pacs: tuple[int, Knowing]) -> None:
    ward = Ward(tmp_path, {"first": asked_at(free_port()), "second": asked_at(pacs[0])})
    ward.scan(patient())
    assert ward.work().state is JobState.QUEUED
    assert pacs[1].asked == 0, "it may know another one"


@pytest.mark.parametrize("kind", [WebSource, StowDestination])
def test_an_archive_on_the_web_is_asked_too_and_so_is_one_that_series_go_to(
    tmp_path: Path, kind: type[WebSource | StowDestination]
) -> None:
    known, up = [study()], True

    def answer(_path: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
        fits = [one for one in known if query.get("StudyInstanceUID", [one.StudyInstanceUID]) == [one.StudyInstanceUID]]
        page = fits if query["offset"] == ["0"] else []
        return (200, json.dumps([one.to_json_dict() for one in page]).encode()) if up else (503, b"")

    with answering(answer) as archive:
        asked = kind(url=archive.url, plain=True, timeout_s=5)
        ward = Ward(tmp_path, {"web": asked} if isinstance(asked, WebSource) else {})
        if isinstance(asked, StowDestination):
            ward.destinations["web"] = asked
            ward.rules({"identity": "lookup", "sources": ("web",)})
        first, second, third = (ward.scan(patient(number)) for number in (1, 2, 3))
        job = ward.work()
        assert (job.id, job.state) == (first, JobState.DONE)
        assert ward.story(job)["identity"] == "web, by study UID: study 1.2.826.0.1.3680043.8.498.20.1"
        assert {str(ds.PatientName) for ds in ward.made(first)} == {"Müller^Jörg"}
        known[:] = [study(2, PatientName="Schmidt^Karl")]
        assert held(ward) == "web, by study UID: the study is at odds with the scanner in name"
        assert ward.queries.candidates(ward.queries.job(second))[0].source == "web"
        up = False
        waiting = ward.work()
        assert (waiting.id, waiting.state) == (third, JobState.QUEUED)
        assert "cannot be asked who the patient is" in waiting.reason


def test_a_pacs_that_lets_nobody_ask_holds_the_job(tmp_path: Path) -> None:
    def refuse(_event: Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xA900, None

    with scripted_pacs(lambda _event: 0, find=refuse) as (port, _):
        ward = Ward(tmp_path, {"pacs": asked_at(port)})
        ward.scan(patient())
        assert held(ward).startswith("pacs does not say who the patient is: ")


def test_a_rule_may_want_a_person_for_every_scan(ward: Ward) -> None:
    ward.rules({"identity": "hold", "sources": ("pacs",)})
    number = ward.scan(patient())
    assert held(ward) == "the rule wants a person to say who it is"
    assert [one.source for one in ward.queries.candidates(ward.queries.job(number))] == ["pacs", HEADER]


def test_by_the_header_nobody_is_asked(ward: Ward, pacs: tuple[int, Knowing]) -> None:
    ward.rules({"identity": "header"})
    ward.scan(patient())
    job = ward.work()
    assert job.state is JobState.DONE
    assert pacs[1].asked == 0
    assert ward.queries.candidates(job) == []


def test_no_reason_and_no_line_names_a_patient(
    ward: Ward, pacs: tuple[int, Knowing], caplog: pytest.LogCaptureFixture
) -> None:
    pacs[1].known[:] = [study(PatientName="Schmidt^Karl")]
    number = ward.scan(patient())
    held(ward)
    ward.jobs.choose(number, ward.queries.candidates(ward.queries.job(number))[0].key, who="anna")
    job = ward.work()
    told = [job.reason, *ward.story(job).values(), *(str(record.__dict__) for record in caplog.records)]
    told += [line.deed.text for line in AuditTrail(ward.engine, utc_now).newest(9)]
    assert not [text for text in told for name in ("Müller", "Schmidt", "P0001", "1970", "ACC-0001") if name in text]


@pytest.mark.peer("wlmscpfs")
def test_the_worklist_is_asked_where_the_pacs_knows_nothing(tmp_path: Path, pacs: tuple[int, Knowing]) -> None:
    pacs[1].known.clear()
    same = {"PatientID": "P0001", "AccessionNumber": "ACC-0001"}
    with worklist(tmp_path / "wl", entry(**same)) as source:
        ward = Ward(tmp_path, {"pacs": asked_at(pacs[0]), "ris": source})
        number = ward.scan(patient(instance_uid=None))
        assert ward.work().state is JobState.DONE
    for ds in ward.made(number):
        request = ds.RequestAttributesSequence[0]
        assert (request.RequestedProcedureID, request.ScheduledProcedureStepID) == ("RP-5", "SPS-9")
        assert (ds.StudyID, ds.StudyDescription, ds.StudyDate) == ("RP-5", "MR Kopf", "20240506")


@pytest.mark.peer("dciodvfy", "dcentvfy", "wlmscpfs")
def test_what_was_looked_up_makes_valid_objects(tmp_path: Path) -> None:
    same = {"PatientID": "P0001", "AccessionNumber": "ACC-0001", "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"}
    with worklist(tmp_path / "wl", entry(**same)) as source:
        ward = Ward(tmp_path, {"ris": source})
        number = ward.scan(patient(instance_uid=None))
        assert ward.work().state is JobState.HELD
        ward.jobs.choose(number, ward.queries.candidates(ward.queries.job(number))[0].key, who="anna")
        assert ward.work().state is JobState.DONE
    files = [ward.outbox / path for path in ward.queries.instance_paths(number)]
    for file in files:
        checked = subprocess.run(["/usr/bin/dciodvfy", "-new", file], capture_output=True, text=True, check=False)
        assert (checked.stdout + checked.stderr).split() == ["MRImage"]
    assert subprocess.run(["/usr/bin/dcentvfy", *files], capture_output=True, check=False).returncode == 0


def test_two_patients_never_mix(ward: Ward, pacs: tuple[int, Knowing]) -> None:
    pacs[1].known[:] = [study(number, PatientName=f"Name^{number}") for number in range(12)]
    jobs = [ward.scan(patient(number, patient_name=f"Name^{number}")) for number in range(12)]
    for _ in jobs:
        assert ward.work().state is JobState.DONE
    for number, job in enumerate(jobs):
        assert {(ds.PatientID, str(ds.PatientName), ds.StudyInstanceUID[-2:].lstrip(".")) for ds in ward.made(job)} == {
            (f"P{number:04}", f"Name^{number}", str(number))
        }
