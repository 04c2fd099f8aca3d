"""Joiner 3: a series in the outbox reaches its destination, instance by instance, and is kept there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.confirm import Confirmer
from gateway.dicom.dicomweb import look
from gateway.dicom.folder import store_in_folder
from gateway.dicom.store import echo, store
from gateway.dicom.stow import store_by_web
from gateway.jobs.deliveries import ClaimedDelivery, DeliveryQueue
from gateway.model.destinations import Destination, FolderDestination, PacsDestination, StowDestination
from gateway.model.errors import GatewayError, NoRoute, PeerUnreachable
from gateway.model.route import Routes
from gateway.model.series import Instance

logger = logging.getLogger(__name__)

NOTE_EVERY_S = 0.1

Sender = Callable[[Sequence[tuple[Instance, Path]], Any, Callable[[Instance, int], None]], None]

SENDERS: Mapping[type, Sender] = {
    PacsDestination: store,
    StowDestination: store_by_web,
    FolderDestination: store_in_folder,
}


class Notes:
    """What a destination has confirmed, several in one transaction: each costs a sync of the disk.

    A death takes the notes of the last moment with it; those instances are sent once more, with the same bytes.
    """

    def __init__(self, write: Callable[[Sequence[tuple[Instance, int]]], None]) -> None:
        self._write = write
        self._pending: list[tuple[Instance, int]] = []
        self._written_at = -NOTE_EVERY_S

    def __call__(self, instance: Instance, status: int) -> None:
        """Note an instance with the status that it was confirmed with."""
        self._pending.append((instance, status))
        if time.monotonic() - self._written_at >= NOTE_EVERY_S:
            self.write()

    def write(self) -> None:
        """Make what is noted durable."""
        pending, self._pending = self._pending, []
        if pending:
            self._write(pending)
        self._written_at = time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Deliverer:
    """What a deliverer runs on each delivery it claims; only what the destination has not confirmed is sent."""

    deliveries: DeliveryQueue
    outbox: Path
    routes: Callable[[int], Routes]
    """Gets the number of their version."""

    def __call__(self, delivery: ClaimedDelivery) -> None:
        """Run one delivery to its end, and let the breaker know whether anybody was there."""
        breaker = self.deliveries.breaker
        try:
            self._deliver(delivery)
        except PeerUnreachable as fault:
            breaker.failed(delivery.destination, str(fault))
            raise
        breaker.reached(delivery.destination)

    def _deliver(self, delivery: ClaimedDelivery) -> None:
        destination = self.routes(delivery.routes_version).destinations.get(delivery.destination)
        if destination is None:
            raise NoRoute(
                f"version {delivery.routes_version} of the routes has no destination {delivery.destination!r}"
            )
        self._send(delivery, destination)
        confirm = Confirmer(deliveries=self.deliveries, outbox=self.outbox)
        confirm(delivery, destination)

    def _send(self, delivery: ClaimedDelivery, destination: Destination) -> None:
        files = [(instance, self.outbox / instance.path) for instance in delivery.missing]
        notes = Notes(lambda confirmed: self.deliveries.stored(delivery, confirmed))
        try:
            SENDERS[type(destination)](files, destination, notes)
        finally:
            notes.write()

    def probe(self, routes_version: int) -> None:
        """Ask the destinations that were left alone whether they are back."""
        for name in self.deliveries.breaker.open():
            destination = self.routes(routes_version).destinations.get(name)
            try:
                if isinstance(destination, PacsDestination):
                    echo(destination)
                elif isinstance(destination, StowDestination):
                    look(destination)
            except GatewayError as fault:
                logger.info("destination still away", extra={"destination": name, "reason": str(fault)})
            else:
                self.deliveries.breaker.reached(name)
