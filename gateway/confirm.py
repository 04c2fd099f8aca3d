"""What comes after sending: a destination proves that it keeps a series, by a report or a query, or gets it again."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.dicom.commitment import request_commitment
from gateway.dicom.inventory import Wanted, in_archive, in_folder, in_pacs
from gateway.jobs.deliveries import ClaimedDelivery, DeliveryQueue
from gateway.model.commitment import Commitment, Report
from gateway.model.destinations import Destination, FolderDestination, PacsDestination, StowDestination
from gateway.model.errors import PeerRefused, PeerUnreachable, Unconfirmed

logger = logging.getLogger(__name__)

Look = Callable[[Any, Wanted], set[str]]

LOOKS: Mapping[type, Look] = {
    PacsDestination: in_pacs,
    StowDestination: in_archive,
    FolderDestination: in_folder,
}


@dataclass(frozen=True, kw_only=True)
class Confirmer:
    """Ends an attempt of which everything has been sent."""

    deliveries: DeliveryQueue
    outbox: Path

    def __call__(self, delivery: ClaimedDelivery, destination: Destination) -> None:
        """Ask for the proof that the destination wants to give, or look for one.

        Raises
        ------
        PeerUnreachable
            Nobody answers.
        Unconfirmed
            The destination gives no proof of the kind that the routes want.
        """
        policy = Commitment.QUERY if isinstance(destination, FolderDestination) else destination.commitment
        if policy is Commitment.NONE:
            self.deliveries.succeed(delivery)
        elif not delivery.unproven:
            self.deliveries.wait_for_proof(delivery, "proven before")
        elif isinstance(destination, PacsDestination) and policy is not Commitment.QUERY:
            self._ask(delivery, destination, policy)
        else:
            self._look(delivery, destination, policy)

    def _ask(self, delivery: ClaimedDelivery, destination: PacsDestination, policy: Commitment) -> None:
        """Ask for storage commitment; where that does not help, look."""
        due = timedelta(seconds=destination.commitment_timeout_s)
        if policy is Commitment.AUTO and delivery.asked_at and self.deliveries.clock() - delivery.asked_at >= due:
            logger.info("no report in time: looking instead", extra={"destination": delivery.destination})
            self._look(delivery, destination, policy)
            return
        transaction = _Transaction(deliveries=self.deliveries, uid=f"2.25.{uuid.uuid4().int}", delivery=delivery)
        self.deliveries.proofs.request(transaction.uid, delivery.delivery)
        try:
            request_commitment(destination, delivery.unproven, transaction)
        except (PeerRefused, PeerUnreachable) as refusal:  # Orthanc aborts where it does not know us; others are away
            if policy is Commitment.REQUIRED and isinstance(refusal, PeerRefused):
                raise _no_proof(str(refusal)) from refusal
            if policy is Commitment.REQUIRED:
                raise
            logger.info("no storage commitment: looking instead", extra={"reason": str(refusal)})
            self._look(delivery, destination, policy)
            return
        until = self.deliveries.clock() + due
        self.deliveries.wait_for_proof(delivery, f"asked to keep them; report due {_at(until)}", until=until)

    def _look(self, delivery: ClaimedDelivery, destination: Destination, policy: Commitment) -> None:
        """Look what is there. What is not may still be on its way into the destination's index; not for ever."""
        files = [(instance, self.outbox / instance.path) for instance in delivery.unproven]
        study, series = delivery.study_instance_uid, delivery.series_instance_uid
        wanted = Wanted(study_instance_uid=study, series_instance_uid=series, files=files)
        try:
            shown = LOOKS[type(destination)](destination, wanted)
        except PeerRefused as refusal:
            if policy is not Commitment.AUTO:
                raise _no_proof(str(refusal)) from refusal
            self.deliveries.wait_for_proof(delivery, f"no proof that they are kept: {refusal}")
            return
        lost = [instance for instance in delivery.unproven if instance.sop_instance_uid not in shown]
        counted = f"{delivery.n_instances - len(lost)} of {delivery.n_instances} instances shown"
        if not lost:
            self.deliveries.commit(delivery, counted)
        elif self._is_young(delivery, destination):
            self.deliveries.wait_for_proof(delivery, counted)
        else:
            self.deliveries.resend(delivery, lost, f"{counted}; the others are sent again")

    def _is_young(self, delivery: ClaimedDelivery, destination: Destination) -> bool:
        """Whether what was sent may not have been filed yet."""
        if isinstance(destination, FolderDestination):
            return False
        patience = timedelta(seconds=destination.commitment_timeout_s)
        sent_at = delivery.stored_at if not delivery.missing else None
        return sent_at is None or self.deliveries.clock() - sent_at < patience


@dataclass(frozen=True, kw_only=True)
class _Transaction:
    """One request, as the association with the PACS sees it."""

    deliveries: DeliveryQueue
    delivery: ClaimedDelivery
    uid: str

    def taken(self) -> None:
        self.deliveries.proofs.taken(self.uid)

    def report(self, report: Report) -> bool:
        return self.deliveries.proofs.report(report, self.delivery.destination)

    def answered(self) -> bool:
        return self.deliveries.proofs.answered(self.uid)


def _no_proof(refusal: str) -> Unconfirmed:
    return Unconfirmed(
        f"sent, but without the proof that the routes want: {refusal}. Let the PACS give it, "
        "or give the destination another commitment"
    )


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
