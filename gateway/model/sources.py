"""Who knows which patient and study a scan belongs to (``[sources.NAME]`` in ``routes.toml``)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from gateway.model.destinations import AeTitle, DicomPeer, PacsDestination, StowDestination, WebPeer


class PacsSource(DicomPeer):
    """A PACS that is asked for studies (C-FIND, Study Root), and gets none."""

    kind: Literal["pacs"] = "pacs"
    """Which kind of source it is."""


class WorklistSource(DicomPeer):
    """A modality worklist (C-FIND), as scanners ask it."""

    kind: Literal["worklist"] = "worklist"
    """Which kind of source it is."""
    station_ae_title: AeTitle | None = None
    """Only what is scheduled for this station; without it, a patient's only entry is shown, never taken by itself."""
    days: Annotated[int, Field(ge=0, le=31)] = 1
    """How far the scheduled day may be from that of the study."""


class WebSource(WebPeer):
    """An archive that is asked for studies by QIDO-RS (DICOMweb), and gets none."""

    kind: Literal["dicomweb"] = "dicomweb"
    """Which kind of source it is."""


Source = Annotated[PacsSource | WorklistSource | WebSource, Field(discriminator="kind")]

StudySource: TypeAlias = PacsSource | PacsDestination | WebSource | StowDestination
"""Whoever knows studies: a source, or a PACS or an archive that series are sent to."""

Asked: TypeAlias = StudySource | WorklistSource
"""Whoever can be asked whose scan it is."""
