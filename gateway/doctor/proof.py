"""What a PACS proves that it keeps, and what can be read on the way to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.dicom.association import open_association
from gateway.dicom.commitment import STORAGE_COMMITMENT
from gateway.dicom.negotiation import Offer
from gateway.dicom.query import STUDY_ROOT_FIND
from gateway.dicom.syntaxes import UNCOMPRESSED
from gateway.doctor.finding import Finding, Health
from gateway.model.commitment import Commitment
from gateway.model.destinations import PacsDestination
from gateway.model.errors import GatewayError, PeerRefused


def protection(what: str, *, plain: bool) -> Finding:
    """Say whether what goes there can be read on the way."""
    if not plain:
        return Finding(what=what, health=Health.GOOD, said="is spoken to by TLS")
    remedy = "use TLS, unless the network is your own"
    return Finding(what=what, health=Health.DOUBTFUL, said="gets patients' data in the clear", remedy=remedy)


def proof(what: str, where: PacsDestination) -> Finding:
    """Ask a PACS by what it can prove that it keeps a series; without a proof, recordings are never deleted."""
    if where.commitment is Commitment.NONE:
        remedy = "give it another commitment: success is not yet a proof"
        return Finding(what=what, health=Health.DOUBTFUL, said="is believed without a proof", remedy=remedy)
    wanted = {STORAGE_COMMITMENT: "storage commitment", STUDY_ROOT_FIND: "queries"}
    try:
        with open_association(where, [Offer(uid, syntax) for uid in wanted for syntax in UNCOMPRESSED]) as association:
            accepted = {offer.sop_class for offer in association.contexts}
        given = [name for uid, name in wanted.items() if uid in accepted]
    except PeerRefused:
        given = []
    except GatewayError as fault:
        return Finding(what=what, health=Health.BAD, said=str(fault), remedy="check whether it is busy")
    needed = {Commitment.REQUIRED: "storage commitment", Commitment.QUERY: "queries"}.get(where.commitment)
    if (needed in given) if needed else given:
        return Finding(what=what, health=Health.GOOD, said=f"proves by {' and '.join(given)} that it keeps a series")
    remedy = f"let it give us {needed or 'storage commitment or queries'}, or give it another commitment"
    return Finding(what=what, health=Health.BAD, said="gives no proof that it keeps a series", remedy=remedy)


def away(destinations: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which destinations the deliverers leave alone, and why."""
    for name, reason in destinations.items():
        remedy = "when it answers, deliveries go on by themselves within half a minute"
        yield Finding(
            what=f"destination {name}: deliveries", health=Health.BAD, said=f"is left alone: {reason}", remedy=remedy
        )


def our_port(*, enabled: bool, plain: bool, commits: bool) -> Iterator[Finding]:
    """Look at our own DICOM port, which a PACS needs to report later than on the association on which it was asked."""
    if enabled:
        yield protection("dicom port", plain=plain)
    elif commits:
        remedy = "enable [dicom], and tell the PACS its port; else queries decide, an hour later"
        said = "is closed: a PACS that reports over an association of its own does not reach us"
        yield Finding(what="dicom port", health=Health.DOUBTFUL, said=said, remedy=remedy)
