"""Images that a server has answered with, kept as the image groups of an ISMRMRD file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import ismrmrd
from ismrmrd.serialization import ProtocolDeserializer

from gateway.model.errors import UnreadableFile


def write_images(answer: BinaryIO, path: Path) -> int:
    """Write the images among the messages of an answer to a new file, a group for each series; say how many.

    Raises
    ------
    UnreadableFile
        There is a file already, or none can be made.
    """
    images = [item for item in ProtocolDeserializer(answer).deserialize() if isinstance(item, ismrmrd.Image)]
    if path.exists():
        raise UnreadableFile(path, "is there already")
    try:
        with ismrmrd.Dataset(str(path), create_if_needed=True) as dataset:
            for image in images:
                dataset.append_image(f"image_{image.image_series_index}", image)
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error)) from error
    return len(images)
