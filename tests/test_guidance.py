"""An earlier scan of the same exam guides the next one; one that is not for certain guides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from pydicom import dcmread

from gateway.guidance import Recorded, guide_from_file, other_exam
from gateway.model.errors import GatewayError
from gateway.model.header import ScanHeader
from gateway.model.job import JobState
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe, GuidedTvRecipe
from gateway.model.route import Routes, Rule
from gateway.model.zyx import Zyx
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import head_phantom
from tests.recon.exam import AFTER, BEFORE, fast
from tests.running import configured, gateway, running
from tests.ward import Ward, patient

T1_SCAN = replace(BEFORE, matrix=Zyx(z=1, y=64, x=64), n_coils=4)


def protocol(header: ScanHeader, number: int, name: str, like: ScanHeader, **measurement: Any) -> ScanHeader:  # noqa: ANN401 - any field
    """Put a scan into the exam of a patient."""
    of = patient(number)
    mine = replace(like.measurement, protocol_name=name, measurement_id=name, **measurement)
    return replace(like, subject=of.subject, study=of.study, measurement=replace(header.measurement, **_fields(mine)))


def _fields(measurement: Any) -> dict[str, Any]:  # noqa: ANN401 - a header's part
    return {name: getattr(measurement, name) for name in ("protocol_name", "measurement_id", "dependencies")}


def t1(number: int = 1, **measurement: Any) -> tuple[ScanHeader, Acquisition]:  # noqa: ANN401 - any field
    acquisition, header = head_phantom(T1_SCAN)
    return protocol(header, number, "T1 axial", header, **measurement), acquisition


def t2(number: int = 1, **measurement: Any) -> tuple[ScanHeader, Acquisition]:  # noqa: ANN401 - any field
    acquisition, header = fast(AFTER)
    return protocol(header, number, "T2 fast", header, **measurement), acquisition


def put(path: Path, header: ScanHeader, acquisition: Acquisition) -> None:
    """Write a scan as the stream that a scanner would send."""
    session = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
    path.write_bytes(b"".join(write_session(session)))


class Exams(Ward):
    """A ward whose fast scans are guided."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        rules = (
            Rule.model_validate(
                {"name": "t2", "match": {"protocol": "T2*"}, "recipe": "guided", "destinations": ["folder"]}
            ),
            Rule(name="all", recipe="fft", destinations=("folder",)),
        )
        recipe = GuidedTvRecipe(guide="t1*", guide_recipe=FftRecipe(), steps=30)
        self.routes = Routes(
            recipes={"fft": FftRecipe(), "guided": recipe}, destinations=self.destinations, rules=rules
        )


@pytest.fixture
def exams(tmp_path: Path) -> Exams:
    return Exams(tmp_path)


def guided(exams: Exams, scan: tuple[ScanHeader, Acquisition]) -> tuple[str, Any]:
    """Measure a fast scan, and tell what the job says of its guide, and one of its images."""
    number = exams.scan(*scan)
    while exams.queries.job(number).state is JobState.QUEUED:
        exams.work()
    job = exams.queries.job(number)
    assert job.state is JobState.DONE, job.reason
    return exams.story(job)["guide"], exams.made(number)[0]


def test_an_earlier_scan_of_the_exam_guides_before_and_after_it_has_become_images(exams: Exams) -> None:
    exams.scan(*t1())
    told, image = guided(exams, t2())
    assert told.startswith("'T1 axial', recording blake3:")
    assert "guided by the edges of 'T1 axial'" in image.ImageComments
    assert "unguided" not in image.SeriesDescription


def test_the_same_scan_again_gives_the_same_series_and_without_its_guide_another(exams: Exams) -> None:
    exams.scan(*t1())
    _, first = guided(exams, t2())
    (fast_scan, guide_scan) = (view for view in exams.queries.scans())
    exams.scans.replay(fast_scan.id, recipe="", who="me")
    _, again = _last(exams)
    assert again.SOPInstanceUID == first.SOPInstanceUID
    assert guide_scan.recording is not None
    exams.spool.delete(guide_scan.recording)
    exams.scans.replay(fast_scan.id, recipe="", who="me")
    told, other = _last(exams)
    assert told.startswith("none: no scan of protocol 't1*' among 1 of the last 6 hours")
    assert other.SOPInstanceUID != first.SOPInstanceUID
    assert other.SeriesDescription.endswith("unguided")
    assert "No other scan guided the reconstruction" in other.ImageComments


def _last(exams: Exams) -> tuple[str, Any]:
    job = exams.work()
    assert job.state is JobState.DONE, job.reason
    return exams.story(job)["guide"], exams.made(job.id)[0]


def _of_somebody_else() -> tuple[ScanHeader, Acquisition]:
    return t1(2)


def _incomplete_name() -> tuple[ScanHeader, Acquisition]:
    header, acquisition = t1()
    return replace(header, subject=replace(header.subject, patient_id=None)), acquisition


def _other_protocol() -> tuple[ScanHeader, Acquisition]:
    header, acquisition = t1()
    return replace(header, measurement=replace(header.measurement, protocol_name="localizer")), acquisition


def _broken() -> tuple[ScanHeader, Acquisition]:
    header, (run,) = t1()
    return header, (run.select(run.heads["idx"]["kspace_encode_step_1"] < 20),)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (None, "among 0 of the last 6 hours"),
        (_of_somebody_else, "1 of another patient"),
        (_incomplete_name, "1 without a patient"),
        (_other_protocol, "no scan of protocol 't1*' among 1"),
        (_broken, "none: "),
    ],
    ids=["none", "somebody else's", "nobody's", "another protocol", "half a scan"],
)
def test_without_a_guide_that_is_certain_the_fallback_works_and_the_job_says_why(
    exams: Exams, before: Callable[[], tuple[ScanHeader, Acquisition]] | None, why: str
) -> None:
    if before is not None:
        exams.scan(*before())
    told, image = guided(exams, t2())
    assert why in told
    assert image.SeriesDescription.endswith("unguided")


def test_a_scan_that_the_header_names_goes_before_the_pattern(exams: Exams) -> None:
    header, acquisition = t1()
    named = replace(header, measurement=replace(header.measurement, protocol_name="PD", measurement_id="m7"))
    exams.scan(named, acquisition)
    exams.scan(header, acquisition)
    told, _ = guided(exams, t2(dependencies={"Guide": "m7"}))
    assert told.startswith("'PD'")


def test_a_scan_that_came_later_guides_nothing(exams: Exams) -> None:
    number = exams.scan(*t2())
    exams.scan(*t1())
    exams.work()
    assert "among 0" in exams.story(exams.queries.job(number))["guide"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"patient_id": "P9"}, "of another patient"),
        ({"birth_date": "1999-01-01"}, "of another patient"),
        ({"instance_uid": "1.2.3"}, "of another study"),
        ({"frame_of_reference_uid": "1.2.4"}, "in another frame of reference"),
        ({"patient_position": "FFS"}, "of a patient who lay in another way"),
    ],
)
def test_scans_are_of_one_exam_where_nothing_contradicts_it(change: dict[str, str], why: str) -> None:
    mine = patient()
    mine = replace(mine, measurement=replace(mine.measurement, frame_of_reference_uid="1.2.5"))
    theirs = mine
    for name, value in change.items():
        for part in ("subject", "study", "measurement"):
            section = getattr(theirs, part)
            if hasattr(section, name):
                theirs = replace(theirs, **{part: replace(section, **{name: value})})
    assert other_exam(mine, theirs) == why


def test_scans_without_a_study_are_not_taken_for_one_exam() -> None:
    mine = patient()
    mine = replace(mine, study=replace(mine.study, instance_uid=None))
    assert other_exam(mine, mine) == "of no study that is known to be the same"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both scans as files."""
    folder = tmp_path_factory.mktemp("exam")
    for name, (header, acquisition) in (("t1", t1()), ("t2", t2())):
        put(folder / f"{name}.mrd", header, acquisition)
    return folder / "t1.mrd", folder / "t2.mrd"


def test_both_scans_go_through_the_gateway(files: tuple[Path, Path], tmp_path: Path) -> None:
    config = configured(tmp_path, {"folder": {"kind": "folder", "path": "series"}})
    routes = tomlkit.parse((tmp_path / "routes.toml").read_text()).unwrap()
    routes["recipes"]["guided"] = {"method": "guided-tv", "guide": "T1*", "steps": 30}
    rule = {"name": "t2", "match": {"protocol": "T2*"}, "recipe": "guided", "destinations": ["folder"]}
    routes["rules"] = [rule, *routes["rules"]]
    (tmp_path / "routes.toml").write_text(tomlkit.dumps(routes))
    with running(config) as site:
        for file in files:
            assert site.send(file).returncode == 0
        story = {line["what"]: line["text"] for line in site.settled(2)["timeline"]}
    assert story["guide"].startswith("'T1 axial', recording blake3:")
    assert "guided by the edges of 'T1 axial'" in story["how"]


def test_a_person_names_the_guide_of_a_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    guide, scan = files
    options = ("--out", tmp_path / "out", "--recipe", "guided-tv", "--guide", guide)
    done = gateway("reconstruct", scan, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (image,) = (dcmread(path) for path in (tmp_path / "out").rglob("*.dcm"))
    assert "guided by the edges of 'T1 axial'" in image.ImageComments


def test_a_person_who_names_the_guide_of_somebody_else_is_told(tmp_path: Path) -> None:
    other, (header, _) = tmp_path / "other.mrd", t2()
    theirs = Recorded(header=t1(2)[0], acquisition=(), digest="")
    with pytest.raises(GatewayError, match=r"other\.mrd cannot guide: it is of another patient"):
        guide_from_file(other, header, lambda _: theirs)
