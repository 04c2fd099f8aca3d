"""What the gate has said, in the objects: a warning that viewers show, and a private block with the numbers.

DICOM has no attributes for checks of a reconstruction. The block stands in group 0019, which is allowed in any object
(PS3.5 7.8.1): whoever does not know its creator leaves it alone.
"""

from __future__ import annotations

import json

from pydicom.dataset import Dataset

from gateway.dicom import values
from gateway.model.gate import WARNS, Ruling

GROUP = 0x0019
CREATOR = "MRI RECON GATEWAY GATE 1"
ELEMENTS = (
    (0x01, "LO", "action that followed"),
    (0x02, "LO", "name of the policy"),
    (0x03, "LO", "what a person decided; absent where nobody was asked"),
    (0x04, "UT", "every check: grade, value and limits, as JSON"),
    (0x05, "LO", "digest of what was judged: recording, recipe, weights"),
)
"""Element, VR and meaning, for the conformance statement."""

WARNS_OF_OTHERS = "QUALITY GATE, of the network's images and not of these:"
"""Begins the warning on a conventional series that is sent beside or in the place of what the gate has judged."""


def put_ruling(ds: Dataset, ruling: Ruling, *, learned: bool) -> None:
    """Write what the gate said; the warning comes first in Image Comments, before whatever else stands there.

    Parameters
    ----------
    learned
        Whether a network took part in these images; the warning is about such, and on others says so.
    """
    if ruling.warning:
        warning = ruling.warning if learned else ruling.warning.replace(WARNS, WARNS_OF_OTHERS, 1)
        ds.ImageComments = values.text(f"{warning} {ds.get('ImageComments', '')}", values.LONG_TEXT)
    block = ds.private_block(GROUP, CREATOR, create=True)
    told = (ruling.action.value, values.text(ruling.policy), ruling.decision, _numbers(ruling), ruling.subject)
    for (element, vr, _), value in zip(ELEMENTS, told, strict=True):
        if value is not None:
            block.add_new(element, vr, str(value))


def _numbers(ruling: Ruling) -> str:
    """Write what does not depend on how fast the machine was."""
    found = {
        each.check.value: {
            "grade": each.grade.value,
            "value": None if each.value is None else float(f"{each.value:.3g}"),
            "warn_above": each.warn_above,
            "fail_above": each.fail_above,
        }
        for each in ruling.assessments
    }
    return json.dumps(found, sort_keys=True)
