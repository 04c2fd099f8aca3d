"""Send a series to a PACS by C-STORE, as the bytes that are in the outbox (PS3.4 Annex B)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from gateway.dicom.association import VERIFICATION, describe, open_association
from gateway.dicom.status import Outcome, meaning_of
from gateway.model.errors import PeerRefused, PeerUnreachable, StorageFault
from gateway.model.route import PacsDestination
from gateway.model.series import Instance

TRANSFER_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""What we offer; the first is what lies in the outbox."""

_MESSAGE_IDS = 1 << 16

_config.STORE_SEND_CHUNKED_DATASET = True  # a path is sent as it lies there, without decoding


def store(
    instances: Sequence[tuple[Instance, Path]],
    destination: PacsDestination,
    on_stored: Callable[[Instance, int], None],
) -> None:
    """Send instances over one association, and say of each at once that the peer has it.

    Parameters
    ----------
    on_stored
        Called with the instance and the peer's status, which may be a warning.

    Raises
    ------
    PeerUnreachable
        Nobody answers, the peer is out of resources, or the outcome is unknown: send the same bytes again later.
    PeerRefused
        The peer does not want this, and will not.
    StorageFault
        A file is not what was written.
    """
    if not instances:
        return
    classes = sorted({instance.sop_class_uid for instance, _ in instances})
    contexts = [build_context(sop_class, syntax) for sop_class in classes for syntax in TRANSFER_SYNTAXES]
    with open_association(destination, contexts) as association:
        _require(classes, association, destination)
        for n_stored, (instance, path) in enumerate(instances):
            progress = f"{n_stored} of {len(instances)} stored"
            answer = _send(association, _load(instance, path, association), n_stored)
            _judge(answer, instance, f"{describe(destination)}, {progress}")
            on_stored(instance, int(answer.Status))


def echo(destination: PacsDestination) -> None:
    """Ask whether the peer is there and knows us (C-ECHO).

    Raises
    ------
    PeerUnreachable
        Nobody answers.
    PeerRefused
        The peer rejects us, or answers with a failure.
    """
    with open_association(destination, [build_context(VERIFICATION)]) as association:
        answer = association.send_c_echo()
        if "Status" not in answer:
            association.abort()
            raise PeerUnreachable(f"{describe(destination)} did not answer the echo within {destination.timeout_s:g} s")
        if answer.Status != 0:
            status = int(answer.Status)
            raise PeerRefused(f"{describe(destination)} answered 0x{status:04X} ({meaning_of(status).meaning})")


def _require(classes: Sequence[str], association: Association, destination: PacsDestination) -> None:
    """Refuse to send half a series."""
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    missing = [sop_class for sop_class in classes if sop_class not in accepted]
    if missing:
        raise PeerRefused(f"{describe(destination)} does not accept the SOP classes {', '.join(missing)}")


def _load(instance: Instance, path: Path, association: Association) -> Path | Dataset:
    """Check a file; decode it only for a peer that does not take it as it is."""
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise StorageFault(f"instance {instance.sop_instance_uid} cannot be read: {fault.strerror}") from fault
    if hashlib.sha256(content).hexdigest() != instance.sha256:
        raise StorageFault(f"instance {instance.sop_instance_uid} is not what was written: {path} has changed")
    accepted = {(context.abstract_syntax, context.transfer_syntax[0]) for context in association.accepted_contexts}
    as_it_is = (instance.sop_class_uid, TRANSFER_SYNTAXES[0]) in accepted
    return path if as_it_is else dcmread(BytesIO(content))


def _send(association: Association, content: Path | Dataset, n_stored: int) -> Dataset:
    """Send one instance; the answer is empty where the outcome is unknown."""
    try:
        answer = association.send_c_store(content, msg_id=n_stored % (_MESSAGE_IDS - 1) + 1)
    except RuntimeError:  # pynetdicom: the association is gone
        answer = Dataset()
    if "Status" not in answer:
        association.abort()  # a second send on it would block for a whole timeout
    return answer


def _judge(answer: Dataset, instance: Instance, where: str) -> None:
    """Raise unless the peer has the instance."""
    uid = instance.sop_instance_uid
    if "Status" not in answer:
        raise PeerUnreachable(f"{where}: no answer for instance {uid}, so it may be stored or not")
    status = int(answer.Status)
    row = meaning_of(status)
    if row.outcome in {Outcome.STORED, Outcome.STORED_WITH_WARNING}:
        return
    kind = PeerUnreachable if row.outcome is Outcome.RETRY else PeerRefused
    raise kind(f"{where}: answered 0x{status:04X} ({row.meaning}) to instance {uid}")
