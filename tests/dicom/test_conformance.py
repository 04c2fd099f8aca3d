"""The conformance statement says what the code does."""

from __future__ import annotations

from pathlib import Path

from gateway.dicom.negotiation import REJECTIONS
from gateway.dicom.status import STATUSES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "conformance.md").read_text()


def test_every_status_and_every_rejection_is_stated() -> None:
    for row in STATUSES:
        assert f"| {row.first:04X}" in PAGE
        assert f"| {row.meaning} | {row.outcome} |" in PAGE
    assert all(meaning in PAGE for meaning in REJECTIONS.values())
