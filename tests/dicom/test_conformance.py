"""The conformance statement says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pydicom.uid
import pytest
from pynetdicom.events import Event

from gateway.answer import our_service
from gateway.dicom import conformance, ruling
from gateway.dicom.conformance import ANSWERED, ASKED, STORED_CLASSES, Service, statement
from gateway.dicom.identity import REQUEST_READERS, STEP_READERS, STUDY_READERS
from gateway.dicom.negotiation import REJECTIONS
from gateway.dicom.session import Gate, ServiceLimits
from gateway.dicom.status import STATUSES
from gateway.dicom.store import echo, store
from gateway.model.gate import Check
from tests.dicom.outbox import pacs, written
from tests.dicom.scripted import scripted_pacs
from tests.peers import LOOPBACK
from tests.test_deliver import Site

DICOM = Path(conformance.__file__).parent
PAGE = (DICOM.parents[1] / "docs" / "conformance.md").read_text()


def test_every_status_and_every_rejection_is_stated() -> None:
    for row in STATUSES:
        assert f"| {row.first:04X}" in PAGE
        assert f"| {row.meaning} | {row.outcome} |" in PAGE
    assert all(meaning in PAGE for meaning in REJECTIONS.values())


def test_the_page_is_that_of_the_code() -> None:
    assert statement() in PAGE


def test_the_private_block_of_the_gate_is_stated_element_by_element() -> None:
    assert f"private creator: `{ruling.CREATOR}`" in PAGE
    for element, vr, meaning in ruling.ELEMENTS:
        assert f"| ({ruling.GROUP:04X},xx{element:02X}) | {vr} | 1 | {meaning} |" in PAGE
    assert all(f"`{check}`" in PAGE for check in Check)


CHAPTERS = """\
1 Overview|1.1 Content and transfer|1.2 DIMSE services|1.3 DICOM Web Services|1.4 Media services
1.5 Real-Time Video services|1.6 De-identification profiles|1.7 Specific character sets|2 Table of contents
3 Introduction|3.1 Revision history|3.2 Audience|3.3 Remarks|3.4 Terms and definitions|3.5 Abbreviations|3.6 References
4 Implementation model|5 Service and interoperability description|5.2.1 Basic Worklist Management|5.2.5 Storage
5.2.6 Storage Commitment|5.2.7 Query/Retrieve|5.3.2 Studies|5.3.2.3 Store|5.3.2.4 Search|5.7 Specific character sets
6 Configuration|7 Network and media communication details|7.1.1 General association parameters
7.2.1.3 Association initiation|7.2.1.4 Association acceptance|7.3 Status codes|7.3.2.5 C-STORE
7.3.3 DICOM Web Services|8 Security|8.4 DICOM security profiles|8.4.4 Attribute Confidentiality
Annex A.A Information object definitions|Annex A.D Mapping of attributes|Annex A.E Code set usage"""
"""Of the template of PS3.2 Annex N (2024d and later), where somebody who compares statements looks."""


def test_the_chapters_are_those_of_the_template_in_its_order() -> None:
    titles = [line.lstrip("# ") for line in statement().splitlines() if line.startswith("#")]
    places = [titles.index(title) for line in CHAPTERS.splitlines() for title in line.split("|")]
    assert places == sorted(places)


def test_every_key_that_is_asked_or_returned_is_stated() -> None:
    for keyword, _ in (*STUDY_READERS.values(), *REQUEST_READERS.values(), *STEP_READERS.values()):
        assert f"| {keyword} |" in PAGE


def test_every_class_that_we_build_is_stated() -> None:
    built = {
        name for file in DICOM.glob("*.py") for name in re.findall(r"\bSOPClassUID = (\w+Storage)\b", file.read_text())
    }
    assert {str(getattr(pydicom.uid, name)) for name in built} == set(STORED_CLASSES)


def test_every_class_that_we_name_is_stated() -> None:
    named = set(re.findall(r'^[A-Z_]+ = "(1\.2\.840\.10008\.[\d.]+)"', _sources(), flags=re.MULTILINE))
    stated = {one.sop_class for one in (*ASKED, *ANSWERED)}
    assert named - stated == {"1.2.840.10008.1.20.1.1"}, "the well-known instance is no class"
    assert all(uid in PAGE for uid in stated)


def _sources() -> str:
    return "\n".join(file.read_text() for file in DICOM.glob("*.py"))


@pytest.mark.parametrize("compression", ["none", "rle"])
def test_what_we_propose_is_stated(compression: str, tmp_path: Path) -> None:
    proposed: set[tuple[str, str]] = set()

    def look(event: Event) -> int:
        for context in event.assoc.requestor.requested_contexts:
            proposed.update((str(context.abstract_syntax), str(syntax)) for syntax in context.transfer_syntax)
        return 0

    with scripted_pacs(look) as (port, _):
        store(written(tmp_path), pacs(port, compression=compression), lambda _instance, _status: None)
        echo(pacs(port))
    assert proposed <= _contexts(*ASKED)


def _contexts(*services: Service) -> set[tuple[str, str]]:
    return {(one.sop_class, syntax) for one in services for syntax in one.syntaxes}


def test_what_we_answer_is_stated(tmp_path: Path) -> None:
    gate = Gate(ae_title="MRGW", callers=None)
    service = our_service((LOOPBACK, 0), gate, ServiceLimits(), Site(tmp_path).deliveries.proofs)
    with service:
        assert service.sop_classes == {one.sop_class for one in ANSWERED}
