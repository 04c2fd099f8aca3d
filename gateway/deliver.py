"""Joiner 3: a series in the outbox reaches its destination, instance by instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.dicom.folder import store_in_folder
from gateway.dicom.store import store
from gateway.dicom.stow import store_by_web
from gateway.jobs.deliveries import ClaimedDelivery, DeliveryQueue
from gateway.model.errors import NoRoute
from gateway.model.route import FolderDestination, PacsDestination, Routes, StowDestination
from gateway.model.series import Instance

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
        """Run one delivery to its end."""
        destination = self.routes(delivery.routes_version).destinations.get(delivery.destination)
        if destination is None:
            raise NoRoute(
                f"version {delivery.routes_version} of the routes has no destination {delivery.destination!r}"
            )
        files = [(instance, self.outbox / instance.path) for instance in delivery.missing]
        send = SENDERS[type(destination)]
        send(files, destination, lambda instance, status: self.deliveries.stored(delivery, instance, status))
        self.deliveries.succeed(delivery)
