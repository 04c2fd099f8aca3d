"""Joiner 3: a series in the outbox reaches its destination, instance by instance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.dicom.folder import store_in_folder
from gateway.dicom.store import echo, store
from gateway.dicom.stow import look, store_by_web
from gateway.jobs.deliveries import ClaimedDelivery, DeliveryQueue
from gateway.model.destinations import FolderDestination, PacsDestination, StowDestination
from gateway.model.errors import GatewayError, NoRoute, PeerUnreachable
from gateway.model.route import Routes
from gateway.model.series import Instance

logger = logging.getLogger(__name__)

Sender = Callable[[Sequence[tuple[Instance, Path]], Any, Callable[[Instance, int], None]], None]

SENDERS: Mapping[type, Sender] = {
    PacsDestination: store,
    StowDestination: store_by_web,
    FolderDestination: store_in_folder,
}


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
        files = [(instance, self.outbox / instance.path) for instance in delivery.missing]
        send = SENDERS[type(destination)]
        send(files, destination, lambda instance, status: self.deliveries.stored(delivery, instance, status))
        self.deliveries.succeed(delivery)

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
