"""What an archive on the web says is read as text, whatever it says; what cannot be read is no answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.dicom.lookup import look_up
from gateway.dicom.qido import Search, Told, search
from gateway.dicom.query import MOST_MATCHES
from gateway.model.destinations import WebPeer
from gateway.model.errors import PeerRefused, PeerUnreachable
from gateway.model.identity import Identity
from gateway.model.sources import WebSource
from tests.dicom.test_inventory import Reply, answering

UID, NAME, ID = "0020000D", "00100010", "00100020"
KEYWORDS = ("StudyInstanceUID", "PatientName", "PatientID")


def asked_of(archive: WebPeer) -> WebSource:
    return WebSource(url=archive.url, plain=True, timeout_s=archive.timeout_s)


def found(body: object) -> list[Told]:
    with answering(_first_page(json.dumps(body).encode())) as archive:
        return search(archive, Search(path="/studies", keywords=KEYWORDS, most=10))


def _first_page(body: bytes) -> Callable[[str, dict[str, list[str]]], Reply]:
    return lambda _path, query: (200, body if query["offset"] == ["0"] else b"[]")


def study(uid: str = "1.2.3", **elements: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {UID: {"vr": "UI", "Value": [uid]}, **{f"{tag[1:]}": value for tag, value in elements.items()}}


def test_values_are_text_and_what_is_not_there_is_empty() -> None:
    name = {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Phonetic": "やまだ^たろう"}]}
    one = study(_00100010=name, _00100020={"vr": "LO"})
    assert found([one]) == [
        {"StudyInstanceUID": "1.2.3", "PatientName": "Yamada^Tarou==やまだ^たろう", "PatientID": ""}
    ]
    several = study(_00100010={"vr": "PN", "Value": [None]}, _00100020={"vr": "LO", "Value": [7, "b"]})
    assert found([several]) == [{"StudyInstanceUID": "1.2.3", "PatientName": "", "PatientID": "7\\b"}]
    assert found([]) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        7,
        "text",
        [7],
        [[]],
        [{}],
        [{UID: {"Value": []}}],
        [{UID: {"Value": "1.2.3"}}],
        [{UID: ["1.2.3"]}],
        [{UID: {"Value": {"1": "2"}}}],
        [study(_00100010=None)],
    ],
)
def test_what_cannot_be_read_is_no_answer(body: object) -> None:
    with pytest.raises(PeerUnreachable, match="what cannot be read"):
        found(body)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 406])
def test_whoever_does_not_answer_has_not_said_that_there_is_no_study(status: int) -> None:
    with answering(lambda _path, _query: (status, b"")) as archive, pytest.raises(PeerRefused, match=str(status)):
        look_up(asked_of(archive), Identity(study_instance_uid="1.2.3"))


def test_no_content_is_no_study() -> None:
    with answering(lambda _path, _query: (204, b"")) as archive:
        assert look_up(asked_of(archive), Identity(study_instance_uid="1.2.3")) is None


def test_an_archive_that_finds_everything_is_not_believed() -> None:
    def all_of_them(_path: str, query: dict[str, list[str]]) -> Reply:
        begin = int(query["offset"][0])
        return 200, json.dumps([study(f"1.2.{number}") for number in range(begin, begin + 600)]).encode()

    with answering(all_of_them) as archive, pytest.raises(PeerRefused, match=f"more than {MOST_MATCHES}"):
        look_up(asked_of(archive), Identity(accession_number="A1"))


def test_keys_travel_as_they_are_whatever_is_in_them() -> None:
    asked: list[dict[str, list[str]]] = []

    def note(path: str, query: dict[str, list[str]]) -> Reply:
        assert path == "/dicom-web/studies"
        asked.append(query)
        return 200, b"[]"

    with answering(note) as archive:
        look_up(asked_of(archive), Identity(accession_number="A&b=ü +#1", patient_id="7/8", study_date="20240506"))
    accession, patient = asked
    assert accession["AccessionNumber"] == ["A&b=ü +#1"]
    assert (patient["PatientID"], patient["StudyDate"]) == (["7/8"], ["20240506"])
    assert accession["includefield"] == ["StudyDescription", "IssuerOfPatientID"]
