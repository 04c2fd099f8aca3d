"""The marks of a learned reconstruction, in four places that a person or a program looks at.

DICOM has no attribute for it in MR objects, and no place alone survives every viewer: the name of the series, its Image
Type, the equipment that contributed, and the comments of each image. A conventional series carries none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from gateway.dicom import values
from gateway.dicom.attributes import PRODUCT, contributor

SUFFIX = " [AI]"
"""Ends the Series Description, which is cut so that this fits."""

IMAGE_TYPE = "DLRECON"
"""Last value of Image Type; without an underscore, at which dcm2niix splits."""

PROCESSING_EQUIPMENT = ("109102", "Processing Equipment")

_SHORT_TEXT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedModel:
    """A network that took part in a reconstruction.

    Parameters
    ----------
    weights_sha256
        Of its weights, as hexadecimal digits.
    trained_for
        What it was trained for, in the words of its card.
    """

    name: str
    version: str
    weights_sha256: str
    trained_for: str = ""


def mark(ds: Dataset, model: LearnedModel) -> None:
    """Mark what all images of a series share."""
    sentence = f"Reconstructed with the neural network {model.name} {model.version}, weights {model.weights_sha256}."
    description = str(ds.get("SeriesDescription", ""))
    ds.SeriesDescription = description[: values.LONG - len(SUFFIX)].rstrip() + SUFFIX
    ds.ImageType = [*ds.ImageType, IMAGE_TYPE]
    ds.ImageComments = values.text(f"{sentence} {ds.get('ImageComments', '')}", values.LONG_TEXT)
    item = contributor(*PROCESSING_EQUIPMENT)
    item.Manufacturer = PRODUCT
    item.ManufacturerModelName = values.text(model.name)
    item.SoftwareVersions = values.text(model.version)
    item.ContributionDescription = values.text(f"{sentence} {model.trained_for}", _SHORT_TEXT)
    ds.ContributingEquipmentSequence = [*ds.get("ContributingEquipmentSequence", []), item]
