"""Real PACS and a real worklist are asked whose scan it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from gateway.dicom.identity import identity_of_header
from gateway.dicom.listing import list_requests, list_studies
from gateway.dicom.lookup import look_up
from gateway.dicom.series import build_series, write_series
from gateway.dicom.store import store
from gateway.model.header import ScanHeader, Study, Subject
from gateway.model.identity import Identity
from gateway.model.sources import PacsSource, WebSource, WorklistSource
from tests.dicom import scans
from tests.dicom.outbox import pacs
from tests.dicom.worklist import UID, entry, worklist
from tests.peers import Orthanc

SCRIPTS = {
    "japanese": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "arabic": "قباني^لنزار",
    "greek": "Διονυσιος",
    "chinese": "Wang^XiaoDong=王^小東",
    "combining": "Ngô^Đình Diệm",
    "decomposed": "Mu\u0308ller^Jo\u0308rg",
    "korean": "Hong^Gildong=洪^吉洞=홍^길동",
    "components": "Adams^John Robert Quincy^^Rev.^B.A. M.Div.",
}


def of(number: int, **subject: str) -> ScanHeader:
    """A header of a study of its own, for a patient."""
    study = Study(
        instance_uid=f"1.2.826.0.1.3680043.8.498.9.{number}",
        accession_number=f"A-{number:03}",
        study_id=f"S{number}",
        date="2024-05-06",
        time="12:13:14",
        description="Kopf nativ",
        referring_physician="Grün^Eva",
    )
    given = {
        "patient_name": "Doe^Jane",
        "patient_id": f"P{number:03}",
        "birth_date": "1970-02-03",
        "sex": "F",
        **subject,
    }
    return replace(scans.header(), subject=Subject(**given), study=study)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def known(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> PacsSource:
    """A PACS with a study of each script, and two with one accession number."""
    headers = [of(number, patient_name=name) for number, name in enumerate(SCRIPTS.values())]
    twice = [of(90), of(91)]
    twice = [replace(one, study=replace(one.study, accession_number="TWICE")) for one in twice]
    for number, header in enumerate([*headers, *twice]):
        folder = tmp_path_factory.mktemp("outbox")
        plan = replace(scans.plan(), recording_digest=f"{number:064x}")
        series = write_series(build_series(scans.images(), header, plan), folder, lambda *_: None)
        files = [(instance, folder / instance.path) for instance in series.instances]
        store(files, pacs(orthanc.dicom_port, orthanc.ae_title), lambda *_: None)
    return PacsSource(host=orthanc.host, port=orthanc.dicom_port, ae_title=orthanc.ae_title, timeout_s=10, plain=True)


@pytest.mark.peer("Orthanc")
@pytest.mark.parametrize("number", range(len(SCRIPTS)), ids=list(SCRIPTS))
def test_a_pacs_gives_back_what_it_was_given_in_any_script(known: PacsSource, number: int) -> None:
    header = of(number, patient_name=list(SCRIPTS.values())[number])
    said = identity_of_header(header)
    answer = look_up(known, said)
    assert answer is not None
    assert answer.question.by == "study UID"
    assert answer.found == (said,)


@pytest.fixture
def by_web(orthanc: Orthanc, known: PacsSource) -> WebSource:
    """The same PACS, asked by QIDO-RS."""
    return WebSource(url=f"{orthanc.http_url}/dicom-web", plain=True, timeout_s=known.timeout_s)


@pytest.mark.peer("Orthanc", "libOrthancDicomWeb.so")
@pytest.mark.parametrize("number", range(len(SCRIPTS)), ids=list(SCRIPTS))
def test_an_archive_on_the_web_says_the_same_in_any_script(by_web: WebSource, number: int) -> None:
    said = identity_of_header(of(number, patient_name=list(SCRIPTS.values())[number]))
    for asked in (said, replace(said, study_instance_uid=None)):
        answer = look_up(by_web, asked)
        assert answer is not None
        assert answer.found == (said,)


@pytest.mark.peer("Orthanc", "libOrthancDicomWeb.so")
def test_an_archive_on_the_web_is_asked_what_a_pacs_is_asked(by_web: WebSource, known: PacsSource) -> None:
    day = Identity(patient_id="P003", study_date="20240506")
    for said in (Identity(accession_number="TWICE"), Identity(accession_number="twice"), Identity(patient_id="P"), day):
        assert look_up(by_web, said) == look_up(known, said)
    assert list_studies(by_web, {"patient_name": "Doe*"}, "20240506") == list_studies(
        known, {"patient_name": "Doe*"}, "20240506"
    )


@pytest.mark.peer("Orthanc", "libOrthancDicomWeb.so")
@pytest.mark.parametrize("number", range(len(SCRIPTS)), ids=list(SCRIPTS))
@pytest.mark.usefixtures("known")
def test_text_in_any_script_survives_to_qido(orthanc: Orthanc, number: int) -> None:
    (found,) = orthanc.get(f"/dicom-web/studies?PatientID=P{number:03}")
    (name,) = found["00100010"]["Value"]
    groups = [name.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
    assert "=".join(groups).rstrip("=") == list(SCRIPTS.values())[number]


@pytest.mark.peer("Orthanc")
def test_the_accession_number_serves_where_the_uid_is_unknown(known: PacsSource) -> None:
    said = identity_of_header(of(3, patient_name=SCRIPTS["chinese"]))
    answer = look_up(known, replace(said, study_instance_uid=None))
    assert answer is not None
    assert (answer.question.by, answer.found) == ("accession number", (said,))


@pytest.mark.peer("Orthanc")
def test_a_patients_studies_of_the_day_are_found_and_are_not_enough(known: PacsSource) -> None:
    said = identity_of_header(of(3, patient_name=SCRIPTS["chinese"]))
    answer = look_up(known, replace(said, study_instance_uid=None, accession_number=None))
    assert answer is not None
    assert answer.found == (said,)
    assert not answer.question.enough


@pytest.mark.peer("Orthanc")
def test_two_studies_of_one_accession_number_are_both_found(known: PacsSource) -> None:
    answer = look_up(known, Identity(accession_number="TWICE"))
    assert answer is not None
    assert {one.patient_id for one in answer.found} == {"P090", "P091"}


@pytest.mark.peer("Orthanc")
@pytest.mark.parametrize("wild", ["*", "A-00?", "A-*", "A-001\\A-002", "TWIC*"])
def test_what_a_scanner_sends_never_asks_for_more_than_itself(known: PacsSource, wild: str) -> None:
    assert look_up(known, Identity(accession_number=wild, patient_id=wild, study_date="20240506")) is None


@pytest.mark.peer("Orthanc")
def test_a_number_in_other_letters_is_another_number(known: PacsSource) -> None:
    assert look_up(known, Identity(accession_number="twice")) is None, "Orthanc takes it for the same"


@pytest.mark.peer("Orthanc")
def test_studies_are_listed_with_what_the_pacs_counts(known: PacsSource) -> None:
    (row,) = list_studies(known, {"patient_id": "P002"})
    assert (row.modalities, row.n_series, row.n_instances) == ("MR", "1", "3")
    assert row.identity.patient_name == SCRIPTS["greek"]
    assert len(list_studies(known, {"patient_name": "Doe*"}, "20240506")) == 2
    assert list_studies(known, {"patient_name": "Doe*"}, "20240507") == []


def _said(**values: str | None) -> Identity:
    whole = Identity(patient_id="00123", accession_number="ACC-0017", study_date="20240506")
    return replace(whole, **values)


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorklistSource]:
    entries: list[Dataset] = [
        entry(),
        entry(
            PatientID="00555", AccessionNumber="00012345", StudyInstanceUID=f"{UID}.5", PatientName=SCRIPTS["japanese"]
        ),
        entry(
            PatientID="00555",
            AccessionNumber="X",
            StudyInstanceUID=f"{UID}.6",
            ScheduledProcedureStepStartDate="20240601",
        ),
        entry(PatientID="00777", AccessionNumber="Y", StudyInstanceUID=f"{UID}.7", Modality="CT"),
    ]
    with worklist(tmp_path_factory.mktemp("worklist"), *entries) as source:
        yield source


@pytest.mark.peer("wlmscpfs")
def test_a_worklist_says_the_request(scheduled: WorklistSource) -> None:
    answer = look_up(scheduled, _said())
    assert answer is not None
    assert answer.question.by == "accession number"
    assert answer.found == (
        Identity(
            study_instance_uid=UID,
            patient_name="Müller^Jörg",
            patient_id="00123",
            issuer_of_patient_id="KLINIK",
            birth_date="19700203",
            sex="M",
            accession_number="ACC-0017",
            study_id="RP-5",
            study_description="MR Kopf",
            referring_physician="Grün^Eva",
            requested_procedure_id="RP-5",
            requested_procedure="MR Kopf",
            scheduled_step_id="SPS-9",
            scheduled_step="Kopf nativ",
        ),
    )


@pytest.mark.peer("wlmscpfs")
def test_an_accession_number_keeps_its_zeros_on_the_way_to_the_worklist(scheduled: WorklistSource) -> None:
    answer = look_up(scheduled, _said(patient_id=None, accession_number="00012345"))
    assert answer is not None
    assert [one.patient_name for one in answer.found] == [SCRIPTS["japanese"]]
    assert look_up(scheduled, _said(patient_id=None, accession_number="12345")) is None


@pytest.mark.peer("wlmscpfs")
def test_patient_and_day_find_one_of_two_appointments(scheduled: WorklistSource) -> None:
    said = _said(patient_id="00555", accession_number=None)
    answer = look_up(scheduled, said)
    assert answer is not None
    assert [one.accession_number for one in answer.found] == ["00012345"]
    assert not answer.question.enough, "nobody has said which scanner"
    answer = look_up(scheduled.model_copy(update={"station_ae_title": "MR1"}), said)
    assert answer is not None
    assert answer.question.enough
    assert look_up(scheduled.model_copy(update={"station_ae_title": "MR2"}), said) is None


@pytest.mark.peer("wlmscpfs")
def test_only_magnetic_resonance_is_looked_for(scheduled: WorklistSource) -> None:
    assert look_up(scheduled, Identity(accession_number="Y")) is None
    assert [row.station for row in list_requests(scheduled, {}, "20240506")] == ["MR1", "MR1"]
