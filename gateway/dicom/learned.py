"""The marks of a learned reconstruction, in four places that a person or a program looks at.

DICOM has no attribute for it in MR objects, and no place alone survives every viewer: the name of the series, its Image
Type, the equipment that contributed, and the comments of each image. A conventional series carries none of them.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from gateway.dicom import values
from gateway.dicom.attributes import PRODUCT, contributor
from gateway.model.learned import LearnedModel

SUFFIX = "[AI]"
"""Ends the Series Description, which is cut so that this fits."""

IMAGE_TYPE = "DLRECON"
"""Last value of Image Type; without an underscore, at which dcm2niix splits. An Enhanced object has no room for it
(C.8.16.1): there the comments of each frame say it."""

PROCESSING_EQUIPMENT = ("109102", "Processing Equipment")

_SHORT_TEXT = 1024


def mark(ds: Dataset, model: LearnedModel) -> None:
    """Mark what all images of a series share, but for Image Type."""
    sentence = f"Reconstructed with the neural network {model.name} {model.version}, weights {model.weights_sha256}."
    ds.SeriesDescription = values.text_ending(ds.get("SeriesDescription", ""), SUFFIX)
    ds.ImageComments = values.text(f"{sentence} {ds.get('ImageComments', '')}", values.LONG_TEXT)
    item = contributor(*PROCESSING_EQUIPMENT)
    item.Manufacturer = PRODUCT
    item.ManufacturerModelName = values.text(model.name)
    item.SoftwareVersions = values.text(model.version)
    item.ContributionDescription = values.text(f"{sentence} {model.trained_for}", _SHORT_TEXT)
    ds.ContributingEquipmentSequence = [*ds.get("ContributingEquipmentSequence", []), item]
