"""Joiner: a scan without its patient (PS3.15 Annex E). What is made of it afterwards cannot name whom it does not know.

The header is a closed set of fields; each is kept, replaced or left out here, and objects are made of nothing else but
header, pixels and constants. Faces and other features in the images stay: this profile has no pixels in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from gateway.dicom import values
from gateway.dicom.anatomy import BODY_PARTS
from gateway.dicom.attributes import SIDES
from gateway.dicom.mr import INVERSION, SEQUENCES
from gateway.model.errors import NoRoute
from gateway.model.header import Measurement, ScanHeader, Study, Subject, System
from gateway.model.projects import SHORTEST_KEY_BYTES, Option, Project, Pseudonyms
from gateway.model.readout import Acquisition, Readouts

NOWHEN = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for moments that must not be known where a moment must stand."""

OLDEST = "090Y"
"""Whoever is older would be one of few."""

_WORDS = (
    "mr mri t1 t1w t2 t2w pd pdw t2star dwi adc dti swi tof mra mrv mrcp fmri bold asl epi tse fse se gre ge ir "
    "flair stir flash vibe mprage mp2rage space cube trufi truefisp fiesta bssfp ssfp dixon haste ute zte radial "
    "spiral cine flow pc sag sagittal tra trans axial ax cor coronal oblique obl localizer loc scout survey plane "
    "planes fs fatsat spair spir we water fat in opp phase mag map post pre contrast gd km dyn dynamic perf "
    "perfusion native nativ head brain neck spine cervical thoracic lumbar c t l abdomen liver pelvis prostate "
    "heart cardiac breast knee hip shoulder ankle wrist elbow hand foot pituitary orbit iac whole body left right "
    "li re 2d 3d 4d iso high low res fast slow ms mm deg b0 b50 b500 b800 b1000 p2 p3 p4 acc grappa sense cs tr te "
    "ti fa rep phantom test noise ref calibration"
)

RADIOLOGY = frozenset(_WORDS.split())
"""Words of descriptors that say nothing of anybody."""


def pseudonyms_of(project: Project) -> Pseudonyms:
    """Read the secret of a project.

    Raises
    ------
    NoRoute
        The file cannot be read, or holds too little; the job waits for a person.
    """
    try:
        secret = project.key_file.read_bytes().strip()
    except OSError as fault:
        raise NoRoute(f"the key {project.key_file} of the project cannot be read: {fault.strerror}") from fault
    if len(secret) < SHORTEST_KEY_BYTES:
        raise NoRoute(f"the key {project.key_file} of the project has less than {SHORTEST_KEY_BYTES} bytes")
    return Pseudonyms(secret=secret, prefix=project.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Veil:
    """What hides one patient in one project."""

    project: Project
    pseudonyms: Pseudonyms
    whose: str
    """What tells the patient from all others; never leaves."""

    @classmethod
    def over(cls, project: Project, header: ScanHeader, *, issuer: str | None, scan: str) -> Veil:
        """Find out by what to know the patient again; without any name, every scan is of somebody else."""
        subject = header.subject
        name, number = values.person_name(subject.patient_name), values.identifier(subject.patient_id)
        born = values.calendar_date(subject.birth_date)
        known = ["id", issuer or "", number] if number else ["name", name, born] if name and born else ["scan", scan]
        return cls(project=project, pseudonyms=pseudonyms_of(project), whose="\0".join(map(str, known)))

    def has(self, option: Option) -> bool:
        """Whether the project takes an option."""
        return option in self.project.options

    def text(self, descriptor: str | None) -> str | None:
        """Clean a descriptor, where the project has it: only words that say nothing of anybody stay."""
        return self.words(descriptor) if self.has(Option.CLEAN_DESCRIPTORS) else None

    def words(self, text: str | None) -> str | None:
        """Keep known words and short numbers."""
        allowed = RADIOLOGY | {word.lower() for word in self.project.words}
        words = re.findall(r"[^\W_]+", text or "")
        kept = [word for word in words if word.lower() in allowed or re.fullmatch("[0-9]{1,2}", word)]
        return " ".join(kept) or None

    def uid(self, uid: str | None) -> str | None:
        """Replace a UID."""
        legal = values.uid(uid)
        return None if legal is None else self.pseudonyms.uid(legal)

    def id(self, number: str | None) -> str | None:
        """Replace what tells measurements apart."""
        return self.pseudonyms.digest("measurement", number).hex()[:32] if number else None

    def day(self, day: str | None) -> str | None:
        """Move a date back by the patient's days."""
        legal = values.calendar_date(day) if self.has(Option.MODIFIED_DATES) else None
        return None if legal is None else f"{date.fromisoformat(legal) - self._shift:%Y%m%d}"

    def time(self, time: str | None) -> str | None:
        """Keep a time of day, or not."""
        return time if self.has(Option.MODIFIED_DATES) else None

    def moment(self, moment: datetime) -> datetime:
        """Move a moment back, in no zone of anybody."""
        return moment.astimezone(UTC) - self._shift if self.has(Option.MODIFIED_DATES) else NOWHEN

    @property
    def _shift(self) -> timedelta:
        return timedelta(days=self.pseudonyms.days(self.whose))

    def digest(self, recording: str) -> str:
        """Replace what UIDs derive from; other options make other objects, and so other UIDs."""
        how = " ".join([*sorted(self.project.options), *sorted(self.project.words)])
        return self.pseudonyms.digest("recording", f"{recording} {how}").hex()


def veiled_header(header: ScanHeader, veil: Veil) -> ScanHeader:
    """Leave out, or replace, every field of a header that could tell who the patient is."""
    return replace(
        header,
        subject=_subject(header, veil),
        study=_study(header.study, veil),
        measurement=_measurement(header.measurement, veil),
        system=_system(header.system, veil),
        sequence=replace(header.sequence, sequence_type=_code(header.sequence.sequence_type)),
        user_parameters={},
        faults=(),
    )


def _code(text: str | None) -> str | None:
    """Keep a kind of sequence that is known; anything else could say anything."""
    plain = re.sub(r"[^a-z]", "", INVERSION.sub("", text or "").lower())
    return text if plain in SEQUENCES else None


def _body_part(text: str | None) -> str | None:
    """Keep a body part of those that are named in the standard, and its side."""
    words = re.findall(r"[A-Z0-9]+", (text or "").upper())
    return " ".join(word for word in words if word in BODY_PARTS or word in SIDES) or None


def _subject(header: ScanHeader, veil: Veil) -> Subject:
    pseudonym = veil.pseudonyms.patient(veil.whose)
    if not veil.has(Option.PATIENT_CHARACTERISTICS):
        return Subject(patient_name=pseudonym, patient_id=pseudonym)
    subject = header.subject
    age = values.age(values.calendar_date(subject.birth_date), values.calendar_date(header.study.date))
    return Subject(
        patient_name=pseudonym,
        patient_id=pseudonym,
        sex=subject.sex,
        weight_kg=subject.weight_kg,
        height_m=subject.height_m,
        age=OLDEST if age is not None and age.endswith("Y") and age > OLDEST else age,
    )


def _study(study: Study, veil: Veil) -> Study:
    return Study(
        instance_uid=veil.uid(study.instance_uid),
        date=veil.day(study.date),
        time=veil.time(study.time),
        description=veil.text(study.description),
        body_part=_body_part(study.body_part),
    )


def _measurement(measurement: Measurement, veil: Veil) -> Measurement:
    return replace(
        measurement,
        measurement_id=veil.id(measurement.measurement_id),
        series_date=veil.day(measurement.series_date),
        series_time=veil.time(measurement.series_time),
        protocol_name=veil.text(measurement.protocol_name),
        sequence_name=veil.text(measurement.sequence_name),
        series_description=veil.text(measurement.series_description),
        frame_of_reference_uid=veil.uid(measurement.frame_of_reference_uid),
        dependencies={kind: veil.id(number) or "" for kind, number in measurement.dependencies.items()},
    )


def _system(system: System, veil: Veil) -> System:
    gone: dict[str, None] = {}
    if not veil.has(Option.DEVICE):
        gone |= dict.fromkeys(("station_name", "device_id", "device_serial"))
    if not veil.has(Option.INSTITUTION):
        gone |= dict.fromkeys(("institution_name",))
    return replace(system, **gone)  # type: ignore[arg-type]  # all of these may be None


def veiled_readouts(acquisition: Acquisition, veil: Veil) -> Acquisition:
    """Leave out of the heads of readouts what tells when and which; samples and trajectories are the same arrays."""
    forgotten = ["measurement_uid", "user_int", "user_float"]
    if not veil.has(Option.MODIFIED_DATES):
        forgotten.append("acquisition_time_stamp")
    return tuple(_without(run, forgotten) for run in acquisition)


def _without(run: Readouts, names: Iterable[str]) -> Readouts:
    heads = run.heads.copy()
    for name in names:
        heads[name] = 0
    return replace(run, heads=heads)
