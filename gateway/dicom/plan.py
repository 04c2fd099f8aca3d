"""Which work a series is the result of, and the UIDs that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.model.form import ObjectFormat
from gateway.model.gate import Ruling
from gateway.model.identity import Identity
from gateway.model.ids import derive_uid
from gateway.model.image import Frame, Vector
from gateway.model.learned import LearnedModel
from gateway.model.projects import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPlan:
    """Which work a series is the result of; its UIDs derive from this and nothing else.

    Parameters
    ----------
    recording_digest
        Of the recording that was reconstructed.
    rule, recipe, recipe_fingerprint
        The routing rule that asked for it, the recipe's name, and a digest of all its parameters and weights.
    description
        Series Description.
    received_at
        When the scan came, by the clock that the site had while it was measured: becomes Content Date and Time.
    output_index
        Which of the recipe's series this is, from 0.
    model
        The network that took part, or None for a conventional reconstruction.
    whitened_by
        Digest of an earlier noise measurement that the images depend on; another one makes another series.
    guided_by
        Digest of the scan that guided the reconstruction; another one makes another series.
    moved_mm
        How far the images were moved from where the readouts say, for the table; another way makes another series.
    ruling
        What the gate has said of a learned reconstruction; another one that is told makes another series.
    identity
        Whose scan it is, or None for what the header says; another one makes another series.
    mark_unknown_direction
        Whether images without any direction are sent as what they are, instead of being held.
    deidentified
        The options by which the patient was taken out, or None where the patient is in it.
    format
        Which objects it is made of; another one is another series, as a PACS must never see one UID in two classes.
    """

    recording_digest: str
    rule: str
    recipe: str
    recipe_fingerprint: str
    description: str
    received_at: datetime
    output_index: int = 0
    model: LearnedModel | None = None
    whitened_by: str = ""
    guided_by: str = ""
    moved_mm: Vector = (0.0, 0.0, 0.0)
    ruling: Ruling | None = None
    identity: Identity | None = None
    mark_unknown_direction: bool = False
    deidentified: tuple[Option, ...] | None = None
    format: ObjectFormat = ObjectFormat.CLASSIC

    def series_uid(self) -> str:
        """Derive the Series Instance UID."""
        return derive_uid("series", *self._identity())

    def instance_uid(self, frame: Frame, number: int) -> str:
        """Derive the SOP Instance UID of one image."""
        counters = (frame.slice, frame.contrast, frame.phase, frame.repetition, frame.set)
        return derive_uid("instance", *self._identity(), *counters, number)

    def object_uid(self, what: str, number: int = 0) -> str:
        """Derive the UID of something else that belongs to the series alone, such as an object of many images."""
        return derive_uid(what, *self._identity(), number)

    def _identity(self) -> tuple[str | int, ...]:
        work = (self.recording_digest, self.rule, self.recipe, self.recipe_fingerprint, self.output_index)
        weights = (self.model.weights_sha256,) if self.model else ()
        noise = (self.whitened_by,) if self.whitened_by else ()
        guide = (self.guided_by,) if self.guided_by else ()
        table = self.moved_mm if any(self.moved_mm) else ()
        whose = (self.identity.digest,) if self.identity else ()
        told = (self.ruling.action, self.ruling.warning) if self.ruling and self.ruling.warning else ()
        return (
            *work,
            *weights,
            *noise,
            *guide,
            *map(str, table),
            *whose,
            *told,
            *(() if self.format is ObjectFormat.CLASSIC else (self.format,)),
        )
