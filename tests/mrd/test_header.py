from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import h5py
import ismrmrd
import pytest

from gateway.model import header as h
from gateway.model.errors import BadHeader
from gateway.model.zyx import Zyx
from gateway.mrd.header import parse_header, write_header
from gateway.mrd.header_paths import FIELDS
from tests.mrd.streams import HEADER

SECTIONS = {"subject": h.Subject, "study": h.Study, "measurement": h.Measurement, "system": h.System}


def changed(old: bytes, new: bytes) -> bytes:
    assert old in HEADER
    return HEADER.replace(old, new)


def test_a_small_header_is_read() -> None:
    header = parse_header(HEADER)
    (encoding,) = header.encodings
    assert encoding.encoded == h.Space(matrix=Zyx(z=1, y=4, x=8), fov_mm=Zyx(z=5.0, y=100.0, x=200.0))
    assert encoding.recon.matrix == Zyx(z=1, y=4, x=4)
    assert header.measurement.patient_position == "HFS"
    assert header.system.h1_frequency_hz == 63_500_000
    assert header.faults == ()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_of_a_section_has_its_place_in_the_schema(section: str) -> None:
    names = {field.name for field in fields(SECTIONS[section])} - {"dependencies", "coil_names", "age"}
    assert names == set(FIELDS[section])


def test_what_we_write_we_read_and_the_reference_reads() -> None:
    whole = h.ScanHeader(
        encodings=(
            h.Encoding(
                trajectory="cartesian",
                encoded=h.Space(matrix=Zyx(z=1, y=12, x=32), fov_mm=Zyx(z=4.5, y=180.0, x=480.25)),
                recon=h.Space(matrix=Zyx(z=1, y=12, x=16), fov_mm=Zyx(z=4.5, y=180.0, x=240.125)),
                limits={"kspace_encoding_step_1": h.Limit(minimum=0, maximum=11, center=6)},
                acceleration=Zyx(z=1.0, y=2.0, x=1.0),
                calibration_mode="embedded",
                echo_train_length=7,
                trajectory_parameters={"rampUpTime": 120.0, "dwellTime": 2.5},
            ),
        ),
        subject=h.Subject(patient_name="Müller^Jürg & <Söhne>", patient_id="007", weight_kg=71.5, sex="F"),
        study=h.Study(accession_number="00012345", body_part="HEAD"),
        measurement=h.Measurement(
            measurement_id="M", patient_position="HFS", initial_series_number=3, dependencies={"Noise": "N1"}
        ),
        system=h.System(vendor="V", h1_frequency_hz=123_263_034, receiver_channels=2, coil_names={1: "a", 2: "b"}),
        sequence=h.Sequence(sequence_type="Flash", repetition_time_ms=(10.0,), echo_time_ms=(3.0, 6.5)),
        user_parameters={"wip[0]": "1 < 2"},
    )
    xml = write_header(whole)
    assert parse_header(xml) == whole
    theirs = ismrmrd.xsd.CreateFromDocument(xml)
    assert theirs.encoding[0].encodedSpace.matrixSize.x == 32
    assert theirs.subjectInformation.patientName == "Müller^Jürg & <Söhne>"
    assert theirs.sequenceParameters.TE == [3.0, 6.5]


def test_real_headers_are_read_without_a_fault(shared_data: Path) -> None:
    for path in sorted((shared_data / "mrd").glob("*.h5")):
        with h5py.File(path) as file:
            header = parse_header(file["dataset/xml"][0])
        assert header.faults == ()
        assert parse_header(write_header(header)) == header


def test_a_nul_at_the_end_is_what_some_clients_send() -> None:
    assert parse_header(HEADER + b"\0") == parse_header(HEADER)


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (b"", "not well-formed"),
        (b"not xml", "not well-formed"),
        (HEADER[:200], "not well-formed"),
        (HEADER[:300] + b"\0" + HEADER[300:], "NUL"),
        (HEADER.replace(b"HFS", b"\xff\xfe"), "not well-formed"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + HEADER.partition(b"?>")[2], "document type"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><ismrmrdHeader>&a;</ismrmrdHeader>', "document type"),
        (b"<ismrmrdHeader>" + b"<a>" * 40 + b"</a>" * 40 + b"</ismrmrdHeader>", "deeper than 32"),
        (b"<other/>", "root element is 'other'"),
        (b"<ismrmrdHeader/>", "no encoding"),
        (changed(b"<x>8</x>", b""), "matrixSize has no readable x"),
        (changed(b"<x>8</x>", b"<x>eight</x>"), "matrixSize has no readable x"),
        (changed(b"<x>8</x>", b"<x>0</x>"), "matrix of 0 x 4 x 1 is impossible"),
        (changed(b"<x>200</x>", b"<x>-200</x>"), "field of view of -200"),
        (changed(b"<x>200</x>", b"<x>NaN</x>"), "fieldOfView_mm|field of view"),
    ],
)
def test_a_header_that_cannot_be_trusted_is_refused_with_a_reason(xml: bytes, words: str) -> None:
    with pytest.raises(BadHeader, match=words):
        parse_header(xml)


def test_deep_entity_chains_do_not_reach_the_parser() -> None:
    chain = b"".join(b'<!ENTITY e%d "&e%d;">' % (n + 1, n) for n in range(20_000))
    with pytest.raises(BadHeader, match="document type"):
        parse_header(b'<!DOCTYPE x [<!ENTITY e0 "x">' + chain + b"]><ismrmrdHeader>&e20000;</ismrmrdHeader>")


@pytest.mark.parametrize(
    "xml",
    [
        HEADER.replace(b' xmlns="http://www.ismrm.org/ISMRMRD"', b""),
        changed(b"<encodingLimits/>", b""),
        changed(b"<encodingLimits/>", b"<encodingLimits/><somethingNew><deep>1</deep></somethingNew>"),
        changed(b"<patientPosition>HFS</patientPosition>", b""),
        changed(b"<measurementInformation>", b"<version>99</version><measurementInformation>"),
    ],
)
def test_what_is_foreign_or_missing_does_not_stop_a_scan(xml: bytes) -> None:
    assert parse_header(xml).encodings == parse_header(HEADER).encodings


def test_an_optional_value_that_cannot_be_read_is_named_and_left_out() -> None:
    header = parse_header(changed(b"63500000", b"sixty"))
    assert header.system.h1_frequency_hz is None
    assert header.faults == ("experimentalConditions/H1resonanceFrequency_Hz is not a readable number",)


WEIGHTED = b"""<sequenceParameters><diffusionDimension>repetition</diffusionDimension>
<diffusion><gradientDirection><rl>0</rl><ap>0</ap><fh>0</fh></gradientDirection><bvalue>0</bvalue></diffusion>
<diffusion><gradientDirection><rl>0.6</rl><ap>0</ap><fh>-0.8</fh></gradientDirection><bvalue>1000</bvalue></diffusion>
</sequenceParameters></ismrmrdHeader>"""


def test_how_diffusion_was_weighted_is_read_and_written() -> None:
    header = parse_header(changed(b"</ismrmrdHeader>", WEIGHTED))
    expected = (
        h.Diffusion(b_value_s_per_mm2=0.0),
        h.Diffusion(b_value_s_per_mm2=1000.0, direction=(0.6, 0.0, -0.8)),
    )
    assert (header.sequence.diffusion_dimension, header.sequence.diffusion) == ("repetition", expected)
    assert parse_header(write_header(header)).sequence == header.sequence
    theirs = ismrmrd.xsd.CreateFromDocument(write_header(header)).sequenceParameters
    assert [one.bvalue for one in theirs.diffusion] == [0.0, 1000.0]
    assert theirs.diffusionDimension.value == "repetition"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<bvalue>1000<", b"<bvalue>-1<"),
        (b"<bvalue>1000<", b"<bvalue>nan<"),
        (b"<bvalue>1000<", b"<bvalue><"),
        (b"<rl>0.6</rl>", b""),
        (b"<fh>-0.8<", b"<fh>inf<"),
    ],
)
def test_one_weighting_that_cannot_be_read_makes_all_of_them_unknown(old: bytes, new: bytes) -> None:
    assert old in WEIGHTED
    header = parse_header(changed(b"</ismrmrdHeader>", WEIGHTED.replace(old, new)))
    assert header.sequence.diffusion == ()
    assert any("diffusion" in fault for fault in header.faults)


def test_a_dimension_that_is_none_is_named_and_left_out() -> None:
    header = parse_header(changed(b"</ismrmrdHeader>", WEIGHTED.replace(b">repetition<", b">Zwitscher<")))
    assert header.sequence.diffusion_dimension is None
    assert header.faults == ("sequenceParameters/diffusionDimension is not a readable diffusion_dimension",)


def test_an_accession_number_keeps_its_zeros_and_letters() -> None:
    xml = changed(
        b"<encoding>", b"<studyInformation><accessionNumber>000A-17</accessionNumber></studyInformation><encoding>"
    )
    assert parse_header(xml).study.accession_number == "000A-17"
