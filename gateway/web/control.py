"""What the page may do, beside showing: handed over by whoever makes the page."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.jobs.audit import AuditTrail
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.people import People
from gateway.jobs.reconstructions import JobQueue
from gateway.steering import Steering


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Without it the page only shows."""

    people: People
    jobs: JobQueue
    deliveries: DeliveryQueue
    steering: Steering
    audit: AuditTrail
